/*
 * The way from the words of a command line to the exit status: which command is meant (verbs.ts has the tree), what
 * surrounds its run, and what is said when it fails.
 */
import { isUtf8 } from "node:buffer";
import type { CommandContext, CommandDef } from "citty";
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import type { Loggers } from "../log/logger.ts";
import type { Command } from "./command.ts";
import type { CommandSpec, Option } from "../args/spec.ts";
import { makeContext } from "./context.ts";
import type { Prepared, Surroundings } from "./context.ts";
import { report } from "./exit.ts";
import { helpOption, parseFlags, quoted } from "../args/flags.ts";
import { help, overview, usage } from "../args/help.ts";
import type { Page } from "../args/help.ts";
import { formerVerbs, type How, listed, type Runner, type Verbs, verbs } from "./verbs.ts";
import { citation, versionLine } from "./version.ts";

/** A call on its way: what the process was given, how to end it, and, once they are needed, configuration and log. */
interface Call {
  readonly surroundings: Surroundings;
  readonly exit: (status: number) => void;
  prepared: Prepared | null;
}

const ownOptions: readonly Option[] = [
  helpOption,
  { key: "version", names: ["-v", "--version"], kind: "flag", help: "Show the version and stop." },
  { key: "citation", names: ["--citation"], kind: "flag", help: "Show how to cite this program (BibTeX) and stop." },
];

const about = {
  usage: [
    "hs COMMAND [ARGS...]",
    "hs [-h | -v | --citation]",
    "hsx [ARGS...]        (the same as: hs cluster [ARGS...])",
  ],
  summary: "Runs shell commands in bulk: from a handful on a laptop to a hundred million on a supercomputer.",
  options: ownOptions,
  epilog: [
    "Examples:",
    "  seq 4 | hsx -t 'echo {}'          run a command for each line of input",
    "  hsx tasks.in -N16 -f failed.in    run a file of commands, 16 at a time",
    "  hs submit -f tasks.in             store them for later",
    "",
    "Exit status:",
    "  0  success                        4  interrupted (Ctrl-C)",
    "  1  called without arguments       5  something failed while running",
    "  2  bad argument                   6  internal error",
    "  3  bad configuration              7  finished, but some tasks failed",
    "",
    "Say 'hs COMMAND --help' for the options of a command.",
  ].join("\n"),
};

const ownSpec: CommandSpec = {
  name: "hs",
  summary: about.summary,
  usage: about.usage,
  positionals: [],
  sections: [{ title: "Options", options: ownOptions }],
  exclusive: [],
};

/**
 * Runs a command line; the exit status. `exit` is for what ends the program from outside the flow (Ctrl-C, a bug in a
 * callback).
 */
export async function hs(
  words: readonly string[],
  surroundings: Surroundings,
  exit: (status: number) => void,
): Promise<number> {
  const call: Call = { surroundings, exit, prepared: null };
  try {
    expectText(words, surroundings);
    return await dispatch(surroundings.program === "hsx" ? ["cluster", ...words] : words, call);
  } catch (thrown) {
    return endWith(thrown, call);
  }
}

/**
 * What is not UTF-8 has become U+FFFD on its way here: another command, another file. Costs nothing where there is
 * none.
 */
function expectText(words: readonly string[], { bytesOfWords }: Surroundings): void {
  const damaged = words.findIndex((word) => word.includes("\uFFFD"));
  const bytes = damaged < 0 ? null : (bytesOfWords?.() ?? null);
  if (bytes === null) return;
  const bad = words.findIndex((word, i) => word.includes("\uFFFD") && !isUtf8(bytes[i] ?? new Uint8Array()));
  if (bad >= 0)
    throw argumentError(
      `${quoted(words[bad]!)} is not UTF-8, so it would not be passed on as it is - iconv can convert it ` +
        "(rename a file of such a name)",
    );
}

async function dispatch(words: readonly string[], call: Call): Promise<number> {
  const [first, ...rest] = words;
  if (first === undefined) {
    call.surroundings.stdout().write(usage(about, page(call.surroundings)));
    return exitStatus.usage;
  }
  if (first.startsWith("-") && first.length > 1) return ownOption(first, call.surroundings);
  const found = Object.hasOwn(formerVerbs, first) ? formerVerbs[first]! : find(verbs, first);
  const [second, ...below] = rest;
  const inner = found.subCommands as Verbs | undefined;
  // A command with commands below it takes no words of its own.
  if (inner === undefined || second === undefined || second.startsWith("-")) return run(found, rest, call);
  return run(find(inner, second), below, call);
}

function ownOption(word: string, surroundings: Surroundings): number {
  const parsed = parseFlags(ownSpec, [word]);
  if (parsed === "help") surroundings.stdout().write(overview({ ...about, verbs: listed(verbs) }, page(surroundings)));
  else if (parsed.flag("version")) surroundings.stdout().write(`${versionLine}\n`);
  else if (parsed.flag("citation")) surroundings.stdout().write(`${citation}\n`);
  else throw argumentError(`unrecognized arguments: ${word}`);
  return exitStatus.success;
}

function find(among: Verbs, name: string): CommandDef {
  const found = Object.hasOwn(among, name) ? among[name] : undefined;
  if (found !== undefined) return found;
  const close = nearest(name.toLowerCase(), Object.keys(among));
  throw argumentError(`unrecognized command: ${name}${close === null ? "" : ` (did you mean '${close}'?)`}`);
}

async function run(command: CommandDef, words: readonly string[], call: Call): Promise<number> {
  const rawArgs = [...words];
  const runner: Runner = (found, given, how) => runCommand(found, given, call, how);
  // Commands parse strictly by their own tables: what citty would make of the words is left empty.
  const context: CommandContext = { rawArgs, args: {} as CommandContext["args"], cmd: command, data: runner };
  const status: unknown = await command.run?.(context);
  return Number(status);
}

async function runCommand(
  command: Command,
  words: readonly string[],
  call: Call,
  { lenient, inner }: How,
): Promise<number> {
  const { surroundings } = call;
  const { spec, bare } = command;
  if (words.length === 0 && (bare === "usage" || (bare === "stdin" && !surroundings.hasInput()))) {
    surroundings.stdout().write(usage(spec, page(surroundings)));
    return exitStatus.usage;
  }
  const parsed = parseFlags(spec, words);
  if (parsed === "help") {
    surroundings.stdout().write(help(spec, page(surroundings), inner));
    return exitStatus.success;
  }
  call.prepared = await prepare(surroundings, lenient);
  const release = takeOver(call);
  try {
    return await command.run(parsed, call.prepared.context);
  } finally {
    release();
  }
}

async function prepare(surroundings: Surroundings, lenient: boolean): Promise<Prepared> {
  const { loadConfig } = await import("../config/load.ts");
  return makeContext(surroundings, () => loadConfig(surroundings.env, surroundings.cwd), lenient);
}

/**
 * Ctrl-C and errors outside any await end the program in an orderly way; a command with its own SIGINT handler has
 * precedence.
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
  process.on("SIGINT", interrupt);
  process.on("uncaughtException", crash);
  process.on("unhandledRejection", crash);
  return () => {
    process.off("SIGINT", interrupt);
    process.off("uncaughtException", crash);
    process.off("unhandledRejection", crash);
  };
}

/** Says what ended the program, in the configured layout if that can be had, and returns the status. */
async function endWith(thrown: unknown, call: Call): Promise<number> {
  const prepared = call.prepared ?? (await prepare(call.surroundings, true));
  const loggers: Loggers = prepared.lastLoggers();
  return report(thrown, {
    loggers,
    print: call.surroundings.stderr,
    logFolder: () => prepared.context.config().site.log,
    now: systemClock.now(),
  });
}

function page(surroundings: Surroundings): Page {
  const { isTerminal, coloured, columns } = surroundings.stdout();
  // Less than 40 columns cannot be laid out; a file or a filter gets a row a line.
  const width = isTerminal || surroundings.env["COLUMNS"] ? Math.max(40, columns) : Infinity;
  return { program: surroundings.program, width, coloured };
}
