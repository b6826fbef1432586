import { describe, expect, test } from "bun:test";
import { UserError } from "../../../src/base/errors.ts";
import type { Clock } from "../../../src/base/clock.ts";
import { consoleLoggers, makeLoggers } from "../../../src/log/console.ts";
import type { ConsoleOptions } from "../../../src/log/console.ts";
import type { Line } from "../../../src/log/format.ts";

const clock: Clock = { now: () => 1000, after: () => ({ cancel: () => {} }) };

function logTo(lines: string[], of: Partial<ConsoleOptions> = {}) {
  return consoleLoggers({
    level: "info",
    style: "default",
    format: null,
    datefmt: "%H:%M:%S",
    coloured: false,
    label: (key) => `from: HYPERSHELL_${key.toUpperCase().replace(".", "_")}`,
    origin: { appId: "id", hostname: "vm", pid: 1, startedAt: 0, program: "hs" },
    clock,
    write: (text) => void lines.push(text),
    ...of,
  });
}

function refusal(of: Partial<ConsoleOptions>): UserError {
  try {
    logTo([], of);
  } catch (error) {
    if (error instanceof UserError) return error;
  }
  throw new Error("was accepted");
}

describe("consoleLoggers", () => {
  test("a name gets hypershell in front, and no name is hypershell itself", () => {
    const lines: string[] = [];
    const loggers = logTo(lines);
    loggers("server").info("one");
    loggers("").critical("two");
    expect(lines).toEqual(["    INFO [hypershell.server] one\n", "CRITICAL [hypershell] two\n"]);
  });
  test.each([
    ["notset", ["TRACE", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]],
    ["DEBUG", ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]],
    ["Warning", ["WARNING", "ERROR", "CRITICAL"]],
    ["critical", ["CRITICAL"]],
  ])("level %p lets through %p", (level, through) => {
    const lines: string[] = [];
    const logger = logTo(lines, { level, format: "%(levelname)s" })("x");
    for (const method of ["trace", "debug", "info", "warning", "error", "critical"] as const) logger[method]("text");
    expect(lines.map((line) => line.trim())).toEqual(through);
    expect(logger.enabled("TRACE")).toBe(through.includes("TRACE"));
    expect(logger.enabled("CRITICAL")).toBe(true);
  });
  test("nothing in a line moves the cursor, forges a line, or turns the direction of writing", () => {
    const lines: string[] = [];
    logTo(lines, { coloured: true })("server").warning(
      "\u001b]0;x\u0007 a\r\nERROR \u009b2J \u202egpj.exe \ud800\tü 漢 👩‍🚀",
    );
    expect(lines).toEqual([
      expect.stringMatching(/^[^\n]* \\x1b\]0;x\\x07 a\\r\\nERROR \\x9b2J \\u202egpj\.exe \\ud800\tü 漢 👩‍🚀\n$/),
    ]);
  });

  test("the text of a level that is off is never made", () => {
    let made = 0;
    const logger = logTo([])("x");
    logger.debug(() => `${(made += 1)}`);
    logger.info(() => `${(made += 1)}`);
    expect(made).toBe(1);
  });
  test("a format wins over the style", () => {
    const lines: string[] = [];
    logTo(lines, { style: "system", format: "%(message)s!" })("x").info("hi");
    expect(lines).toEqual(["hi!\n"]);
  });
  test("an unknown level ends with status 3 and names value, origin and choices", () => {
    const error = refusal({ level: "loud" });
    expect(error.status).toBe(3);
    expect(error.message).toBe(
      "unrecognized logging.level 'loud', expected one of: " +
        "notset, devel, trace, debug, info, warning, error, critical (from: HYPERSHELL_LOGGING_LEVEL)",
    );
  });
  test("an unknown style ends with status 3 and names value, origin and choices", () => {
    expect(refusal({ style: "fancy" }).message).toBe(
      "unrecognized logging.style 'fancy', expected one of: " +
        "default, system, detailed, detailed-compact, short (from: HYPERSHELL_LOGGING_STYLE)",
    );
  });
  test("an unknown attribute ends with status 3 before the first message", () => {
    const error = refusal({ format: "%(nonsense)s" });
    expect(error.status).toBe(3);
    expect(error.message).toContain("logging.format: unknown attribute 'nonsense'");
  });
});

describe("makeLoggers", () => {
  test("every sink gets what it wants, and only that", () => {
    const file: Line[] = [];
    const screen: Line[] = [];
    const loggers = makeLoggers(
      [
        { threshold: 5, write: (line) => void file.push(line) },
        { threshold: 30, write: (line) => void screen.push(line) },
      ],
      clock,
    );
    loggers("a").trace("t");
    loggers("a").error("e");
    expect(file.map((line) => line.message)).toEqual(["t", "e"]);
    expect(screen.map((line) => line.message)).toEqual(["e"]);
    expect(screen[0]).toEqual({ level: "ERROR", name: "hypershell.a", message: "e", at: 1000 });
  });
  test("the same name gives the same logger", () => {
    const loggers = makeLoggers([], clock);
    expect(loggers("a")).toBe(loggers("a"));
  });
});
