/*
 * Input that stands on the command line itself, after ":::", as people know it from GNU Parallel. Knows no command and
 * makes no tasks.
 *
 *   inputs = ":::" { word } { ( ":::" | ":::+" ) { word } }
 *
 * Each ":::" begins a source of words. ":::+" begins one that is paired with the source before it, word by word. As
 * with GNU Parallel the shorter of the two decides how many pairs there are; what is left over is told. Whatever else
 * stands there is input: there are no options after ":::". Behind "--", ":::" is a word like any other.
 */
import { counted } from "../base/units.ts";
import { argumentError } from "../base/errors.ts";

/**
 * The sources in their order, each with its rows: one word a row, or more where sources are paired. The input has every
 * combination of rows.
 */
export interface InputWords {
  readonly sources: readonly (readonly (readonly string[])[])[];
  /** What is left out because a paired source is longer than the other; for a warning. */
  readonly leftOut: readonly string[];
}

/** The words that begin a source of input. */
export const inputSeparators: ReadonlySet<string> = new Set([":::", ":::+", "::::", "::::+"]);

/** The words of a command line before its input, and the input; null: there is none. Throws argumentError. */
export function splitInputs(words: readonly string[]): {
  readonly own: readonly string[];
  readonly inputs: InputWords | null;
} {
  const at = words.findIndex((word) => word === "--" || inputSeparators.has(word));
  if (at < 0 || words[at] === "--") return { own: words, inputs: null };
  return { own: words.slice(0, at), inputs: inputWords(words.slice(at)) };
}

/** The sources of these words, the first of which is a separator. Throws argumentError. */
function inputWords(words: readonly string[]): InputWords {
  const sources: string[][][] = [];
  const leftOut: string[] = [];
  let at = 0;
  while (at < words.length) {
    const separator = words[at]!;
    const from = at + 1;
    for (at = from; at < words.length && !inputSeparators.has(words[at]!);) at += 1;
    const own = words.slice(from, at);
    if (separator.startsWith("::::")) {
      throw argumentError(`${separator} reads no files here: give one file of tasks as FILE, or words after :::`);
    }
    if (separator === ":::") sources.push(own.map((word) => [word]));
    else {
      const before = sources.pop();
      if (before === undefined) throw argumentError("there is no source before :::+ to pair its words with, use :::");
      sources.push(before.slice(0, own.length).map((row, index) => [...row, own[index]!]));
      const rest = Math.abs(before.length - own.length);
      if (rest > 0) leftOut.push(describeRest(before.length, own.length, rest));
    }
  }
  return { sources, leftOut };
}

function describeRest(before: number, own: number, rest: number): string {
  const pair = `${counted(own, "word")} with ${counted(before, "word")} before it`;
  return `:::+ pairs ${pair}: ${counted(rest, "word")} left out`;
}
