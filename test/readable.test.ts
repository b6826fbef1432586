/*
 * What makes the code readable, as far as a program can tell: how long functions and lines are, and what the comments
 * of public functions say. A rule that is broken names the place and the remedy.
 */
import { expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

const paths = (pattern: string): readonly string[] => [...new Bun.Glob(pattern).scanSync({ cwd: root })].toSorted();
const linesOf = (path: string): readonly string[] => readFileSync(join(root, path), "utf8").split("\n");

const sources = paths("src/**/*.ts");
const programs = paths("scripts/*").filter((path) => !path.includes("."));

const mostLines = 100;
const mostColumns = 120;

/**
 * Functions that may be longer, as `path function`, each with its reason. At most ten: a new one takes the place of an
 * old one.
 */
const longFunctions: Readonly<Record<string, string>> = {};

interface LongFunction {
  readonly place: string;
  readonly lines: number;
}

interface Diagnostic {
  readonly message: string;
  readonly filename: string;
}

/**
 * Functions of more than `most` lines, those inside them counted along. A suite of tests is no function to be read.
 */
function functionsAbove(most: number): readonly LongFunction[] {
  const rules = { "max-lines-per-function": ["error", { max: most, skipBlankLines: false, skipComments: false }] };
  const settings = join(root, "node_modules", `.lengths-${process.pid}.json`);
  const oxlint = [process.execPath, "node_modules/oxlint/bin/oxlint", "-c", settings, "-f", "json"];
  try {
    writeFileSync(settings, JSON.stringify({ plugins: [], categories: { correctness: "off" }, rules }));
    const { stdout } = Bun.spawnSync([...oxlint, "src", "scripts", "test"], { cwd: root, stdin: "ignore" });
    const { diagnostics } = JSON.parse(stdout.toString()) as { readonly diagnostics: readonly Diagnostic[] };
    return diagnostics.flatMap(({ message, filename }) => {
      const name = /function `(.*?)`/.exec(message)?.[1];
      const isSuite = filename.startsWith("test/") && (name === undefined || /(?:Conformance|Laws)$/.test(name));
      const lines = Number(/\((\d+)\)/.exec(message)?.[1]);
      return isSuite ? [] : [{ place: `${filename} ${name ?? "(without a name)"}`, lines }];
    });
  } finally {
    rmSync(settings, { force: true });
  }
}

test("a function can be read at a glance", () => {
  const measured = functionsAbove(mostLines / 2);
  // Where none of half the length were found, none would be found at all.
  expect(measured.length).toBeGreaterThan(10);
  const found = measured.filter(({ lines }) => lines > mostLines).map(({ place }) => place);
  const remedy = `more than ${mostLines} lines: give its parts names, and its state one object`;
  expect(found.filter((place) => longFunctions[place] === undefined).map((place) => `${place}: ${remedy}`)).toEqual([]);
  const settled = Object.keys(longFunctions).filter((place) => !found.includes(place));
  expect(settled.map((place) => `${place}: is short now, strike it from the list`)).toEqual([]);
  expect(Object.keys(longFunctions).length).toBeLessThanOrEqual(10);
});

test("a line fits a window", () => {
  const everything = [...paths("{src,scripts,test}/**/*.ts"), ...programs];
  expect(everything.length).toBeGreaterThan(400);
  const long = everything.flatMap((path) =>
    linesOf(path).flatMap((line, i) =>
      line.length > mostColumns ? [`${path}:${i + 1}: ${line.length} columns of ${mostColumns}: break it`] : [],
    ),
  );
  expect(long).toEqual([]);
});

interface PublicFunction {
  readonly place: string;
  readonly signature: string;
  /** Its comment, empty where there is none. */
  readonly comment: string;
  readonly body: string;
}

/**
 * Exported functions as prettier lays them out: they begin in the first column, and so does the brace that ends them.
 */
function publicFunctions(path: string, lines: readonly string[]): readonly PublicFunction[] {
  return lines.flatMap((line, i) => {
    const name = /^export (?:async )?function\*? ?(\w+)/.exec(line)?.[1];
    if (name === undefined) return [];
    let from = i;
    if (lines[i - 1]?.endsWith("*/") === true)
      do from -= 1;
      while (!lines[from]!.startsWith("/**"));
    const body = lines.slice(i, i + lines.slice(i).indexOf("}"));
    const open = body.findIndex((each) => /(?:^|[^(<,\s])\s*\{$/.test(each) && /^(?:export|\)|\})/.test(each));
    return [
      {
        place: `${path}:${i + 1}: ${name}`,
        signature: body.slice(0, open + 1).join(" "),
        comment: lines.slice(from, i).join("\n"),
        body: body.join("\n"),
      },
    ];
  });
}

/** Words that tell in what a number is counted. */
const units = new RegExp(
  `\\b(?:${[
    "ms|milliseconds?|seconds?|microseconds?|minutes?",
    "bytes?|characters?|columns?|lines?",
    "rows?|tasks?|cores?|connections?|items?|number of",
  ].join("|")})\\b`,
  "i",
);

/** Names that need a unit. `now` and `at` are milliseconds since 1970 everywhere, and other names have theirs. */
const measures =
  /\b(?:time|timeout|memory|size|wait|delay|limit|age|pause|every|elapsed|duration|length|width)\??: number\b/;

/** What the comment of a function lacks. */
function complaints({ place, signature, comment, body }: PublicFunction): readonly string[] {
  return [
    ...(comment === "" ? [`${place} has no comment: say what it answers, and units, errors, source`] : []),
    ...(/\bthrow\b/.test(body) && !/\bthrow/i.test(comment) ? [`${place} throws: say what, and when`] : []),
    ...(measures.test(signature) && !units.test(comment) ? [`${place} takes a measure: say its unit`] : []),
  ];
}

test("the comment of a public function tells what its types do not", () => {
  const functions = sources.flatMap((path) => publicFunctions(path, linesOf(path)));
  expect(functions.length).toBeGreaterThan(400);
  expect(functions.flatMap(complaints)).toEqual([]);
});

test("a public function without a comment, and one whose comment hides errors or units, are noticed", () => {
  const bad = [
    "export function bare(): void {",
    "}",
    "/** Waits. */",
    "export async function silent(",
    "  delay: number,",
    "): Promise<void> {",
    "  if (delay < 0) throw new Error();",
    "}",
    "/** Waits so many milliseconds. Throws Error for less than none. */",
    "export function fine(delay: number): void {",
    "  if (delay < 0) throw new Error();",
    "}",
  ];
  expect(publicFunctions("a.ts", bad).flatMap(complaints)).toEqual([
    "a.ts:1: bare has no comment: say what it answers, and units, errors, source",
    "a.ts:4: silent throws: say what, and when",
    "a.ts:4: silent takes a measure: say its unit",
  ]);
});

/** Places whose behaviour somebody else has laid down, and how comments name that source. */
const followed: readonly (readonly [place: RegExp, source: RegExp])[] = [
  [/^src\/expression\//, /Python|IEEE|JavaScript|grammar/],
  [/^src\/base\/(?:ntpath|ospath|posixpath|slice|strftime)\.ts$/, /Python/],
  [/^src\/wire\/(?:auth|certificate)\.ts$/, /RFC \d+|X\.509/],
];

test("a file that follows a standard names it", () => {
  for (const [place] of followed) expect(sources.some((path) => place.test(path))).toBeTrue();
  const silent = sources.flatMap((path) => {
    const source = followed.find(([place]) => place.test(path))?.[1];
    const comments = linesOf(path).filter((line) => /^\s*(?:\/\*|\*|\/\/)/.test(line));
    return source === undefined || comments.some((line) => source.test(line)) ? [] : [`${path}: name the source`];
  });
  expect(silent).toEqual([]);
});
