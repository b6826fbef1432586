/*
 * The rules of the house that no general checker knows: who may import whom, and what may stand where. A rule that is
 * broken names the place and the remedy. Comments do not count; everything else in a file does.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { missingFrom } from "../scripts/complete-lock.ts";
import type { Lock } from "../scripts/complete-lock.ts";

const root = resolve(import.meta.dir, "..");

interface Source {
  readonly path: string;
  /** As it is, for what is said about the whole file. */
  readonly text: string;
  /** Without comments, line for line. */
  readonly code: string;
}

function read(pattern: string): readonly Source[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: root })].toSorted().map((path) => {
    const text = readFileSync(join(root, path), "utf8");
    const blank = (comment: string): string => comment.replace(/[^\n]/g, "");
    // A `//` counts as a comment at the start of a line or after a blank, so an address in a string does not.
    const code = text.replace(/(?<=^|\s)\/\*[\s\S]*?\*\//g, blank).replace(/(?<=^|\s)\/\/ .*/gm, "");
    return { path, text, code };
  });
}

const src = read("src/**/*.ts");
const tests = read("test/**/*.ts");
const all = [...src, ...tests, ...read("scripts/**/*.ts")];

/** What a room may import besides itself and base/. The table in ARCHITECTURE.md says the same. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  base: [],
  log: [],
  progress: [],
  task: [],
  view: ["task"],
  output: ["log"],
  expression: [],
  template: ["expression"],
  config: ["task"],
  wire: ["view", "task"],
  store: ["task"],
  history: ["view", "store", "task"],
  submit: ["store", "template", "task", "log"],
  server: ["view", "output", "store", "wire", "task", "log"],
  client: ["view", "output", "wire", "template", "task", "log"],
  launch: ["client", "wire", "template", "log"],
  cluster: [
    "view",
    "progress",
    "history",
    "launch",
    "server",
    "client",
    "submit",
    "store",
    "wire",
    "output",
    "template",
    "config",
    "task",
    "log",
  ],
  library: ["cluster", "client", "history", "server", "submit", "store", "wire", "config", "task", "log"],
  explain: ["view", "history", "server", "store", "task"],
  args: ["config", "log"],
  print: ["task", "log"],
  report: ["task"],
  top: ["view", "print", "log"],
  web: ["view", "log"],
  cli: [
    "web",
    "args",
    "print",
    "top",
    "explain",
    "report",
    "progress",
    "view",
    "cluster",
    "launch",
    "server",
    "client",
    "submit",
    "history",
    "store",
    "wire",
    "template",
    "config",
    "task",
    "log",
  ],
  "main.ts": ["cli", "print", "log"],
};

const roomOf = (path: string): string => path.split("/")[1] ?? "";

function wrongImports({ path, code }: Source): readonly string[] {
  const room = roomOf(path);
  const allowed = rooms[room];
  if (allowed === undefined)
    return [
      `${path}: there is no room ${room} in the house: put the file into one, or add it to ARCHITECTURE.md and here`,
    ];
  return [...code.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
    .map(([, to]) => join(dirname(path), to!))
    .filter((to) => to.startsWith("src/") && ![room, "base", ...allowed].includes(roomOf(to)))
    .map(
      (to) =>
        `${path}: imports ${to}: ${room} may know ${["base", ...allowed].join(", ")}; ` +
        "pass it in as a value or a function",
    );
}

test("a room imports only what it may know", () => {
  expect(src.flatMap(wrongImports)).toEqual([]);
});

/** Files that hold a command; what two of them need stands in a file of its own. */
const verbs = src.filter(
  ({ path, code }) => path.startsWith("src/cli/") && /^export const (?:\{ )?command\b/m.test(code),
);

test("no verb imports a verb", () => {
  const names = new Set(verbs.map(({ path }) => path));
  const found = verbs.flatMap(({ path, code }) =>
    [...code.matchAll(/\b(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)]
      .map(([, to]) => join(dirname(path), to!))
      .filter((to) => names.has(to))
      .map((to) => `${path}: imports ${to}: move what both need into a file of its own`),
  );
  expect(verbs.length).toBeGreaterThan(10);
  expect(found).toEqual([]);
});

/** All that may be at the top of the project. */
const top = new Set(
  (
    ".ci .editorconfig .gitignore .oxlintrc.json ARCHITECTURE.md CHANGELOG.md HACKING.md LICENSE PROTOCOL.md " +
    "README.md SECURITY.md bunfig.toml docs package-lock.json package.json scripts src test tsconfig.json"
  ).split(" "),
);

test("nothing stands at the top of the project that was only left there", () => {
  const { stdout, exitCode } = Bun.spawnSync(["git", "ls-files", "-z"], { cwd: root });
  // An archive of the sources has no list of files.
  if (exitCode !== 0) return;
  const names = new Set(
    stdout
      .toString()
      .split("\0")
      .map((file) => file.split("/")[0]!),
  );
  names.delete("");
  expect([...names].filter((name) => !top.has(name))).toEqual([]);
});

/**
 * What `hs --version` may load: it should take no longer than Bun itself. Everything else is imported when it is
 * needed.
 */
const loadedAtOnce = [
  "src/args/flags.ts",
  "src/base/assert.ts",
  "src/base/clock.ts",
  "src/base/early.ts",
  "src/base/errors.ts",
  "src/base/escape.ts",
  "src/base/nearest.ts",
  "src/base/process.ts",
  "src/base/units.ts",
  "src/base/variables.ts",
  "src/base/version.ts",
  "src/base/write.ts",
  "src/cli/early.ts",
  "src/cli/hs.ts",
  "src/cli/program.ts",
  "src/cli/version.ts",
  "src/log/colour.ts",
  "src/log/outlet.ts",
  "src/main.ts",
  "src/print/output.ts",
];

/** What a file loads as it is loaded itself: files of ours, and packages. Types, Node and Bun are left out. */
function loadedBy({ path, code }: Source): readonly string[] {
  return [...code.matchAll(/^import (?!type\b)(?:[^;"]*\bfrom )?"([^"]+)"/gm)]
    .map(([, to]) => (to!.startsWith(".") ? join(dirname(path), to!) : to!))
    .filter((to) => !/^(?:node|bun):|\.json$/.test(to));
}

test("what --version does not need is loaded later", () => {
  const loaded = new Set(["src/main.ts"]);
  for (const path of loaded)
    src
      .filter((source) => source.path === path)
      .flatMap(loadedBy)
      .forEach((to) => loaded.add(to));
  const extra = [...loaded].filter((path) => !loadedAtOnce.includes(path));
  expect(extra.map((path) => `${path}: let what needs it import it with await import()`)).toEqual([]);
  expect(loadedAtOnce.filter((path) => !loaded.has(path))).toEqual([]);
});

interface Ban {
  readonly rule: string;
  readonly pattern: RegExp;
  readonly among: readonly Source[];
  readonly except: RegExp;
  readonly remedy: string;
}

const nowhere = /^$/;

const anyOf = (patterns: readonly RegExp[]): RegExp => new RegExp(patterns.map(({ source }) => source).join("|"));

const sqlStatements = [
  /\bSELECT\s[^"'`]*\sFROM\b/,
  /\bINSERT\s+(?:OR\s+\w+\s+)?INTO/,
  /\bUPDATE\s+\w+\s+SET/,
  /\bDELETE\s+FROM/,
  /\bCREATE\s+(?:TABLE|INDEX)/,
  /\bPRAGMA\s+\w+\s*[=(;]/,
  /from "bun:sqlite"/,
];

const decisions = [
  /\/(?:reactor|state|event|effects)\.ts$/,
  /^src\/server\/(?:dispatch|outcomes|recalls|registration|roster|succession)\.ts$/,
  /^src\/client\/(?:connection|leaving|report|stopping)\.ts$/,
];

const bans: readonly Ban[] = [
  {
    rule: "only base/clock.ts sets timers and reads the time",
    pattern: /\b(?:setTimeout|setInterval|Date\.now|performance\.now|Bun\.nanoseconds|Bun\.sleep)\(|\bnew Date\(\)/,
    among: src,
    except: /^src\/base\/clock\.ts$/,
    remedy: "take a Clock, or `now`, as a parameter",
  },
  {
    rule: "only main.ts ends the process",
    pattern: /\bprocess\.exit\b(?!Code)/,
    among: src,
    except: /^src\/main\.ts$/,
    remedy: "return an exit status, or throw an error of base/errors.ts",
  },
  {
    rule: "SQL lives in store/ and history/",
    pattern: anyOf(sqlStatements),
    among: src,
    except: /^src\/(?:store|history)\//,
    remedy: "add a function to the contract in store/store.ts or history/history.ts",
  },
  {
    rule: "a file is imported where it is, not through another",
    pattern: /^export\s+(?:\*|(?:type\s+)?\{[^}]*\})\s*(?:as\s+\w+\s+)?from\b/m,
    among: all,
    except: nowhere,
    remedy: "import from the file that owns the thing",
  },
  {
    rule: "no inheritance but from Error",
    pattern: /\bclass\s+\w+(?:<[^>]*>)?\s+extends\s+(?!\w*Error\b)/,
    among: all,
    except: nowhere,
    remedy: "pass the differing part as a function",
  },
  {
    rule: "the expression language is loaded on demand",
    pattern: /^import (?!type\b)[^;]*"[./]+\/expression\/(?!failure\.ts")/m,
    among: src.filter(({ path }) => !path.startsWith("src/expression/")),
    except: nowhere,
    remedy: "import a type, or require it where a template has `{= =}`: it takes several milliseconds to load",
  },
  {
    rule: "decisions are made without waiting",
    pattern: /\bawait\b|\basync\b|\bPromise\b/,
    among: src.filter(({ path }) => anyOf(decisions).test(path)),
    except: nowhere,
    remedy: "return an effect, and let the door do it",
  },
  {
    rule: "a test waits for a condition, not for a time",
    pattern: /\bBun\.sleep(?:Sync)?\(|\bsetTimeout\((?!resolve)|\bsetInterval\(/,
    among: tests,
    except: /^test\/(?:e2e\/harness|house\.test)\.ts$/,
    remedy: "use `until` of test/e2e/harness.ts, a line of the output, or a virtual clock",
  },
  {
    rule: "no test is left out by accident",
    pattern: /\b(?:test|it|describe)\.(?:only|todo|skip)\b/,
    among: tests,
    except: /^test\/house\.test\.ts$/,
    remedy: "finish or remove it; where a part of the machine may be missing: `needs` of test/e2e/harness.ts",
  },
];

/** Each place where the pattern matches, as `file:line`. */
function places({ path, code }: Source, pattern: RegExp): readonly string[] {
  return [...code.matchAll(new RegExp(pattern, `${pattern.flags}g`))].map(
    ({ index, 0: found }) => `${path}:${code.slice(0, index).split("\n").length}: ${found.trim()}`,
  );
}

for (const { rule, pattern, among, except, remedy } of bans) {
  test(rule, () => {
    const found = among.filter(({ path }) => !except.test(path)).flatMap((source) => places(source, pattern));
    expect(found.map((place) => `${place}: ${remedy}`)).toEqual([]);
  });
}

test("a file is named after what it owns", () => {
  const vague = /(?:^|\/)(?:utils?|types?|helpers?|common|misc|shared|index|constants)\.ts$/;
  const found = all
    .filter(({ path }) => vague.test(path))
    .map(({ path }) => `${path}: move each part to the file that owns it`);
  expect(found).toEqual([]);
});

test("a file can be read in one sitting", () => {
  const limit = 600;
  const long = all
    .map(({ path, text }) => ({ path, lines: text.split("\n").length }))
    .filter(({ lines }) => lines > limit);
  expect(
    long.map(
      ({ path, lines }) => `${path}: ${lines} lines of ${limit}: find the second thing in it, and give that a file`,
    ),
  ).toEqual([]);
});

test("a source file says first what it owns", () => {
  const silent = src
    .filter(({ text }) => !text.startsWith("/*"))
    .map(({ path }) => `${path}: open it with a comment: what it owns, what it does not know`);
  expect(silent).toEqual([]);
});

test("no file holds marks of a merge conflict", () => {
  // Spelled with counts, so that the pattern does not find itself. A line of `=` alone may underline a title.
  const mark = /^(?:<{7}|>{7}|\|{7})(?: .*)?$/gm;
  const outside = /^(?:\.git|\.hypershell|dist|node_modules)(?:\/|$)|\.(?:db|png|ico)$/;
  const found = [...new Bun.Glob("**/*").scanSync({ cwd: root, dot: true })]
    .filter((path) => !outside.test(path))
    .toSorted()
    .flatMap((path) => {
      const text = readFileSync(join(root, path), "utf8");
      return [...text.matchAll(mark)].map(({ index }) => `${path}:${text.slice(0, index).split("\n").length}`);
    });
  expect(found.map((place) => `${place}: decide which side stays, and remove the marks`)).toEqual([]);
});

test("the lock file is complete for every platform", () => {
  const lock = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as Lock;
  const missing = missingFrom(lock).map(
    ({ name, version }) => `${name} ${version}: run scripts/bun scripts/complete-lock.ts`,
  );
  expect(missing).toEqual([]);
});
