import { describe, expect, test } from "bun:test";
import { quoteForCmd, quoteForSh } from "../../../src/base/shell.ts";

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
