/*
 * Several users of one host: what one of them makes is not read, used or run by another. Root is a user too, and the
 * one with the most to lose.
 */
import { expect } from "bun:test";
import { chmodSync, chownSync, existsSync, writeFileSync } from "node:fs";
import { linesOf, needs } from "./harness.ts";
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
    expect(linesOf(stderr)[2]).toContain(`The settings in ${planted} do not count: ${planted} belongs to bob, and you`);
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
  const { alice, bob } = users;
  await bob.run(
    "chmod 777 .; umask 0; echo touch ran | hs submit; echo 'export.planted = \"yes\"' > .hypershell/config.toml",
  );
  const site = `${bob.home}/.hypershell`;
  await bob.run("chmod -R a+rX .hypershell; chmod g-w .hypershell");
  const env = { HYPERSHELL_SITE: site };
  const refused = await alice.run("hs server --restart; hs list; echo true | hsx; hs list -c", { env });
  expect([refused.status, refused.stdout]).toEqual([3, ""]);
  for (const line of linesOf(refused.stderr)) {
    expect(line).toEndWith(
      `${site} belongs to bob, and you are alice: whoever can write there says what is run - use a site of your own, ` +
        "or, if you trust them, HYPERSHELL_SITE_SHARED=true (site.shared)",
    );
  }
});
