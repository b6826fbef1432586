import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  FatalError,
  TransientError,
  argumentError,
  configurationError,
  runtimeError,
} from "../../../src/base/errors.ts";
import { endingOf, oneLine, report, systemErrorText } from "../../../src/cli/exit.ts";
import type { Loggers } from "../../../src/log/logger.ts";
import { makeLog } from "../../make.ts";

const now = new Date(2026, 10, 22, 7, 9, 58).getTime();
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-exit-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** What was logged, as `LEVEL name: text`. */
function recorder(): { lines: string[]; loggers: Loggers } {
  const lines: string[] = [];
  const loggers: Loggers = (name) => makeLog((level, text) => lines.push(`${level} ${name}: ${text}`));
  return { lines, loggers };
}

function reported(
  thrown: unknown,
  logFolder: () => string = () => join(folder, "log"),
): { status: number; lines: string[] } {
  const { lines, loggers } = recorder();
  return { status: report(thrown, { loggers, print: (text) => lines.push(text), logFolder, now }), lines };
}

const systemError = (code: string, syscall: string, more: object = {}): Error =>
  Object.assign(new Error(`${code}: oh, ${syscall}`), { code, syscall, ...more });

describe("what the user can mend is one line", () => {
  test.each([
    [2, "CRITICAL : unrecognized arguments: x", argumentError("unrecognized arguments: x")],
    [3, "CRITICAL core.config: no", configurationError("core.config", "no")],
    [5, "CRITICAL task: No task with id=1", runtimeError("task", "No task with id=1")],
    [5, "CRITICAL x: one - two - three", runtimeError("x", "one\n  two\r\n\nthree\n")],
    [5, "CRITICAL data: Database is locked", new TransientError("database is locked")],
    [5, "CRITICAL data: Database is malformed", new FatalError("database is malformed")],
  ])("status %p: %s", (status, line, error) => {
    expect(reported(error)).toEqual({ status, lines: [line] });
  });
  test("an error of the operating system is one line with its text and path", () => {
    const missing = systemError("ENOENT", "open", { errno: -2, path: "nonexist" });
    expect(reported(missing)).toEqual({
      status: 5,
      lines: ["CRITICAL : No such file or directory: 'nonexist'"],
    });
  });
  test("an error of the operating system that has no known name is a bug", () => {
    expect(systemErrorText(systemError("EWHAT", "open"))).toBeNull();
    expect(endingOf(systemError("EWHAT", "open")).kind).toBe("bug");
  });
});

test("a reader of stdout who has left is no error", () => {
  expect(reported(systemError("EPIPE", "write", { errno: -32 }))).toEqual({ status: 0, lines: [] });
});

describe("a bug", () => {
  test("is two lines, and its stack is in a file that only the owner can read", () => {
    const bug = new TypeError("undefined is not\na function", { cause: new Error("deeper") });
    const path = join(folder, "log", `exception-20261122-070958-${process.pid}.log`);
    expect(reported(bug)).toEqual({
      status: 5,
      lines: [
        "CRITICAL : TypeError: undefined is not - a function",
        `CRITICAL : Exception traceback written to ${path}`,
      ],
    });
    expect(readdirSync(join(folder, "log"))).toEqual([`exception-20261122-070958-${process.pid}.log`]);
    const text = readFileSync(path, "utf8");
    expect(text).toContain("compatible with HyperShell 2.8");
    expect(text).toContain("exit.test.ts");
    expect(text).toContain("Caused by: Error: deeper");
    if (process.platform !== "win32") expect(statSync(path).mode & 0o777).toBe(0o600);
  });
  test("that is not even an Error is told too", () => {
    expect(reported("plain text", () => join(folder, "other")).lines[0]).toBe("CRITICAL : Error: plain text");
  });
  test("without a place for the file gets one among the temporary files", () => {
    const { lines } = reported(new Error("oops"), () => {
      throw new Error("no configuration");
    });
    const path = join(tmpdir(), `exception-20261122-070958-${process.pid}.log`);
    expect(lines[1]).toBe(`CRITICAL : Exception traceback written to ${path}`);
    rmSync(path);
  });
});

test("one line holds no newline and no empty part", () => {
  expect(oneLine("\n a\n\n  b \r\nc")).toBe("a - b - c");
  expect(oneLine("'\u001b[31m\u0000\tx'")).toBe("'\\x1b[31m\\x00\tx'");
  const cut = oneLine(`condition '${"x".repeat(100_000)}': no`);
  expect([cut.length < 2000, cut.slice(0, 12), cut.slice(-6)]).toEqual([true, "condition 'x", "x': no"]);
});
