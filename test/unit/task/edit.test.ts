import { describe, expect, test } from "bun:test";
import { UserError } from "../../../src/base/errors.ts";
import { parseEdit, requireTagKey } from "../../../src/task/edit.ts";

const valueOf = (word: string): unknown => {
  const found = parseEdit(word);
  return found.kind === "field" ? found.value : [found.key, found.value];
};
const refusal = (word: string): string => {
  try {
    parseEdit(word);
  } catch (error) {
    if (error instanceof UserError && error.status === 2) return error.message;
    throw error;
  }
  return "";
};

describe("fields", () => {
  test("values have the type of their field", () => {
    const cases: readonly (readonly [string, unknown])[] = [
      ["args=7", "7"],
      ["args=", ""],
      ["args=a=b:c", "a=b:c"],
      ["args= echo 1 ", "echo 1"],
      ["group=3", 3],
      ["cores=4", 4],
      ["cores=0", null],
      ["cores=null", null],
      ["memory=1GB", 2 ** 30],
      ["memory=1000", 1000],
      ["timeout=10m", 600],
      ["timeout=1:30:00", 5400],
      ["timeout=0", null],
      ["exit_status=-1", -1],
      ["exit_status=none", null],
      ["duration=1.5", 1.5],
      ["duration=2h", 7200],
      ["cores_max=0.5", 0.5],
      ["retried=true", true],
      ["attempt=2", 2],
      ["submit_host=null", null],
      ["previous_id=CD20208B-069B-45AE-9E4E-3F79F57BDE6D", "cd20208b-069b-45ae-9e4e-3f79f57bde6d"],
    ];
    for (const [word, value] of cases) expect([word, valueOf(word)]).toEqual([word, value]);
  });

  test("times are local ones, or have an offset", () => {
    expect(valueOf("start_time=2026-11-22 07:40:58.761974")).toBe(
      new Date(2026, 10, 22, 7, 40, 58).getTime() + 761.974,
    );
    expect(valueOf("start_time=2026-11-22")).toBe(new Date(2026, 10, 22).getTime());
    expect(valueOf("start_time=2026-11-22T07:40")).toBe(new Date(2026, 10, 22, 7, 40).getTime());
    expect(valueOf("start_time=2026-11-22 07:40:58+02:00")).toBe(Date.UTC(2026, 10, 22, 5, 40, 58));
    expect(valueOf("start_time=2026-11-22 07:40:58Z")).toBe(Date.UTC(2026, 10, 22, 7, 40, 58));
  });

  test("what is no value for a field is refused, with what would be one", () => {
    const cases = [
      ["memory=lots", "512MB"],
      ["timeout=soon", "90s"],
      ["timeout=1.5", "whole seconds"],
      ["group=-1", "from 0"],
      ["group=x", "whole number"],
      ["exit_status=1.5", "whole number"],
      ["exit_status=99999999999", "whole number"],
      ["retried=maybe", "true or false"],
      ["start_time=yesterday", "2026-11-22"],
      ["start_time=2026-02-31", "2026-11-22"],
      ["start_time=2026-11-22 25:00", "2026-11-22"],
      ["previous_id=1", "UUID"],
      ["attempt=0", "from 1 to 2147483647"],
      ["attempt=1.5", "from 1 to 2147483647"],
      ["cores=99999999999", "from 0 to 2147483647"],
      ["group:99999999999", "at most 2147483647"],
      ["timeout=99999999999", "up to 2147483647"],
      ["cd20208b-069b-45ae-9e4e-3f79f57bde6d", "-w 'id == ID'"],
      ["start_time=0050-01-01", "1970"],
      ["start_time=9999-12-31", "1970"],
      ["start_time=2026-11-22 07:40+99:00", "1970"],
      ["group=null", "every task has"],
      ["args=none", "every task has"],
      ["id=5", "cannot be changed"],
      ["tag=x", "KEY:VALUE"],
      ["nothing=1", "no field 'nothing'"],
    ] as const;
    for (const [word, part] of cases) expect(refusal(word)).toContain(part);
  });

  test("a condition is not taken for a change", () => {
    for (const word of [
      "exit_status==0",
      "exit_status == 0",
      "duration>5",
      "duration >= 5",
      "args~x",
      "exit_status!=0",
    ])
      expect(refusal(word)).toContain("condition");
  });
});

describe("tags", () => {
  test("have a key, and a value or none", () => {
    expect([valueOf("site:b"), valueOf("n:1.5"), valueOf("flag:true"), valueOf("naked:")]).toEqual([
      ["site", "b"],
      ["n", 1.5],
      ["flag", true],
      ["naked", ""],
    ]);
  });

  test("of a reserved name are fields", () => {
    expect(parseEdit("group:2")).toEqual({ kind: "field", field: "group", value: 2 });
    expect(parseEdit("memory:1GB")).toEqual({ kind: "field", field: "memory", value: 2 ** 30 });
  });

  test("that cannot be are refused", () => {
    for (const word of ["a/b:1", "part:3", "word", ":x", `k:${"x".repeat(200)}`]) expect(refusal(word)).not.toBe("");
  });

  test("are removed by key alone", () => {
    expect(requireTagKey("site")).toBe("site");
    for (const key of ["site:b", "part", "a b", ""]) expect(() => requireTagKey(key)).toThrow(UserError);
    expect(() => requireTagKey("group")).toThrow("write group=0");
    expect(() => requireTagKey("cores")).toThrow("write cores=null");
  });
});
