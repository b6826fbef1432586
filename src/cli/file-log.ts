/*
 * The log file of this process, from the settings of [logging.file]: how lines look, where they go, what is told of it,
 * and which signals and which ends of the process concern it. Loaded only where there is a log file.
 */
import { constants } from "node:os";
import type { Clock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { failureReason } from "../base/paths.ts";
import { shortHost } from "../base/process.ts";
import { formatSize } from "../base/units.ts";
import type { FileSettings } from "../config/logging.ts";
import { type Compressor, missingProgram, newCompressor } from "../log/compressor.ts";
import type { Sink } from "../log/console.ts";
import { compileLayout, type Origin } from "../log/format.ts";
import { parseThreshold } from "../log/levels.ts";
import { type LogFile, newLogFile, ownLogger } from "../log/log-file.ts";
import { logFiles } from "../log/log-folder.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { type Compression, namingText, parsePolicy, type Policy } from "../log/rotation.ts";
import { logPath, type Role, type Slot, stemOf } from "../log/slot.ts";
import { parseStyle, styles } from "../log/styles.ts";

export interface FileLogOptions {
  readonly settings: FileSettings;
  readonly role: Role;
  /** The folder for logs of the site. */
  readonly folder: string;
  /** The working directory. Throws a UserError when it is not there any more. */
  readonly cwd: () => string;
  /** Where a setting comes from, for messages. */
  readonly label: (key: string) => string;
  readonly origin: Origin;
  readonly datefmt: string;
  readonly clock: Clock;
}

export interface FileLog {
  /** For the loggers. What comes before `open` waits. */
  readonly sink: Sink;
  /** Begins to write, and tells where. */
  open(loggers: Loggers): void;
  /** Writes every line, and waits for what is being compressed unless that is much. */
  settle(): Promise<void>;
}

interface State extends FileLogOptions {
  readonly policy: Policy;
  readonly file: LogFile;
  log: Logger | null;
  compressor: Compressor | null;
}

/** The log file that the settings describe. Throws UserError (status 3) for settings that say nothing. */
export function fileLog(options: FileLogOptions): FileLog {
  const { settings, role, folder, cwd, origin, datefmt, clock, label } = options;
  const refuse = (key: string, problem: string): never => {
    throw configurationError(ownLogger, `${key} ${problem} (${label(key)})`);
  };
  const policy = parsePolicy(settings.rotate, settings.hasOwn);
  if ("problem" in policy) return refuse("logging.file.rotate", policy.problem);
  // The configuration has checked both words.
  const format = settings.format ?? styles[parseStyle(settings.style) ?? "system"];
  const layout = compileLayout({ format, dateFormat: datefmt, coloured: false }, origin);
  if ("problem" in layout) return refuse("logging.file.format", `says nothing: ${layout.problem}`);
  const host = shortHost(origin.hostname);
  const wanted = logPath({ role, host, path: settings.path, folder, cwd });
  const file = newLogFile({
    threshold: parseThreshold(settings.level) ?? 0,
    render: layout.render,
    policy,
    files: logFiles(wanted, host, (slot) => begin(state, slot)),
    clock,
    reasonOf: failureReason,
    log: () => state.log!,
    onFull: (name) => state.compressor?.add(name),
  });
  const state: State = { ...options, policy, file, log: null, compressor: null };
  return {
    sink: file,
    open(loggers) {
      state.log = loggers(ownLogger);
      listen(state);
      file.open();
    },
    async settle() {
      file.flush();
      await state.compressor?.settle();
    },
  };
}

/** Tells of the file that was found, and goes on with what an earlier process has left. */
function begin(state: State, { path, warning }: Slot): void {
  const { settings, policy } = state;
  const log = state.log!;
  if (warning !== null) log.warning(warning);
  const missing = missingProgram(settings.compress as Compression | null);
  if (missing !== null)
    log.warning(
      `logging.file.compress needs the program ${missing}, which is not here: full log files stay as they are`,
    );
  const compression = missing === null ? (settings.compress as Compression | null) : null;
  log.debug(`Logging to file (${path})`);
  log.debug(`Rotation policy: ${policyText(settings, policy)}, compression: ${compressionText(settings, compression)}`);
  log.debug(`Rotated files are named ${namingText(stemOf(path), policy.naming)}`);
  state.compressor = newCompressor({ path, compression, keep: settings.keep, log, clock: state.clock });
  state.compressor.recover();
}

function policyText({ rotate }: FileSettings, { bytes, next }: Policy): string {
  if (bytes !== null) return `size (${formatSize(bytes)})`;
  return next === null ? "never" : `time-like (${rotate})`;
}

function compressionText({ keep }: FileSettings, compression: Compression | null): string {
  return compression === null ? "none" : `${compression} (keep ${keep})`;
}

/** The commands whose signals have a meaning of their own: SIGHUP begins a new file, except on Windows. */
const running: readonly Role[] = ["server", "cluster", "client"];

/** Hears of the ends of the process, whatever they are, and of the wish for a new file. */
function listen(state: State): void {
  const { file, role } = state;
  process.on("exit", () => {
    file.flush();
    state.compressor?.stop();
  });
  if (running.includes(role)) {
    if (process.platform !== "win32") process.on("SIGHUP", () => file.renew());
    return;
  }
  // Others are ended by these signals, unless they listen themselves. Bun says nothing of such an end.
  for (const name of ["SIGHUP", "SIGTERM"] as const) {
    if (constants.signals[name] === undefined || (name === "SIGTERM" && process.pid === 1)) continue;
    const end = (): void => {
      if (process.listenerCount(name) > 1) return;
      file.flush();
      process.off(name, end);
      process.kill(process.pid, name);
    };
    process.on(name, end);
  }
}
