import { expect, test } from "bun:test";
import { lineText, listedWords, isList } from "../../../src/base/wordlist.ts";
import { combinations, type WordInput } from "../../../src/submit/combinations.ts";

const column = (...words: string[]) => words.map((word) => [word]);

async function linesOf(sources: WordInput["sources"], keepsWords = true, keepsEmpty = false): Promise<unknown[]> {
  const lines: unknown[] = [];
  for await (const batch of combinations({ sources, keepsWords, keepsEmpty }).read()) {
    expect(batch.first).toBe(lines.length + 1);
    lines.push(...batch.lines);
  }
  return lines;
}

test("one source gives its words", async () => {
  expect(await linesOf([column("a", "b")])).toEqual(["a", "b"]);
});

test("the last of several sources changes fastest", async () => {
  expect(
    await linesOf([
      column("a", "b"),
      [
        ["1", "x"],
        ["2", "y"],
      ],
      column("q"),
    ]),
  ).toEqual(["a 1 x q", "a 2 y q", "b 1 x q", "b 2 y q"]);
});

test("a source without words leaves no combination", async () => {
  expect(await linesOf([])).toEqual([]);
  expect(await linesOf([[]])).toEqual([]);
  expect(await linesOf([column("a"), [], column("b")])).toEqual([]);
});

test("words with blanks, and empty ones, are kept apart where a template may ask for them", async () => {
  const sources = [column("a  b", ""), column("1")];
  const [first, second] = (await linesOf(sources)) as string[];
  expect([listedWords(first!), listedWords(second!)]).toEqual([
    ["a  b", "1"],
    ["", "1"],
  ]);
  expect([lineText(first!), lineText(second!)]).toEqual(["a  b 1", " 1"]);
  expect(await linesOf(sources, false)).toEqual(["a  b 1", " 1"]);
});

test("an empty word alone is an empty line, or a word for a template", async () => {
  expect(await linesOf([column("", " ")])).toEqual(["", "\ufdd0 "]);
  expect(await linesOf([column("a", "")], false, true)).toEqual(["a", "\ufdd0"]);
});

test("a word with the mark of lists in it makes no list", async () => {
  const [line] = (await linesOf([column("a\ufdd0b c")])) as string[];
  expect([isList(line!), line]).toEqual([false, "a\ufdd0b c"]);
});

test("a thousand million combinations are made as they are read, and reading can be ended", async () => {
  const thousand = column(...Array.from({ length: 1000 }, (_, at) => `${at}`));
  const source = combinations({ sources: [thousand, thousand, thousand], keepsWords: false, keepsEmpty: false });
  let read = 0;
  for await (const { lines } of source.read()) {
    read += lines.length;
    if (read > 10_000) await source.close();
  }
  expect(read).toBeLessThan(20_000);
});
