/* That a page which is not true is noticed: each mistake that a writer may make, planted. */
import { expect, test } from "bun:test";
import { isShown } from "./compare.ts";
import { readPage } from "./markdown.ts";
import { runPage } from "./run.ts";

const fence = "```";

/** A page of blocks: what stands behind the fence, and the lines of the block. */
const pageOf = (...blocks: readonly (readonly [info: string, ...lines: string[]])[]): string =>
  blocks.map(([info, ...lines]) => `${fence}${info}\n${lines.join("\n")}\n${fence}\n`).join("\n");

async function faultsOf(text: string): Promise<readonly string[]> {
  const page = readPage(text);
  expect(page.faults).toEqual([]);
  const found = await runPage(page, page.steps, { env: {}, asSelf: false });
  return found.map((each) => each.replaceAll("\n", " / "));
}

test("a page that is true has no faults", async () => {
  const table = "| there | write here |\n|---|---|\n| `x` | `hsx --version \\| grep -q x \\|\\| echo no >>ran` |\n";
  const page = pageOf(
    ["sh in/job.sh", "echo one two"],
    ["console", "$ sh in/job.sh", "one two", "$ pwd", "/home/you/...", "$ false", "$ echo $?", "1", "$ true"],
    ["sh", "cd in", "sleep 60 &"],
    ["console", "$ cat job.sh", "echo one two", "$ for x in 2 1; do", ">   echo $x", "> done", "...", "1"],
  );
  const tail = "<!-- run: test -s ran && echo more >>ran -->\n\n<!-- any order -->\n";
  const last = pageOf(["console", "$ printf '1\\n2\\n3\\n'", "3", "1", "2", "$ cat ran", "more", "no"]);
  expect(await faultsOf(`${page}\n${table}\n${tail}${last}`)).toEqual([]);
});

test("what a page does not show, shows wrongly, or what fails, is named with its line", async () => {
  const page = pageOf(
    ["console", "$ echo right", "wrong", "$ echo more", "$ true", "silence", "$ false", "$ exit 0"],
    ["sh", "echo never"],
  );
  expect(await faultsOf(page)).toEqual([
    "line 2: echo right / printed: / right / instead of: / wrong / ",
    "line 4: echo more / printed: / more / instead of: / ",
    "line 5: true / printed: / instead of: / silence / ",
    "line 7: false / ended with status 1. It printed: / ",
    "line 8: exit 0 / ended the page. It had printed: / ",
  ]);
  expect(await faultsOf(pageOf(["sh", "echo said", "ls /nothing-here", "echo never"], ["sh", "echo never"]))).toEqual([
    expect.stringMatching(/^line 2: .* ended the page. It had printed: \/ said \/ ls: .*nothing-here/),
  ]);
});

test("blocks that nobody would run are noticed", () => {
  const faults = (text: string): readonly string[] => readPage(text).faults;
  expect(faults("Type\n\n    hsx tasks.in\n")).toEqual([expect.stringContaining("3: an indented block is not run")]);
  expect(faults(pageOf(["text", "$ hsx tasks.in"]))).toEqual([expect.stringContaining("are not run: make it sh")]);
  expect(faults(pageOf(["", "hsx tasks.in"]))).toEqual([expect.stringContaining("1: a block of ''")]);
  expect(faults(pageOf(["console", "hsx tasks.in"]))).toEqual([expect.stringContaining("begins with a prompt")]);
  expect(faults(pageOf(["bat", "hsx tasks.in"]))).toEqual([expect.stringContaining("say which test runs it")]);
  expect(faults(`<!-- not run: x -->\n${pageOf(["sh", "true"])}`)).toEqual(["1: say why it is not run"]);
  expect(faults("<!-- neds: slurm -->\n")).toEqual(["1: a comment that no test understands: neds"]);
  expect(faults(`${fence}sh\ntrue\n`)).toEqual(["1: the block does not end"]);
});

test("a comment holds for the block behind it, and one with 'page' for all that follow", () => {
  const blocks = pageOf(["sh", "one"], ["sh", "two"]);
  const needs = (text: string) => readPage(text).steps.map((step) => step.needs);
  expect(needs(`<!-- needs: slurm -->\n${blocks}`)).toEqual([["slurm"], []]);
  expect(needs(`<!-- page needs: slurm, cc -->\n${blocks}`)).toEqual([
    ["slurm", "cc"],
    ["slurm", "cc"],
  ]);
  const [leftOut] = readPage(`<!-- not run: no such system here -->\n${blocks}`).leftOut;
  expect([leftOut?.reason, leftOut?.text]).toEqual(["no such system here", "one\n"]);
});

test("three dots stand for anything, alone for any number of lines, and an id for any id", () => {
  const [one, other] = ["01a22e03-fbcf-7306-8110-58e6534c5ec3", "0198b2c4-0000-7000-8000-000000000000"];
  expect(isShown("a ... c\n", "a b c\n", false)).toBe(true);
  expect(isShown("a\n...\nc\n", "a\nc\n", false)).toBe(true);
  expect(isShown("a\n...\nc\n", "a\n1\n2\nc\n", false)).toBe(true);
  expect(isShown("a\n...\nc\n", "a\n1\n2\nc\nd\n", false)).toBe(false);
  expect(isShown(`task (${one})\n`, `task (${other})  \n`, false)).toBe(true);
  expect(isShown("a.c*\n", "abcc\n", false)).toBe(false);
  expect(isShown("", "\n", false)).toBe(true);
  expect(isShown("", "x\n", false)).toBe(false);
  expect(isShown("2\n1\n", "1\n2\n", true)).toBe(true);
  expect(isShown("2\n1\n", "1\n1\n", true)).toBe(false);
  expect(isShown("1\n", "1\n1\n", true)).toBe(false);
});
