/*
 * Every command line of the README and of the pages in docs/ is run, page by page, with the compiled programs, and what
 * a page shows is compared with what comes out. markdown.ts tells how a page is written for that.
 */
import { afterAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { say } from "../../scripts/say.ts";
import { needs } from "../e2e/harness.ts";
import { readPage } from "./markdown.ts";
import { parts } from "./parts.ts";
import { runPage } from "./run.ts";

const root = resolve(import.meta.dir, "../..");
const paths = ["README.md", "SECURITY.md", ...new Bun.Glob("docs/*.md").scanSync({ cwd: root })].toSorted();
const pages = paths.map((path) => ({ path, ...readPage(readFileSync(join(root, path), "utf8")) }));

const opened = new AsyncDisposableStack();
afterAll(() => opened.disposeAsync(), 60_000);

/** Parts that were started, or are being started. */
const started = new Map<string, Promise<Readonly<Record<string, string>>>>();

function start(name: string): Promise<Readonly<Record<string, string>>> {
  const under = started.get(name) ?? parts[name]!.start(opened);
  started.set(name, under);
  return under;
}

/** The longest that a page may take, with its turn and the start of what it needs. */
const patienceMs = 400_000;

/** Pages wait more than they compute: so many run at once. */
const atOnce = 4;
let running = 0;
const waiting: (() => void)[] = [];

async function inTurn<T>(body: () => Promise<T>): Promise<T> {
  if (running >= atOnce) await new Promise<void>((go) => waiting.push(go));
  else running++;
  try {
    return await body();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }
}

for (const page of pages) {
  const { path, steps, leftOut, faults } = page;
  const needed = [...new Set(steps.flatMap((step) => step.needs))];
  const known = needed.filter((name) => parts[name] !== undefined);
  const missing = known.filter((name) => parts[name]!.missing !== null);
  const possible = steps.filter((step) => !step.needs.some((name) => missing.includes(name)));

  test(`${path} can be read by the tests`, () => {
    expect(faults).toEqual([]);
    expect(needed.filter((name) => !known.includes(name))).toEqual([]);
  });

  // Those who skip Slurm see which blocks that costs.
  if (possible.length < steps.length) {
    const why = missing.map((name) => `${name}: ${parts[name]!.missing}`).join(", ");
    needs([], why)(`${path}: ${steps.length - possible.length} commands more`, () => Promise.resolve());
  }
  if (possible.length > 0)
    test.concurrent(
      `${path} is true: ${possible.length} commands`,
      async () => {
        const found = await inTurn(async () => {
          const own = known.filter((name) => !missing.includes(name));
          const env = Object.assign({}, ...(await Promise.all(own.map(start)))) as Record<string, string>;
          return runPage(page, possible, { env, asSelf: own.some((name) => parts[name]!.asSelf) });
        });
        if (found.length > 0) throw new Error(`${path}: ${found.join(`\n\n${path}: `)}`);
      },
      patienceMs,
    );

  if (leftOut.length > 0)
    test(`${path}: ${leftOut.length} blocks are run elsewhere, or say why they are not`, async () => {
      for (const { line, by, reason, text } of leftOut) {
        if (by === null) say.warn(`${path}:${line} is not run: ${reason}`);
        else {
          const source = await Bun.file(join(root, by)).text();
          // Every word of every line, but for versions, the way there, and who calls.
          const commands = text.split("\n").filter((each) => /^\S/.test(each) && !/^(?:#|cd )/.test(each));
          const words = commands
            .flatMap((each) => each.split(/[\s"'=]+/))
            .filter((word) => !/[\d*]|^(?:bun|sudo)?$/.test(word));
          // A test that reads the page has them from there.
          const reads = by.endsWith(".ts") && source.includes(basename(path));
          expect(words.length).toBeGreaterThan(0);
          expect(words.filter((word) => !reads && !source.includes(word))).toEqual([]);
        }
      }
    });
}
