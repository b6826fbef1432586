/*
 * Log files as a user meets them: which file a command writes, what is in it, what begins a new one, and what happens
 * when it cannot be written.
 */
import { expect, test } from "bun:test";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { linesOf, needs, openSite, type Site, until } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";
import { openUsers, whyNoUsers } from "../systems/users.ts";

const host = hostname().split(".", 1)[0]!;
const on = { HYPERSHELL_LOGGING_FILE: "enabled" } as const;

const folderOf = (site: Site): string => join(site.path, "site", "log");
const logs = (site: Site): readonly string[] =>
  readdirSync(folderOf(site))
    .filter((name) => !name.endsWith(".lock"))
    .toSorted();
const textOf = (site: Site, name: string): string => readFileSync(join(folderOf(site), name), "utf8");

test("each command writes its own file, all of it, for its user alone, and the console stays as it is", async () => {
  await using site = openSite();
  const env = { ...on };
  const plain = await site.hsx(["-N2", "-t", "echo {}"], { stdin: "1\n2\n" });
  const logged = await site.shell(
    "umask 0; printf '1\\n2\\n' | hsx -N2 -t 'echo {}'; hs submit true; hs list --count",
    { env },
  );
  expect(plain.stderr).toBe("");
  expect([linesOf(logged.stdout).slice(0, 2).toSorted(), linesOf(logged.stdout).at(-1)]).toEqual([["1", "2"], "5"]);
  expect(linesOf(logged.stderr).filter((line) => !/hypershell\.submit\] Submitted/.test(line))).toEqual([]);
  expect(logs(site)).toEqual([`cluster-${host}.log`, "main.log", `submit-${host}.log`].toSorted());
  for (const name of readdirSync(folderOf(site)))
    expect([name, statSync(join(folderOf(site), name)).mode & 0o777]).toEqual([name, 0o600]);
  const cluster = textOf(site, `cluster-${host}.log`);
  const shape =
    /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ +(?:TRACE|DEBUG|INFO) \[[-0-9a-f]{36}\] \[hypershell[.\w]*\] ./;
  expect(linesOf(cluster).filter((line) => !shape.test(line))).toEqual([]);
  expect(cluster.match(/INFO .*Running task \(/g)).toHaveLength(2);
  expect(cluster).toMatch(/TRACE/);
  expect(cluster).toContain(`DEBUG`);
  expect(cluster).toContain(`Logging to file (${join(folderOf(site), `cluster-${host}.log`)})`);
});

test("what is said of the log file is heeded, or refused with the reason", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_LOGGING_FILE_PATH: "own.txt", HYPERSHELL_LOGGING_FILE_LEVEL: "error" };
  const quiet = await site.hsx(["--no-db", "-N1"], { stdin: "true\n", env });
  expect([quiet.status, quiet.stderr, site.read("own.txt")]).toEqual([0, "", ""]);
  const layout = { HYPERSHELL_LOGGING_FILE: "b.log", HYPERSHELL_LOGGING_FILE_FORMAT: "%(levelname)s %(message)s" };
  const bad = await site.hs(["list", "--bogus"], { env: layout });
  expect([bad.status, linesOf(site.read("b.log")).at(-1)]).toEqual([
    2,
    expect.stringContaining("CRITICAL unrecognized"),
  ]);
  for (const [name, value, reason] of [
    ["ROTATE", "weekly", "logging.file.rotate has the unrecognized value 'weekly'"],
    ["ROTATE", "100", "logging.file.rotate must be at least 1000, not 100"],
    ["COMPRESS", "zip", "logging.file.compress has the unrecognized value 'zip'"],
    ["FORMAT", "%(nobody)s", "unknown attribute 'nobody'"],
    ["LEVEL", "loud", "logging.file.level has the unrecognized value 'loud'"],
  ]) {
    const key = `HYPERSHELL_LOGGING_FILE_${name}`;
    const ended = await site.hs(["list"], { env: { [key]: value } });
    expect([ended.status, ended.stderr]).toEqual([3, expect.stringContaining(reason!)]);
    expect(ended.stderr).toContain(`(from: ${key})`);
    expect(linesOf(ended.stderr)).toHaveLength(1);
  }
  const off = await site.hs(["list", "--count"], { env: { HYPERSHELL_LOGGING_FILE: "false" } });
  expect([off.stderr, logs(site)]).toEqual(["", []]);
});

test("twenty clients of one host write to their own files, and a lock that a dead one had is free", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-db", "--no-tls"], { env: on });
  const clients = Array.from({ length: 20 }, () => startClient(site, port, ["-N1", "--no-tls"], { env: on }));
  const names = Array.from({ length: 20 }, (_, n) => `client-${host}${n === 0 ? "" : `-${n + 1}`}.log`);
  const own = (name: string): string => {
    const found = new Set(textOf(site, name).match(/\[[-0-9a-f]{36}\]/g));
    return found.size === 1 ? [...found][0]! : "";
  };
  await until(
    () => names.every((name) => logs(site).includes(name) && own(name) !== ""),
    () => logs(site).join(" "),
  );
  expect(new Set(names.map(own)).size).toBe(20);
  expect(logs(site)).toEqual([...names, `server-${host}.log`].toSorted());
  clients[0]!.kill("SIGKILL");
  await clients[0]!.ended;
  const next = startClient(site, port, ["-N1", "--no-tls"], { env: on });
  await until(
    () => names.some((name) => new Set(textOf(site, name).match(/\[[-0-9a-f]{36}\]/g)).size === 2),
    () => logs(site).join(" "),
  );
  server.kill("SIGUSR1");
  await Promise.all([server.ended, next.ended, ...clients.map((client) => client.ended)]);
  expect(logs(site)).toHaveLength(21);
});

test("HUP begins a new file at once, and logrotate moves one away: no line is lost, and the tasks go on", async () => {
  await using site = openSite();
  const env = { ...on, HYPERSHELL_LOGGING_FILE_COMPRESS: "gzip", HYPERSHELL_LOGGING_FILE_ROTATE: "32KB" };
  const run = site.start(["hsx", "-N4", "-t", "true {}"], { env, keepOpen: true });
  const log = join(folderOf(site), `cluster-${host}.log`);
  const numbers = (from: number, to: number): string =>
    Array.from({ length: to - from }, (_, n) => `${from + n}\n`).join("");
  const completed = (): number => site.lines(log).filter((line) => /Completed task/.test(line)).length;
  run.type(numbers(0, 150));
  await until(() => completed() > 20, "nothing is logged");
  run.kill("SIGHUP");
  await until(() => logs(site).length > 1, "there is no second file");
  await until(() => completed() > 20, "nothing is logged into the second file");
  renameSync(log, join(folderOf(site), "moved"));
  writeFileSync(log, "");
  run.kill("SIGHUP");
  run.type(numbers(150, 300));
  run.closeStdin();
  expect(await run.ended).toMatchObject({ status: 0, stderr: "" });
  const { stdout } = await site.shell(`cat ${folderOf(site)}/moved; zcat -f ${folderOf(site)}/cluster-*[!k]`);
  const ids = stdout.match(/DEBUG .*Completed task \([-0-9a-f]{36}\)/g) ?? [];
  expect(new Set(ids.map((line) => line.slice(-38))).size).toBe(300);
  expect(logs(site).filter((name) => name.endsWith(".gz")).length).toBeGreaterThan(1);
});

test("a log file that cannot be written costs one line, and nothing else", async () => {
  await using site = openSite();
  mkdirSync(join(site.work, "folder"));
  const stranger = await site.hsx(["--no-db"], { stdin: "echo 1\n", env: { HYPERSHELL_LOGGING_FILE: "folder" } });
  expect([stranger.status, stranger.stdout, linesOf(stranger.stderr).length]).toEqual([0, "1\n", 1]);
  expect(stranger.stderr).toMatch(
    /WARNING .*Cannot write the log file \(.*folder\): it is a directory - the run goes on/,
  );
  const none = await site.hsx(["--no-db"], { stdin: "echo 1\n", env: { HYPERSHELL_LOGGING_FILE: "/proc/none/a.log" } });
  expect([none.status, none.stdout, linesOf(none.stderr).length]).toEqual([0, "1\n", 1]);
  symlinkSync("real.log", join(site.work, "link.log"));
  const link = await site.hsx(["--no-db"], { stdin: "echo 1\n", env: { HYPERSHELL_LOGGING_FILE: "link.log" } });
  expect([link.stderr, site.lines("real.log").length > 3]).toEqual(["", true]);
});

needs(["unshare", "setpriv"], whyNoUsers)(
  "what another user has put in place of the log file is not written, and one line says so",
  async () => {
    await using users = openUsers();
    const { alice, bob, tmp } = users;
    const plant = `umask 0; ln -s ${alice.home}/victim link.log; touch file.log; mkfifo pipe.log; mkdir folder.log`;
    expect((await bob.run(`${plant}; umask 077; touch slot.log.lock`, { cwd: tmp })).status).toBe(0);
    for (const [name, reason] of [
      ["link", "is a link that belongs to bob"],
      ["file", "(?:it belongs to bob|permission denied)"],
      ["pipe", "(?:no regular file|permission denied|no such device)"],
      ["folder", "it is a directory"],
    ]) {
      const env = { HYPERSHELL_LOGGING_FILE: `${tmp}/${name}.log` };
      const { status, stdout, stderr } = await alice.run("echo echo 1 | hsx --no-db", { env });
      expect([name, status, stdout, linesOf(stderr).length]).toEqual([name, 0, "1\n", 1]);
      expect(stderr).toMatch(new RegExp(`Cannot write the log file .*${reason}`));
    }
    expect(existsSync(join(alice.home, "victim"))).toBe(false);
    expect(statSync(join(tmp, "file.log")).size).toBe(0);
    const second = await alice.run("hsx --no-db </dev/null", { env: { HYPERSHELL_LOGGING_FILE: `${tmp}/slot.log` } });
    expect([second.stderr, statSync(join(tmp, "slot-2.log")).uid]).toEqual(["", alice.uid]);
  },
);

needs(["mount"], process.getuid?.() === 0 ? null : "only root can mount a small file system")(
  "on a full disk the run goes on, one line says so, and the log follows when there is room",
  async () => {
    await using site = openSite();
    const small = join(site.work, "small");
    mkdirSync(small);
    expect(Bun.spawnSync(["mount", "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs", small]).exitCode).toBe(0);
    try {
      writeFileSync(join(small, "filler"), Buffer.alloc(504 * 1024));
      const run = site.start(["hsx", "--no-db", "-N4"], {
        env: { HYPERSHELL_LOGGING_FILE: "small/a.log" },
        keepOpen: true,
      });
      run.type("true\n".repeat(100));
      await run.line(/Cannot write the log file .*: no space left on device/);
      rmSync(join(small, "filler"));
      run.type("true\n");
      const completed = (): number =>
        site.lines("small/a.log").filter((line) => /server\] Completed task/.test(line)).length;
      await until(() => completed() === 101, "the log does not follow");
      run.closeStdin();
      const ended = await run.ended;
      expect([ended.status, linesOf(ended.stderr).length]).toEqual([0, 1]);
    } finally {
      Bun.spawnSync(["umount", "-l", small]);
    }
  },
);

test("what was said last before a signal ended the program is in the file", async () => {
  await using site = openSite();
  const { server } = await startServer(site, ["--forever", "--no-db", "--no-tls"], { env: on });
  server.kill("SIGTERM");
  expect((await server.ended).status).toBe(143);
  expect(textOf(site, `server-${host}.log`)).toMatch(/CRITICAL .*terminated \(SIGTERM\): going down now!\n/);
  const waiting = site.start(["hs", "submit", "-f", "-"], { env: on, keepOpen: true });
  waiting.type("true\n");
  await until(
    () => site.lines(join(folderOf(site), `submit-${host}.log`)).some((line) => /Loaded/.test(line)),
    "nothing",
  );
  waiting.kill("SIGHUP");
  expect((await waiting.ended).status).toBe(129);
});
