import { describe, expect, test } from "bun:test";
import { exactLine, longestArgs, parseLine } from "../../../src/task/line.ts";
import type { Line } from "../../../src/task/line.ts";
import type { TagValue } from "../../../src/task/task.ts";

function tagsOf(line: Line): Record<string, TagValue> {
  if (line.kind !== "task" && line.kind !== "settings") return {};
  return Object.fromEntries(
    line.settings.map((setting) => [setting.kind === "tag" ? setting.key : `(${setting.kind})`, setting.value]),
  );
}

/** The task of a line and its tags; null for no task. */
function read(text: string): [string | null, Record<string, TagValue>] {
  const line = parseLine(text);
  if (line.kind === "bad") throw new Error(line.reason);
  return [line.kind === "task" ? line.args : null, tagsOf(line)];
}

function fault(text: string): string {
  const line = parseLine(text);
  return line.kind === "bad" ? line.reason : `no fault: ${JSON.stringify(line)}`;
}

describe("a line", () => {
  test("is trimmed at both ends", () => {
    expect(read(" \t echo 1  \t\r")).toEqual(["echo 1", {}]);
  });
  test.each(["", "   ", "\t", "\r", "\ufeff"])("%p is blank", (text) => {
    expect(parseLine(text)).toEqual({ kind: "blank" });
  });
  test("keeps a final backslash", () => {
    expect(read("echo 1 \\")).toEqual(["echo 1 \\", {}]);
  });
});

describe("comments", () => {
  test.each<[string, string | null, Record<string, TagValue>]>([
    ["# a plain comment", null, {}],
    ["#!/bin/bash", null, {}],
    ["#", null, {}],
    ["echo 5 # trailing comment", "echo 5", {}],
    ["echo 1  # HYPERSHELL: data:1", "echo 1", { data: 1 }],
    ["echo 2  # HYPERSHELL data:2 other", "echo 2", { data: 2, other: "" }],
    ["echo 3  #HYPERSHELL:data:3", "echo 3", { data: 3 }],
    ["echo 1 # note # HYPERSHELL: x:1", "echo 1", { x: 1 }],
    ["echo 4 # hypershell: lower:1", "echo 4", {}],
    ["# HYPERSHELL:", null, {}],
    ["# x HYPERSHELL: w:1", null, {}],
    ['echo "a # b"', 'echo "a # b"', {}],
    ["echo 'a # b'", "echo 'a # b'", {}],
    ["echo a#b", "echo a#b", {}],
    ["echo ${#x} $#", "echo ${#x} $#", {}],
    ["echo 'x' \\# y", "echo 'x' \\# y", {}],
    ["##HYPERSHELL: z:1", null, {}],
    ["echo 1 #\tHYPERSHELL:\tx:1\ty", "echo 1", { x: 1, y: "" }],
    ["echo 1 # HYPERSHELLS x:1", "echo 1", {}],
    ["echo 1 # HYPERSHELL", "echo 1", {}],
    ["echo a;# c", "echo a;", {}],
    ["(echo a)# c", "(echo a)", {}],
    ["echo a |# c", "echo a |", {}],
    ["echo {#} # c", "echo {#}", {}],
    ['echo "it" # c', 'echo "it"', {}],
    ['echo "x"# c', 'echo "x"# c', {}],
    ['echo "$(echo "a # b")" # c', 'echo "$(echo "a # b")"', {}],
    ['echo "$(echo "a # b" # d', 'echo "$(echo "a # b" # d', {}],
    ["echo $(( 2 + 2 ))# c", "echo $(( 2 + 2 ))# c", {}],
    ["echo $(echo ')' # d) # c", "echo $(echo ')' # d)", {}],
    ["echo `echo # d` # c", "echo `echo # d`", {}],
    ['echo "`echo " # "`" # c', 'echo "`echo " # "`"', {}],
    ["echo ${x# y} ${x:-' # }'} # c", "echo ${x# y} ${x:-' # }'}", {}],
    ['echo "${x:-it\'s # }" # c', 'echo "${x:-it\'s # }"', {}],
    ["echo $'it\\'s # x' # c", "echo $'it\\'s # x'", {}],
    ["echo a\\\\ # c", "echo a\\\\", {}],
    ["echo a\\ # c", "echo a\\ # c", {}],
    ["echo a\\  # c", "echo a\\ ", {}],
    ["echo it's # c", "echo it's # c", {}],
    ["echo > out # c", "echo > out", {}],
    ["echo ># c", "echo >", {}],
    ["diff <(sort a)#b <(sort c # d) # e", "diff <(sort a)#b <(sort c # d)", {}],
    ["echo '#' # HYPERSHELL: x:1", "echo '#'", { x: 1 }],
    ["echo '# HYPERSHELL: x:1'", "echo '# HYPERSHELL: x:1'", {}],
    ["echo a# HYPERSHELL: x:1", "echo a# HYPERSHELL: x:1", {}],
  ])("%p is the task %p", (text, args, tags) => {
    expect(read(text)).toEqual([args, tags]);
  });
  test("a task that was commented out sets nothing for the lines after it", () => {
    expect(parseLine("# echo 5 # HYPERSHELL: site:b")).toEqual({ kind: "comment" });
  });
  test("of a command of several lines only the last one is cut off", () => {
    expect(read("echo a # b\necho c # HYPERSHELL: x:1")).toEqual(["echo a # b\necho c", { x: 1 }]);
  });
  test("a comment cannot follow the tags", () => {
    expect(fault("echo 1 # HYPERSHELL: x:1 # note")).toStartWith('bad tag "#": a key may only hold');
  });
  test("a line of nothing but tags is a setting line", () => {
    expect(parseLine("# HYPERSHELL: case:1 site:b")).toEqual({
      kind: "settings",
      settings: [
        { kind: "tag", key: "case", value: 1 },
        { kind: "tag", key: "site", value: "b" },
      ],
      words: ["case:1", "site:b"],
    });
  });
});

describe("a bad tag on a line", () => {
  test.each([
    ["k:bad/value", "a value may only hold"],
    ["a:b:c", "a value may only hold"],
    ["x:[1]", "a value may only hold"],
    [":v", "the key is empty"],
    ["k/e:1", "a key may only hold"],
    [`${"k".repeat(121)}:1`, "the key is too long (121 characters, at most 120)"],
    [`k:${"v".repeat(121)}`, "the value is too long (121 characters, at most 120)"],
    ["cores:abc", "cores is a whole number"],
    ["cores:1.5", "cores is a whole number"],
    ["cores:-1", "cores is a whole number"],
    ["cores", "cores is a whole number"],
    ["group:abc", "group is a whole number"],
    ["group", "group is a whole number"],
    ["group:1e3", "group is a whole number"],
    ["timeout:soon", "timeout is a number of seconds"],
    ["memory:abc", "memory is a number of bytes"],
    ["memory:", "memory is a number of bytes"],
    ["memory:2XB", "memory is a number of bytes"],
  ])("%s is named, with the reason", (word, reason) => {
    expect(fault(`echo 1 # HYPERSHELL: ok:1 ${word}`)).toStartWith(`bad tag "${word}": ${reason}`);
    expect(fault(`# HYPERSHELL: ${word}`)).toContain(reason);
  });
  test("is found after a tag without value", () => {
    expect(fault("echo 1 # HYPERSHELL: k: bad/key:2")).toStartWith('bad tag "bad/key:2": a key may only hold');
  });
  test("a blank after the colon is no way to give a value", () => {
    expect(fault("echo 1 # HYPERSHELL: cores: 4")).toBe(
      'bad tag "cores: 4": no blank may stand between a key and its value, write cores:4',
    );
    expect(read("echo 1 # HYPERSHELL: case: site:b")).toEqual(["echo 1", { case: "", site: "b" }]);
  });
});

describe("a line that no program could be given", () => {
  test("is too long by its bytes", () => {
    expect(parseLine("x".repeat(longestArgs)).kind).toBe("task");
    expect(fault("x".repeat(longestArgs + 1))).toBe(
      `it is ${longestArgs + 1} bytes long, a task can have ${longestArgs} at most`,
    );
    expect(fault("\u20ac".repeat(50_000))).toContain("it is 150000 bytes long");
    expect(fault(`${"x".repeat(200_000)} # c`)).toContain("it is 200000 bytes long");
  });
  test("may be long in what is not the task", () => {
    expect(read(`echo 1 #${"x".repeat(200_000)}`)).toEqual(["echo 1", {}]);
  });
  test("has a NUL", () => {
    expect(fault("echo \0")).toBe("it has a NUL character");
  });
});

describe("a line that is taken exactly as it is", () => {
  for (const text of ["run #3.csv", "#start.csv", " a\t", "# HYPERSHELL: site:b", "a\nb", "a\r", " "]) {
    test(JSON.stringify(text), () => expect(exactLine(text)).toEqual({ kind: "task", args: text, settings: [] }));
  }
  test("is no task when it is empty", () => expect(exactLine("")).toEqual({ kind: "blank" }));
  test("is bad when no program can be given it", () => {
    expect(exactLine("a\0b")).toEqual({ kind: "bad", reason: "it has a NUL character" });
    expect(exactLine("x".repeat(longestArgs + 1)).kind).toBe("bad");
  });
});

describe("a comment that is nearly the marker", () => {
  const nearOf = (text: string): string | undefined => {
    const line = parseLine(text);
    return "near" in line ? line.near : undefined;
  };
  test.each([
    ["echo 1 # HYPERHELL: a:b", "# HYPERHELL:"],
    ["#HYPER_SHELL : a:b", "#HYPER_SHELL :"],
    ["echo 1 # note # HYPERSHEL: a:b", "# HYPERSHEL:"],
    ["echo 1 # hypershell: a:b", "# hypershell:"],
    ["# HYPERSHELLL a:b", "# HYPERSHELLL"],
    ["#HYPERSHELL= a:b", "#HYPERSHELL="],
  ])("%p has %p", (text, near) => expect(nearOf(text)).toBe(near));
  test.each([
    "echo 1 # a note: of mine",
    "# hypershell is nice",
    "# echo 1 # HYPERHELL: a:b",
    "# HYPERTEXT: a",
    "echo '# HYPERHELL: a'",
    "echo 1 # HYPERSHELL: a:b",
    "#",
  ])("%p has none", (text) => expect(nearOf(text)).toBeUndefined());
});
