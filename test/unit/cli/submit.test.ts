/* `hs submit` against an SQLite file: what its words mean, what it stores, what it says. */
import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import type { Context } from "../../../src/cli/command.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { command } from "../../../src/cli/submit.ts";
import type { Config } from "../../../src/config/load.ts";
import { findSetting } from "../../../src/config/schema.ts";
import type { Loggers } from "../../../src/log/logger.ts";
import { openRecords } from "../../../src/history/open.ts";
import type { TaskField } from "../../../src/task/field.ts";
import { makeLog } from "../../make.ts";

interface Result {
  readonly status: number;
  /** Of DEBUG and above. */
  readonly said: readonly string[];
}

class Site implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "submit-"));
  readonly settings: Record<string, unknown> = {
    "database.provider": "sqlite",
    "database.file": join(this.folder, "main.db"),
  };

  write(name: string, text: string): string {
    const path = join(this.folder, name);
    writeFileSync(path, text);
    return path;
  }

  async submit(...words: string[]): Promise<Result> {
    const said: string[] = [];
    const logger: Loggers = (name) =>
      makeLog(
        (level, text) => said.push(`${level} [${name}] ${text}`),
        (level) => level !== "TRACE",
      );
    const parsed = parseFlags(command.spec, words);
    if (parsed === "help") throw new Error("a call for help");
    const read = (key: string): unknown => this.settings[key] ?? findSetting(key)?.fallback ?? null;
    const config: Config = {
      text: (key) => read(key) as never,
      integer: (key) => read(key) as never,
      number: (key) => read(key) as never,
      boolean: (key) => this.settings[key] === true,
      raw: (key) => this.settings[key] ?? null,
      origin: (key: string) => ({ source: key in this.settings ? "user" : "default", label: "" }),
      inheritable: (env) => env,
      holdsSecrets: () => false,
      exports: () => ({}),
      site: { lib: this.folder, log: this.folder, config: this.folder, name: "user" },
      environment: {},
      warnings: [],
      notices: [],
    };
    const context: Context = {
      program: "hs",
      env: process.env,
      cwd: this.folder,
      config: () => config,
      loggers: logger,
    };
    try {
      return { status: await command.run(parsed, context), said };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      logger(error.logger).critical(error.message);
      return { status: error.status, said };
    }
  }

  async rows(...fields: TaskField[]): Promise<unknown[][]> {
    const file = join(this.folder, "main.db");
    if (!existsSync(file)) return [];
    const store = await openRecords({ provider: "sqlite", file, database: null, url: null, pragmas: {} });
    const rows: unknown[][] = [];
    const query = { fields, where: [], orderBy: null, descending: false, limit: null };
    for await (const row of store.search(query)) rows.push([...row]);
    await store.close();
    return rows;
  }

  async args(): Promise<unknown[]> {
    return (await this.rows("args")).flat();
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

describe("a single command", () => {
  test("of several words is quoted where the shell needs it", async () => {
    using site = new Site();
    const { status, said } = await site.submit("echo", "hello world");
    expect(status).toBe(0);
    expect(said).toHaveLength(2);
    expect(said[0]).toBe("DEBUG [submit] Submitted single task (explicit)");
    const [[args, id, tag] = []] = await site.rows("args", "id", "tag");
    expect([args, tag]).toEqual(['echo "hello world"', { part: 0 }]);
    expect(said[1]).toBe(`INFO [submit] Submitted task (${String(id)})`);
  });
  test("of one word with blanks is a command line as it stands", async () => {
    using site = new Site();
    const { said } = await site.submit("echo hi   there # note", "-g", "2");
    expect(said[0]).toBe("DEBUG [submit] Submitted single task (implicit)");
    expect(said).toHaveLength(2);
    expect(await site.rows("args", "group")).toEqual([["echo hi   there", 2]]);
  });
  test("of one word is a file or a command, unless it is after --", async () => {
    using site = new Site();
    for (const word of ["taks.in", "./nowhere/tasks.in", "sed5"]) {
      const { status, said } = await site.submit(word);
      expect([status, said.at(-1)]).toEqual([
        2,
        `CRITICAL [] '${word}' is neither a file nor a command (after -- it is taken as it stands)`,
      ]);
    }
    expect(await site.args()).toEqual([]);
    const commands = [["true"], [":"], ["env"], ["exit"], ["A=1"], ["$X"], ["true>x"], ["--", "taks.in"]];
    for (const words of commands) expect((await site.submit(...words)).status).toBe(0);
    expect((await site.submit("x", "--template", "echo {}")).status).toBe(0);
    expect(await site.args()).toEqual([...commands.map((words) => words.at(-1)!), "echo x"]);
  });
  test("may be an executable file", async () => {
    using site = new Site();
    const path = site.write("my run", "echo 1\n");
    chmodSync(path, 0o755);
    const { said } = await site.submit(path);
    expect(said[0]).toBe("DEBUG [submit] Submitted single task (implicit - executable)");
    expect(await site.args()).toEqual([`"${path}"`]);
  });
  test("takes inline tags", async () => {
    using site = new Site();
    await site.submit("echo", "#", "HYPERSHELL:", "x:1");
    expect(await site.rows("args", "tag")).toEqual([["echo", { x: 1, part: 0 }]]);
  });
  test("is expanded by the template", async () => {
    using site = new Site();
    await site.submit("--template", "echo <{}>", "a", "b");
    expect(await site.args()).toEqual(["echo <a b>"]);
  });
  test("is expanded with the help of the shell, once", async () => {
    using site = new Site();
    await site.submit("--template", "echo {% printf @ | tr a-z A-Z; echo x >> log %}", "abc");
    expect(await site.args()).toEqual(["echo ABC"]);
    expect(readFileSync(join(site.folder, "log"), "utf8")).toBe("x\n");
  });
  test.each([
    [[""], "there is no command in ''"],
    [["  "], "there is no command in '  '"],
    [["# only a comment"], "there is no command in '# only a comment'"],
    [["# HYPERSHELL: x:1"], "there is no command in '# HYPERSHELL: x:1'"],
    [["echo 1 # HYPERSHELL: x:/"], 'bad tag "x:/"'],
    [["/"], "'/' is a directory"],
    [["x", "--template", "{[1:y]}"], "template: "],
    [["x", "--template", "{= int(x) =}"], "template: "],
    [["x", "-f", "y"], "argument -f/--task-file: not allowed with ARGS"],
    [["x", "-t", "a/b"], 'bad tag "a/b"'],
    [["x", "-t", "cores:abc"], 'bad tag "cores:abc"'],
  ])("%p is a bad argument, and nothing is stored", async (words, reason) => {
    using site = new Site();
    const { status, said } = await site.submit(...words);
    expect(status).toBe(2);
    expect(said.at(-1)).toStartWith(`CRITICAL [] ${reason}`);
    expect(existsSync(join(site.folder, "main.db"))).toBe(false);
  });
  test("names a server in vain unless the tasks go there", async () => {
    using site = new Site();
    const { status, said } = await site.submit("true", "-H", "login07", "-p", "7");
    expect(status).toBe(0);
    expect(said.filter((line) => line.startsWith("WARNING"))).toEqual([
      "WARNING [submit] argument -H/--host: has no effect without -q/--queue, tasks go to the database",
      "WARNING [submit] argument -p/--port: has no effect without -q/--queue, tasks go to the database",
    ]);
  });
});

describe("a file", () => {
  test("is stored line by line, in order", async () => {
    using site = new Site();
    const path = site.write("tasks.in", "# c\necho 1 # HYPERSHELL: data:1\n\n# HYPERSHELL: case:1\necho 2\n");
    const { status, said } = await site.submit("-f", path, "-t", "demo", "cores:2", "-m", "1K", "-W", "1m");
    expect(status).toBe(0);
    expect(said).toEqual([
      `DEBUG [submit] Submitted from ${path} (explicit)`,
      `DEBUG [submit] Started (${path})`,
      "DEBUG [submit] Started (loader)",
      "DEBUG [submit] Started (committer: database)",
      "DEBUG [submit] Setting global attribute or tag: case:1",
      "DEBUG [submit] Submitted 2 tasks",
      "DEBUG [submit] Done (loader)",
      "DEBUG [submit] Done (committer: database)",
      "DEBUG [submit] Done",
      "INFO [submit] Submitted 2 tasks",
    ]);
    expect(await site.rows("args", "cores", "memory", "timeout", "tag")).toEqual([
      ["echo 1", 2, 1024, 60, { demo: "", data: 1, part: 0 }],
      ["echo 2", 2, 1024, 60, { demo: "", case: 1, part: 0 }],
    ]);
  });
  test("needs no option when it is not executable", async () => {
    using site = new Site();
    const path = site.write("tasks.in", "echo 1\r\necho 2\r\n");
    const { said } = await site.submit(path, "--template", "run '{}'", "-b", "1", "-t", "group:3");
    expect(said[0]).toBe(`DEBUG [submit] Submitted from ${path} (implicit - not executable)`);
    expect(said.filter((line) => line.endsWith("Submitted 1 task"))).toHaveLength(2);
    expect(await site.rows("args", "group")).toEqual([
      ["run 'echo 1'", 3],
      ["run 'echo 2'", 3],
    ]);
  });
  test("with bad lines is not stored at all; the first ten are named", async () => {
    using site = new Site();
    const path = site.write("tasks.in", `echo 1\n${"echo 2 # HYPERSHELL: :v\n".repeat(12)}echo 3\n`);
    const { status, said } = await site.submit("-f", path);
    expect(status).toBe(2);
    const errors = said.filter((line) => line.startsWith("ERROR"));
    expect(errors).toHaveLength(10);
    expect(errors[0]).toBe(`ERROR [submit] ${path}, line 2: bad tag ":v": the key is empty (echo 2 # HYPERSHELL: :v)`);
    expect(said.at(-1)).toBe(
      `CRITICAL [submit] 12 lines of ${path} cannot be tasks, the first 10 are named above - nothing was submitted`,
    );
    expect(existsSync(join(site.folder, "main.db"))).toBe(false);
  });
  test("that is a stream gives its good lines, status 2 and a count", async () => {
    using site = new Site();
    const path = join(site.folder, "fifo");
    expect(Bun.spawnSync(["mkfifo", path]).exitCode).toBe(0);
    const writer = Bun.spawn(["/bin/sh", "-c", `printf 'echo 1\\necho 2 # HYPERSHELL: :v\\necho 3' > "$0"`, path]);
    const { status, said } = await site.submit("-f", path);
    await writer.exited;
    expect(status).toBe(2);
    expect(said.slice(-2)).toEqual([
      "INFO [submit] Submitted 2 tasks",
      `CRITICAL [submit] 1 line of ${path} left out - mend and submit what is named above`,
    ]);
    expect(await site.args()).toEqual(["echo 1", "echo 3"]);
  });
  test("with a line too long to run is refused before anything is stored", async () => {
    using site = new Site();
    const path = site.write("tasks.in", `echo 1\n${"x".repeat(1_000_000)}\n`);
    const { status, said } = await site.submit("-f", path);
    expect(status).toBe(2);
    expect(said.find((line) => line.startsWith("ERROR"))).toStartWith(
      `ERROR [submit] ${path}, line 2: it is 1000000 bytes long, a task can have 131058 at most`,
    );
    expect(await site.rows("id")).toEqual([]);
  });
  test("is checked with its template, unless that runs commands", async () => {
    using site = new Site();
    const path = site.write("tasks.in", "1\nx\n2\n");
    const pure = await site.submit("-f", path, "--template", "echo {= int(x) =}");
    expect(pure.status).toBe(2);
    expect(pure.said.at(-1)).toBe(`CRITICAL [submit] 1 line of ${path} cannot be a task - nothing was submitted`);
    expect(await site.args()).toEqual([]);
    const shell = await site.submit("-f", path, "--template", "{% echo @ >> log; echo @ %}");
    expect(shell.status).toBe(0);
    expect(await site.args()).toEqual(["1", "x", "2"]);
    expect(readFileSync(join(site.folder, "log"), "utf8")).toBe("1\nx\n2\n");
  });
  test("that does not exist is a runtime error", async () => {
    using site = new Site();
    expect(await site.submit("-f", "nonexist")).toEqual({
      status: 5,
      said: [
        "DEBUG [submit] Submitted from nonexist (explicit)",
        "CRITICAL [submit] Cannot read 'nonexist': no such file or directory",
      ],
    });
  });
  test("that is a folder is a runtime error", async () => {
    using site = new Site();
    mkdirSync(join(site.folder, "in"));
    const { status, said } = await site.submit("-f", join(site.folder, "in"));
    expect(status).toBe(5);
    expect(said.at(-1)).toBe(`CRITICAL [submit] Cannot read '${site.folder}/in': it is a directory`);
  });
});

describe("defaults", () => {
  test("come from the configuration, and options win", async () => {
    using site = new Site();
    Object.assign(site.settings, { "task.cores": 4, "task.memory": 2048, "task.timeout": 90 });
    await site.submit("echo", "1", "-c", "0", "-W", "5");
    expect(await site.rows("cores", "memory", "timeout")).toEqual([[null, 2048, 5]]);
  });
  test("without a database there is nothing to submit to", async () => {
    using site = new Site();
    site.settings["database.file"] = "";
    const { status, said } = await site.submit("echo", "1");
    expect(status).toBe(3);
    expect(said.at(-1)).toStartWith("CRITICAL [submit] No database is configured");
  });
});
