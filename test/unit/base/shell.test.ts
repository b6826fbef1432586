import { describe, expect, test } from "bun:test";
import { quoteForCmd, quoteForSh, splitWordsAnyway } from "../../../src/base/shell.ts";

describe("quoting for a shell", () => {
  const cases: readonly (readonly [text: string, sh: string, cmd: string])[] = [
    ["a/b.c", "a/b.c", "a/b.c"],
    ["", "''", '""'],
    ["a b", "'a b'", '"a b"'],
    ["it's", "'it'\\''s'", '"it\'s"'],
    ['say "x"', "'say \"x\"'", '"say ""x"""'],
    ["$HOME", "'$HOME'", '"$HOME"'],
    ["a&b", "'a&b'", '"a&b"'],
    ["C:\\x", "'C:\\x'", "C:\\x"],
    ["~", "'~'", '"~"'],
    ["é", "'é'", '"é"'],
    ["a\nb", "'a\nb'", '"a\nb"'],
  ];
  for (const [text, sh, cmd] of cases) {
    test(JSON.stringify(text), () => {
      expect(quoteForSh(text)).toBe(sh);
      expect(quoteForCmd(text)).toBe(cmd);
    });
  }
});

describe("splitting words that are used whatever they are", () => {
  test.each([
    ["code --wait", true, ["code", "--wait"]],
    [`vi -c 'set tw=80' "a b"`, true, ["vi", "-c", "set tw=80", "a b"]],
    ['vi "a\\"b" c\\ d', true, ["vi", 'a"b', "c d"]],
    [`vi 'a b`, true, ["vi", "'a", "b"]],
    ['vi "a b', true, ["vi", '"a', "b"]],
    ["vi a\\", true, ["vi", "a\\"]],
    ['C:\\vi.exe "a\\b"', false, ["C:\\vi.exe", "a\\b"]],
    ["''", true, [""]],
  ] as const)("%s, backslashes %p", (text, backslashes, words) => {
    expect(splitWordsAnyway(text, backslashes)).toEqual([...words]);
  });
});
