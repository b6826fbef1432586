import { describe, expect, test } from "bun:test";
import { compileLayout } from "../../../src/log/format.ts";
import type { Line, Origin } from "../../../src/log/format.ts";
import { styles } from "../../../src/log/styles.ts";

const startedAt = new Date(2026, 10, 22, 7, 9, 58, 753).getTime();
const origin: Origin = { appId: "909979ec", hostname: "login07.cluster", pid: 4711, startedAt, program: "/opt/hs" };
const line: Line = { level: "INFO", name: "hypershell.submit", message: "Submitted 4 tasks", at: startedAt + 2872.4 };

function render(format: string, of: Partial<Line> = {}, coloured = false): string {
  const layout = compileLayout({ format, dateFormat: "%Y-%m-%d %H:%M:%S", coloured }, origin);
  if ("problem" in layout) throw new Error(layout.problem);
  return layout.render({ ...line, ...of });
}

function problem(format: string): string {
  const layout = compileLayout({ format, dateFormat: "%H", coloured: false }, origin);
  return "problem" in layout ? layout.problem : "";
}

describe("styles", () => {
  test("default pads the level to eight columns and names the logger", () => {
    expect(render(styles.default)).toBe("    INFO [hypershell.submit] Submitted 4 tasks");
    expect(render(styles.default, { level: "CRITICAL", name: "hypershell", message: "x" })).toBe(
      "CRITICAL [hypershell] x",
    );
  });
  test("system names time, host, level, instance and logger", () => {
    expect(render(styles.system)).toBe(
      "2026-11-22 07:10:01.625 login07.cluster     INFO [909979ec] [hypershell.submit] Submitted 4 tasks",
    );
  });
  test("detailed names time, host, level and logger", () => {
    expect(render(styles.detailed)).toBe(
      "2026-11-22 07:10:01.625 login07.cluster     INFO [hypershell.submit] Submitted 4 tasks",
    );
  });
  test("detailed-compact counts time from the start and shortens names", () => {
    expect(render(styles["detailed-compact"])).toBe("00-00:00:02.872 [login07]     INFO [submit] Submitted 4 tasks");
  });
  test("short is the seconds since the start", () => {
    expect(render(styles.short)).toBe("[2.872] Submitted 4 tasks");
  });
  test("default is coloured by level, bold, with a faint name", () => {
    expect(render(styles.default, {}, true)).toBe(
      "\u001b[1m\u001b[32m    INFO\u001b[0m \u001b[2m[hypershell.submit]\u001b[0m Submitted 4 tasks",
    );
  });
  test("system is never coloured", () => {
    expect(render(styles.system, {}, true)).toBe(render(styles.system));
  });
});

describe("fields", () => {
  test.each([
    ["%(levelname)s", "INFO"],
    ["%(levelname)-8s|", "INFO    |"],
    ["%(levelname).2s|", "IN|"],
    ["%(levelno)d", "20"],
    ["%(levelno)05d", "00020"],
    ["%(levelno)+d", "+20"],
    ["%(levelno)-5d|", "20   |"],
    ["%(levelno)s", "20"],
    ["%(elapsed).1f", "2.9"],
    ["%(elapsed)08.3f", "0002.872"],
    ["%(elapsed_ms)d", "2872"],
    ["%(msecs)03d", "625"],
    ["%(process)d", "4711"],
    ["%(relative_name)s", "submit"],
    ["%(module)s", "submit"],
    ["%(hostname_short)s", "login07"],
    ["100%% %(message)s", "100% Submitted 4 tasks"],
    ["%(elapsed_delta)s", "0:00:02.872400"],
  ])("%p gives %p", (format, text) => {
    expect(render(format)).toBe(text);
  });
  test("elapsed time carries days", () => {
    const at = startedAt + (2 * 86400 + 3 * 3600 + 4 * 60 + 5) * 1000 + 6;
    expect(render("%(elapsed_hms)s", { at })).toBe("02-03:04:05.006");
    expect(render("%(elapsed_delta)s", { at })).toBe("2 days, 3:04:05.006000");
    expect(render("%(elapsed_delta)s", { at: startedAt + 86_400_000 })).toBe("1 day, 0:00:00.000000");
  });
  test("a percent sign in the message stays", () => {
    expect(render("%(message)s", { message: "50%(name)s" })).toBe("50%(name)s");
  });
  test("the plain logger has no relative name to cut", () => {
    expect(render("%(relative_name)s", { name: "hypershell" })).toBe("hypershell");
  });
});

describe("what is wrong with a format is told by name", () => {
  test.each([
    ["%(nonsense)s", "unknown attribute 'nonsense' in '%(nonsense)s'"],
    ["%(toString)s", "unknown attribute 'toString' in '%(toString)s'"],
    ["%(message)d", "'%(message)d' needs a number, but 'message' is text"],
    ["%(message)x", "unknown type 'x' in '%(message)x' (expected s, d or f)"],
    ["%(message)99999s", "'%(message)99999s' is too wide"],
  ])("%p", (format, text) => {
    expect(problem(format)).toBe(text);
  });
  test("a stray percent sign is told with its place", () => {
    expect(problem("ab %")).toStartWith("stray '%' at character 4");
    expect(problem("%(name)")).toStartWith("stray '%' at character 1");
  });
});
