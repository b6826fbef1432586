import { describe, expect, spyOn, test } from "bun:test";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import fc from "fast-check";
import { edited, editFile } from "../../../src/config/edit.ts";
import type { Change } from "../../../src/config/edit.ts";
import { parseToml } from "../../../src/config/toml.ts";
import type { Value } from "../../../src/config/value.ts";
import { temporaryFolder } from "./folder.ts";

function change(key: string, value: Value, source?: string): Change {
  return { path: key.split("."), value, ...(source === undefined ? {} : { source }) };
}

const commented = `# Ours, since 2024

# what we want to read
[logging] # always on
  level   = "debug"   # for now
# level = "trace"

# the server
[server]
port = 50100
`;

describe("a change to a text", () => {
  const set = (text: string, key: string, value: Value, source?: string): Promise<string> =>
    edited(text, change(key, value, source), "/f.toml");

  test("replaces a value where it stands", async () => {
    expect(await set(commented, "logging.level", "info")).toBe(commented.replace('"debug"', '"info"'));
  });
  test("adds a key below the last one of its table, above the comments of the next", async () => {
    const expected = commented.replace("# for now\n", '# for now\n  style = "short"\n');
    expect(await set(commented, "logging.style", "short")).toBe(expected);
  });
  test("adds a table at the end", async () => {
    expect(await set(commented, "server.tls.cert", "/c.pem")).toBe(`${commented}\n[server.tls]\ncert = "/c.pem"\n`);
  });
  test("removes a key with its comment", async () => {
    expect(await set(commented, "logging.level", null)).toBe(commented.replace(/ {2}level.*\n/, ""));
  });
  test("that is none leaves every byte alone", async () => {
    expect(await set(commented, "server.port", 50100)).toBe(commented);
    expect(await set(commented, "server.bind", null)).toBe(commented);
    expect(await set(commented, "x.y", null)).toBe(commented);
  });
  test("of one form of a key drops the others", async () => {
    expect(await set("[server]\nauth_env = 'K'\nport = 1\n", "server.auth", "k")).toBe(
      '[server]\nport = 1\nauth = "k"\n',
    );
    expect(await set("[server]\nauth = 'k'\n", "server.auth_eval", "pass hs")).toBe(
      '[server]\nauth_eval = "pass hs"\n',
    );
    expect(await set("[server]\nauth_eval = 'x'\n", "server.auth", null)).toBe("[server]\n");
  });
  test.each<[string, string, Value, string]>([
    ["server.port = 5 # dotted\n", "server.bind", "h", 'server.port = 5 # dotted\nserver.bind = "h"\n'],
    ["server = { port = 5 } # inline\n", "server.bind", "h", 'server = { port = 5, bind = "h" } # inline\n'],
    ["[server]\r\nport = 1\r\n", "server.bind", "h", '[server]\r\nport = 1\r\nbind = "h"\r\n'],
    ["[server]\nport = 1", "server.bind", "h", '[server]\nport = 1\nbind = "h"\n'],
    [
      "[ssh]\nnodelist = [\n  ['a'],\n  ['b'],\n]\n",
      "ssh.args",
      "-v",
      "[ssh]\nnodelist = [\n  ['a'],\n  ['b'],\n]\nargs = \"-v\"\n",
    ],
    ["[a]\nx = '''\n[server]\n'''\n", "server.port", 1, "[a]\nx = '''\n[server]\n'''\n\n[server]\nport = 1\n"],
    ["[ 'server' . tls ]\ncert = 'c'\n", "server.tls.key", "k", "[ 'server' . tls ]\ncert = 'c'\nkey = \"k\"\n"],
    ["[logging.file]\nlevel = 'debug'\n", "logging.file", true, "[logging]\nfile = true\n"],
  ])("%j with %s = %j becomes %j", async (text, key, value, expected) => {
    expect(await set(text, key, value)).toBe(expected);
  });
  test("makes a table of a short form", async () => {
    const tree = async (text: string, key: string): Promise<unknown> => parseToml(await set(text, key, "debug"), "");
    expect(await tree('[logging]\nfile = "/x"\n', "logging.file.level")).toMatchObject({
      logging: { file: { path: "/x", level: "debug" } },
    });
    expect(await tree('database = "/x.db"\n', "database.provider")).toMatchObject({
      database: { file: "/x.db", provider: "debug" },
    });
  });
  test("keeps a number as it was written", async () => {
    expect(await set("", "autoscale.factor", 2, "2.0")).toBe("[autoscale]\nfactor = 2.0\n");
  });
  test("is refused where a value stands in for the table", async () => {
    expect(set("server = 5\n", "server.port", 1)).rejects.toThrow("server is a value and no table in /f.toml");
  });
  test("is refused in a file that is broken", async () => {
    expect(set("[server\n", "server.port", 1)).rejects.toThrow("(from file: /f.toml) line 1, column 8");
  });

  const names = ["server", "tls", "logging", "port", "a b", "é", "x.y", "file", "auth"];
  const scalar = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.integer(),
    fc.boolean(),
    fc.array(fc.string(), { maxLength: 3 }),
  );
  const path = fc.array(fc.constantFrom(...names), { minLength: 2, maxLength: 3 });
  test("any row of changes gives what each of them asked for, and no comment is lost", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(path, scalar), { maxLength: 5 }), async (changes) => {
        let text = commented;
        for (const [at, value] of changes) {
          let next: string;
          try {
            next = await edited(text, { path: at, value }, "/f");
          } catch (thrown) {
            // A value in place of a table, mostly of an earlier change.
            expect(String(thrown)).toContain("is a value and no table");
            continue;
          }
          let found: unknown = parseToml(next, "/f");
          for (const part of at) found = (found as Record<string, unknown>)[part];
          expect(found).toEqual(value);
          text = next;
        }
        expect(text).toStartWith("# Ours, since 2024\n");
        if (!changes.some(([at]) => at[0] === "server" || at[0] === "logging")) expect(text).toStartWith(commented);
      }),
      { numRuns: 60 },
    );
  });
});

const now = new Date(2026, 10, 22, 7, 13, 32);

describe("a configuration file", () => {
  test("begins with two lines that say whose it is, and a blank one", async () => {
    using folder = temporaryFolder();
    const file = folder.at("deep/er/config.toml");
    expect(await editFile(file, change("logging.level", "debug"), "its user", now)).toEqual({
      changed: true,
      backup: null,
      warning: null,
    });
    const lines = readFileSync(file, "utf8").split("\n");
    expect(lines[0]).toMatch(/^# .*2026-11-22 07:13:32/);
    expect(lines[1]).toStartWith("# ");
    expect(lines.slice(2)).toEqual(["", "[logging]", 'level = "debug"', ""]);
  });
  test("is closed to others when it is a user's, and open when it is shared", async () => {
    using folder = temporaryFolder();
    await editFile(folder.at("user.toml"), change("server.auth", "x"), "its user", now);
    await editFile(folder.at("system.toml"), change("server.auth", "x"), "everybody", now);
    expect(statSync(folder.at("user.toml")).mode & 0o777).toBe(0o600);
    expect(statSync(folder.at("system.toml")).mode & 0o777).toBe(0o644);
  });
  test("is not made by removing a key", async () => {
    using folder = temporaryFolder();
    await editFile(folder.at("config.toml"), change("x.y", null), "its user", now);
    expect(readdirSync(folder.path)).toEqual([]);
  });
  test("keeps its mode, and its former text with mode and times beside it", async () => {
    using folder = temporaryFolder();
    const file = folder.write("config.toml", commented);
    chmodSync(file, 0o640);
    utimesSync(file, 1_000_000, 1_000_000);
    const { backup } = await editFile(file, change("server.port", 1), "its user", now);
    expect(backup).toBe(folder.at(".config.20261122-071332.toml"));
    expect(readFileSync(backup!, "utf8")).toBe(commented);
    const copy = statSync(backup!);
    expect([copy.mode & 0o777, copy.mtimeMs, statSync(file).mode & 0o777]).toEqual([0o640, 1_000_000_000, 0o640]);
  });
  test("with secrets that others may use is for its user from the next change on, and so is the backup", async () => {
    using folder = temporaryFolder();
    const modeOf = (path: string): number => statSync(path).mode & 0o777;
    for (const [text, audience, mode, secret, plain] of [
      ["", "its user", 0o666, 0o600, 0o644],
      ["", "everybody", 0o666, 0o644, 0o644],
      ["", "users of the site", 0o666, 0o660, 0o664],
      ["[server]\nauth = 'k'\n", "its user", 0o640, 0o600, 0o600],
    ] as const) {
      for (const [key, expected] of [
        ["server.auth", secret],
        ["server.port", plain],
      ] as const) {
        const file = folder.write("config.toml", text);
        chmodSync(file, mode);
        const { backup, warning } = await editFile(file, change(key, key === "server.auth" ? "x" : 1), audience, now);
        expect([modeOf(file), modeOf(backup!)]).toEqual([expected, expected]);
        if (mode === 0o640 || audience === "users of the site") expect(warning).toBeNull();
        else expect(warning).toStartWith(`others may write ${file} (mode 0666) - look at what is in it`);
      }
    }
  });
  test("that others may write is not changed if it runs programs: nobody has looked at them yet", async () => {
    using folder = temporaryFolder();
    for (const text of ["[a.b]\nx_eval = 'x'\n", "[export]\n", "[ssh]\nargs = 'x'\n", "[task]\nshell = '/x'\n"]) {
      const file = folder.write("config.toml", text);
      chmodSync(file, 0o666);
      expect(editFile(file, change("server.port", 1), "its user", now)).rejects.toThrow(
        `${file} was not changed, since it has settings that run programs: others may write ${file} (mode 0666)`,
      );
    }
  });
  test("leaves a former text of its own for each change within a second", async () => {
    using folder = temporaryFolder();
    const file = folder.write("config.toml", "");
    for (const port of [1, 2, 3]) await editFile(file, change("server.port", port), "its user", now);
    expect(readdirSync(folder.path).toSorted()).toEqual([
      ".config.20261122-071332-1.toml",
      ".config.20261122-071332-2.toml",
      ".config.20261122-071332.toml",
      "config.toml",
    ]);
    expect(readFileSync(folder.at(".config.20261122-071332-2.toml"), "utf8")).toContain("port = 2");
  });
  test("is not touched by a change that is none", async () => {
    using folder = temporaryFolder();
    const file = folder.write("config.toml", commented);
    utimesSync(file, 1, 1);
    expect(await editFile(file, change("server.port", 50100), "its user", now)).toEqual({
      changed: false,
      backup: null,
      warning: null,
    });
    expect([readdirSync(folder.path), statSync(file).mtimeMs]).toEqual([["config.toml"], 1000]);
  });
  test("may be a symbolic link, which stays one", async () => {
    using folder = temporaryFolder();
    const target = folder.write("real/hs.toml", commented);
    symlinkSync(target, folder.at("config.toml"));
    const { backup } = await editFile(folder.at("config.toml"), change("server.port", 1), "its user", now);
    expect(lstatSync(folder.at("config.toml")).isSymbolicLink()).toBe(true);
    expect(readFileSync(target, "utf8")).toContain("port = 1");
    expect(backup).toBe(folder.at("real/.config.20261122-071332.toml"));
  });
  test("is as it was, with nothing beside it, when the change cannot be made", async () => {
    using folder = temporaryFolder();
    const file = folder.write("config.toml", "[server\n");
    expect(editFile(file, change("server.port", 1), "its user", now)).rejects.toThrow("line 1, column 8");
    expect([readFileSync(file, "utf8"), readdirSync(folder.path)]).toEqual(["[server\n", ["config.toml"]]);
  });
  test("that cannot be written is told in one line with its path", async () => {
    using folder = temporaryFolder();
    const inTheWay = folder.write("file", "");
    const file = `${inTheWay}/config.toml`;
    expect(editFile(file, change("server.port", 1), "its user", now)).rejects.toMatchObject({
      status: 5,
      logger: "config",
      message: expect.stringContaining(`Could not change ${file}: `),
    });
    mkdirSync(folder.at("folder.toml"));
    expect(editFile(folder.at("folder.toml"), change("server.port", 1), "its user", now)).rejects.toMatchObject({
      status: 5,
    });
  });
  test("that is no UTF-8 is refused", async () => {
    using folder = temporaryFolder();
    writeFileSync(folder.at("config.toml"), Buffer.from([0xff]));
    expect(editFile(folder.at("config.toml"), change("a.b", 1), "its user", now)).rejects.toThrow(
      "the file is not UTF-8 text",
    );
  });
});

describe("changes that meet", () => {
  test("at one file are all made, and leave no lock behind", async () => {
    using folder = temporaryFolder();
    const file = folder.at("config.toml");
    const names = ["a", "b", "c", "d", "e", "f"];
    await Promise.all(names.map((name) => editFile(file, change(`export.${name}`, name), "its user", new Date())));
    expect(parseToml(readFileSync(file, "utf8"), file)).toEqual({
      export: Object.fromEntries(names.map((name) => [name, name])),
    });
    expect(readdirSync(folder.path).filter((name) => name.endsWith(".lock"))).toEqual([]);
  });
  test("with the lock of a program that was killed are not held up", async () => {
    using folder = temporaryFolder();
    const file = folder.write("config.toml", "[server]\nport = 1\n");
    const lock = folder.write(".config.toml.lock", "");
    utimesSync(lock, new Date(0), new Date(0));
    await editFile(file, change("server.port", 2), "its user", new Date());
    expect(readFileSync(file, "utf8")).toBe("[server]\nport = 2\n");
  });
});

test("a file of mixed line ends is changed without a word of the editor below", async () => {
  const complaint = spyOn(console, "warn");
  try {
    const text = await edited("[server] # keep\nport = 5\r\n\n[export]\n", change("server.port", 6), "/f.toml");
    expect(text).toBe("[server] # keep\nport = 6\n\n[export]\n");
    expect(complaint).not.toHaveBeenCalled();
  } finally {
    complaint.mockRestore();
  }
});
