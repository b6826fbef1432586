import { describe, expect, test } from "bun:test";
import { archivedAmong, leftOver, parsePolicy, type Policy, rotatedName, surplus } from "../../../src/log/rotation.ts";

const file = { own: "server-vm.log", stem: "server-vm" };
const at = Date.UTC(2026, 0, 31, 23, 59, 58);

function policy(text: string, hasOwn = true): Policy {
  const found = parsePolicy(text, hasOwn);
  if ("problem" in found) throw new Error(found.problem);
  return found;
}

describe("the policy", () => {
  test.each([
    ["never", true, { naming: "time", bytes: null, next: null }],
    ["NEVER", false, { naming: "day", bytes: null, next: null }],
    ["512MB", true, { naming: "number", bytes: 512 * 2 ** 20, next: null }],
    ["3KB", true, { naming: "number", bytes: 3072, next: null }],
    ["1000", false, { naming: "number", bytes: 1000, next: null }],
  ])("%p (of its own: %p)", (text, hasOwn, expected) => {
    expect(policy(text, hasOwn)).toEqual(expected as Policy);
  });

  test.each([
    ["@daily", "day", Date.UTC(2026, 1, 1)],
    ["@midnight", "day", Date.UTC(2026, 1, 1)],
    ["0 0 * * *", "time", Date.UTC(2026, 1, 1)],
    ["0 1 * * 0", "time", Date.UTC(2026, 1, 1, 1)],
    ["*/15 9-17 * * MON-FRI", "time", Date.UTC(2026, 1, 2, 9)],
    ["@Hourly", "time", Date.UTC(2026, 1, 1)],
    ["@weekly", "time", Date.UTC(2026, 1, 1)],
    ["@yearly", "time", Date.UTC(2027, 0, 1)],
    ["59 59 23 * * *", "time", Date.UTC(2026, 0, 31, 23, 59, 59)],
    ["0 0 29 2 *", "time", Date.UTC(2028, 1, 29)],
  ])("%p is full next as cron has it, named by the %p", (text, naming, next) => {
    const found = policy(text);
    expect([found.naming as string, found.bytes, found.next?.(at)]).toEqual([naming, null, next]);
  });

  test("a time is the next one, not the one that is now", () => {
    const { next } = policy("@daily");
    expect(next?.(Date.UTC(2026, 1, 1))).toBe(Date.UTC(2026, 1, 2));
    expect(next?.(Date.UTC(2026, 1, 1) - 0.5)).toBe(Date.UTC(2026, 1, 1));
  });

  test.each([
    ["weekly", "has the unrecognized value 'weekly', expected never, a size"],
    ["0 25 * * *", "has the unrecognized value"],
    ["* * *", "has the unrecognized value"],
    ["@reboot", "has the unrecognized value"],
    ["2026-12-01T00:00:00", "has the unrecognized value"],
    ["-5MB", "has the unrecognized value"],
    ["", "has the unrecognized value"],
    ["0 0 31 2 *", "names a time that never comes"],
    ["999", "must be at least 1000 bytes"],
    ["0", "must be at least 1000 bytes"],
  ])("%p %s", (text, problem) => {
    expect(parsePolicy(text, true)).toEqual({ problem: expect.stringContaining(problem) as string });
  });
});

describe("the name of a full file", () => {
  test.each([
    ["number", [], "server-vm.1"],
    [
      "number",
      ["server-vm.1", "server-vm.9.gz", "server-vm.10.gz.partial", "server-vm-2.40", "other.99"],
      "server-vm.11",
    ],
    ["number", ["server-vm.20260131", "server-vm.2"], "server-vm.3"],
    ["time", [], "server-vm.20260131-235958"],
    ["time", ["server-vm.20260131-235958.xz"], "server-vm.20260131-235958-2"],
    ["day", ["server-vm.20260130"], "server-vm.20260131"],
    ["day", ["server-vm.20260131", "server-vm.20260131-2.gz"], "server-vm.20260131-3"],
  ] as const)("by its %s among %p is %p", (naming, names, expected) => {
    expect(rotatedName(file, naming, at, ["server-vm.log", "server-vm.log.lock", ...names])).toBe(expected);
  });
  test("is never that of the log file itself", () => {
    expect(rotatedName({ own: "run.1", stem: "run" }, "number", at, ["run.1"])).toBe("run.2");
  });
});

describe("what is left to do", () => {
  const names = [
    "server-vm.log",
    "server-vm.log.lock",
    "server-vm.1",
    "server-vm.1.gz",
    "server-vm.2",
    "server-vm.2.gz.partial",
    "server-vm.10",
    "server-vm.3.gz.partial",
    "server-vm.10.xz.partial",
    "server-vm-2.5",
    "server-vm.conf",
    "server-vm.7.partial",
  ];
  test("with a compression: files without an archive, those that were begun, and what is of no use", () => {
    expect(leftOver(file, ".gz", names)).toEqual({
      waiting: ["server-vm.2", "server-vm.10"],
      interrupted: ["server-vm.2"],
      useless: ["server-vm.10.xz.partial"],
      orphaned: ["server-vm.3.gz.partial"],
    });
  });
  test("without one, nothing is compressed", () => {
    expect(leftOver(file, null, names)).toMatchObject({ waiting: [], interrupted: [] });
  });
  test("a log file whose name ends in a number is none of its own rotations", () => {
    expect(leftOver({ own: "run.1", stem: "run" }, ".gz", ["run.1", "run.2"]).waiting).toEqual(["run.2"]);
  });
});

test("files that go are those that were written first, and have an archive", () => {
  const names = [
    "server-vm.1",
    "server-vm.1.gz",
    "server-vm.2",
    "server-vm.2.gz.partial",
    "server-vm.3",
    "server-vm.3.gz",
  ];
  expect(archivedAmong(file, names)).toEqual(["server-vm.1", "server-vm.3"]);
  const files = [
    { name: "server-vm.10", at: 5 },
    { name: "server-vm.9", at: 5 },
    { name: "server-vm.1", at: 7 },
  ];
  expect(surplus(files, 1)).toEqual(["server-vm.9", "server-vm.10"]);
  expect(surplus(files, 0)).toHaveLength(3);
  expect(surplus(files, 5)).toEqual([]);
});
