import { describe, expect, test } from "bun:test";
import { parseCondition, parseTagFilter } from "../../../src/task/filter.ts";
import type { Operator } from "../../../src/task/filter.ts";
import type { TagValue, TaskField } from "../../../src/task/task.ts";

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
    ["server_id != X", "server_id", "!=", "X"],
    ["args == CD20208B-069B-45AE-9E4E-3F79F57BDE6D", "args", "==", "CD20208B-069B-45AE-9E4E-3F79F57BDE6D"],
    ["args ==", "args", "==", ""],
    ["submit_time > 2026-11-22", "submit_time", ">", "2026-11-22"],
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
    ["exit_status <> 0", "'> 0' is no value for exit_status (a number)"],
    ["exit_status == abc", "'abc' is no value for exit_status (a number)"],
    ["exit_status == true", "'true' is no value for exit_status"],
    ["memory > 2XB", "'2XB' is no value for memory (bytes"],
    ["retried == 2", "'2' is no value for retried (true or false)"],
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
  test.each(["site", "site:"])("%p asks for the key", (text) => {
    expect(parseTagFilter(text)).toEqual({ kind: "tagKey", key: "site" });
  });
  test.each<[string, TagValue]>([
    ["k:b", "b"],
    ["k:1", 1],
    ["k:1.0", 1],
    ["k:01", 1],
    ["k:true", true],
    ["k:null", null],
    ["k:a:b", "a:b"],
  ])("%p asks for the value %p", (text, value) => {
    expect(parseTagFilter(text)).toEqual({ kind: "tagValue", key: "k", value });
  });
});
