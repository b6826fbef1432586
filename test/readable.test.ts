/*
 * What makes the code readable, as far as a program can tell: how long functions and lines are, and what the comments of public
 * functions say. A rule that is broken names the place and the remedy.
 */
import { expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

const paths = (pattern: string): readonly string[] => [...new Bun.Glob(pattern).scanSync({ cwd: root })].toSorted();
const linesOf = (path: string): readonly string[] => readFileSync(join(root, path), "utf8").split("\n");

const sources = paths("src/**/*.ts");
const everything = [
  ...paths("{src,scripts,test}/**/*.ts"),
  ...paths("scripts/*").filter((path) => !path.includes(".")),
];

const mostLines = 100;
const mostColumns = 120;

/** Functions that may be longer, as `path function`, each with its reason. At most ten: a new one takes the place of an old one. */
const longFunctions: Readonly<Record<string, string>> = {};

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
  readonly labels: readonly { readonly span: { readonly line: number } }[];
}

/** Functions of more than `mostLines` lines, those inside them counted along. A suite of tests is no function to be read. */
function tooLong(): readonly string[] {
  const rules = { "max-lines-per-function": ["error", { max: mostLines, skipBlankLines: false, skipComments: false }] };
  const settings = join(root, "node_modules", `.lengths-${process.pid}.json`);
  const command = [
    process.execPath,
    "node_modules/oxlint/bin/oxlint",
    "-c",
    settings,
    "-f",
    "json",
    "src",
    "scripts",
    "test",
  ];
  try {
    writeFileSync(settings, JSON.stringify({ plugins: [], categories: { correctness: "off" }, rules }));
    const { stdout } = Bun.spawnSync(command, { cwd: root, stdin: "ignore", stderr: "pipe" });
    const { diagnostics } = JSON.parse(stdout.toString()) as { readonly diagnostics: readonly Diagnostic[] };
    return diagnostics.flatMap(({ message, filename }) => {
      const name = /function `(.*?)`/.exec(message)?.[1];
      const isSuite = filename.startsWith("test/") && (name === undefined || name.endsWith("Conformance"));
      return isSuite ? [] : [`${filename} ${name ?? "(without a name)"}`];
    });
  } finally {
    rmSync(settings, { force: true });
  }
}

test("a function can be read at a glance", () => {
  const found = tooLong();
  const remedy = `more than ${mostLines} lines: give its parts names, and its state one object`;
  expect(found.filter((name) => longFunctions[name] === undefined).map((name) => `${name}: ${remedy}`)).toEqual([]);
  const settled = Object.keys(longFunctions).filter((name) => !found.includes(name));
  expect(settled.map((name) => `${name}: is short now, strike it from the list`)).toEqual([]);
  expect(Object.keys(longFunctions).length).toBeLessThanOrEqual(10);
});

test("a line fits a window", () => {
  const long = everything.flatMap((path) =>
    linesOf(path).flatMap((line, i) =>
      line.length > mostColumns ? [`${path}:${i + 1}: ${line.length} columns of ${mostColumns}: break it`] : [],
    ),
  );
  expect(long).toEqual([]);
});

interface PublicFunction {
  readonly place: string;
  readonly name: string;
  readonly signature: string;
  /** Its comment, empty where there is none. */
  readonly comment: string;
  readonly body: string;
}

/** Exported functions, as prettier lays them out: they begin in the first column, and so does the brace that ends them. */
function publicFunctions(path: string): readonly PublicFunction[] {
  const lines = linesOf(path);
  return lines.flatMap((line, i) => {
    const name = /^export (?:async )?function\*? ?(\w+)/.exec(line)?.[1];
    if (name === undefined) return [];
    let from = i;
    if (lines[i - 1]?.endsWith("*/") === true)
      do from -= 1;
      while (!lines[from]!.startsWith("/**"));
    const open = i + lines.slice(i).findIndex((each) => /\{$/.test(each) && !/[(<,]\s*\{$/.test(each));
    const end = i + lines.slice(i).findIndex((each) => each === "}" || each.startsWith("export const"));
    return [
      {
        place: `${path}:${i + 1}`,
        name,
        signature: lines.slice(i, open + 1).join(" "),
        comment: lines.slice(from, i).join("\n"),
        body: lines.slice(i, Math.max(end, i)).join("\n"),
      },
    ];
  });
}

/** Words that tell in what a number is counted. */
const units =
  /\b(?:ms|milliseconds?|seconds?|microseconds?|minutes?|hours?|days?|bytes?|characters?|columns?|lines?|rows?|tasks?|cores?|number of|count|per cent|times?)\b/i;

/** Names that say it themselves. `now` and `at` are milliseconds since 1970 everywhere (ARCHITECTURE.md). */
const measures =
  /\b(?:time|timeout|memory|size|wait|delay|limit|age|pause|every|elapsed|duration|length|width)\??: number\b/;

test("the comment of a public function tells what its types do not", () => {
  const wrong = sources
    .flatMap(publicFunctions)
    .flatMap(({ place, name, signature, comment, body }) => [
      ...(comment === "" ? [`${place}: ${name} has no comment: say what it answers, units, errors and source`] : []),
      ...(/\bthrow\b/.test(body) && !/\bthrow/i.test(comment) ? [`${place}: ${name} throws: say what, and when`] : []),
      ...(measures.test(signature) && !units.test(comment) ? [`${place}: ${name} takes a measure: say its unit`] : []),
    ]);
  expect(wrong).toEqual([]);
});

/** Rooms and files whose behaviour somebody else has laid down, and how comments name that source. */
const followed: readonly (readonly [place: RegExp, source: RegExp])[] = [
  [/^src\/expression\//, /Python|IEEE|JavaScript|grammar/],
  [/^src\/wire\/(?:auth|certificate)\.ts$/, /RFC \d+|X\.509/],
];

test("a file that follows a standard names it", () => {
  const silent = sources.flatMap((path) => {
    const source = followed.find(([place]) => place.test(path))?.[1];
    const comments = linesOf(path).filter((line) => /^\s*(?:\/\*|\*|\/\/)/.test(line));
    return source === undefined || comments.some((line) => source.test(line)) ? [] : [`${path}: name the source`];
  });
  expect(silent).toEqual([]);
});
