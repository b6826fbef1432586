/*
 * Loggers: from a threshold and a layout to the six methods of a Logger. A sink is a place that lines go to, with a
 * threshold of its own: the console, and a log file. consola hands each line to the sinks, which
 * are its reporters. A level that no sink wants is an empty function, so that a call costs nothing and never reaches
 * consola.
 */
import { createConsola } from "consola/core";
import type { ConsolaReporter, LogType } from "consola/core";
import type { Clock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { visible } from "../base/escape.ts";
import { compileLayout } from "./format.ts";
import type { Line, Origin } from "./format.ts";
import { levelChoices, levels, parseThreshold } from "./levels.ts";
import type { LevelName, Logger, Loggers, Text } from "./logger.ts";
import { parseStyle, styleNames, styles } from "./styles.ts";

export interface Sink {
  /** The least level number that is written. */
  readonly threshold: number;
  write(line: Line): void;
}

/** The settings of [logging] that concern the console, as users wrote them, and what the log has to know besides. */
export interface ConsoleOptions {
  readonly level: string;
  readonly style: string;
  /** A layout that wins over the style; null: that of the style. */
  readonly format: string | null;
  readonly datefmt: string;
  readonly coloured: boolean;
  /** Where a setting comes from, for messages: `from: HYPERSHELL_LOGGING_LEVEL`. */
  readonly label: (key: string) => string;
  readonly origin: Origin;
  readonly clock: Clock;
  readonly write: (text: string) => void;
  /** Whether a line that others want is not for the console; absent: none is. */
  readonly hides?: (line: Line) => boolean;
}

/**
 * Loggers that write to the console, and to more sinks. Throws UserError (status 3) for an unknown level or style and
 * for a bad format.
 */
export function consoleLoggers(options: ConsoleOptions, more: readonly Sink[] = []): Loggers {
  return makeLoggers([consoleSink(options), ...more], options.clock);
}

function consoleSink(options: ConsoleOptions): Sink {
  const refuse = (key: string, problem: string): never => {
    throw configurationError("core.config", `${problem} (${options.label(key)})`);
  };
  const unknown = (key: string, value: string, choices: readonly string[]): never =>
    refuse(key, `unrecognized ${key} '${value}', expected one of: ${choices.join(", ")}`);

  const threshold = parseThreshold(options.level) ?? unknown("logging.level", options.level, levelChoices);
  const style = parseStyle(options.style) ?? unknown("logging.style", options.style, styleNames);
  const layout = { format: options.format ?? styles[style], dateFormat: options.datefmt, coloured: options.coloured };
  const compiled = compileLayout(layout, options.origin);
  if ("problem" in compiled) return refuse("logging.format", `logging.format: ${compiled.problem}`);
  const { render } = compiled;
  const { hides, write } = options;
  const print = (line: Line): void => write(`${render(line)}\n`);
  return { threshold, write: hides === undefined ? print : (line) => (hides(line) ? undefined : print(line)) };
}

const nothing = (): void => {};

/** Loggers that write to every sink. One Logger per name, however often it is asked for. */
export function makeLoggers(sinks: readonly Sink[], clock: Clock): Loggers {
  const output = createConsola({ level: Infinity, throttle: neverThrottled, reporters: sinks.map(reporterOf) });
  const threshold = Math.min(Infinity, ...sinks.map((sink) => sink.threshold));
  const made = new Map<string, Logger>();

  function method(name: string, level: LevelName, type: LogType): (text: Text) => void {
    if (levels[level].number < threshold) return nothing;
    // `raw` hands the line on as it is: consola would take an object with a `message` apart.
    const print = output[type].raw;
    return (text) => {
      // Hosts, reasons and commands come from others, who shall not write into anybody's terminal.
      const message = visible(typeof text === "string" ? text : text());
      const line: Line = { level, name, message, at: clock.now() };
      print(line);
    };
  }

  function makeLogger(name: string): Logger {
    return {
      enabled: (level) => threshold <= levels[level].number,
      trace: method(name, "TRACE", "trace"),
      debug: method(name, "DEBUG", "debug"),
      info: method(name, "INFO", "info"),
      warning: method(name, "WARNING", "warn"),
      error: method(name, "ERROR", "error"),
      critical: method(name, "CRITICAL", "fatal"),
    };
  }

  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const logger = makeLogger(name === "" ? "hypershell" : `hypershell.${name}`);
    made.set(name, logger);
    return logger;
  };
}

/**
 * consola folds lines that repeat within its throttle (ms) into one; a log must show each. 0 would not be enough: the
 * time between two lines is negative when the clock of the host is set back.
 */
const neverThrottled = Number.NEGATIVE_INFINITY;

function reporterOf(sink: Sink): ConsolaReporter {
  return {
    log({ args }) {
      const line = args[0] as Line;
      if (levels[line.level].number >= sink.threshold) sink.write(line);
    },
  };
}
