/*
 * The Context of a call: configuration and loggers, each made when it is first asked for, so that a command pays for
 * what it uses.
 *
 * A broken configuration ends a command where it asks for it, but never keeps the program from saying so: the loggers
 * for errors fall back to the built-in layout.
 */
import { counted } from "../base/units.ts";
import { systemClock } from "../base/clock.ts";
import type { Config } from "../config/load.ts";
import { asksForLevel, fileSettings, startedTasks } from "../config/logging.ts";
import { builtIn } from "../config/schema.ts";
import { wantsColour } from "../log/colour.ts";
import { consoleLoggers, type ConsoleOptions } from "../log/console.ts";
import type { Line } from "../log/format.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { defaultDateFormat } from "../log/styles.ts";
import type { Role } from "../log/slot.ts";
import type { Context } from "./command.ts";
import { instanceId } from "./instance.ts";
import type { fileLog, FileLog } from "./file-log.ts";
import type { Output } from "../print/output.ts";

/** What the process is given from outside; main.ts has the real one. */
export interface Surroundings {
  /** `hs` or `hsx`. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The working directory. Throws UserError when it is not there any more. */
  readonly cwd: string;
  readonly hostname: () => string;
  /** ms since 1970. */
  readonly startedAt: number;
  readonly stdout: () => Output;
  /** Whole lines; never throws. */
  readonly stderr: (text: string) => void;
  /** `tell` is called when lines could not be written to stderr, and it takes lines again. */
  readonly onLogLost?: (tell: (lines: number) => void) => void;
  /** Whether stderr is a terminal. */
  readonly isTerminal: () => boolean;
  /**
   * What stdin is: a pipe, socket or file (`stream`), another device such as /dev/null, or a terminal or closed
   * (`none`).
   */
  readonly input: () => "none" | "device" | "stream";
  /** The words of the command line as they were given, where the system can tell; else null. */
  readonly bytesOfWords?: () => readonly Uint8Array[] | null;
}

/** A call that is ready to run. */
export interface Prepared {
  readonly context: Context;
  /** For the last words of the program: as configured if that is possible, else the built-in layout. */
  readonly lastLoggers: () => Loggers;
  /** Waits until the log file has every line, and what is left to do for it is done. */
  readonly settle: () => Promise<void>;
}

/**
 * `lenient`: the command mends configurations, so a broken one must not take its loggers away. `role`: whose log file
 * it is, if there is one; null: there is to be none.
 */
export function makeContext(
  surroundings: Surroundings,
  load: () => Config,
  lenient: boolean,
  role: Role | null = "main",
): Prepared {
  const { program, env } = surroundings;
  let file: FileLog | null = null;

  const config = once(load);
  const configured = once(() => {
    const settings = config();
    file = role === null ? null : openFile(surroundings, settings, role);
    const loggers = loggersOf(surroundings, settings, file);
    file?.open(loggers);
    for (const warning of settings.warnings) loggers("core.config").warning(warning);
    for (const notice of settings.notices) loggers("core.config").info(notice);
    return loggers;
  });
  const preset = once(() => loggersOf(surroundings, null, null));
  const lastLoggers = (): Loggers => {
    try {
      return configured();
    } catch {
      return preset();
    }
  };
  const loggers: Loggers = (name): Logger => (lenient ? lastLoggers() : configured())(name);
  return {
    lastLoggers,
    settle: async () => file?.settle(),
    context: {
      program,
      env,
      get cwd() {
        return surroundings.cwd;
      },
      config: () => {
        const loaded = config();
        // Settings of the log are checked, and its warnings written, whether or not the command ever logs.
        if (!lenient) configured();
        return loaded;
      },
      loggers,
    },
  };
}

/** The log file that was asked for; null: none. Throws UserError (status 3) for settings that say nothing. */
function openFile(surroundings: Surroundings, config: Config, role: Role): FileLog | null {
  const settings = fileSettings(config);
  if (settings === null) return null;
  // Without a log file nothing of it is loaded.
  const { fileLog: make } = require("./file-log.ts") as { readonly fileLog: typeof fileLog };
  const { label, origin, datefmt, clock } = options(surroundings, config);
  const [folder, cwd] = [config.site.log, (): string => surroundings.cwd];
  return make({ settings, role, folder, cwd, label, origin, datefmt, clock });
}

function loggersOf(surroundings: Surroundings, config: Config | null, file: FileLog | null): Loggers {
  const loggers = consoleLoggers(options(surroundings, config), file === null ? [] : [file.sink]);
  surroundings.onLogLost?.((lines) => {
    const text = `${counted(lines, "line")} of the log ${lines === 1 ? "is" : "are"} lost`;
    loggers("").warning(`${text}: standard error was not read for too long, or had no room`);
  });
  return loggers;
}

/** The settings of the console log; null: the built-in ones. */
function options(surroundings: Surroundings, config: Config | null): ConsoleOptions {
  const coloured =
    wantsColour(surroundings.env, surroundings.isTerminal()) && config?.boolean("logging.color") !== false;
  // The style is a name for a format, so a format that only follows from the style is no setting of its own.
  const format =
    config !== null && config.origin("logging.format").source !== "preload" ? config.text("logging.format") : null;
  return {
    level: config?.text("logging.level") ?? builtIn("logging.level"),
    style: config?.text("logging.style") ?? builtIn("logging.style"),
    format,
    datefmt: config?.text("logging.datefmt") ?? defaultDateFormat,
    coloured,
    label: (key) => (config === null ? "from: <default>" : config.origin(key).label),
    origin: {
      appId: instanceId,
      hostname: surroundings.hostname(),
      pid: process.pid,
      startedAt: surroundings.startedAt,
      program: process.execPath,
    },
    clock: systemClock,
    write: surroundings.stderr,
    ...(config === null ? {} : hidden(config)),
  };
}

/**
 * Lines that are only for the log file, unless the console is to tell: that a task was started, and that a full log
 * file is being compressed.
 */
function hidden(config: Config): Pick<ConsoleOptions, "hides"> {
  if (fileSettings(config) === null) return {};
  const { onConsole: areTasksTold } = startedTasks(config);
  const isAsked = asksForLevel(config);
  const isStart = ({ name, message }: Line): boolean =>
    name === "hypershell.client" && message.startsWith("Running task (");
  return {
    hides: (line) =>
      line.level === "INFO" &&
      ((!areTasksTold && isStart(line)) || (!isAsked && line.name === "hypershell.core.logging")),
  };
}

/** Remembers the value, or the error, of the first call. */
function once<T>(make: () => T): () => T {
  let made: { value: T } | { error: unknown } | null = null;
  return () => {
    if (made === null) {
      try {
        made = { value: make() };
      } catch (error) {
        made = { error };
      }
    }
    if ("error" in made) throw made.error;
    return made.value;
  };
}
