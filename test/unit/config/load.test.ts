import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { loadConfig } from "../../../src/config/load.ts";
import { localFile, refusalOf, temporaryFolder, userFile } from "./folder.ts";

describe("precedence", () => {
  test("rises from built-in values over the user's file and the local one to the environment", () => {
    using folder = temporaryFolder();
    const port = (env = {}): unknown => {
      const config = folder.load(env);
      return [config.integer("server.port"), config.origin("server.port")];
    };
    expect(port()).toEqual([50001, { source: "default", label: "from: <default>" }]);
    const user = folder.write(userFile, "[server]\nport = 1\n");
    expect(port()).toEqual([1, { source: "user", label: `from: ${user}` }]);
    const local = folder.write(localFile, "[server]\nport = 2\n");
    expect(port()).toEqual([2, { source: "local", label: `from: ${local}` }]);
    expect(port({ HYPERSHELL_SERVER_PORT: "3" })).toEqual([
      3,
      { source: "env", label: "from: HYPERSHELL_SERVER_PORT" },
    ]);
  });
  test("is per key: tables are merged, lists and values replaced", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[ssh.nodelist]\na = ['a1', 'a2']\nb = ['b1']\n[database.pragmas]\nx = 1\n");
    folder.write(localFile, "[ssh.nodelist]\na = ['a9']\n");
    const config = folder.load({ HYPERSHELL_DATABASE_PRAGMAS_Y: "2" });
    expect(config.raw("ssh.nodelist")).toEqual({ a: ["a9"], b: ["b1"] });
    expect(config.raw("database.pragmas")).toEqual({ x: 1, y: 2 });
  });
  test("in the home folder counts the one file as the user's", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    const config = loadConfig({}, folder.at("home"), folder.host);
    expect(config.origin("server.port").source).toBe("user");
  });
  test("HYPERSHELL_CONFIG_FILE is the only file", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 1\n");
    const only = folder.write("only.toml", "[client]\ncores = 3\n");
    const config = folder.load({ HYPERSHELL_CONFIG_FILE: "../only.toml" });
    expect([config.integer("server.port"), config.integer("client.cores")]).toEqual([50001, 3]);
    expect(config.origin("client.cores")).toEqual({ source: "local", label: `from: ${only}` });
  });
  test("HYPERSHELL_CONFIG_FILE may be missing, and when empty no file is read", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "this is [ no TOML");
    for (const file of ["", folder.at("missing.toml")]) {
      expect(folder.load({ HYPERSHELL_CONFIG_FILE: file }).integer("server.port")).toBe(50001);
    }
  });
  test("HYPERSHELL_SITE stands in for the local site", () => {
    using folder = temporaryFolder();
    folder.write(localFile, "[server]\nport = 1\n");
    folder.write("site/config.toml", "[server]\nport = 2\n");
    const config = folder.load({ HYPERSHELL_SITE: folder.at("site") });
    expect(config.integer("server.port")).toBe(2);
    expect(config.site).toEqual({
      lib: folder.at("site/lib"),
      log: folder.at("site/log"),
      config: folder.at("site/config.toml"),
      name: "local",
    });
    expect(existsSync(folder.at("site/lib/task"))).toBe(true);
  });
  test("a user can override a value that an earlier file got wrong", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[server]\nport = 'abc'\n");
    folder.write(localFile, "[server]\nport = 5\n");
    expect(folder.load().integer("server.port")).toBe(5);
  });
});

describe("the database file", () => {
  test("is main.db in the site unless something else is said", () => {
    using folder = temporaryFolder();
    const config = folder.load();
    expect(config.text("database.file")).toBe(folder.at("home/.hypershell/lib/main.db"));
    expect(config.origin("database.file").source).toBe("preload");
  });
  test("is none when the environment gives an empty text", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_DATABASE_FILE: "" });
    expect([config.text("database.file"), config.origin("database.file").source]).toEqual([null, "env"]);
  });
  test("is not made up when database.database names it", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_DATABASE_DATABASE: "/x.db" });
    expect([config.text("database.file"), config.text("database.database")]).toEqual([null, "/x.db"]);
  });
  test("can be the whole of `database`", () => {
    using folder = temporaryFolder();
    folder.write(userFile, 'database = "/x/y.db"\n');
    expect(folder.load().text("database.file")).toBe("/x/y.db");
    expect(folder.load({ HYPERSHELL_DATABASE: "/z.db" }).text("database.file")).toBe("/z.db");
  });
  test("may begin with the home folder", () => {
    using folder = temporaryFolder();
    expect(folder.load({ HYPERSHELL_DATABASE_FILE: "~/x.db" }).text("database.file")).toBe(folder.at("home/x.db"));
  });
});

describe("_env and _eval", () => {
  test("are read when the key is", () => {
    using folder = temporaryFolder();
    folder.write(userFile, `[server]\nauth_eval = "touch ran; echo ' the key '"\nport_env = "MY_PORT"\n`);
    const config = folder.load({ MY_PORT: "99" });
    expect(existsSync(folder.at("work/ran"))).toBe(false);
    expect([config.text("server.auth"), config.integer("server.port")]).toEqual(["the key", 99]);
    expect(existsSync(folder.at("work/ran"))).toBe(true);
    expect(config.origin("server.auth").source).toBe("user");
  });
  test("run a command once", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_SERVER_AUTH_EVAL: "echo x >> runs; wc -l < runs" });
    expect([config.text("server.auth"), config.text("server.auth")]).toEqual(["1", "1"]);
  });
  test("do not take the tasks on standard input away", () => {
    using folder = temporaryFolder();
    expect(folder.load({ HYPERSHELL_TASK_CWD_EVAL: "cat" }).text("task.cwd")).toBeNull();
  });
  test.each([
    ["auth = 'low'", "auth_env = 'K'", "from K"],
    ["auth_env = 'K'", "auth = 'high'", "high"],
    ["auth_env = 'K'", "auth_eval = 'echo run'", "run"],
  ])("%s below %s gives %p: the higher source wins whatever its form", (low, high, expected) => {
    using folder = temporaryFolder();
    folder.write(userFile, `[server]\n${low}\n`);
    folder.write(localFile, `[server]\n${high}\n`);
    const config = folder.load({ K: "from K" });
    expect(config.text("server.auth")).toBe(expected);
    expect((config.raw("server") as { auth: string }).auth).toBe(expected);
  });
  test("replace the path of the default database too", () => {
    using folder = temporaryFolder();
    expect(folder.load({ HYPERSHELL_DATABASE_FILE_ENV: "DB", DB: "/db" }).text("database.file")).toBe("/db");
  });
  test("two forms in one source are an error when the key is read", () => {
    using folder = temporaryFolder();
    const file = folder.write(userFile, "[database]\npassword = 'a'\npassword_env = 'b'\n");
    const config = folder.load();
    expect(refusalOf(() => config.text("database.password"))).toBe(
      `3 core.config 'database.password' has more than one variant (from: ${file}): keep one of them`,
    );
  });
  test("a variable that is not set leaves the key unset", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_DATABASE_PASSWORD_ENV: "NOT_SET", HYPERSHELL_SERVER_PORT_ENV: "NOT_SET" });
    expect([config.text("database.password"), config.integer("server.port")]).toEqual([null, 50001]);
  });
  test("a command that fails is an error that names the key and its source, not the command's output", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_SERVER_AUTH_EVAL: "echo secret; exit 3" });
    expect(refusalOf(() => config.text("server.auth"))).toBe(
      "3 core.config server.auth_eval: the command ended with status 3 (from: HYPERSHELL_SERVER_AUTH_EVAL)",
    );
  });
  test("what they say has to fit the setting", () => {
    using folder = temporaryFolder();
    const config = folder.load({ HYPERSHELL_SERVER_PORT_ENV: "P", P: "many" });
    expect(refusalOf(() => config.integer("server.port"))).toBe(
      "3 core.config server.port must be an integer, not string 'many' (from: HYPERSHELL_SERVER_PORT_ENV)",
    );
  });
  test("in [export] are only names", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[export]\nconda_env = 'base'\n");
    expect(folder.load({ HYPERSHELL_EXPORT_MY_ENV: "HOME" }).exports()).toEqual({ CONDA_ENV: "base", MY_ENV: "HOME" });
  });
});

describe("a value of the wrong type ends the program with status 3 and its origin", () => {
  test.each([
    ["[server]\nport = 'abc'", "core.config", "server.port must be an integer, not string 'abc'"],
    ["[server]\nport = 70000", "core.config", "server.port must be at most 65535, not 70000"],
    ["[server]\nport = 1.5", "core.config", "server.port must be an integer, not float '1.5'"],
    ["[server]\nevict = 3", "core.config", "server.evict must be at least 10, not 3"],
    ["[server]\nauth = 123", "core.config", "server.auth must be text, not integer '<hidden>'"],
    ["[server.port]\nx = 1", "core.config", "server.port must be an integer, not table"],
    ["server = 'abc'", "core.config", "server must be a table, not string 'abc'"],
    ["[client]\nmemory = '4GB'", "core.config", "client.memory must be an integer, not string '4GB'"],
    [
      "[logging]\nstyle = 'fancy'",
      "core.config",
      "logging.style has the unrecognized value 'fancy', expected one of: default, system",
    ],
    [
      "[logging]\nlevel = 'loud'",
      "core.config",
      "logging.level has the unrecognized value 'loud', expected one of: devel, trace",
    ],
    ["[logging]\nfile = 5", "core.logging", "logging.file must be text or true or false or a table, not integer '5'"],
    ["[logging.file]\nkeep = -1", "core.logging", "logging.file.keep must be at least 0, not -1"],
    ["[logging.file]\ncompress = 'rar'", "core.logging", "logging.file.compress has the unrecognized value 'rar'"],
    [
      "[autoscale]\npolicy = 'wild'",
      "core.config",
      "autoscale.policy has the unrecognized value 'wild', expected one of: fixed, dynamic",
    ],
    [
      "[server]\nbundlesize = 'big'",
      "core.config",
      "server.bundlesize has the unrecognized value 'big', expected an integer or 'auto'",
    ],
  ])("%s", (text, logger, message) => {
    using folder = temporaryFolder();
    const file = folder.write(userFile, `${text}\n`);
    const refused = refusalOf(() => folder.load());
    expect(refused).toStartWith(`3 ${logger} ${message}`);
    expect(refused).toEndWith(`(from: ${file})`);
  });
  test("which may be the variable that holds it", () => {
    using folder = temporaryFolder();
    expect(refusalOf(() => folder.load({ HYPERSHELL_TASK_MEMORY: "4GB" }))).toBe(
      "3 core.config task.memory must be an integer, not string '4GB' (from: HYPERSHELL_TASK_MEMORY)",
    );
  });
});

describe("a file that cannot be read", () => {
  test.each([
    ["[server]\nport = \n", "line 2, column 8: the line ends too early"],
    ["[logging]\nlevel = debug\n", 'line 2, column 9: unexpected "d" (texts need quotes)'],
    ["[logging]\nlevel\n", "line 2, column 6: the line ends too early (expected '=')"],
    ['[logging]\nlevel = "debug', "line 2, column 15: the file ends too early"],
    ["x = 1\nx = 2\n", "line 2, column 1: Cannot redefine existing key 'x'."],
  ])("%j is told with its place", (text, message) => {
    using folder = temporaryFolder();
    const file = folder.write(userFile, text);
    expect(refusalOf(() => folder.load())).toBe(`3 core.config (from file: ${file}) ${message}`);
  });
  test("is told when it is a folder", () => {
    using folder = temporaryFolder();
    folder.write(`${userFile}/x`, "");
    expect(refusalOf(() => folder.load())).toStartWith(`3 core.config (from file: ${folder.at(userFile)}) `);
  });
  test("is told when it is no UTF-8", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "");
    require("node:fs").writeFileSync(folder.at(userFile), Buffer.from([0x61, 0xff, 0xfe]));
    expect(refusalOf(() => folder.load())).toEndWith("the file is not UTF-8 text");
  });
  test("may begin with a byte order mark", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "\ufeff[server]\nport = 7\n");
    expect(folder.load().integer("server.port")).toBe(7);
  });
});

describe("warnings", () => {
  const warnings = (text: string, env = {}): readonly string[] => {
    using folder = temporaryFolder();
    folder.write(userFile, text);
    return folder.load(env).warnings.map((line) => line.replaceAll(folder.path, ""));
  };
  test("name an unknown key, what it holds, where it is, and what may be meant", () => {
    expect(warnings("[server]\nprot = 5\n")).toEqual([
      "Ignoring unknown configuration parameter 'server.prot': found integer:5 " +
        "(from: /home/.hypershell/config.toml); did you mean 'server.port'?",
    ]);
  });
  test("name an unknown section", () => {
    expect(warnings("[sevrer]\nport = 5\n")).toEqual([
      "Ignoring unknown configuration parameter 'sevrer': found table (from: /home/.hypershell/config.toml); " +
        "did you mean 'server'?",
    ]);
  });
  test("name an unknown variable", () => {
    expect(warnings("", { HYPERSHELL_LOGING_LEVEL: "debug" })).toEqual([
      "Ignoring unknown configuration parameter 'loging.level': found string:debug (from: HYPERSHELL_LOGING_LEVEL); " +
        "did you mean 'logging.level'?",
    ]);
  });
  test("do not give a misspelt secret away", () => {
    const lines = warnings("[server]\nauht = 'opensesame'\n[database]\npasword = 'opensesame'\n");
    expect(lines).toEqual([
      expect.stringContaining("Others can read the key or password in "),
      expect.stringContaining("did you mean 'server.auth'?"),
      expect.stringContaining("did you mean 'database.password'?"),
    ]);
    expect(lines.join()).not.toContain("opensesame");
  });
  test("spare what the database is given to pass on, unless it looks misspelt", () => {
    expect(warnings("[database]\nsslmode = 'require'\n")).toEqual([]);
    expect(warnings("[database]\nfiel = '/x'\n")[0]).toContain("did you mean 'database.file'?");
  });
  test("do not call a key misspelt because its section is right", () => {
    expect(warnings("[database]\nfoo = 'bar'\n")).toEqual([]);
    expect(warnings("[logging]\nfoo = 1\n")[0]).toEndWith("found integer:1 (from: /home/.hypershell/config.toml)");
    expect(warnings("[serve]\nport = 1\n")[0]).toContain("did you mean 'server'?");
  });
  test("spare what is free: exports, groups of hosts, pragmas, arguments of the driver", () => {
    expect(
      warnings(
        "[export]\na = 1\nb.c = 2\n[ssh.nodelist]\nx = 'y'\n[database.pragmas]\nz = 1\n" +
          "[database.connect_args]\nq = {r = 1}\n",
      ),
    ).toEqual([]);
  });
});

describe("settings of the database that contradict each other", () => {
  const load = (text: string, env = {}): string => {
    using folder = temporaryFolder();
    folder.write(userFile, text);
    return refusalOf(() => folder.load(env).text("database.file")).replaceAll(folder.path, "");
  };
  test("a file and a database are refused, and both places named", () => {
    expect(load("database.file = '/a.db'\n", { HYPERSHELL_DATABASE_DATABASE: "/b.db" })).toBe(
      "3 data database.file (from: /home/.hypershell/config.toml) and database.database " +
        "(from: HYPERSHELL_DATABASE_DATABASE) both name the SQLite file - remove one of them",
    );
    expect(load("database.database = '/a.db'\n", { HYPERSHELL_DATABASE_FILE: "" })).toContain("remove one of them");
  });
  test.each(["host = 'h'", "port = 5", "user = 'u'", "password = 'p'", "password_eval = 'exit 1'"])(
    "%s is not for SQLite",
    (line) => {
      const key = `database.${line.split(/_| /)[0]}`;
      expect(load(`[database]\ndatabase = 'tasks'\n${line}\n`)).toBe(
        `3 data ${key} cannot be given for SQLite - remove it, or set database.provider ` +
          "(from: /home/.hypershell/config.toml)",
      );
    },
  );
  test("are left alone where a URL says it all, another provider is named, or nothing is given after all", () => {
    const both = "[database]\nfile = '/a.db'\ndatabase = '/b.db'\n";
    const fine = "nothing was thrown";
    expect(load(`${both}url = 'sqlite:////c.db'\n`)).toBe(fine);
    expect(load(`${both}provider = 'postgres'\n`)).toBe(fine);
    expect(load("[database]\nfile = '/a.db'\ndatabase = ''\npassword_env = 'NOT_SET'\n")).toBe(fine);
  });
  test("matter only to those who read them", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[database]\nhost = 'h'\n");
    expect(folder.load().integer("server.port")).toBe(50001);
  });
});

describe("typed access", () => {
  test("log files are off unless something is said about them", () => {
    using folder = temporaryFolder();
    expect(folder.load().origin("logging.file").source).toBe("default");
    expect(folder.load({ HYPERSHELL_LOGGING_FILE: "false" }).raw("logging.file")).toBe(false);
    expect(folder.load({ HYPERSHELL_LOGGING_FILE: "" }).raw("logging.file")).toBeNull();
    expect(folder.load({ HYPERSHELL_LOGGING_FILE: "true" }).raw("logging.file")).toBe(true);
    const described = folder.load({ HYPERSHELL_LOGGING_FILE_LEVEL: "debug" });
    expect(described.origin("logging.file")).toEqual({ source: "env", label: "from: HYPERSHELL_LOGGING_FILE_LEVEL" });
    expect(described.raw("logging.file")).toMatchObject({ level: "debug", path: "<none>", keep: 0 });
  });
  test("a short form in a higher source hides the table below it", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[logging.file]\nlevel = 'error'\n");
    const config = folder.load({ HYPERSHELL_LOGGING_FILE: "/x.log" });
    expect([config.raw("logging.file"), config.text("logging.file.level")]).toEqual(["/x.log", "trace"]);
  });
  test("null means the built-in value where nothing else is meant by it", () => {
    using folder = temporaryFolder();
    const config = folder.load({
      HYPERSHELL_SERVER_PORT: "",
      HYPERSHELL_LOGGING_LEVEL: "null",
      HYPERSHELL_TASK_TIMEOUT: "",
    });
    expect([config.integer("server.port"), config.text("logging.level"), config.integer("task.timeout")]).toEqual([
      50001,
      "info",
      null,
    ]);
  });
  test("a word in place of a number is no number", () => {
    using folder = temporaryFolder();
    expect(folder.load().integer("server.bundlesize")).toBeNull();
    expect(folder.load({ HYPERSHELL_SERVER_BUNDLESIZE: "8" }).integer("server.bundlesize")).toBe(8);
  });
  test("a switch that may also be a word is a word", () => {
    using folder = temporaryFolder();
    expect(folder.load({ HYPERSHELL_LOGGING_TASKS: "TRUE" }).text("logging.tasks")).toBe("true");
    expect(folder.load().text("logging.tasks")).toBe("auto");
  });
  test("asking for a key that is not there, or in the wrong way, is our mistake", () => {
    using folder = temporaryFolder();
    const config = folder.load();
    expect(() => config.text("server.prot" as "server.host")).toThrow("assertion");
    expect(() => config.boolean("server.port" as "server.eager")).toThrow("assertion");
  });
  test("names that objects have by nature are names like others", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[export]\n__proto__ = 'a'\nconstructor = 'b'\n[ssh.nodelist]\n__proto__ = ['x']\n");
    const config = folder.load();
    expect(config.exports()).toEqual({ __PROTO__: "a", CONSTRUCTOR: "b" });
    expect(Object.keys(config.raw("ssh.nodelist") as object)).toEqual(["__proto__"]);
    expect(({} as { x?: unknown }).x).toBeUndefined();
  });
});

describe("exports", () => {
  test("from files are upper-cased, lists joined, tables flattened", () => {
    using folder = temporaryFolder();
    folder.write(
      userFile,
      "[export]\nfoo = 'bar'\npath = ['/a', '/b']\nnum = 7\nyes = true\n[export.db]\nhost = 'h'\n",
    );
    expect(folder.load().exports()).toEqual({ FOO: "bar", PATH: "/a:/b", NUM: "7", YES: "true", DB_HOST: "h" });
  });
  test("from the environment pass unchanged, in name and value", () => {
    using folder = temporaryFolder();
    const env = { FOO: "007", FOO_BAR: "1e5", Mixed: "TRUE", EMPTY: "" };
    const variables = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [`HYPERSHELL_EXPORT_${name}`, value]),
    );
    expect(folder.load(variables).exports()).toEqual(env);
  });
  test("from the environment win", () => {
    using folder = temporaryFolder();
    folder.write(userFile, "[export]\nfoo = 'low'\n");
    expect(folder.load({ HYPERSHELL_EXPORT_FOO: "high" }).exports()).toEqual({ FOO: "high" });
  });
});

describe("a site that cannot be created", () => {
  test("leaves a configuration that works, and says why for those who need folders", () => {
    using folder = temporaryFolder();
    folder.write("home", "a file");
    const config = folder.load();
    expect(config.integer("server.port")).toBe(50001);
    expect(config.site.problem).toStartWith("cannot create ");
  });
});
