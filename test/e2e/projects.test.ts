/*
 * Projects (`hs init`): folders with settings, a database and captured output of their own. Where the database is
 * without one.
 */
import { expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, statSync } from "node:fs";
import { linesOf, openSite, type Site } from "./harness.ts";

/** Nobody has chosen a site. */
const plain = { HYPERSHELL_SITE: undefined };
const isRoot = process.getuid?.() === 0;

function project(site: Site, name: string): string {
  return `${site.work}/${name}/.hypershell`;
}

test("hs init makes a project that every command below it finds and names in one line", async () => {
  await using site = openSite();
  const run = (line: string, cwd = "."): ReturnType<Site["shell"]> => site.shell(line, { env: plain, cwd });
  const p = project(site, "p");
  expect(await run("hs init p")).toEqual({ status: 0, stdout: `Made the project ${p}\n`, stderr: "" });
  mkdirSync(`${site.work}/p/a/b`, { recursive: true });
  const first = await run("echo hi | hsx -t 'echo {}' --capture", "p/a/b");
  expect([first.status, first.stdout]).toEqual([0, ""]);
  expect(linesOf(first.stderr)).toEqual([
    `    INFO [hypershell.core.config] Project ${site.work}/p`,
    `    INFO [hypershell.data] Made the database ${p}/lib/main.db`,
  ]);
  const listed = await run("hs list outpath args", "p/a");
  expect(listed.stderr).toBe(`    INFO [hypershell.core.config] Project ${site.work}/p\n`);
  const [outpath] = listed.stdout.split("\t");
  expect(outpath).toStartWith(`${p}/lib/task/`);
  expect((await run("hs list --count", "p")).stdout).toBe("1\n");
  // Whoever does not use one sees nothing of it.
  expect(await site.hs(["list", "--count"])).toEqual({ status: 0, stdout: "0\n", stderr: "" });
});

test("settings of a project hold in it alone, and the interface for the local file is as ever", async () => {
  await using site = openSite();
  const run = (line: string, cwd = "."): ReturnType<Site["shell"]> => site.shell(line, { env: plain, cwd });
  await run("hs init p");
  mkdirSync(`${site.work}/p/a`);
  await run("hs config set --local server.attempts 3", "p/a");
  await run("hs config set --user server.port 50123; hs config set --user database.file ~/mine.db");
  expect((await run("hs config --local; hs config --user", "p/a")).stdout).toBe(
    `${project(site, "p")}/config.toml\n${site.path}/home/.hypershell/config.toml\n`,
  );
  const which = "for k in server.attempts server.port database.file; do hs config which $k --site; done";
  expect((await run(which, "p/a")).stdout).toBe("local\nuser\npreload\n");
  expect((await run(which)).stdout).toBe("default\nuser\nuser\n");
  expect((await run("hs config get database.file", "p/a")).stdout).toBe(`${project(site, "p")}/lib/main.db\n`);
  expect((await site.hs(["config", "--local"], { cwd: "p/a" })).stdout).toBe(`${site.path}/site/config.toml\n`);
  expect((await run("hs config get server.attempts --local", "p/a")).stdout).toBe("3\n");
  await run("hs config set --local database.file p.db; hsx ::: true", "p/a");
  expect([site.exists("p/p.db"), site.exists("p/a/p.db")]).toEqual([true, false]);
  expect((await run("hs list -c", "p")).stdout).toBe("1\n");
});

test("hs init again changes nothing; within a project it names the outer one; not for a user's own site", async () => {
  await using site = openSite();
  const run = (line: string, cwd = "."): ReturnType<Site["shell"]> => site.shell(line, { env: plain, cwd });
  await run("hs init p; cd p; echo true | hsx; hs config set --local server.attempts 3");
  expect(await run("hs init", "p")).toEqual({
    status: 0,
    stdout: `There is a project already: ${project(site, "p")}\n`,
    stderr: "",
  });
  expect((await run("hs list --count; hs config get server.attempts", "p")).stdout).toBe("1\n3\n");
  mkdirSync(`${site.work}/p/q`);
  expect((await run("hs init", "p/q")).stdout).toBe(
    `Made the project ${project(site, "p/q")}\n` +
      `It is in the project ${site.work}/p, whose settings and database are not used here\n`,
  );
  expect((await run("hs list --count", "p/q")).stdout).toBe("0\n");
  const home = await run("hs init ~");
  expect([home.status, home.stdout]).toEqual([5, ""]);
  expect(home.stderr).toEndWith(
    `${site.path}/home/.hypershell is your own site: it is used wherever there is no project\n`,
  );
  expect((await site.shell("hs init r")).stdout).toEndWith(
    `HYPERSHELL_SITE is set and comes first: ${site.path}/site\n`,
  );
  const wrong = await run("touch file; hs init file/x; hs init a b");
  expect(wrong.stderr).toContain("file/x/.hypershell cannot be made: not a directory\n");
  expect(wrong.stderr).toContain("unrecognized arguments: b\n");
  expect((await run("hs help init")).stdout).toContain("hs init [DIR]");
  expect((await run("hs help")).stdout).toMatch(/^ {2}init +Make a project/m);
});

test("a project that others can write, or that is somebody else's, is never used, and a line says so", async () => {
  await using site = openSite();
  const run = (line: string, cwd = "."): ReturnType<Site["shell"]> => site.shell(line, { env: plain, cwd });
  await run("hs init outer; hs init outer/p");
  await run("hs config set --local logging.level_eval 'touch ran; echo info'; rm -f ran", "outer/p");
  const p = project(site, "outer/p");
  chmodSync(p, 0o777);
  const open = await run("hs list --count; test -e ran", "outer/p");
  expect([open.status, open.stdout]).toEqual([1, "0\n"]);
  expect(linesOf(open.stderr)).toEqual([
    ` WARNING [hypershell.core.config] The project in ${site.work}/outer/p does not count: others may write ${p} ` +
      "(mode 0777) - " +
      `look at what is in it, then say: chmod go-w ${p}`,
    `    INFO [hypershell.core.config] Project ${site.work}/outer`,
    `    INFO [hypershell.data] Made the database ${project(site, "outer")}/lib/main.db`,
  ]);
  chmodSync(p, 0o700);
  if (!isRoot) return;
  chownSync(`${p}/config.toml`, 12_345, 12_345);
  const theirs = await run("hs list --count; test -e ran", "outer/p");
  expect([theirs.status, theirs.stdout]).toEqual([1, "0\n"]);
  expect(theirs.stderr).toContain(`${p}/config.toml belongs to user 12345, and you are root - `);
  chownSync(`${p}/config.toml`, 0, 0);
  await run("hs list --count; test -e ran", "outer/p");
  expect(statSync(`${site.work}/outer/p/ran`).isFile()).toBe(true);
});

test("a configuration file in the folder that is somebody else's is not read, also without a project", async () => {
  await using site = openSite();
  const env = { ...plain, HYPERSHELL_DATABASE_FILE: `${site.path}/x.db` };
  const file = site.write("p/.hypershell/config.toml", 'logging.level_eval = "touch ran; echo info"\n');
  chmodSync(file, 0o666);
  const { status, stderr } = await site.shell("hs list --count; test -e ran", { env, cwd: "p" });
  expect(status).toBe(1);
  expect(linesOf(stderr)).toEqual([
    ` WARNING [hypershell.core.config] The settings in ${file} do not count: others may write ${file} (mode 0666) - ` +
      `look at what is in it, then say: chmod go-w ${file}`,
  ]);
});

const canMount = isRoot && Bun.spawnSync(["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/var/lib"]).success;

test.skipIf(!canMount)("for root the database is the system's, and the line that it was made says so", async () => {
  await using site = openSite();
  const inside = "mount -t tmpfs t /var/lib && mount -t tmpfs t /var/log && echo hi | hsx -t 'echo {}' && hs list -c";
  const { status, stdout, stderr } = await site.shell(`unshare -m sh -c "${inside}"`, { env: plain });
  expect([status, stdout]).toEqual([0, "hi\n1\n"]);
  expect(linesOf(stderr)).toEqual([
    "    INFO [hypershell.data] Made the database /var/lib/hypershell/main.db, which is root's " +
      "(another place: 'hs init' for a project, or HYPERSHELL_SITE)",
  ]);
  expect((await site.hs(["config", "--help"])).stdout).toContain("/var/lib/hypershell");
});
