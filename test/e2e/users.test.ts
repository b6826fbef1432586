/*
 * Several users of one host: what one of them makes is not read, used or run by another. Root is a user too, and the
 * one with the most to lose.
 */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, statSync, writeFileSync } from "node:fs";
import { linesOf, needs, openSite } from "./harness.ts";
import { lab, openUsers, whyNoUsers } from "../systems/users.ts";

const asUsers = needs(["unshare", "setpriv"], whyNoUsers);

/** Settings that leave a file behind when they are read, and give tasks a variable. */
function trap(file: string): string {
  return `[logging]\nlevel_eval = "touch ${file}; echo info"\n[export]\nplanted = "yes"\n`;
}

/** Shows whether the settings of a trap count, and what is said of them. */
const tried = "echo x | hsx -t 'echo [$PLANTED]' --no-db; hs config get logging.level; hs config get -x --local";

asUsers("settings of another user are not read, by an ordinary user or by root, and a line says so", async () => {
  await using users = openUsers();
  const { alice, bob, root, tmp } = users;
  const ran = `${tmp}/ran`;
  expect((await bob.run("hs init && chmod -R a+rX .hypershell && mkdir -m 777 deep", { cwd: tmp })).status).toBe(0);
  const [planted, single] = [`${tmp}/.hypershell/config.toml`, `${users.path}/etc/x.toml`];
  for (const file of [planted, single]) {
    writeFileSync(file, trap(ran));
    chownSync(file, bob.uid, bob.uid);
  }
  const log = " WARNING [hypershell.core.config] ";
  for (const user of [alice, root]) {
    const { stdout, stderr } = await user.run(tried, { cwd: tmp });
    expect(stdout).toBe("[]\ninfo\n");
    const why = `${tmp}/.hypershell belongs to bob, and you are ${user.name} - use a folder of your own`;
    const project = `${log}The project in ${tmp} does not count: ${why}`;
    expect(linesOf(stderr).slice(0, 2)).toEqual([project, project]);
    expect(linesOf(stderr)[2]).toContain(`The settings in ${planted} do not count: ${why}`);
    const below = await user.run("hs config get -x logging.level", { cwd: `${tmp}/deep` });
    expect([below.status, below.stdout]).toEqual([0, "info\n"]);
    const only = await user.run(tried, { env: { HYPERSHELL_CONFIG_FILE: single } });
    expect(only.stdout).toBe("[]\ninfo\n");
    expect(linesOf(only.stderr)[0]).toBe(
      `${log}The settings in ${single} do not count: ${single} belongs to bob, and you are ${user.name} - ` +
        `look at what is in it, then copy it, or say as root: chown ${user.name} ${single}`,
    );
    const changed = await user.run("hs config set --local server.port 1; EDITOR=cat hs config edit --local", {
      cwd: tmp,
    });
    expect([changed.status, changed.stdout]).toEqual([5, ""]);
  }
  expect(existsSync(ran)).toBe(false);
  expect((await bob.run("hs config get -x logging.level", { cwd: tmp })).stdout).toBe("info\n");
  expect(existsSync(ran)).toBe(true);
});

asUsers("a user's own settings count as long as nobody else can write them or put others in their place", async () => {
  await using users = openUsers();
  const { alice, bob, root } = users;
  const file = `${alice.home}/.hypershell/config.toml`;
  const start = "umask 002; chmod g+w .; mkdir .hypershell; echo 'export.planted = \"yes\"' > .hypershell/config.toml";
  const tell = "echo x | hsx -t 'echo [$PLANTED]' --no-db";
  // On many systems each user has a group alone, and this umask.
  expect(await alice.run(`${start}; ${tell}`)).toEqual({ status: 0, stdout: "[yes]\n", stderr: "" });
  for (const [path, mode] of [
    [file, "0664"],
    [`${alice.home}/.hypershell`, "2775"],
    [alice.home, "0775"],
  ] as const) {
    chownSync(path, alice.uid, lab.gid);
    chmodSync(path, Number.parseInt(mode, 8));
    const { stdout, stderr } = await alice.run(tell);
    expect(stdout).toBe("[]\n");
    expect(linesOf(stderr)).toEqual([
      expect.stringContaining(
        ` WARNING [hypershell.core.config] The settings in ${file} do not count: others may write ${path} ` +
          `(mode ${mode}, group lab) - look at what is in it, then say: chmod go-w ${path}`,
      ) as string,
    ]);
    chownSync(path, alice.uid, alice.uid);
  }
  // Who becomes root and keeps the home of a user.
  const kept = await root.run(tell, { env: { HOME: alice.home } });
  expect([kept.stdout, kept.stderr]).toEqual(["[]\n", expect.stringContaining("belongs to alice, and you are root")]);
  expect((await bob.run(tell, { env: { HYPERSHELL_CONFIG_FILE: file } })).stdout).toBe("[]\n");
  // What root has written counts for everybody.
  chownSync(file, 0, 0);
  expect((await alice.run(tell)).stdout).toBe("[yes]\n");
});

asUsers("a site of another user is used only by whoever says that others use it too", async () => {
  await using users = openUsers();
  const { alice, bob, tmp } = users;
  const site = `${bob.home}/site`;
  const env = { HYPERSHELL_SITE: site };
  await bob.run("echo echo planted | hs submit; chmod 755 $HYPERSHELL_SITE $HYPERSHELL_SITE/*", { env });
  const refused = await alice.run("hs server --restart; hs list; echo true | hsx; hs list -c", { env });
  expect([refused.status, refused.stdout, linesOf(refused.stderr).length]).toEqual([3, "", 4]);
  for (const line of linesOf(refused.stderr)) {
    expect(line).toEndWith(
      `${site} belongs to bob, and you are alice: whoever can write there says what is run - use a site of your own, ` +
        "or, if you trust them, HYPERSHELL_SITE_SHARED=true (site.shared)",
    );
  }
  // A database may also be elsewhere.
  const file = `${bob.home}/x.db`;
  await bob.run(`echo 'echo planted' | hs submit; chmod 666 ${file}`, { env: { HYPERSHELL_DATABASE_FILE: file } });
  const elsewhere = { HYPERSHELL_DATABASE_FILE: file };
  const theirs = await alice.run("hsx --restart", { env: elsewhere });
  expect([theirs.status, theirs.stdout]).toEqual([3, ""]);
  const why = "and whoever can write it says what is run as you";
  expect(theirs.stderr).toContain(`${file} belongs to bob, ${why} - use a database of your own, or, if you trust`);
  expect((await bob.run("hsx --restart", { env: elsewhere })).stderr).toContain(
    ` WARNING [hypershell.data] Others may write ${file} (mode 0666), ${why} - chmod go-w ${file}, or, if you trust`,
  );
  const open = await alice.run("mkdir -m 777 o; hs list -c", { env: { HYPERSHELL_SITE: `${alice.home}/o` } });
  expect(open.stderr).toStartWith(
    ` WARNING [hypershell.core.config] Others may write ${alice.home}/o (mode 0777), and whoever writes there`,
  );
  const shared = { HYPERSHELL_SITE: `${tmp}/s`, HYPERSHELL_SITE_SHARED: "true" };
  const made = await bob.run(
    `umask 007; mkdir ${tmp}/s; chgrp lab ${tmp}/s; chmod g+s ${tmp}/s; echo 'echo $SAID' | hs submit; ` +
      "hs config set --local export.said 'by bob'; find $HYPERSHELL_SITE -printf '%g %m %P\\n' | sort",
    { env: shared },
  );
  expect(linesOf(made.stdout)).toEqual([
    "lab 2770 ",
    "lab 2770 lib",
    "lab 2770 lib/task",
    "lab 2770 log",
    "lab 660 config.toml",
    "lab 660 lib/main.db",
  ]);
  const used = await alice.run("hsx --restart && hs list -c --succeeded", { env: shared });
  expect([used.stdout, used.stderr.includes("WARNING")]).toEqual(["by bob\n1\n", false]);
  chmodSync(`${tmp}/s/config.toml`, 0o666);
  expect((await alice.run("hs list -c", { env: shared })).stderr).toContain(`others may write ${tmp}/s/config.toml`);
});

asUsers("a site that an older version has left open is closed, unless a group is meant to write it", async () => {
  await using users = openUsers();
  const { alice, bob } = users;
  const lib = `${alice.home}/.hypershell/lib`;
  await alice.run("echo true | hsx; chmod -R a+rX .hypershell");
  const [first, second] = [await alice.run("hs list -c"), await alice.run("hs list -c")];
  const remedy = "if others are to use it: site.shared = true (HYPERSHELL_SITE_SHARED=true)";
  expect(first.stderr).toBe(
    ` WARNING [hypershell.core.config] Closed ${lib} to others, who could look into it (mode 0755) - ${remedy}, ` +
      `and chmod 0755 ${lib}\n`,
  );
  expect([first.stdout, second]).toEqual(["1\n", { status: 0, stdout: "1\n", stderr: "" }]);
  expect((await bob.run(`cat ${lib}/main.db`)).status).toBe(1);
  chownSync(lib, alice.uid, lab.gid);
  chmodSync(lib, 0o2770);
  const open = await alice.run("hs list -c; hs list -c; HYPERSHELL_SITE_SHARED=1 hs list -c");
  const line =
    ` WARNING [hypershell.core.config] Others may use ${lib} (mode 2770), and whoever writes there says what is run ` +
    `as you - chmod go-rwx ${lib}, or ${remedy}\n`;
  expect(open).toEqual({ status: 0, stdout: "1\n1\n1\n", stderr: line + line });
});

test("a URL in place of the file of a database is refused, without its password, and makes no file", async () => {
  await using site = openSite();
  const url = "postgresql://user:secret@host/db";
  const { stderr } = await site.shell(
    `HYPERSHELL_DATABASE=${url} hsx ::: true; HYPERSHELL_DATABASE_DATABASE=${url} hs list; ` +
      `echo ${url} | hs config set database.file -`,
  );
  const problem = "must not be a URL: database.url takes one (HYPERSHELL_DATABASE_URL)";
  expect(linesOf(stderr)).toEqual([
    `CRITICAL [hypershell.core.config] database.file ${problem} (from: HYPERSHELL_DATABASE)`,
    `CRITICAL [hypershell.core.config] database.database ${problem} (from: HYPERSHELL_DATABASE_DATABASE)`,
    `CRITICAL [hypershell] argument value: database.file ${problem}`,
  ]);
  expect(await site.shell("ls -A; ls -A ~")).toEqual({ status: 0, stdout: "", stderr: "" });
});

test("tasks have no keys and passwords, unless they are exported, and submit more tasks all the same", async () => {
  await using site = openSite();
  const env = {
    HYPERSHELL_SERVER_AUTH: "secret-1",
    PGPASSWORD: "secret-2",
    HYPERSHELL_DATABASE_PASSWORD_ENV: "PW",
    PW: "secret-3",
    HYPERSHELL_DATABASE_URL: "sqlite:////nowhere?password=secret-4",
    HYPERSHELL_EXPORT_PGPASSWORD: "exported",
  };
  const seen = await site.shell("echo env | hsx --no-db", { env });
  expect(seen.stdout).not.toContain("secret");
  expect(linesOf(seen.stdout)).toContain("PGPASSWORD=exported");
  expect(linesOf(seen.stdout)).toContain("HYPERSHELL_DATABASE_URL=sqlite:////nowhere");
  site.write(`${site.path}/site/config.toml`, `[database]\nfile = "${site.work}/own.db"\n`);
  await site.shell("echo 'echo echo more | hs submit' | hsx; hsx --restart", { env: { HYPERSHELL_SERVER_AUTH: "k" } });
  expect((await site.hs(["list", "-c", "-w", "exit_status==0"])).stdout).toBe("2\n");
  expect(site.exists("own.db")).toBe(true);
});

asUsers(
  "programs that have a key tell nobody of their memory, unless that is asked for, and tasks are as ever",
  async () => {
    await using users = openUsers();
    const { alice } = users;
    // Whoever owns this file may read the memory of the process, and only of such a process Linux makes a core.
    const seen = (pid: number): number => statSync(`/proc/${pid}/environ`).uid;
    const task =
      "echo $PPID $(ulimit -c) $(stat -c %u /proc/self/environ) $(cat /proc/$PPID/environ | wc -c); sleep 60";
    const run = async (env: Record<string, string>): Promise<readonly unknown[]> => {
      await using hsx = alice.start(`ulimit -c unlimited; echo '${task}' | hsx --no-db`, { env });
      const [pid = "", limit, own, bytes] = (await hsx.line(/unlimited/)).split(" ");
      expect([limit, own]).toEqual(["unlimited", String(alice.uid)]);
      return [seen(Number(pid)), bytes !== "0"];
    };
    const key = { HYPERSHELL_SERVER_AUTH: "0123456789abcdef" };
    expect(await Promise.all([run(key), run({}), run({ ...key, HYPERSHELL_SITE_DUMPABLE: "true" })])).toEqual([
      [0, false],
      [alice.uid, true],
      [alice.uid, true],
    ]);
    await using server = alice.start("exec hs server --forever --no-db -p 47320", { env: key });
    await server.line(/listening/);
    expect(seen(server.pid)).toBe(0);
  },
);

/** Says of what others may use, whoever asks. */
const openOnes = "find ~ -mindepth 1 -perm /077 ! -type l";

/** What each run of the next test does, and the rest of what makes files. `$PORT` is the server's. */
const usual = `cd ~; echo true | hs submit; echo "${openOnes}" | hsx; echo echo | hsx --capture`;
const everything = `
  hs config set server.port $PORT; hs config set server.auth --generate; hs list >/dev/null
  hs server --restart & hs client --capture -N1; wait
  echo 'false' | hs cluster --capture; hs update -y --failed --revert; hs info $(hs list id -l1) --stdout
  hs initdb --rotate -y; hs initdb -y --backup ~/backups.db; hs initdb -y --vacuum; hs clean -y
  hs init p >/dev/null; cd p; echo true | hsx --capture; cd
  echo true | HYPERSHELL_SITE=~/a/site hsx --capture; echo true | HYPERSHELL_DATABASE_FILE=~/b/other.db hsx
`;

asUsers("whatever the umask, nobody else can read what any command has made", async () => {
  await using users = openUsers();
  const { alice, bob } = users;
  const runs = ["000", "002", "022"].map(async (umask, at) => {
    const env = { HOME: `${alice.home}/${umask}`, PORT: `${47_310 + at}`, HYPERSHELL_CLIENT_CONNECT: "5" };
    return alice.run(`mkdir ${umask}; umask ${umask}; ${usual}; ${at === 0 ? everything : ""} ${openOnes}`, { env });
  });
  // What only a running command has (the log of a database) was looked at by a task.
  for (const { stdout } of await Promise.all(runs)) expect(stdout).toBe("");
  const made = linesOf((await alice.run("find 0* -type f -printf '%P\\n'")).stdout);
  for (const name of ["lib/main.db", "lib/main.1", "lib/tls/server.key", "config.toml"])
    expect(made).toContain(`.hypershell/${name}`);
  expect(made).toContain("backups.db");
  expect((await bob.run(`find ${alice.home}/0* -mindepth 1 -readable`)).stdout).toBe("");
});
