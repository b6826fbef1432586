import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync } from "node:fs";
import { UserError } from "../../../src/base/errors.ts";
import { configCommands } from "../../../src/cli/config.ts";
import { editorWords } from "../../../src/cli/editor.ts";
import type { Context } from "../../../src/cli/command.ts";
import { parseFlags } from "../../../src/args/flags.ts";
import { themeNames } from "../../../src/print/theme.ts";
import { loadConfig } from "../../../src/config/load.ts";
import { settings } from "../../../src/config/schema.ts";
import { makeLog } from "../../make.ts";
import { localFile, temporaryFolder, userFile } from "../config/folder.ts";
import type { Folder } from "../config/folder.ts";

/** What a call printed and logged, and its status; an error is logged as the program would. */
interface Called {
  readonly out: string;
  readonly log: readonly string[];
  readonly status: number;
}

async function call(
  folder: Folder,
  line: readonly string[],
  env: Record<string, string> = {},
  isTerminal = false,
): Promise<Called> {
  let out = "";
  const log: string[] = [];
  const { command, configGet, configSet, configWhich, configEdit } = configCommands({
    write: (text) => (out += text),
    isTerminal,
  });
  const verbs: Record<string, typeof command> = {
    get: configGet,
    set: configSet,
    which: configWhich,
    edit: configEdit,
  };
  const verb = verbs[line[0] ?? ""];
  const surroundings = { HOME: folder.at("home"), PATH: process.env["PATH"] ?? "", ...env };
  mkdirSync(folder.at("work"), { recursive: true });
  const cwd = folder.at("work");
  const context: Context = {
    program: "hs",
    env: surroundings,
    cwd,
    config: () => loadConfig(surroundings, cwd, folder.host),
    loggers: (name) => makeLog((level, text) => log.push(`${level} [${name}] ${text}`)),
  };
  try {
    const called = verb ?? command;
    const parsed = parseFlags(called.spec, verb === undefined ? line : line.slice(1));
    if (parsed === "help") throw new Error("help was asked for");
    return { status: await called.run(parsed, context), out, log };
  } catch (thrown) {
    if (!(thrown instanceof UserError)) throw thrown;
    return { status: thrown.status, out, log: [...log, `CRITICAL [${thrown.logger}] ${thrown.message}`] };
  }
}

describe("hs config", () => {
  test("prints where the file of a site is, whether it is there or not, and whether it is broken or not", async () => {
    using folder = temporaryFolder();
    expect(await call(folder, ["--user"])).toEqual({ status: 0, out: `${folder.at(userFile)}\n`, log: [] });
    folder.write(userFile, "no [ TOML");
    expect((await call(folder, ["--user"])).out).toBe(`${folder.at(userFile)}\n`);
    expect((await call(folder, ["--system"])).out).toBe("/etc/hypershell.toml\n");
    expect((await call(folder, ["--local"])).out).toBe(`${folder.at(localFile)}\n`);
    expect((await call(folder, ["--local"], { HYPERSHELL_SITE: "/s" })).out).toBe("/s/config.toml\n");
    expect((await call(folder, ["--local"], { HYPERSHELL_CONFIG_FILE: "/c.toml" })).out).toBe("/c.toml\n");
    expect((await call(folder, ["--local"], { HYPERSHELL_CONFIG_FILE: "" })).out).toBe(`${folder.at(localFile)}\n`);
  });
  test("takes one site", async () => {
    using folder = temporaryFolder();
    expect((await call(folder, ["--user", "--local"])).status).toBe(2);
  });
});

describe("hs config get", () => {
  test("prints a value as it is", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, `[server]\neager = true\n[ssh]\nargs = '''say "hi" \\ é'''\nnodelist = ['a', 'b']\n`);
    const values: [string, string][] = [
      ["logging.level", "info"],
      ["server.port", "50001"],
      ["server.eager", "true"],
      ["ssh.args", 'say "hi" \\ é'],
      ["ssh.nodelist", '["a", "b"]'],
    ];
    for (const [key, value] of values)
      expect(await call(folder, ["get", key])).toEqual({ status: 0, out: `${value}\n`, log: [] });
  });
  test("prints a section as TOML under its own name", async () => {
    using folder = temporaryFolder();
    const { out } = await call(folder, ["get", "autoscale.size"], { HYPERSHELL_AUTOSCALE_SIZE_MAX: "5" });
    expect(out).toBe("[autoscale.size]\ninit = 1\nmin = 0\nmax = 5\n");
    expect((await call(folder, ["get", "server.tls"])).out).toStartWith("[server.tls]\nenabled = true\n");
  });
  test("prints everything for a dot, and for nothing beside an option", async () => {
    using folder = temporaryFolder();
    const { out } = await call(folder, ["get", "."], { HYPERSHELL_CONFIG_FILE: "", HYPERSHELL_DATABASE_FILE: "" });
    expect(out).toContain("[server.tls]\n");
    expect(out).not.toContain("null");
    expect(out).toContain("[site]\nshared = false\ndumpable = false\n\n");
    expect(Bun.TOML.parse(out)).toMatchObject({ server: { port: 50001 }, database: { provider: "sqlite" } });
    folder.write(userFile, "# mine\n[server]\nport = 1\n");
    expect((await call(folder, ["get", "--user"])).out).toBe("[server]\nport = 1\n");
  });
  test("can be confined to a source", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    folder.write(localFile, "[server]\nport = 2\n");
    const env = { HYPERSHELL_SERVER_PORT: "3" };
    const port = async (...options: string[]): Promise<string> =>
      (await call(folder, ["get", "server.port", ...options], env)).out.trim();
    expect([await port(), await port("--user"), await port("--local"), await port("--default")]).toEqual([
      "3",
      "1",
      "2",
      "50001",
    ]);
  });
  test.each([
    [["no.such"], '"no" not found in configuration'],
    [["server.no"], '"server.no" not found in configuration'],
    [["server.port.x"], '"server.port" is not a section in configuration'],
    [["database.url"], '"database.url" not found in configuration'],
    [[".server"], 'Section name cannot start with "."'],
    [["server.no", "--default"], '"server.no" not found in default'],
    [["server.no", "--user"], '"server.no" not found in USER'],
    [["server.port", "--local"], "LOCAL does not exist"],
  ])("%j is an error with status 3: %s", async (words, message) => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    const expected = message.replace("USER", folder.at(userFile)).replace("LOCAL", folder.at(localFile));
    expect(await call(folder, ["get", ...words])).toEqual({
      status: 3,
      out: "",
      log: [`CRITICAL [config] ${expected}`],
    });
  });
  test("hides keys and passwords unless told to reveal them, and says so", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nauth = 'opensesame'\n[database]\npassword = 'swordfish'\n");
    const get = (...words: string[]): Promise<Called> => call(folder, ["get", ...words]);
    expect(await get("server.auth")).toEqual({
      status: 0,
      out: "<hidden>\n",
      log: ["WARNING [config] server.auth is not shown without --reveal"],
    });
    for (const words of [["server"], ["database"], ["."], [".", "--user"], ["server.auth", "-x"]]) {
      expect((await get(...words)).out).not.toMatch(/opensesame|swordfish/);
    }
    expect((await get("server.auth", "--reveal")).out).toBe("opensesame\n");
    expect((await get(".", "--reveal")).out).toMatch(/swordfish[^]*opensesame/);
    expect((await get("server.auth", "--default")).out).toBe("<not-secure>\n");
  });
  test("shows _env and _eval as they stand, and with -x what they say, running only what was asked for", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[database]\nuser_env = 'DBUSER'\nhost_eval = 'touch ran; echo db7'\n");
    const get = (...words: string[]): Promise<Called> => call(folder, ["get", ...words], { DBUSER: "kim" });
    expect((await get("database.user_env")).out).toBe("DBUSER\n");
    expect((await get("database.user", "-x")).out).toBe("kim\n");
    expect(existsSync(folder.at("work/ran"))).toBe(false);
    expect((await get("database.user")).log[0]).toEndWith(
      '"database.user" not found in configuration, but "database.user_env" is: add --expand for its value',
    );
    expect((await get("database", "-x")).out).toContain('user = "kim"\nhost = "db7"\n');
  });
  test("is coloured on a terminal only, and not when raw", async () => {
    using folder = temporaryFolder();
    expect((await call(folder, ["get", "server.port"], {}, true)).out).toContain("\u001b[");
    expect((await call(folder, ["get", "server"], {}, true)).out).toContain("\u001b[");
    for (const words of [
      ["server.port", "-r"],
      ["server", "--raw"],
    ])
      expect((await call(folder, ["get", ...words], {}, true)).out).not.toContain("\u001b[");
    expect((await call(folder, ["get", "server"], { NO_COLOR: "1" }, true)).out).not.toContain("\u001b[");
    const themed = async (theme: string): Promise<string> =>
      (await call(folder, ["get", "server"], { HYPERSHELL_CONSOLE_THEME: theme }, true)).out;
    expect(await themed("nord")).not.toBe(await themed("dracula"));
    expect(Bun.stripANSI(await themed("nord"))).toBe((await call(folder, ["get", "server"])).out);
  });
  test("lists the keys there are", async () => {
    using folder = temporaryFolder();
    const { out, status } = await call(folder, ["get", "--list-available"], {
      HYPERSHELL_SITE: folder.path,
      HYPERSHELL_X: "1",
    });
    expect([status, out]).toEqual([0, `${settings.map((setting) => setting.key).join(" ")}\n`]);
    expect(out.split(/\s/)).toContain("server.tls.min_version");
    const themes = (await call(folder, ["get", "--list-console-themes"])).out;
    expect([themes.split(" ")[0], themes.trim().split(" ")]).toEqual(["monokai", [...themeNames]]);
  });
});

describe("hs config which", () => {
  const prints = async (
    folder: Folder,
    words: readonly string[],
    env: Record<string, string> = {},
  ): Promise<string> => {
    const { out, status, log } = await call(folder, ["which", ...words], env);
    expect([status, log]).toEqual([0, []]);
    return out;
  };
  test("names the origin of a value and what it would be otherwise", async () => {
    using folder = temporaryFolder();
    expect(await prints(folder, ["server.bind"])).toBe("localhost (default)\n");
    expect(await prints(folder, ["database.file"], { HYPERSHELL_SITE: folder.at("site") })).toBe(
      `${folder.at("site/lib/main.db")} (preload)\n`,
    );
    expect(await prints(folder, ["logging.level"], { HYPERSHELL_LOGGING_LEVEL: "DEBUG" })).toBe(
      "DEBUG (env: HYPERSHELL_LOGGING_LEVEL | default: info)\n",
    );
    const user = folder.write(userFile, "[server]\nport = 50100\n");
    expect(await prints(folder, ["server.port"])).toBe(`50100 (user: ${user} | default: 50001)\n`);
    const site = folder.write("site/config.toml", "[server]\nport = 50200\n");
    expect(await prints(folder, ["server.port"], { HYPERSHELL_SITE: folder.at("site") })).toBe(
      `50200 (local: ${site} | default: 50001)\n`,
    );
  });
  test("says null where there is no value", async () => {
    using folder = temporaryFolder();
    expect(await prints(folder, ["database.url"])).toBe("null (default)\n");
    expect(await prints(folder, ["database.host"], { HYPERSHELL_DATABASE_HOST: "db" })).toBe(
      "db (env: HYPERSHELL_DATABASE_HOST | default: null)\n",
    );
    expect(await prints(folder, ["database.file"], { HYPERSHELL_DATABASE_FILE: "" })).toBe(
      "null (env: HYPERSHELL_DATABASE_FILE | default: null)\n",
    );
  });
  test("abbreviates sections and lists, but no text", async () => {
    using folder = temporaryFolder();
    const user = folder.write(userFile, "[ssh]\nnodelist = ['a']\n[logging]\nformat = '[%(name)s]'\n");
    expect(await prints(folder, ["server"])).toBe("[...] (default)\n");
    expect(await prints(folder, ["ssh.nodelist"])).toBe(`[...] (user: ${user} | default: [...])\n`);
    expect(await prints(folder, ["logging.format"])).toBe(`[%(name)s] (user: ${user} | default: null)\n`);
    expect(await prints(folder, ["server"], { HYPERSHELL_SERVER_PORT: "1" })).toBe(
      "[...] (env: HYPERSHELL_SERVER_PORT | default: [...])\n",
    );
  });
  test("knows the layout behind a style", async () => {
    using folder = temporaryFolder();
    expect(await prints(folder, ["logging.format"], { HYPERSHELL_LOGGING_STYLE: "short" })).toMatch(
      /%\(message\)s \(preload\)\n$/,
    );
    expect(await prints(folder, ["logging.file.format"])).toMatch(/^%\(asctime\)s.*%\(message\)s \(preload\)\n$/);
    expect(await prints(folder, ["logging.file"], { HYPERSHELL_LOGGING_FILE: "x.log" })).toStartWith("x.log (env: ");
  });
  test("prints the origin alone with --site", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    folder.write(localFile, "[server]\nbind = 'x'\n");
    const env = { HYPERSHELL_SERVER_HOST: "h" };
    const words = ["server.poll", "database.file", "server.port", "server.bind", "server.host"];
    const origins = await Promise.all(words.map((key) => prints(folder, [key, "--site"], env)));
    expect(origins.map((line) => line.trim())).toEqual(["default", "preload", "user", "local", "env"]);
  });
  test("hides secrets, and shows which form a key was given in", async () => {
    using folder = temporaryFolder();
    const user = folder.write(userFile, "[server]\nauth = 'opensesame'\n");
    expect(await prints(folder, ["server.auth"])).toBe(`<hidden> (user: ${user} | default: <not-secure>)\n`);
    expect(await prints(folder, ["server.auth", "--reveal"])).toStartWith("opensesame (user:");
    folder.write(userFile, "[server]\nauth_env = 'HS_KEY'\n");
    expect(await prints(folder, ["server.auth"])).toBe(
      `HS_KEY (user: ${user} as server.auth_env | default: <not-secure>)\n`,
    );
  });
  test("of an unknown key is an error with status 3", async () => {
    using folder = temporaryFolder();
    expect(await call(folder, ["which", "server.prot"])).toEqual({
      status: 3,
      out: "",
      log: ['CRITICAL [config] "server.prot" not found (did you mean "server.port"?)'],
    });
  });
});

describe("hs config set", () => {
  const set = (folder: Folder, ...words: string[]): Promise<Called> => call(folder, ["set", ...words]);
  const tree = (folder: Folder, file = userFile): unknown => Bun.TOML.parse(readFileSync(folder.at(file), "utf8"));

  test("writes the user's file unless another is named, and prints nothing", async () => {
    using folder = temporaryFolder();
    expect(await set(folder, "logging.level", "debug")).toEqual({ status: 0, out: "", log: [] });
    expect(await set(folder, "logging.level", "info", "--local")).toEqual({ status: 0, out: "", log: [] });
    expect([tree(folder), tree(folder, localFile)]).toEqual([
      { logging: { level: "debug" } },
      { logging: { level: "info" } },
    ]);
  });
  test("writes the file that HYPERSHELL_CONFIG_FILE names as the local one", async () => {
    using folder = temporaryFolder();
    await call(folder, ["set", "server.port", "1", "--local"], { HYPERSHELL_CONFIG_FILE: folder.at("my.toml") });
    expect(tree(folder, "my.toml")).toEqual({ server: { port: 1 } });
  });
  test("logs where the former file is", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "");
    const { log } = await set(folder, "server.port", "1");
    expect(log).toHaveLength(1);
    expect(log[0]).toMatch(/^DEBUG \[core\.config\] Created backup file \(.*\/\.config\.\d{8}-\d{6}\.toml\)$/);
  });
  test.each<[string, string, unknown]>([
    ["server.port", "50100", 50100],
    ["server.eager", "TRUE", true],
    ["autoscale.factor", "0.5", 0.5],
    ["server.auth", "1234567890123456", "1234567890123456"],
    ["server.auth", "true", "true"],
    ["server.auth_eval", "1", "1"],
    ["database.file", "", ""],
    ["logging.file", "true", true],
    ["logging.file", "/x.log", "/x.log"],
    ["ssh.nodelist", '["a", "b"]', ["a", "b"]],
    ["ssh.nodelist", "['a', 'b']", ["a", "b"]],
    ["ssh.nodelist", "n[01-04]", "n[01-04]"],
    ["ssh.nodelist", "[ab]c", "[ab]c"],
    ["database.connect_args", '{"timeout": 5}', { timeout: 5 }],
    ["database.pragmas.cache_size", "-2000", -2000],
    ["database.sslmode", "require", "require"],
    ["export.threads", "08", 8],
    ["export.path", '["/a", "/b"]', ["/a", "/b"]],
  ])("%s %j stores %j, as the setting says", async (key, text, value) => {
    using folder = temporaryFolder();
    const warning = expect.stringMatching(/^WARNING \[config\] server\.auth was on the command line, where every user/);
    const log = key === "server.auth" ? [warning] : [];
    expect(await set(folder, key, "--", text)).toEqual({ status: 0, out: "", log });
    const stored = key.split(".").reduce((at: unknown, part) => (at as Record<string, unknown>)[part], tree(folder));
    expect(stored).toEqual(value);
  });
  test.each(["null", "none", "NULL", "None"])("%s removes the key", async (word) => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\nbind = 'x'\n");
    expect((await set(folder, "server.port", word)).status).toBe(0);
    expect(tree(folder)).toEqual({ server: { bind: "x" } });
  });
  test("of a key that is not there to null does nothing", async () => {
    using folder = temporaryFolder();
    expect(await set(folder, "x.y", "null")).toEqual({ status: 0, out: "", log: [] });
    expect(existsSync(folder.at("home"))).toBe(false);
  });
  test.each([
    [["port", "1"], "Missing section in variable path"],
    [["server..port", "1"], "argument VAR: there is an empty name in 'server..port'"],
    [["server.port", "abc"], "argument value: server.port must be an integer, not string 'abc'"],
    [["server.evict", "1"], "argument value: server.evict must be at least 10, not 1"],
    [["logging.level", "loud"], "argument value: logging.level has the unrecognized value 'loud', expected one of:"],
    [["server.tls", "true"], "argument VAR: server.tls is a section: name a setting in it"],
    [["database.pragmas", "x"], "argument value: database.pragmas must be a table, not string 'x'"],
    [["server.port"], "the following arguments are required: value"],
  ])("%j is refused with status 2, and nothing is written", async (words, message) => {
    using folder = temporaryFolder();
    const { status, log } = await set(folder, ...words);
    expect([status, log[0]]).toEqual([2, expect.stringContaining(`CRITICAL [] ${message}`)]);
    expect(existsSync(folder.at("home"))).toBe(false);
  });
  test("of an unknown key is refused, and done with a warning when it is forced", async () => {
    using folder = temporaryFolder();
    const text = "There is no setting 'server.prot'; did you mean 'server.port'?";
    for (const words of [
      ["server.prot", "1"],
      ["server.prot_env", "X"],
    ]) {
      const { status, log } = await set(folder, ...words);
      expect([status, log]).toEqual([2, [`CRITICAL [] ${text} (--force sets it all the same)`]]);
    }
    expect(existsSync(folder.at("home"))).toBe(false);
    const { status, log } = await set(folder, "server.prot", "1", "--force");
    expect([status, log]).toEqual([0, [`WARNING [config] ${text}`]]);
    expect(tree(folder)).toEqual({ server: { prot: 1 } });
  });
  test("knows a setting that is in no section, and puts it before the sections", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    expect((await set(folder, "progress", "never")).status).toBe(0);
    expect(tree(folder)).toEqual({ progress: "never", server: { port: 1 } });
    expect((await set(folder, "progress", "loud")).status).toBe(2);
  });
  test("mends a file that no other command would start with", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 'abc'\n");
    expect((await set(folder, "server.port", "5")).status).toBe(0);
    expect(tree(folder)).toEqual({ server: { port: 5 } });
  });
});

describe("hs config edit", () => {
  const edit = (folder: Folder, env: Record<string, string>, ...words: string[]): Promise<Called> =>
    call(folder, ["edit", ...words], env);

  test("runs the editor on the user's file, after making its folder", async () => {
    using folder = temporaryFolder();
    expect(await edit(folder, { EDITOR: "touch" })).toEqual({
      status: 0,
      out: "",
      log: [`DEBUG [config] Opening ${folder.at(userFile)}`, "DEBUG [config] Editor: touch"],
    });
    expect(existsSync(folder.at(userFile))).toBe(true);
    await edit(folder, { VISUAL: "touch" }, "--local");
    expect(existsSync(folder.at(localFile))).toBe(true);
  });
  test("takes the words of EDITOR apart, and EDITOR before VISUAL", async () => {
    using folder = temporaryFolder();
    const { status } = await edit(folder, { EDITOR: `sh -c 'echo "# edited" > "$1"' "an editor"`, VISUAL: "false" });
    expect([status, readFileSync(folder.at(userFile), "utf8")]).toEqual([0, "# edited\n"]);
  });
  test("takes vi where none is chosen, and nano where there is no vi", async () => {
    using folder = temporaryFolder();
    for (const name of ["nano", "vi"]) {
      chmodSync(folder.write(`bin/${name}`, `#!/bin/sh\necho "# ${name}" > "$1"\n`), 0o755);
      expect((await edit(folder, { EDITOR: "", PATH: folder.at("bin") })).status).toBe(0);
      expect(readFileSync(folder.at(userFile), "utf8")).toBe(`# ${name}\n`);
    }
  });
  test("without an editor ends with status 5", async () => {
    using folder = temporaryFolder();
    const { status, log } = await edit(folder, { EDITOR: "", PATH: folder.at("nothing") });
    expect([status, log]).toEqual([
      5,
      ["CRITICAL [config] There is no editor: set EDITOR (neither vi nor nano is installed)"],
    ]);
    expect(readdirSync(folder.path)).toEqual(["work"]);
  });
  test.each([
    ["false", "editor 'false' ended with status 1"],
    ["sh -c 'kill -9 $$'", "was ended by SIGKILL"],
    ["/no/such/editor -x", "editor '/no/such/editor -x' could not be started"],
  ])("reports the failure of %j with status 5", async (editor, message) => {
    using folder = temporaryFolder();
    const { status, log } = await edit(folder, { EDITOR: editor });
    expect([status, log.at(-1)]).toEqual([5, expect.stringContaining(message)]);
  });
  test("tells what is wrong with the file afterwards", async () => {
    using folder = temporaryFolder();
    const { status, log } = await edit(folder, { EDITOR: "sh -c 'echo [server > $0'" });
    expect([status, log.at(-1)]).toEqual([0, expect.stringMatching(/^WARNING .*config\.toml\) line 1, column 8/)]);
  });
  test("opens a broken file", async () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server\n");
    expect((await edit(folder, { EDITOR: "true" })).status).toBe(0);
  });
});

test.each<[string, string[]]>([
  ["vim -u NONE", ["vim", "-u", "NONE"]],
  ["  emacs   -nw ", ["emacs", "-nw"]],
  [`'/my apps/ed' "a \\"b\\"" c\\ d`, ["/my apps/ed", 'a "b"', "c d"]],
  [`ed --x="a b"'c'`, ["ed", "--x=a bc"]],
])("the words of the editor %s are %j", (editor, words) => {
  expect(editorWords(editor)).toEqual(words);
});

test("an editor whose path has blanks is one word when there is such a file", () => {
  using folder = temporaryFolder();
  const path = folder.write("my editor", "");
  expect(editorWords(path)).toEqual([path]);
});
