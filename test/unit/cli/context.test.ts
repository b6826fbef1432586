import { describe, expect, test } from "bun:test";
import { configurationError } from "../../../src/base/errors.ts";
import { makeContext } from "../../../src/cli/context.ts";
import type { Surroundings } from "../../../src/cli/context.ts";
import type { Config } from "../../../src/config/load.ts";

function surroundings(lines: string[], env: Record<string, string> = {}): Surroundings {
  return {
    program: "hs",
    env,
    cwd: "/",
    hostname: () => "vm",
    startedAt: 0,
    stdout: () => ({ write: () => {}, isTerminal: false, coloured: false, columns: 80 }),
    stderr: (text) => void lines.push(text),
    isTerminal: () => false,
    input: () => "none",
  };
}

function settings(values: Record<string, string | boolean> = {}, warnings: readonly string[] = []): Config {
  const all: Record<string, string | boolean> = {
    "logging.level": "info",
    "logging.style": "default",
    "logging.format": "from the style",
    "logging.datefmt": "%H:%M",
    "logging.color": true,
    ...values,
  };
  return {
    text: (key) => String(all[key]),
    integer: () => null as never,
    number: () => null as never,
    boolean: (key) => all[key] === true,
    raw: (key) => all[key],
    origin: (key) =>
      key in values ? { source: "env", label: `from: ${key}` } : { source: "preload", label: "from: <preload>" },
    inheritable: (env) => env,
    holdsSecrets: () => false,
    exports: () => ({}),
    site: { lib: "/lib", log: "/log", config: "/config", name: "user" },
    environment: {},
    warnings,
    notices: [],
  };
}

const broken = (): Config => {
  throw configurationError("core.config", "broken");
};

describe("a context", () => {
  test("loads nothing until something is asked for, and then once", () => {
    let loads = 0;
    const { context } = makeContext(surroundings([]), () => ((loads += 1), settings()), false);
    expect(loads).toBe(0);
    context.config();
    context.loggers("x").info("y");
    context.config();
    expect(loads).toBe(1);
  });
  test("logs as configured", () => {
    const lines: string[] = [];
    const config = settings({ "logging.level": "DEBUG", "logging.format": "%(levelname)s %(name)s %(message)s" });
    const { context } = makeContext(surroundings(lines), () => config, false);
    context.loggers("x").debug("y");
    expect(lines).toEqual(["DEBUG hypershell.x y\n"]);
  });
  test("warns of the configuration once, whoever asks first", () => {
    const lines: string[] = [];
    const { context } = makeContext(surroundings(lines), () => settings({}, ["odd key"]), false);
    context.config();
    context.config();
    context.loggers("x");
    expect(lines).toEqual([" WARNING [hypershell.core.config] odd key\n"]);
  });
  test("is coloured when forced, unless logging.color says no", () => {
    const line = (config: Config): string => {
      const lines: string[] = [];
      makeContext(surroundings(lines, { FORCE_COLOR: "1" }), () => config, false)
        .context.loggers("")
        .info("x");
      return lines.join("");
    };
    expect(line(settings())).toContain("\u001b[32m");
    expect(line(settings({ "logging.color": false }))).toBe("    INFO [hypershell] x\n");
  });
  test("refuses a bad level where the configuration is first asked for", () => {
    const { context } = makeContext(surroundings([]), () => settings({ "logging.level": "loud" }), false);
    expect(() => context.config()).toThrow("unrecognized logging.level 'loud'");
    expect(() => context.loggers("x")).toThrow("unrecognized logging.level 'loud'");
  });
});

describe("a broken configuration", () => {
  test("ends a command where it asks for it, and is loaded no second time", () => {
    let loads = 0;
    const { context } = makeContext(surroundings([]), () => ((loads += 1), broken()), false);
    expect(() => context.config()).toThrow("broken");
    expect(() => context.loggers("x")).toThrow("broken");
    expect(loads).toBe(1);
  });
  test("does not keep the last words from being said", () => {
    const lines: string[] = [];
    makeContext(surroundings(lines), broken, false).lastLoggers()("").critical("the end");
    expect(lines).toEqual(["CRITICAL [hypershell] the end\n"]);
  });
  test("leaves its loggers to a command that mends configurations", () => {
    const lines: string[] = [];
    makeContext(surroundings(lines), broken, true).context.loggers("config").info("mended");
    expect(lines).toEqual(["    INFO [hypershell.config] mended\n"]);
  });
  test("of the log alone does not keep such a command from its settings", () => {
    const { context } = makeContext(surroundings([]), () => settings({ "logging.level": "loud" }), true);
    expect(context.config().text("logging.level")).toBe("loud");
  });
});
