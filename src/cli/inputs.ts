/*
 * Input on the command line, after ":::": what it means together with a template. How it is written is in
 * args/inputs.ts, and submit/combinations.ts makes lines of it.
 */
import { existsSync } from "node:fs";
import { quoted } from "../args/flags.ts";
import type { InputWords } from "../args/inputs.ts";
import { argumentError, runtimeError } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { WordInput } from "../submit/combinations.ts";

/** The input after ":::" and the template for it. */
export interface GivenInput {
  readonly words: WordInput;
  /** The template, with each `{1}` as the pattern of a word; null: none was given here. */
  readonly template: string | null;
}

/**
 * What the words after ":::" mean; null: there are none. `template` is the one that makes commands of them; null where
 * clients have their own, or where the words are commands. Tells what is left out. Throws a UserError for a template
 * that is malformed, or has a pattern of GNU Parallel that means nothing here.
 */
export async function givenInput(
  inputs: InputWords | null,
  template: string | null,
  log: Logger,
): Promise<GivenInput | null> {
  if (inputs === null) return null;
  const { sources, leftOut } = inputs;
  for (const text of leftOut) log.warning(text);
  const columns = columnsOf(inputs);
  if (template === null) return { words: { sources, keepsWords: columns > 1, keepsEmpty: false }, template };
  refuseOtherNumbers(template, columns);
  const { parseTemplate } = await import("../template/parse.ts");
  const { takesWords } = await import("../template/expand.ts");
  const text = numberedWords(template, columns);
  const keepsWords = takesWords(parseTemplate(text));
  return { words: { sources, keepsWords, keepsEmpty: text.trim() !== "{}" }, template: text };
}

/** How many words each line has. */
export function columnsOf({ sources }: InputWords): number {
  return sources.reduce((sum, rows) => sum + (rows[0]?.length ?? 1), 0);
}

/**
 * Throws UserError for the name of a task file that is not there and has blanks or braces in it: somebody meant a
 * template. `path`: - or undefined for standard input.
 */
export function expectTaskFile(path: string | undefined): void {
  if (path === undefined || path === "-" || !/[\s{}]/.test(path) || existsSync(path)) return;
  throw runtimeError("submit", `There is no task file ${quoted(path)}; a template is given with -t`);
}

/** Throws argumentError when there are words after ":::" and another input too. `other` says what that is. */
export function refuseTwoInputs(inputs: InputWords | null, isGiven: boolean, other: string): void {
  if (inputs !== null && isGiven) throw argumentError(`words after ::: are the input: not allowed with ${other}`);
}

/**
 * Tells that tags in a template which clients expand are none: for the shell they are a comment, because lines give
 * their tags away before.
 */
export function tellOfTags(template: string | null, log: Logger): void {
  const found = template === null ? null : /(?:^|\s)(#\s*HYPERSHELL:.*)/.exec(template);
  if (found !== null)
    log.warning(
      `Tags in a template do nothing (${quoted(found[1]!)}): they belong to the lines, -c and -m are for all tasks`,
    );
}

/**
 * A template in which `{1}` to `{9}` and so on, up to the number of words in a line, are written as `{[0]}`: people
 * know them from GNU Parallel. Other numbers in braces stay text, as in `grep -E 'a{12}'`, and so does `\{1}`.
 */
export function numberedWords(template: string, columns: number): string {
  return template.replace(/\\\{|\{[ \t]*([1-9]\d*)[ \t]*(Q?)[ \t]*\}/g, (found, digits?: string, quote = "") => {
    const number = Number(digits);
    return number <= columns ? `{[${number - 1}]${quote}}` : found;
  });
}

/**
 * Refuses `{1/}`, `{1//}`, `{1.}` and `{1/.}` for a word that there is: in GNU Parallel they are parts of it as a path,
 * and here they would be passed on as they stand. Throws argumentError.
 */
function refuseOtherNumbers(template: string, columns: number): void {
  const shape = /\\\{|\{[ \t]*([1-9]\d*)[ \t]*(?:\/\/?|\/?\.)[ \t]*Q?[ \t]*\}/g;
  for (const [found, digits] of template.matchAll(shape)) {
    if (digits === undefined || Number(digits) > columns) continue;
    const word = `{= os.path.basename(x.split()[${Number(digits) - 1}]) =}`;
    throw argumentError(
      `argument -t/--template: '${found}' is no pattern - {${digits}} is the word, {/} {/-} {.} are of the whole ` +
        `line as a path, ${word} is of a word; braces that are text are written '\\${found}'`,
    );
  }
}
