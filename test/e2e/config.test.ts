/* `hs config` and the configuration as users meet them. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { linesOf, openSite } from "./harness.ts";
import type { Site } from "./harness.ts";

/** The place as one where HYPERSHELL_SITE is the only site there is, with nothing set. */
function place(site: Site): { env: Record<string, string | undefined>; file: string; userFile: string } {
  const env: Record<string, string | undefined> = { HYPERSHELL_SITE: site.path, HOME: join(site.path, "home") };
  return { env, file: join(site.path, "config.toml"), userFile: join(site.path, "home/.hypershell/config.toml") };
}

test("a setting is set, shown, and traced to its file", async () => {
  await using site = openSite();
  const { env, userFile } = place(site);
  expect(await site.hs(["config", "set", "logging.level", "debug", "--user"], { env })).toEqual({
    status: 0,
    stdout: "",
    stderr: "",
  });
  expect((await site.hs(["config", "get", "logging.level"], { env })).stdout).toBe("debug\n");
  expect((await site.hs(["config", "which", "logging.level"], { env })).stdout).toBe(
    `debug (user: ${userFile} | default: info)\n`,
  );
  const lines = site.read(userFile).split("\n");
  expect([lines.length, ...lines.slice(2)]).toEqual([6, "", "[logging]", 'level = "debug"', ""]);
  expect((await site.hs(["config", "edit", "--user"], { env: { ...env, EDITOR: "cat" } })).stdout).toBe(
    site.read(userFile),
  );
});

test("tasks persist in the database that a file or the environment names", async () => {
  await using site = openSite();
  const { env } = place(site);
  await site.hs(["config", "set", "database.file", join(site.path, "my.db")], { env });
  expect((await site.hsx([], { env, stdin: "true\n" })).status).toBe(0);
  expect((await site.hsx([], { env: { ...env, HYPERSHELL_DATABASE_FILE: "other.db" }, stdin: "true\n" })).status).toBe(
    0,
  );
  expect([site.exists(join(site.path, "my.db")), site.exists(join(site.work, "other.db"))]).toEqual([true, true]);
});

test("a broken file stops no command that can do without it, or that mends it", async () => {
  await using site = openSite();
  const { env, file } = place(site);
  site.write(file, "[server\n");
  for (const words of [["--version"], ["--help"], ["config", "--local"], ["config", "--help"], ["submit", "--help"]]) {
    expect(await site.hs(words, { env })).toMatchObject({ status: 0, stderr: "" });
  }
  const broken = `CRITICAL [hypershell.core.config] (from file: ${file}) line 1, column 8: the line ends too early\n`;
  expect(await site.hs(["list", "-l1"], { env })).toEqual({ status: 3, stdout: "", stderr: broken });
  const editor = `sh -c 'echo "[server]" > "$0"'`;
  expect(await site.hs(["config", "edit", "--local"], { env: { ...env, EDITOR: editor } })).toMatchObject({
    status: 0,
  });
  expect(site.read(file)).toBe("[server]\n");
});

test("a value of the wrong type is one line with its origin, and status 3", async () => {
  await using site = openSite();
  const { env } = place(site);
  expect(await site.hsx(["--no-db"], { env: { ...env, HYPERSHELL_SERVER_PORT: "abc" } })).toEqual({
    status: 3,
    stdout: "",
    stderr:
      "CRITICAL [hypershell.core.config] " +
      "server.port must be an integer, not string 'abc' (from: HYPERSHELL_SERVER_PORT)\n",
  });
});

test("an unknown key is warned about once, and the run goes on", async () => {
  await using site = openSite();
  const { env, file } = place(site);
  site.write(file, "[server]\nprot = 1\n");
  expect(await site.hsx(["--no-db"], { env, stdin: "echo hi\n" })).toEqual({
    status: 0,
    stdout: "hi\n",
    stderr:
      ` WARNING [hypershell.core.config] Ignoring unknown configuration parameter 'server.prot': found integer:1 ` +
      `(from: ${file}); did you mean 'server.port'?\n`,
  });
});

test("a home that cannot be written is no hindrance to a run without a database", async () => {
  await using site = openSite();
  site.write("file", "");
  const env = { HYPERSHELL_SITE: undefined, HOME: join(site.path, "file"), HYPERSHELL_CONFIG_FILE: "" };
  expect(await site.hsx(["--no-db"], { env, stdin: "echo hi\n" })).toEqual({ status: 0, stdout: "hi\n", stderr: "" });
});

test("a HYPERSHELL_SITE that cannot be created is one line, and status 3", async () => {
  await using site = openSite();
  const path = join(site.path, "file/site");
  site.write(join(site.path, "file"), "");
  const { status, stderr } = await site.hsx(["--no-db"], { env: { HYPERSHELL_SITE: path } });
  expect([status, stderr]).toEqual([
    3,
    expect.stringMatching(
      /^CRITICAL \[hypershell\.core\.platform\] Could not create directory \(HYPERSHELL_SITE=.*\): .+\n$/,
    ),
  ]);
  expect(stderr).toContain(path);
});

test("help and version touch nothing", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_SITE: join(site.path, "untouched") };
  for (const words of [["--version"], ["--help"], ["config"], ["list", "--help"]]) await site.hs(words, { env });
  expect(site.exists(join(site.path, "untouched"))).toBe(false);
});

test("the reader of a long answer may leave", async () => {
  await using site = openSite();
  const { env } = place(site);
  expect(await site.shell("hs config get . | head -1 >/dev/null", { env })).toEqual({
    status: 0,
    stdout: "",
    stderr: "",
  });
});

test("two names for one database file are refused, but not where no database is used", async () => {
  await using site = openSite();
  const { env } = place(site);
  const both = { ...env, HYPERSHELL_DATABASE_FILE: "a.db", HYPERSHELL_DATABASE_DATABASE: "b.db" };
  const refused = {
    status: 3,
    stdout: "",
    stderr:
      "CRITICAL [hypershell.data] database.file (from: HYPERSHELL_DATABASE_FILE) " +
      "and database.database (from: HYPERSHELL_DATABASE_DATABASE) both name the SQLite file - remove one of them\n",
  };
  expect(await site.hs(["list", "--count"], { env: both })).toEqual(refused);
  expect(await site.hs(["submit", "true"], { env: both })).toEqual(refused);
  expect(await site.hs(["initdb"], { env: both })).toEqual(refused);
  expect(await site.hsx([], { env: both, stdin: "echo 1\n" })).toEqual(refused);
  expect([site.exists("a.db"), site.exists("b.db")]).toEqual([false, false]);
  const without = await site.hsx(["--no-db"], { env: both, stdin: "echo 1\n" });
  expect(without).toEqual({ status: 0, stdout: "1\n", stderr: "" });
});

test("changes of one file at the same time are all in it", async () => {
  await using site = openSite();
  const { env, file } = place(site);
  const names = ["a", "b", "c", "d"];
  await Promise.all(names.map((name) => site.hs(["config", "set", "--local", `export.${name}`, "1"], { env })));
  expect(
    linesOf(site.read(file))
      .filter((line) => line.endsWith(" = 1"))
      .toSorted(),
  ).toEqual(names.map((name) => `${name} = 1`));
});

test("what an option can say a setting can say", async () => {
  await using site = openSite();
  const run = (name: string, value: string, stdin: string) =>
    site.hsx([], { env: { [`HYPERSHELL_${name}`]: value }, stdin });
  const last = async (fields: string): Promise<string> =>
    (await site.shell(`hs list ${fields} -s submit_time --desc -l1`)).stdout;

  await run("SERVER_ATTEMPTS", "3", "false\n");
  expect(await last("attempt")).toBe("3\n");
  expect((await run("SERVER_EXITZERO", "true", "false\n")).status).toBe(0);
  expect((await run("TASK_CWD", "/", "pwd; echo $TASK_CWD\n")).stdout).toBe("/\n/\n");
  await run("TASK_CORES", "2", "true\n");
  expect(await last("cores")).toBe("2\n");
  await run("TASK_MEMORY", "1024", "true\n");
  expect(await last("memory")).toBe("1024\n");
  expect((await run("TASK_TIMEOUT", "1", "sleep 30\n")).status).toBe(7);
  expect(await last("timeout exit_status")).toBe("1\t-4\n");
  expect((await run("EXPORT_a_B", "007", "echo $a_B\n")).stdout).toBe("007\n");
  expect((await run("LOGGING_TASKS", "true", "true\n")).stderr).toContain("INFO [hypershell.client] Running task (");
  expect((await run("DATABASE_FILE", "", "true\n")).stderr).toBe(
    " WARNING [hypershell.server] No database configured - automatically disabled\n",
  );
  const bundles = await site.shell("seq 5 | hs submit", {
    env: { HYPERSHELL_SUBMIT_BUNDLESIZE: "2", HYPERSHELL_LOGGING_LEVEL: "debug" },
  });
  const counts = linesOf(bundles.stderr).map((line) => /DEBUG .* Submitted (\d) tasks?$/.exec(line)?.[1]);
  expect(counts.filter((count) => count !== undefined)).toEqual(["2", "2", "1"]);
});
