import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { quoteAsTyped } from "../../../src/base/shell.ts";
import { joinWords } from "../../../src/task/shellwords.ts";

describe("a word", () => {
  test.each([
    ["echo", "echo"],
    ["a=b", "a=b"],
    ["--x=/p/q-1.2,3:4@5%6+7", "--x=/p/q-1.2,3:4@5%6+7"],
    ["{}", "{}"],
    ["{/-}.out", "{/-}.out"],
    ["größe", "größe"],
    ["hello world", '"hello world"'],
    ["it's", `"it's"`],
    ["", "''"],
    ["*", "'*'"],
    ["a;b", "'a;b'"],
    ["$HOME", "'$HOME'"],
    ["say $HOME", "'say $HOME'"],
    ['say "hi"', `'say "hi"'`],
    [`it's "both"`, `'it'\\''s "both"'`],
    ["~", "'~'"],
    ["#", "'#'"],
    ["{a,b}", "'{a,b}'"],
    ["{1..3}", "'{1..3}'"],
    ["{", "'{'"],
    ["a\\b", "'a\\b'"],
    ["a\u00a0b", '"a\u00a0b"'],
  ])("%p is written %s", (word, written) => {
    expect(quoteAsTyped(word)).toBe(written);
  });
});

describe("words", () => {
  test("are joined by one blank", () => {
    expect(joinWords(["echo", "hello world"])).toBe('echo "hello world"');
  });
  test.each([
    [["echo", "#", "HYPERSHELL:", "x:1"], "echo # HYPERSHELL: x:1"],
    [["echo", "a b", "# HYPERSHELL: x:1"], 'echo "a b" # HYPERSHELL: x:1'],
    [["echo", "#HYPERSHELL:x:1"], "echo #HYPERSHELL:x:1"],
    [["echo", "#", "x"], "echo '#' x"],
  ])("%p: tags stay bare, other comments are quoted", (words, line) => {
    expect(joinWords(words)).toBe(line);
  });
  test("come out of the shell as they went in", () => {
    const words = fc.array(
      fc.string({ unit: fc.constantFrom(...Array.from("ab '\"$`\\!#*?~;&|<>(){},.=-[]^\n\té")), maxLength: 8 }),
      { maxLength: 30 },
    );
    fc.assert(
      fc.property(words, (list) => {
        const line = list.map((word) => quoteAsTyped(word)).join(" ");
        const { stdout } = Bun.spawnSync(["/bin/sh", "-c", `for word in ${line}; do printf '%s\\0' "$word"; done`]);
        expect(stdout.toString()).toBe(list.map((word) => `${word}\0`).join(""));
      }),
      { numRuns: 25 },
    );
  });
});
