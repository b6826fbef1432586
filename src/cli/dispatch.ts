/*
 * From the words of a command line to the command that they mean, and its run: what surrounds the run, and what is said
 * when it fails. verbs.ts has the tree of commands, and says why the way down the tree is ours.
 */
import type { CommandContext, CommandDef } from "citty";
import { parseFlags } from "../args/flags.ts";
import { systemClock } from "../base/clock.ts";
import { keepsSignal, releaseSignals } from "../base/early.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { reapOrphans } from "../base/reaper.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Config } from "../config/load.ts";
import type { Loggers } from "../log/logger.ts";
import type { Role } from "../log/slot.ts";
import type { Command } from "./command.ts";
import type { Prepared, Surroundings } from "./context.ts";
import { pageOf } from "./page.ts";
import { calledAs, type How, isShown, root, type Runner, subCommandsOf } from "./verbs.ts";

/** A call on its way: what the process was given, how to end it, and, once they are needed, configuration and log. */
export interface Call {
  readonly surroundings: Surroundings;
  readonly exit: (status: number) => void;
  /** What the command is to its log. */
  role: Role;
  prepared: Prepared | null;
}

/** Runs the command that the words mean and answers its exit status. Throws UserError for words that mean none. */
export async function dispatch(words: readonly string[], call: Call): Promise<number> {
  const [first = "", ...rest] = words;
  const program = calledAs(call.surroundings.program);
  const { command, own } = program === null ? descend(find(root, first), rest) : { command: program, own: words };
  const runner: Runner = (found, given, how) => run(found, given, call, how);
  // Commands parse strictly by their own tables, so what citty would make of the words is left empty.
  const context: CommandContext = { rawArgs: [...own], args: {} as CommandContext["args"], cmd: command, data: runner };
  const status: unknown = await command.run?.(context);
  return Number(status);
}

interface Found {
  readonly command: CommandDef;
  /** The words that are left for it. */
  readonly own: readonly string[];
}

/** A command with commands below it takes no words of its own, only options. */
function descend(command: CommandDef, words: readonly string[]): Found {
  const [name, ...rest] = words;
  if (name === undefined || name.startsWith("-") || subCommandsOf(command) === null) return { command, own: words };
  return descend(find(command, name), rest);
}

/** Throws an argument error for a name that no command has, with the nearest one that the help lists. */
function find(above: CommandDef, name: string): CommandDef {
  const among = subCommandsOf(above) ?? {};
  const found = Object.hasOwn(among, name) ? among[name] : undefined;
  if (found !== undefined) return found;
  const shown = Object.keys(among).filter((each) => isShown(among[each]!));
  const close = nearest(name.toLowerCase(), shown);
  throw argumentError(`unrecognized command: ${name}${close === null ? "" : ` (did you mean '${close}'?)`}`);
}

/** Whether a call without any word is only answered with the usage. */
function lacksWords(bare: Command["bare"], { input }: Surroundings): boolean {
  if (bare === "usage") return true;
  if (bare === "run") return false;
  return bare === "stdin" ? input() === "none" : input() !== "stream";
}

async function run(command: Command, words: readonly string[], call: Call, how: How): Promise<number> {
  const { surroundings } = call;
  const { spec, bare } = command;
  call.role = roles[spec.name] ?? "main";
  if (words.length === 0 && lacksWords(bare, surroundings)) {
    const { usage } = await import("../args/layout.ts");
    surroundings.stdout().write(usage(spec, pageOf(surroundings)));
    return exitStatus.usage;
  }
  const { own, inputs } =
    spec.takesInputs === true ? (await import("../args/inputs.ts")).splitInputs(words) : { own: words, inputs: null };
  const parsed = parseFlags(spec, own, inputs);
  if (parsed === "help") {
    const { help } = await import("../args/help.ts");
    surroundings.stdout().write(help(spec, pageOf(surroundings), how.inner));
    return exitStatus.success;
  }
  if (parsed.secrets.length > 0) (await import("./hidden-words.ts")).hideWords(words, parsed.secrets);
  call.prepared = await prepare(call, how.lenient, isDry(spec, parsed));
  const release = takeOver(call);
  try {
    return await command.run(parsed, call.prepared.context);
  } finally {
    release();
    await call.prepared.settle();
  }
}

/** Whether the command is only to print what it would run (`dryRunOption`): no folder and no file is made for it. */
function isDry({ sections }: CommandSpec, parsed: Parsed): boolean {
  return sections.some(({ options }) => options.some(({ key }) => key === "dry")) && parsed.flag("dry");
}

/** The commands that have a log file of their own. */
const roles: Readonly<Record<string, Role>> = {
  "hs server": "server",
  "hs cluster": "cluster",
  "hs client": "client",
  "hs submit": "submit",
};

async function prepare({ surroundings, role }: Call, lenient: boolean, isDryRun = false): Promise<Prepared> {
  const { makeContext } = await import("./context.ts");
  const { settingsFolder } = await import("../config/site.ts");
  const { loadConfig } = await import("../config/load.ts");
  const load = (): Config =>
    loadConfig(surroundings.env, settingsFolder(surroundings), undefined, undefined, !isDryRun);
  return makeContext(surroundings, load, lenient, isDryRun ? null : role);
}

/**
 * From here on Ctrl-C and errors outside any await end the program in an orderly way, until the function that comes
 * back is called. A command with a handler of its own for SIGINT has precedence.
 */
function takeOver(call: Call): () => void {
  const interrupt = (): void => {
    if (process.listenerCount("SIGINT") > 1) return;
    call.prepared?.lastLoggers()("").critical("keyboard-interrupt: going down now!");
    call.exit(exitStatus.interrupted);
  };
  let crashed = false;
  const crash = (thrown: unknown): void => {
    // What fails while the program is already failing would only hide the cause.
    if (crashed) return;
    crashed = true;
    void endWith(thrown, call).then(call.exit, () => call.exit(exitStatus.internalError));
  };
  const stopReaping = reapOrphans(systemClock);
  const stopEnding = endOnTerminate(call);
  process.on("SIGINT", interrupt);
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  if (releaseSignals(["SIGINT"]).length > 0) interrupt();
  return () => {
    stopReaping();
    stopEnding();
    process.off("SIGINT", interrupt);
    process.off("uncaughtException", crash);
    process.off("unhandledRejection", crash);
  };
}

/**
 * Ends the program on SIGTERM, also on one that came before, until the function that comes back is called. Only two
 * kinds need it: a run or client, which keeps early signals, and the first process of a container, which is not ended
 * by a signal that it does not listen to. A command with handlers of its own for SIGTERM has precedence.
 */
function endOnTerminate(call: Call): () => void {
  if (process.pid !== 1 && !keepsSignal("SIGTERM")) return () => undefined;
  const terminate = (): void => {
    if (process.listenerCount("SIGTERM") > 1) return;
    call.prepared?.lastLoggers()("").critical("terminated (SIGTERM): going down now!");
    call.exit(exitStatus.terminated);
  };
  process.on("SIGTERM", terminate);
  if (releaseSignals(["SIGTERM"]).length > 0) terminate();
  return () => process.off("SIGTERM", terminate);
}

/**
 * Says what ended the program and answers the exit status. The line has the configured layout if the configuration can
 * be read.
 */
export async function endWith(thrown: unknown, call: Call): Promise<number> {
  const { report } = await import("./exit.ts");
  const prepared = call.prepared ?? (await prepare(call, true));
  const loggers: Loggers = prepared.lastLoggers();
  return report(thrown, {
    loggers,
    print: call.surroundings.stderr,
    logFolder: () => prepared.context.config().site.log,
    now: systemClock.now(),
  });
}
