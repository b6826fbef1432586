import { describe, expect, test } from "bun:test";
import { listText } from "../../../src/base/wordlist.ts";
import { windowsPaths } from "../../../src/base/ospath.ts";
import { TemplateError } from "../../../src/template/errors.ts";
import { expand } from "../../../src/template/expand.ts";
import { parseTemplate } from "../../../src/template/parse.ts";
import { expanded, host, realShell, recordingShell } from "./host.ts";

function failure(template: string, input: string): TemplateError {
  try {
    expanded(template, input);
  } catch (error) {
    if (error instanceof TemplateError) return error;
    throw error;
  }
  throw new Error(`no error of ${template} for ${input}`);
}

describe("paths", () => {
  const signs = ["{.}", "{..}", "{/}", "{/-}", "{-}", "{+}", "{++}"];
  const cases: readonly (readonly [input: string, ...results: string[]])[] = [
    ["/some/path/to/file.h5", "/some/path/to", "/some/path", "file.h5", "file", "/some/path/to/file", ".h5", "h5"],
    ["file.h5", "", "", "file.h5", "file", "file", ".h5", "h5"],
    ["dir/file", "dir", "", "file", "file", "dir/file", "", ""],
    ["dir/.bashrc", "dir", "", ".bashrc", ".bashrc", "dir/.bashrc", "", ""],
    [".bashrc", "", "", ".bashrc", ".bashrc", ".bashrc", "", ""],
    ["x/.h.txt", "x", "", ".h.txt", ".h", "x/.h", ".txt", "txt"],
    ["dir/file.tar.gz", "dir", "", "file.tar.gz", "file.tar", "dir/file.tar", ".gz", "gz"],
    ["file..txt", "", "", "file..txt", "file.", "file.", ".txt", "txt"],
    ["..hidden.txt", "", "", "..hidden.txt", "..hidden", "..hidden", ".txt", "txt"],
    ["file.", "", "", "file.", "file", "file", ".", ""],
    ["a.b/c", "a.b", "", "c", "c", "a.b/c", "", ""],
    ["dir/", "dir", "", "", "", "dir/", "", ""],
    ["dir/sub/", "dir/sub", "dir", "", "", "dir/sub/", "", ""],
    ["dir.d/", "dir.d", "", "", "", "dir.d/", "", ""],
    ["/", "/", "/", "", "", "/", "", ""],
    ["/file.txt", "/", "/", "file.txt", "file", "/file", ".txt", "txt"],
    ["a//b//c.txt", "a//b", "a", "c.txt", "c", "a//b//c", ".txt", "txt"],
    [".", "", "", ".", ".", ".", "", ""],
    ["..", "", "", "..", "..", "..", "", ""],
    ["", "", "", "", "", "", "", ""],
    ["my file.txt", "", "", "my file.txt", "my file", "my file", ".txt", "txt"],
    ["/a b/c d.e f", "/a b", "/", "c d.e f", "c d", "/a b/c d", ".e f", "e f"],
    ["a/b.c d/e.f", "a/b.c d", "a", "e.f", "e", "a/b.c d/e", ".f", "f"],
  ];
  for (const [input, ...results] of cases) {
    test(JSON.stringify(input), () => expect(signs.map((sign) => expanded(sign, input))).toEqual(results));
  }
  test("two slashes at the root stay", () => expect(expanded("{.}", "//a")).toBe("//"));
  test("of another system mean nothing on this one", () => {
    const input = String.raw`C:\data\run.1\a b.dat`;
    expect(expanded("{.}|{..}|{/}|{/-}|{-}", input)).toBe(
      String.raw`||C:\data\run.1\a b.dat|C:\data\run.1\a b|C:\data\run.1\a b`,
    );
  });
  test("of Windows have drives and backslashes", () => {
    const input = String.raw`C:\data\run.1\a b.dat`;
    const shown = (template: string): string => expanded(template, input, { paths: windowsPaths });
    expect(shown("{.}|{..}|{/}|{/-}|{-}|{+}|{++}")).toBe(
      String.raw`C:\data\run.1|C:\data|a b.dat|a b|C:\data\run.1\a b|.dat|dat`,
    );
    expect(shown("{= path.join(path.dirname(x), 'c', '..', 'd') =}")).toBe(String.raw`C:\data\run.1\c\..\d`);
    expect(shown("{= path.normpath('a/./b') =}|{= path.isabs(x) =}|{= path.split(x)[1] =}")).toBe(
      String.raw`a\b|True|a b.dat`,
    );
    expect(shown("{= path.basename(x) =}|{= path.splitext(x)[1] =}")).toBe("a b.dat|.dat");
  });
});

describe("with Q before its last brace a pattern gives words for the shell", () => {
  const cases: readonly (readonly [template: string, input: string, result: string])[] = [
    ["{Q}", "plain/name-1.gz", "plain/name-1.gz"],
    ["{Q}", "a;touch x;.gz", "'a;touch x;.gz'"],
    ["{ Q }", "b$(touch x).gz", "'b$(touch x).gz'"],
    ["{Q}", "it's", "'it'\\''s'"],
    ["{Q}", "", "''"],
    ["{Q}", "two\nlines", "'two\nlines'"],
    ["{Q}", "=ls", "'=ls'"],
    ["{/Q} {-Q}", "d d/a b.gz", "'a b.gz' 'd d/a b'"],
    ["{/-Q}.n", "in/a b.gz", "'a b'.n"],
    ["{.Q}|{..Q}|{+Q}|{++Q}", "/a a/b b/c.d d", "'/a a/b b'|'/a a'|'.d d'|'d d'"],
    ["{[0]Q}", "a;b c", "'a;b'"],
    ["{[0] Q }", "a;b c", "'a;b'"],
    ["{[1:]Q}", "a b; $c d", "'b;' '$c' d"],
    ["{= x =Q}", "a b", "'a b'"],
    ["{= quote(x) =}", "a b", "'a b'"],
    ["{= quote(x[:3] + '.out') =} {= quote(1) =}", "a b c", "'a b.out' 1"],
  ];
  for (const [template, input, result] of cases) {
    test(`${template} of ${JSON.stringify(input)}`, () => expect(expanded(template, input)).toBe(result));
  }
});

describe("words and slices", () => {
  const cases: readonly (readonly [template: string, result: string])[] = [
    ["{}", "a  b\tc"],
    ["{[0]}", "a"],
    ["{[2]}", "c"],
    ["{[0]} {[1]}", "a b"],
    ["{[1:3]}", "b c"],
    ["{[:2]}", "a b"],
    ["{[1:]}", "b c"],
    ["{[0:1]}", "a"],
    ["{[:]}", "a b c"],
    ["{[::]}", "a b c"],
    ["{[::2]}", "a c"],
    ["{[1::2]}", "b"],
    ["{[1:3:1]}", "b c"],
    ["{[5:9]}", ""],
    ["{[-1]}", "c"],
    ["{[-2:]}", "b c"],
    ["{[-3:]}", "a b c"],
    ["{[1:-1]}", "b"],
    ["{[::-1]}", "c b a"],
    ["{[ 1 ]}", "b"],
    ["{[01]}", "b"],
    ["{[+1]}", "b"],
    ["{[ -3 : 99999999999999999999 : 2 ]}", "a c"],
    ["{[2:0:-1]}", "c b"],
    ["{[:-9:-1]}", "c b a"],
  ];
  for (const [template, result] of cases) {
    test(`${template} is ${JSON.stringify(result)}`, () => expect(expanded(template, "a  b\tc")).toBe(result));
  }
  for (const template of ["{[3]}", "{[10]}", "{[-4]}", "{[99999999999999999999]}"]) {
    test(`${template} is out of range`, () => {
      const error = failure(template, "a  b\tc");
      expect(error.message).toBe(`${template} (a  b\tc): index out of range, the input has 3 words`);
    });
  }
  test("of an empty input every word is an error and every slice empty", () => {
    expect(failure("{[0]}", "").reason).toContain("index out of range");
    expect(failure("{[-1]}", "").reason).toContain("no words");
    expect(expanded("<{[:]}{[::-1]}{[1:5]}>", "")).toBe("<>");
  });
});

describe("commands", () => {
  function shown(template: string, input: string): Promise<string> {
    return Promise.resolve(expand(parseTemplate(template), input, host({ shell: realShell })));
  }

  const cases: readonly (readonly [input: string, template: string, result: string])[] = [
    ["/a/b.c", "{% basename @ %}", "b.c"],
    ["x y", "{%echo @%}", "x y"],
    ["z", '{% printf "a\\\\nb\\\\n" %}', "a\nb"],
    ["$(echo hi)", "{% echo @ @ %}", "hi hi"],
    ["$(echo hi)", "{% echo @Q %}", "$(echo hi)"],
    ["a;b", '{% echo "@" %}', "a;b"],
    ["it's", "{% echo @Q %}", "it's"],
    ["it's", "{% echo @Q %Q} {% echo 1 %}", "'it'\\''s' 1"],
    ["a", '{% echo "a}" %}', "a}"],
    ["a", "{% printf '%s%%' 5 %}", "5%"],
    ["me", "{% echo @\\@host %}", "me@host"],
    ["", "{% printf '<%s>' @Q %}", "<>"],
    ["x", "a {% echo @ %} {% echo 2 %} {}", "a x 2 x"],
  ];
  for (const [input, template, result] of cases) {
    test(`${template} of ${JSON.stringify(input)}`, async () => expect(await shown(template, input)).toBe(result));
  }

  test("a percent sign does not end a command", async () => {
    expect(await shown("{% date -u -d @0 +%F %}", "ignored".slice(0, 0))).toMatch(/^\d{4}-\d\d-\d\d$/);
  });
  test("a command that fails is an error with its status", async () => {
    const error = await shown("{% false %}", "a").then(
      () => null,
      (thrown: unknown) => thrown,
    );
    expect(error).toBeInstanceOf(TemplateError);
    expect((error as TemplateError).message).toBe("{% false %} (a): the command ended with status 1");
  });
  test("commands run one after the other, and none after one that failed", async () => {
    const { commands, system } = recordingShell((command) => ({ status: command === "two" ? 3 : 0, output: "" }));
    const error = await Promise.resolve(expand(parseTemplate("{% one %}{% two %}{% three %}"), "x", system)).catch(
      String,
    );
    expect(commands).toEqual(["one", "two"]);
    expect(error).toContain("status 3");
  });
  test("the shell gets the command with the input as it stands, and quoted where it says so", async () => {
    const { commands, system } = recordingShell(() => ({ status: 0, output: "" }));
    await expand(parseTemplate("{%  f @ @Q \\@ a@b \\\\@ %}"), "it's $1", system);
    expect(commands).toEqual(["f it's $1 'it'\\''s $1' @ ait's $1b \\@"]);
  });
  test("only the ends of the output are trimmed", async () => {
    const { system } = recordingShell(() => ({ status: 0, output: " \n a \n\n b\t\r\n" }));
    expect(await expand(parseTemplate("<{% c %}>"), "x", system)).toBe("<a \n\n b>");
  });
  test("output with a NUL character is an error", async () => {
    const { system } = recordingShell(() => ({ status: 0, output: "a\0b" }));
    const error = await Promise.resolve(expand(parseTemplate("{% c %}"), "x", system)).catch(String);
    expect(error).toContain("NUL");
  });
  test("a template without commands is expanded at once", () =>
    expect(expand(parseTemplate("a {}"), "x", host())).toBe("a x"));
});

describe("expressions", () => {
  const cases: readonly (readonly [input: string, template: string, result: string])[] = [
    ["3", "{= x*2 =}", "6"],
    ["3.5", "{= x*2 =}", "7.0"],
    ["2", "{= math.pi*x =}", "6.283185307179586"],
    ["abc", "{= x.upper() =}", "ABC"],
    ["/a/b", "{= path.basename(x) =}", "b"],
    ["null", "{= x =}", "None"],
    ["None", "{= x =}", "None"],
    ["true", "{= x =}", "True"],
    ["FALSE", "{= x =}", "False"],
    ["1e3", "{= x =}", "1000.0"],
    ["1_000", "{= x =}", "1000"],
    ["007", "{= x =}", "7"],
    ["+4", "{= x =}", "4"],
    ["-0", "{= x =}", "0"],
    ["-0.0", "{= x =}", "-0.0"],
    ["5.", "{= x =}", "5.0"],
    [".5", "{= x =}", "0.5"],
    ["NaN", "{= x =}", "nan"],
    ["-Infinity", "{= x =}", "-inf"],
    ["1__0", "{= x =}", "1__0"],
    ["0x10", "{= x =}", "0x10"],
    ["123456789012345678901234567890", "{= x+1 =}", "123456789012345678901234567891"],
    ["a b", "{= x =}", "a b"],
    ["", "{= x =}", ""],
    ["1", "{= x==1 =}", "True"],
    ["1", "{= x<=2 =}", "True"],
    ["1", "{= x>=2 =}", "False"],
    ["1", "{= {1:2}[x] =}", "2"],
    ["1", "{=x=} {= x =}", "1 1"],
    ["7", "{= int('11', base=x) =}", "8"],
    ["5", "{= x % 3 =}", "2"],
  ];
  for (const [input, template, result] of cases) {
    test(`${template} of ${JSON.stringify(input)} is ${result}`, () => expect(expanded(template, input)).toBe(result));
  }
  test("a time stamp is local time", () => {
    const local = (ms: number): string => {
      const date = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
      return date.toISOString().slice(0, 19).replace("T", " ");
    };
    expect(expanded("{= dt.datetime.fromtimestamp(x) =}", "0")).toBe(local(0));
    expect(expanded("{= dt.datetime.fromtimestamp(x) =}", "1700000000.5")).toBe(`${local(1_700_000_000_000)}.500000`);
  });
  test("a failure names the pattern, the input, and the reason", () => {
    expect(failure("a {= x+1 =}", "abc").message).toBe("{= x+1 =} (abc): '+' does not go with a text and an integer");
  });
  test("a result with a NUL character is an error", () => expect(failure("{= chr(0) =}", "1").reason).toContain("NUL"));
});

describe("whole commands", () => {
  const cases: readonly (readonly [template: string, input: string, result: string])[] = [
    ["echo {}", "4", "echo 4"],
    ["grep NEEDLE {} > out/{/-}.out", "in/a.txt", "grep NEEDLE in/a.txt > out/a.out"],
    ["echo [{}]", "A", "echo [A]"],
    ["plain", "A", "plain"],
    ['awk "{print $1}" {}', "f", 'awk "{print $1}" f'],
    ["${HOME} {}", "f", "${HOME} f"],
  ];
  for (const [template, input, result] of cases) {
    test(`${template} of ${input}`, () => expect(expanded(template, input)).toBe(result));
  }
  test("what an input looks like does not matter", () =>
    expect(expanded("{}", "{[0]} {% rm %} $& $1")).toBe("{[0]} {% rm %} $& $1"));
  test("a word that is missing fails that input only", () => {
    expect(failure("echo {[5]}", "1").message).toBe("{[5]} (1): index out of range, the input has 1 word");
    expect(expanded("echo {[5]}", "0 1 2 3 4 5")).toBe("echo 5");
  });
});

test("an input that is a list has its own words, whatever blanks are in them", () => {
  const input = listText(["a  b", "", "it's"]);
  const results = ["{[0]}", "{[0]Q} {[-1]Q}", "{[1]Q}", "{}", "{Q}", "{[::-1]Q}"].map((text) => expanded(text, input));
  expect(results).toEqual([
    "a  b",
    `'a  b' 'it'\\''s'`,
    "''",
    "a  b  it's",
    `'a  b  it'\\''s'`,
    `'it'\\''s' '' 'a  b'`,
  ]);
  expect(() => expanded("{[3]}", input)).toThrow("the input has 3 words");
});
