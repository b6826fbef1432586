/*
 * What the words of `hs submit` mean: one command, a file of commands, or standard input. Looks at files, and opens
 * none.
 */
import { accessSync, constants, statSync } from "node:fs";
import { quoted } from "../args/flags.ts";
import { argumentError } from "../base/errors.ts";
import { quoteAsTyped } from "../base/shell.ts";
import { joinWords } from "../task/shellwords.ts";

/** What the words of `hs submit` mean; `note` says it in the log. */
export type Input =
  | { readonly kind: "lines"; readonly path: string; readonly note: string }
  | { readonly kind: "single"; readonly line: string; readonly note: string };

/**
 * What is to be submitted: the words are a command, or the name of a file of commands, or nothing (standard input).
 * `file` is what -f names. Throws an argument error for words that can be neither.
 */
export function chooseInput(words: readonly string[], file: string | undefined): Input {
  if (file !== undefined) {
    if (words.length > 0) throw argumentError("argument -f/--task-file: not allowed with ARGS");
    if (file === "") throw argumentError("argument -f/--task-file: the name of a file is missing");
    return { kind: "lines", path: file, note: `from ${file === "-" ? "<stdin>" : file} (explicit)` };
  }
  const [word] = words;
  if (word === undefined) return { kind: "lines", path: "-", note: "from <stdin> (implicit)" };
  if (words.length > 1) return { kind: "single", line: commandLine(words), note: "single task (explicit)" };
  if (word === "-") return { kind: "lines", path: "-", note: "from <stdin> (explicit)" };
  switch (whatIs(word)) {
    case "folder":
      throw argumentError(`'${word}' is a directory, neither a command nor a file of commands`);
    case "program":
      return { kind: "single", line: commandLine(words), note: "single task (implicit - executable)" };
    case "file":
      return { kind: "lines", path: word, note: `from ${word} (implicit - not executable)` };
    case "nothing":
      // Whether it can be a command, expectCommand says.
      return { kind: "single", line: commandLine(words), note: "single task (implicit)" };
  }
}

/** The line for the shell that these words stand for. Throws an argument error for the name of a folder. */
export function commandLine(words: readonly string[]): string {
  const [word = ""] = words;
  if (words.length > 1) return joinWords(words);
  switch (whatIs(word)) {
    case "folder":
      throw argumentError(`'${word}' is a directory, no command`);
    case "program":
    case "file":
      return quoteAsTyped(word);
    case "nothing":
      // One word may be a whole command line, so it is not quoted.
      return word;
  }
}

/** What a shell runs without a file of that name. */
const builtins: ReadonlySet<string> = new Set(
  (
    ". : [ alias bg break cd command continue echo eval exec exit export false fc fg getopts hash jobs kill printf " +
    "pwd read readonly return set shift test times trap true type ulimit umask unalias unset wait"
  ).split(" "),
);

/** What cmd.exe runs without a file of that name, in any case. */
const ofCmd: ReadonlySet<string> = new Set(
  (
    "assoc break call cd chdir cls color copy date del dir echo erase exit for ftype goto if md mkdir mklink move " +
    "path pause popd prompt pushd rd rem ren rename rmdir set setlocal shift start time title type ver verify vol"
  ).split(" "),
);

/**
 * Refuses one word that a shell could only fail to find: no file and no program, such as the mistyped name of a file of
 * commands. `path` is the value of PATH. A word with blanks or with signs of the shell may be a whole command line.
 * Throws an argument error.
 */
export function expectCommand(words: readonly string[], path: string | undefined): void {
  const [word = ""] = words;
  const known = process.platform === "win32" ? ofCmd.has(word.toLowerCase()) : builtins.has(word);
  if (words.length !== 1 || !/^[\w@%+:,./-]+$/.test(word) || known || whatIs(word) !== "nothing") return;
  if (!word.includes("/") && Bun.which(word, { PATH: path ?? "" }) !== null) return;
  throw argumentError(`${quoted(word)} is neither a file nor a command (after -- it is taken as it stands)`);
}

function whatIs(path: string): "nothing" | "folder" | "program" | "file" {
  try {
    if (statSync(path).isDirectory()) return "folder";
  } catch {
    return "nothing";
  }
  // Windows knows no x bit: the name tells.
  if (process.platform === "win32") return /\.(?:exe|com|bat|cmd|ps1)$/i.test(path) ? "program" : "file";
  try {
    accessSync(path, constants.X_OK);
    return "program";
  } catch {
    return "file";
  }
}
