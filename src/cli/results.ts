/*
 * `--results` of hsx and hs client: which names for files of tasks mean something. client/results.ts makes the files.
 */
import { isAbsolute, sep } from "node:path";
import type { InputWords } from "../args/inputs.ts";
import type { Parsed } from "../args/spec.ts";
import { argumentError } from "../base/errors.ts";
import type { WordInput } from "../submit/combinations.ts";
import { columnsOf, numberedWords } from "./inputs.ts";

/**
 * The name for clients wherever they are, an absolute one; null: none is given. `inputs`: what stands after `:::`.
 * Throws a UserError for a name that means nothing here.
 */
export async function resultsGiven(
  given: string | null,
  inputs: InputWords | null,
  cwd: string,
): Promise<string | null> {
  if (given === null) return null;
  if (given === "") throw argumentError("argument --results: names no folder");
  if (/\.(?:csv|tsv|json)$/i.test(given))
    throw argumentError(
      `argument --results: '${given}': no table is made of what tasks print: name a folder, and see hs list --csv`,
    );
  const name = inputs === null ? given : numberedWords(given, columnsOf(inputs));
  const foreign = /(?<!\\)\{[ \t]*(?:#|%|\/\.|[1-9]\d*(?:\/\/?|\/?\.)?)[ \t]*Q?[ \t]*\}/.exec(name)?.[0];
  if (foreign !== undefined)
    throw argumentError(
      `argument --results: '${foreign}' is no pattern here: {} is the line, {[0]} its first word, {1} a word after ` +
        ":::, {/} {/-} {.} are of the line as a path",
    );
  const { parsedName } = await import("../client/results.ts");
  parsedName(name);
  return isAbsolute(name) ? name : cwd.replaceAll("{", "\\{") + sep + name;
}

/** Throws argumentError when output goes to files of results and somewhere else, too. */
export function refuseOtherOutput(parsed: Parsed): void {
  if (!parsed.given("results")) return;
  for (const [key, names] of [
    ["capture", "--capture"],
    ["output", "-o/--output"],
    ["errors", "-e/--errors"],
  ] as const)
    if (parsed.given(key)) throw argumentError(`argument --results: not allowed with argument ${names}`);
}

/** The words after `:::`, such that the files of results can be named after each of them. */
export function forResults(words: WordInput, results: string | null): WordInput {
  return results === null ? words : { ...words, listsAll: true };
}
