/*
 * What a template makes of one input line. Pure and synchronous but for `{% %}`, whose commands the caller runs
 * (base/system.ts), one after the other. Per-task code: the usual template costs no more than joining strings.
 */
import { counted } from "../base/units.ts";
import { strip, wordsOf } from "../base/characters.ts";
import { isList, lineText, listedWords } from "../base/wordlist.ts";
import { TemplateError } from "./errors.ts";
import { ExpressionFailure } from "../expression/failure.ts";
import type { CommandPiece, PatternPart, TemplatePart, Template } from "./parse.ts";
import { placeOf, placesOf, type Slice, take } from "../base/slice.ts";
import type { SystemWithShell } from "../base/system.ts";

/** Whether expansion runs commands, and its result is a promise. */
export function needsShell({ parts }: Template): boolean {
  return parts.some(({ kind }) => kind === "shell");
}

/** Whether a template asks for single words of its input. */
export function takesWords({ parts }: Template): boolean {
  return parts.some(({ kind }) => kind === "word" || kind === "words");
}

/**
 * The text that a template makes of an input; a promise only for a template that needs the shell. An input that is a
 * list of words (base/wordlist.ts) has those words, any other what blanks separate. Throws, or rejects with, a
 * TemplateError when there is none.
 */
export function expand(template: Template, input: string, system: SystemWithShell): string | Promise<string> {
  if (needsShell(template)) return expandWithShell(template, input, system);
  return expandPure(template, input, system);
}

function expandPure({ parts }: Template, input: string, system: SystemWithShell): string {
  const text = lineText(input);
  let result = "";
  for (const part of parts) result += pureText(part, text, input, system);
  return result;
}

async function expandWithShell({ parts }: Template, input: string, system: SystemWithShell): Promise<string> {
  const text = lineText(input);
  let result = "";
  for (const part of parts) {
    if (part.kind !== "shell") result += pureText(part, text, input, system);
    else {
      const output = await outputOf(part.pattern, part.pieces, text, system);
      result += part.isQuoted ? system.quote(output) : output;
    }
  }
  return result;
}

/** The text of one part. `text` is the input as people see it, `input` as it came. */
function pureText(part: TemplatePart, text: string, input: string, system: SystemWithShell): string {
  if (part.kind === "text") return part.text;
  if (!part.isQuoted) return plainText(part, text, input, system);
  // A slice gives several words, and each of them stays one.
  if (part.kind === "words")
    return slicedWords(part.slice, input)
      .map((word) => system.quote(word))
      .join(" ");
  return system.quote(plainText(part, text, input, system));
}

function inputWords(input: string): readonly string[] {
  return isList(input) ? listedWords(input) : wordsOf(input);
}

function slicedWords(slice: Slice, input: string): readonly string[] {
  const words = inputWords(input);
  return take(words, placesOf(slice, words.length));
}

function plainText(part: PatternPart, text: string, input: string, system: SystemWithShell): string {
  switch (part.kind) {
    case "input":
      return text;
    case "path":
      return part.partOf(text, system.paths);
    case "word": {
      const words = inputWords(input);
      const place = placeOf(part.index, words.length);
      if (place !== null) return words[place] as string;
      const has = words.length === 0 ? "no words" : counted(words.length, "word");
      throw new TemplateError(part.pattern, text, `index out of range, the input has ${has}`);
    }
    case "words":
      return slicedWords(part.slice, input).join(" ");
    case "expression":
      return expectCommandText(part.pattern, text, valueText(part, text, system));
    case "shell":
      throw new Error("a template that needs the shell cannot be expanded without it");
  }
}

function valueText(
  part: Extract<PatternPart, { readonly kind: "expression" }>,
  input: string,
  system: SystemWithShell,
): string {
  try {
    return part.textOf(input, system);
  } catch (error) {
    if (error instanceof ExpressionFailure) throw new TemplateError(part.pattern, input, error.message);
    throw error;
  }
}

async function outputOf(
  pattern: string,
  pieces: readonly CommandPiece[],
  input: string,
  { shell, quote }: SystemWithShell,
): Promise<string> {
  let command = "";
  for (const piece of pieces)
    command += piece.kind === "text" ? piece.text : piece.kind === "input" ? input : quote(input);
  const { status, output } = await shell(command);
  if (status !== 0) throw new TemplateError(pattern, input, `the command ended with status ${status}`);
  return expectCommandText(pattern, input, strip(output));
}

/** The result as it is. Throws a TemplateError for a NUL character, which no command line can hold. */
function expectCommandText(pattern: string, input: string, result: string): string {
  if (result.includes("\0")) throw new TemplateError(pattern, input, "the result has a NUL character");
  return result;
}
