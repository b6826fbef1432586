import { describe, expect, test } from "bun:test";
import { parseCondition, parseTagFilter, withoutFields } from "../../../src/task/filter.ts";
import type { Condition, Operator } from "../../../src/task/filter.ts";
import type { TaskField } from "../../../src/task/field.ts";
import type { TagValue } from "../../../src/task/task.ts";
import { WrittenNumber } from "../../../src/task/written.ts";

describe("a condition", () => {
  test.each<[string, TaskField, Operator, TagValue]>([
    ["exit_status==0", "exit_status", "==", 0],
    ["exit_status != 0", "exit_status", "!=", 0],
    ["exit_status == null", "exit_status", "==", null],
    ["exit_status != None", "exit_status", "!=", null],
    ["duration >= 2", "duration", ">=", 2],
    ["duration <= 2.5", "duration", "<=", 2.5],
    ["duration>10m", "duration", ">", 600],
    ["timeout < 1:30:00", "timeout", "<", 5400],
    ["memory > 2GB", "memory", ">", 2147483648],
    ["memory_max > 1024", "memory_max", ">", 1024],
    ["cores_max<1", "cores_max", "<", 1],
    ["retried == true", "retried", "==", true],
    ["retried == 1", "retried", "==", true],
    ["args == 42", "args", "==", "42"],
    ["args == true", "args", "==", "true"],
    ["args==null", "args", "==", null],
    ["args == 'x'", "args", "==", "'x'"],
    ["args ~ ^echo [0-9]+$", "args", "~", "^echo [0-9]+$"],
    ["args ~ a == b", "args", "~", "a == b"],
    ["args ~ (?i)A|b", "args", "~", "(?i:A|b)"],
    ["id == CD20208B-069B-45AE-9E4E-3F79F57BDE6D", "id", "==", "cd20208b-069b-45ae-9e4e-3f79f57bde6d"],
    ["id > 0192F", "id", ">", "0192f"],
    ["id ~ ^0192f", "id", "~", "^0192f"],
    ["args == CD20208B-069B-45AE-9E4E-3F79F57BDE6D", "args", "==", "CD20208B-069B-45AE-9E4E-3F79F57BDE6D"],
    ["args ==", "args", "==", ""],
    ["submit_time > 2026-11-22", "submit_time", ">", "2026-11-22"],
    ["submit_time >= 2026", "submit_time", ">=", "2026"],
    ["start_time < 2026-02-31T24", "start_time", "<", "2026-02-31 24"],
    ["start_time<=2026-11-22 07:40", "start_time", "<=", "2026-11-22 07:40"],
    ["completion_time == 2026-11-22 07:40:58", "completion_time", "==", "2026-11-22 07:40:58.000000"],
    ["completion_time != 2026-11-22T07:40:58.7", "completion_time", "!=", "2026-11-22 07:40:58.700000"],
    ["submit_time == 2026-11-22 07:40:58+00:00", "submit_time", "==", "2026-11-22 07:40:58.000000+00:00"],
    ["submit_time > 2026-11-22 07:40:58.761974 +0100", "submit_time", ">", "2026-11-22 07:40:58.761974+0100"],
    ["submit_time ~ ^2026-11-22", "submit_time", "~", "^2026-11-22"],
  ])("%p", (text, field, operator, value) => {
    expect(parseCondition(text)).toEqual({ kind: "field", field, operator, value });
  });
  test.each([
    ["", "it must start with the name of a field"],
    [" exit_status == 0", "it must start with the name of a field"],
    ["== 0", "it must start with the name of a field"],
    ["foo == 1", "there is no field 'foo'"],
    ["exit_status", "expected one of =="],
    ["exit_status = 0", "use == for equality"],
    ["exit_status=0", "use == for equality"],
    ["exit_status <> 0", "'> 0' is not a value for exit_status (a number)"],
    ["exit_status == abc", "'abc' is not a value for exit_status (a number)"],
    ["exit_status == true", "'true' is not a value for exit_status"],
    ["memory > 2XB", "'2XB' is not a value for memory (bytes"],
    ["retried == 2", "'2' is not a value for retried (true or false)"],
    ["submit_time > yesterday", "'yesterday' is not a value for submit_time (a time as in"],
    ["submit_time >", "'' is not a value for submit_time"],
    ["submit_time < 2026-13", "'2026-13' is not a value"],
    ["submit_time < 2026-11-1", "'2026-11-1' is not a value"],
    ["submit_time < 2026-11-22 25", "is not a value"],
    ["submit_time > 5", "'5' is not a value"],
    ["submit_time == 2026-11-22", "== compares with a time down to its seconds"],
    ["submit_time != 2026-11-22 07:40", "(use >= and <, or: submit_time ~ ^2026-11-22 07:40)"],
    ["id == 0192f", "'0192f' is not a value for id (a whole UUID; ~ finds a part of one)"],
    ["server_id != X", "'X' is not a value for server_id"],
    ["cores > null", "null can only be compared with == and !="],
    ["exit_status ~ 1", "~ searches text, and exit_status is none"],
    ["args ~ null", "~ searches text, not null"],
    ["args ~ (", "bad regular expression: "],
    ["args ~ (?x)a", "bad regular expression: "],
    ["tag == x", "tags are searched with -t/--with-tag"],
  ])("%p is refused: %s", (text, reason) => {
    expect(() => parseCondition(text)).toThrow(`condition '${text}': `);
    expect(() => parseCondition(text)).toThrow(reason);
  });
});

describe("a tag filter", () => {
  test.each([
    ["", "the key is empty"],
    [":", "the key is empty"],
    [":v", "the key is empty"],
    ["a b", "a key may only hold"],
    ["a/b:1", "a key may only hold"],
    ["x".repeat(121), "the key is too long"],
  ])("%p is refused: %s", (text, reason) => {
    expect(() => parseTagFilter(text)).toThrow(`argument -t/--with-tag: bad tag "${text}": ${reason}`);
  });
  test.each(["site", "site:"])("%p asks for the key", (text) => {
    expect(parseTagFilter(text)).toEqual({ kind: "tagKey", key: "site" });
  });
  test.each<[string, TagValue]>([
    ["k:b", "b"],
    ["k:1", 1],
    ["k:1.0", new WrittenNumber("1.0")],
    ["k:01", "01"],
    ["k:true", true],
    ["k:null", null],
    ["k:a:b", "a:b"],
  ])("%p asks for the value %p", (text, value) => {
    expect(parseTagFilter(text)).toEqual({ kind: "tagValue", key: "k", value });
  });
});

describe("a question to a table that lacks columns", () => {
  const ordered: { orderBy: TaskField | null; descending: boolean } = { orderBy: "waited", descending: true };
  const where = (text: string): readonly Condition[] => {
    const question = { where: [parseCondition("group == 1"), parseCondition(text)], ...ordered };
    return withoutFields(question, new Set(["waited", "csvpath"])).where.slice(1);
  };
  test("leaves out what null passes, and finds nothing where it does not", () => {
    expect(where("waited == null")).toEqual([]);
    for (const text of ["waited != null", "waited == 1", "waited != 1", "waited < 1", "csvpath ~ a"])
      expect(where(text)).toEqual([{ kind: "field", field: "id", operator: "<", value: null }]);
  });
  test("is in order of insertion where all have the same", () => {
    const question = { where: [], ...ordered };
    expect(withoutFields(question, new Set(["waited"]))).toEqual({ where: [], orderBy: null, descending: false });
    expect(withoutFields(question, new Set(["csvpath"]))).toEqual(question);
    expect(withoutFields(question, new Set())).toBe(question);
  });
});
