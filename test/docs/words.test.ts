/*
 * What can be said of the pages without running anything: messages that they quote are in the source, options that they
 * name are in the help, and links lead somewhere.
 */
import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { cellsOf, readPage } from "./markdown.ts";

const root = resolve(import.meta.dir, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const glob = (pattern: string): readonly string[] => [...new Bun.Glob(pattern).scanSync({ cwd: root })].toSorted();

const pages = [...glob("*.md"), ...glob("docs/**/*.md")];

/** All texts of the program in one: what is joined by `+` stands together, and what differs each time is `...`. */
const said = glob("src/**/*.ts")
  .map(read)
  .join("\n")
  .replace(/["'`]\s*\+\s*["'`]/g, "")
  .replace(/\$\{(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*\}/g, "...")
  .replace(/\b(?:FILE|PLACE)\b/g, "...");

/** The fixed parts of a message, which stand one after the other in the source, not far apart. */
function isSaid(message: string): boolean {
  const parts = message.split("...").map((part) => part.trim());
  const escaped = parts
    .filter((part) => part !== "")
    .map((part) => part.replace(/[\\^$*+?.()[\]{}|]/g, String.raw`\$&`));
  return escaped.length > 0 && new RegExp(escaped.join("[^]{0,200}?")).test(said);
}

test("each message that the page of troubles quotes is said by the program", () => {
  const rows = read("docs/troubleshooting.md").split("\n");
  const messages = rows
    .filter((row) => row.startsWith("| `"))
    .map((row) => /^`(.*)`$/.exec(cellsOf(row)[0] ?? "")?.[1] ?? `no message: ${row}`);
  expect(messages.length).toBeGreaterThan(50);
  expect(messages.filter((message) => !isSaid(message))).toEqual([]);
  expect(isSaid("Walltime limit exceeded (...): ... > ...")).toBe(true);
  expect(isSaid("Walltime limit surpassed (...)")).toBe(false);
});

/** Names of options, as help has them. */
const optionsIn = (text: string): readonly string[] => text.match(/(?<![\w-])--?[a-zA-Z0-9][\w-]*/g) ?? [];

/** All options that the tables of the program define, with their dashes; `-h` has every command. */
const known = new Set([
  "--help",
  "-h",
  ...glob("src/**/*.ts").flatMap((path) =>
    [...read(path).matchAll(/"(--?[a-zA-Z0-9][\w-]*)"/g)].map(([, name]) => name!),
  ),
]);

test("options of hs and hsx that pages name are known to the program", () => {
  expect(known.size).toBeGreaterThan(80);
  expect([known.has("--restart"), known.has("--restrat")]).toEqual([true, false]);
  const unknown = pages
    .filter((path) => !path.includes("decisions/") && path !== "CHANGELOG.md")
    .flatMap((path) =>
      readPage(read(path))
        .spans.filter(({ text }) => /^hsx? /.test(text) && !/[|;&]|--? |launcher/.test(text))
        .flatMap(({ line, text }) =>
          optionsIn(text.replace(/'[^']*'|"[^"]*"/g, "''"))
            .map((name) => (name.startsWith("--") ? name : name.slice(0, 2)))
            .filter((name) => !known.has(name) && !/^-\d/.test(name))
            .map((name) => `${path}:${line}: ${name} in '${text}'`),
        ),
    );
  expect(unknown).toEqual([]);
});

/** The anchors of a page, as its headings give them. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test("links between pages lead to a page, and to a heading of it", () => {
  const links = pages.flatMap((path) => {
    const text = read(path).replace(/^ *```[^]*?^ *```/gm, "");
    return [...text.matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => ({ path, to: to! }));
  });
  expect(links.length).toBeGreaterThan(60);
  const dead = links.filter(({ path, to }) => {
    if (/^[a-z]+:/.test(to)) return false;
    const [file = "", anchor] = to.split("#");
    const target = file === "" ? path : join(dirname(path), file);
    if (!existsSync(join(root, target))) return true;
    return anchor !== undefined && !anchorsOf(read(target)).includes(anchor);
  });
  expect(dead.map(({ path, to }) => `${path}: ${to}`)).toEqual([]);
});

test("every page of docs/ is in the index", () => {
  const index = read("docs/README.md");
  const missing = glob("docs/*.md").filter((path) => path !== "docs/README.md" && !index.includes(path.slice(5)));
  expect(missing).toEqual([]);
});

test("every page begins with what one can do after reading it", () => {
  const start = (path: string): string => read(path).split("\n\n").slice(1, 3).join(" ");
  const lost = [...glob("docs/*.md"), "SECURITY.md"].filter((path) => path !== "docs/README.md");
  expect(lost.filter((path) => !/\bAfter this page\b/.test(start(path)))).toEqual([]);
});
