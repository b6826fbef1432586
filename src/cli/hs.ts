/*
 * The way from the words of a command line to the exit status. Here is what needs no command: the version, the help of
 * the program itself, and words that cannot be read. dispatch.ts does the rest.
 *
 * Everything but the version is imported when it is needed: `hs --version` takes 10 ms, most of them for Bun itself.
 */
import { isUtf8 } from "node:buffer";
import { helpOption, parseFlags, quoted } from "../args/flags.ts";
import type { CommandSpec, Option } from "../args/spec.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { Surroundings } from "./context.ts";
import type { Call } from "./dispatch.ts";
import { citation, versionLine } from "./version.ts";

const ownOptions = [
  helpOption,
  { key: "version", names: ["-v", "--version"], kind: "flag", help: "Show the version and stop." },
  { key: "citation", names: ["--citation"], kind: "flag", help: "Show how to cite this program (BibTeX) and stop." },
] as const satisfies readonly Option[];

/** What `hs --help` says besides its list of commands. */
export const about = {
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
    "Say 'hs COMMAND --help' or 'hs help COMMAND' for the options of a command.",
  ].join("\n"),
} as const;

/** The table of its own options. */
export const ownSpec = {
  name: "hs",
  summary: about.summary,
  usage: about.usage,
  positionals: [],
  sections: [{ title: "Options", options: ownOptions }],
  exclusive: [],
} as const satisfies CommandSpec;

/**
 * Runs a command line and answers the exit status. Whatever is thrown on the way is reported here. `exit` is for what
 * ends the program from outside the flow (Ctrl-C, a bug in a callback).
 */
export async function hs(
  words: readonly string[],
  surroundings: Surroundings,
  exit: (status: number) => void,
): Promise<number> {
  const call: Call = { surroundings, exit, role: "main", prepared: null };
  try {
    expectText(words, surroundings);
    const [first, ...rest] = words;
    if (first === "__complete") return await answerShell(rest, surroundings);
    if (surroundings.program !== "hsx") {
      if (first === undefined) return await printUsage(surroundings);
      if (first.startsWith("-") && first !== "-") return await ownOption(first, surroundings);
      if (first === "help" && namesNothing(rest)) return await ownOption("--help", surroundings);
    } else if (first === "--version") return await ownOption(first, surroundings);
    const { dispatch } = await import("./dispatch.ts");
    return await dispatch(first === "help" && surroundings.program !== "hsx" ? helpOf(rest) : words, call);
  } catch (thrown) {
    const { endWith } = await import("./dispatch.ts");
    return endWith(thrown, call);
  }
}

/** What a shell asks about words that are not finished yet. */
async function answerShell(words: readonly string[], surroundings: Surroundings): Promise<number> {
  try {
    const { complete } = await import("./complete.ts");
    surroundings.stdout().write(await complete(words, surroundings));
  } catch {
    // Nobody reads it any more.
  }
  return exitStatus.success;
}

/** Whether these words behind `hs help` name no command. */
function namesNothing([name]: readonly string[]): boolean {
  return name === undefined || name === "help" || name.startsWith("-");
}

/** The words that `hs help COMMAND` stands for. */
function helpOf([name = "", ...below]: readonly string[]): readonly string[] {
  return [name === "hsx" ? "cluster" : name, ...below, "--help"];
}

/**
 * Refuses words that are not UTF-8: their bytes have become U+FFFD on the way here, so they would name another command
 * or another file. The bytes are only looked at when there is a U+FFFD.
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

async function printUsage(surroundings: Surroundings): Promise<number> {
  const { usage } = await import("../args/layout.ts");
  const { pageOf } = await import("./page.ts");
  surroundings.stdout().write(usage(about, pageOf(surroundings)));
  return exitStatus.usage;
}

async function printHelp(surroundings: Surroundings): Promise<void> {
  const { overview } = await import("../args/layout.ts");
  const { pageOf } = await import("./page.ts");
  const { listed, root } = await import("./verbs.ts");
  surroundings.stdout().write(overview({ ...about, verbs: listed(root) }, pageOf(surroundings)));
}

async function ownOption(word: string, surroundings: Surroundings): Promise<number> {
  const parsed = parseFlags(ownSpec, [word]);
  if (parsed === "help") await printHelp(surroundings);
  else if (parsed.flag("version")) surroundings.stdout().write(`${versionLine}\n`);
  else if (parsed.flag("citation")) surroundings.stdout().write(`${citation}\n`);
  else throw argumentError(`unrecognized arguments: ${word}`);
  return exitStatus.success;
}
