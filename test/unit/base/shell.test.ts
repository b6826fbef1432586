import { describe, expect, test } from "bun:test";
import {
  quoteAsTyped,
  quoteForCmd,
  quoteForSh,
  quoterFor,
  splitWords,
  splitWordsAnyway,
} from "../../../src/base/shell.ts";

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
    ["C:\\a b\\", "'C:\\a b\\'", '"C:\\a b\\\\"'],
    ['\\"x', "'\\\"x'", '"\\\\""x"'],
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

test("a word is quoted for the shell that gets it", () => {
  const shown = (shell: string): string[] => {
    const quote = quoterFor(shell, "win32");
    return ["C:\\a\\b", "it's $x"].map((word) => quote(word));
  };
  expect(shown("C:\\Windows\\System32\\cmd.exe")).toEqual(["C:\\a\\b", '"it\'s $x"']);
  expect(shown("C:\\pwsh\\pwsh.exe")).toEqual(["C:\\a\\b", "'it''s $x'"]);
  expect(shown("C:\\Git\\bin\\bash.exe")).toEqual(["'C:\\a\\b'", "'it'\\''s $x'"]);
  expect(quoterFor("/usr/bin/pwsh", "linux")("a b")).toBe("'a b'");
});

test("on Windows a backslash in an option stands for itself", () => {
  const words = ["C:\\Program Files\\MPI\\mpiexec.exe", "-n", "4"];
  expect(splitWords('"C:\\Program Files\\MPI\\mpiexec.exe" -n 4', "--launcher", "win32")).toEqual(words);
  expect(splitWords("a\\ b", "--launcher", "darwin")).toEqual(["a b"]);
  expect(() => splitWords('"C:\\x', "--launcher", "win32")).toThrow("is not closed");
});

test("on Windows words are typed bare or in double quotes", () => {
  const typed = (word: string): string => quoteAsTyped(word, "win32");
  expect(["C:\\x\\y.exe", "a b", "it's", "{}", "a&b", ""].map(typed)).toEqual([
    "C:\\x\\y.exe",
    '"a b"',
    '"it\'s"',
    "{}",
    '"a&b"',
    '""',
  ]);
});
