import { describe, expect, test } from "bun:test";
import { UserError } from "../../../src/base/errors.ts";
import { TemplateSyntaxError } from "../../../src/template/errors.ts";
import { needsShell } from "../../../src/template/expand.ts";
import { parseTemplate } from "../../../src/template/parse.ts";
import { expanded } from "./host.ts";

function blame(template: string): TemplateSyntaxError {
  try {
    parseTemplate(template);
  } catch (error) {
    if (error instanceof TemplateSyntaxError) return error;
    throw error;
  }
  throw new Error(`no error in ${template}`);
}

describe("braces that are no pattern are text", () => {
  const texts = [
    "plain",
    "",
    "{",
    "}",
    "{[0]",
    "}{",
    "{foo}",
    "${HOME}",
    "${x:-y}",
    "${#x}",
    "{a,b}",
    "{1..5}",
    "awk '{print $1}'",
    "{.x}",
    "{/+}",
    "{+++}",
    "{...}",
    "{-/}",
    "{a%}",
    "{x=}",
    "{0}",
    "{QQ}",
    "{/q}",
    "{Q/}",
    "{ x }",
    "{\n}",
    "{[0]\n}",
    "% }",
    "=}",
    "{a {b",
    "{.",
    "{}".slice(0, 1),
  ];
  for (const text of texts) test(JSON.stringify(text), () => expect(expanded(text, "in")).toBe(text));
});

describe("patterns", () => {
  const cases: readonly (readonly [template: string, result: string])[] = [
    ["{}", "a b"],
    ["{ }", "a b"],
    ["{\t}", "a b"],
    ["{ / }", "a b"],
    ["{}{}", "a ba b"],
    ["x{}y", "xa by"],
    ["{ [ 1 ] }", "b"],
    ["{{}}", "{a b}"],
    ["awk '{print \"{}\"}'", "awk '{print \"a b\"}'"],
    ["${x:-{[0]}}", "${x:-a}"],
    ["{a,{[1]}}", "{a,b}"],
    ["\\{}", "{}"],
    ["\\{[x]}", "{[x]}"],
    ["\\{% ls", "{% ls"],
    ["\\{{}", "{a b"],
    ["\\n{}\\}", "\\na b\\}"],
    ["{= '{' =}", "{"],
    ["{= '}' =}", "}"],
    ["{= {'a b': 2}[x] =}", "2"],
  ];
  for (const [template, result] of cases) {
    test(`${template} is ${result}`, () => expect(expanded(template, "a b")).toBe(result));
  }
  test("neighbouring texts are one part", () =>
    expect(parseTemplate("a\\{b{c").parts).toEqual([{ kind: "text", text: "a{b{c" }]));
  test("only {} alone is the input as its one part", () => {
    const input = { kind: "input", pattern: "{}", isQuoted: false } as const;
    expect(parseTemplate("{}").parts).toEqual([input]);
    expect(parseTemplate("{ }").parts).toEqual([{ ...input, pattern: "{ }" }]);
    expect(parseTemplate("{Q}").parts).toEqual([{ ...input, pattern: "{Q}", isQuoted: true }]);
    expect(parseTemplate("echo {}").parts).toEqual([{ kind: "text", text: "echo " }, input]);
    expect(parseTemplate("{}{}").parts).toEqual([input, input]);
    expect(parseTemplate("").parts).toEqual([]);
  });
  test("only commands need the shell", () => {
    expect(needsShell(parseTemplate("a {% ls %}"))).toBe(true);
    expect(needsShell(parseTemplate("a {= 1 =} {/} {[0]} {[:]}"))).toBe(false);
  });
});

describe("a malformed pattern is an error with its place", () => {
  const cases: readonly (readonly [template: string, offset: number, problem: RegExp])[] = [
    ["{[1:x]}", 4, /expected/],
    ["{[x]}", 2, /an index is expected/],
    ["{[]}", 2, /index is missing/],
    ["{[0,1]}", 3, /':' or '\]'/],
    ["{[0}", 3, /no '\]'/],
    ["{[0]x}", 4, /follow/],
    ["{[0]:}", 4, /follow/],
    ["{[0] {}", 5, /follow/],
    ["{[::0]}", 4, /step/],
    ["{[::00]}", 4, /step/],
    ["{[1:2:3:4]}", 7, /'\]'/],
    ["{[- 1]}", 2, /index/],
    ["{[1.5]}", 3, /':' or '\]'/],
    ["{% ls", 0, /'%\}'/],
    ["{%a}", 0, /'%\}'/],
    ["echo { % ls }", 5, /'%\}'/],
    ["{%%}", 2, /command is missing/],
    ["{%}", 0, /'%\}'/],
    ["{= x", 0, /'=\}'/],
    ["{= x }", 0, /'=\}'/],
    ["{==}", 2, /expression is missing/],
    ["{=}", 0, /'=\}'/],
    ["{=x=}{= y =}", 8, /'y'/],
  ];
  for (const [template, offset, problem] of cases) {
    test(`${template} at ${offset}`, () => {
      const error = blame(template);
      expect(error.offset).toBe(offset);
      expect(error.problem).toMatch(problem);
    });
  }

  test("is a user error with status 2 and one line that says the column", () => {
    const error = blame("echo {[1:x]}");
    expect(error).toBeInstanceOf(UserError);
    expect(error.status).toBe(2);
    expect(error.message).toEndWith("(column 10)");
    expect(error.message).not.toContain("\n");
    expect(error.template).toBe("echo {[1:x]}");
  });
  test("the caret stands below the place", () => expect(blame("echo {[1:x]}").caret).toBe("echo {[1:x]}\n         ^"));
  test("the caret stands behind the end where something is missing", () =>
    expect(blame("{= 1 + =}").caret).toBe("{= 1 + =}\n       ^"));
  test("the caret counts wide characters twice and keeps TABs", () => {
    expect(blame("日本\t{[x]}").caret).toBe("日本\t{[x]}\n    \t  ^");
  });
  test("of several lines only the one with the mistake is shown", () => {
    const error = blame("one\ntwo {[x]}\nthree");
    expect(error.caret).toBe("two {[x]}\n      ^");
    expect(error.message).toEndWith("(line 2, column 7)");
  });
  test("a long template is cut around the place", () => {
    const [shown = "", mark = ""] = blame(`${"a".repeat(500)}{[x]}${"b".repeat(500)}`).caret.split("\n");
    expect(shown.length).toBeLessThan(120);
    expect(shown[mark.indexOf("^")]).toBe("x");
  });
  test("control characters do not reach the terminal", () =>
    expect(blame("\x1b[2J{[x]}").caret).toBe("?[2J{[x]}\n      ^"));
});
