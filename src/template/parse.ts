/*
 * The text of a template, parsed once into parts. Knows nothing of inputs and runs nothing; expand.ts does.
 *
 *   template   = { "\{" | pattern | char }
 *   pattern    = "{" [ sign ] [ "Q" ] "}"         sign: . .. / /- - + ++ (`pathPatterns`), or nothing: the input
 *              | "{" words [ "Q" ] "}"            slice.ts
 *              | "{%" command "%" [ "Q" ] "}"     up to the first "%}" or "%Q}"
 *              | "{=" expression "=" [ "Q" ] "}"  up to the first "=}" or "=Q}"; expression.ts
 *   command    = { "\@" | "@Q" | "@" | char }     an at sign, the input quoted for the shell, the input
 *
 * A "Q" before the closing brace quotes what the pattern gives, so that the shell sees one word: of a slice, one for
 * each word of the input.
 * Blanks and TABs may stand inside the braces, at both ends. `\{` is a literal brace. Braces that are no pattern are
 * text, as in `awk '{print $1}'`, `${HOME}` or `{a,b}`, and a pattern inside them is still one. A pattern that is begun
 * with `{%` or `{=` and never ended, or that has brackets right inside its braces and something else than a slice
 * between them, is an error.
 */
import { TemplateSyntaxError } from "./errors.ts";
import type { Expression, parseExpression } from "../expression/expression.ts";
import { ExpressionSyntaxError } from "../expression/failure.ts";
import type { PathRules } from "../base/ospath.ts";
import type { Slice } from "../base/slice.ts";

export type CommandPiece =
  { readonly kind: "text"; readonly text: string } | { readonly kind: "input" } | { readonly kind: "quoted" };

export type TemplatePart = { readonly kind: "text"; readonly text: string } | PatternPart;

export type PatternPart =
  | (Pattern & { readonly kind: "input" })
  | (Pattern & { readonly kind: "path"; readonly partOf: PartOf })
  | (Pattern & { readonly kind: "word"; readonly index: number })
  | (Pattern & { readonly kind: "words"; readonly slice: Slice })
  | (Pattern & { readonly kind: "shell"; readonly pieces: readonly CommandPiece[] })
  | (Pattern & { readonly kind: "expression"; readonly textOf: Expression });

/** What a path pattern makes of the whole input, by the rules of the system that it is on. */
type PartOf = (input: string, paths: PathRules) => string;

interface Pattern {
  /** The text of the pattern, braces and all. */
  readonly pattern: string;
  /** Whether what it gives is quoted for the shell. */
  readonly isQuoted: boolean;
}

export interface Template {
  readonly text: string;
  /** Neighbouring texts are one part. */
  readonly parts: readonly TemplatePart[];
}

/** Throws a TemplateSyntaxError, which shows the place, for a pattern that is malformed. */
export function parseTemplate(text: string): Template {
  const parts: TemplatePart[] = [];
  let at = 0;
  let plain = "";

  function put(part: TemplatePart, end: number): void {
    if (plain !== "") parts.push({ kind: "text", text: plain });
    plain = "";
    parts.push(part);
    at = end;
  }

  while (at < text.length) {
    if (text.startsWith("\\{", at)) {
      plain += "{";
      at += 2;
      continue;
    }
    const found = text[at] === "{" ? patternAt(text, at) : null;
    if (found !== null) put(found.part, found.end);
    else plain += text[at++];
  }
  if (plain !== "") parts.push({ kind: "text", text: plain });
  return { text, parts };
}

interface Found {
  readonly part: TemplatePart;
  /** Behind the pattern. */
  readonly end: number;
}

/** The pattern whose brace stands at `start`; null when the brace is text. */
function patternAt(text: string, start: number): Found | null {
  let inside = start + 1;
  while (text[inside] === " " || text[inside] === "\t") inside++;
  switch (text[inside]) {
    case "%":
      return shellPattern(text, start, inside + 1);
    case "=":
      return expressionPattern(text, start, inside + 1);
    case "[":
      return wordsPattern(text, start, inside);
    default:
      return pathPattern(text, start, inside);
  }
}

/** Where a pattern with marks ends: what it holds ends at `inner`, the pattern itself at `end`. */
interface Ending {
  readonly inner: number;
  readonly end: number;
  readonly isQuoted: boolean;
}

function expectEnd(text: string, start: number, from: number, mark: "%" | "="): Ending {
  const plain = text.indexOf(`${mark}}`, from);
  const quoted = text.indexOf(`${mark}Q}`, from);
  if (quoted !== -1 && (plain === -1 || quoted < plain)) return { inner: quoted, end: quoted + 3, isQuoted: true };
  if (plain !== -1) return { inner: plain, end: plain + 2, isQuoted: false };
  throw new TemplateSyntaxError(
    `the pattern has no '${mark}}' at its end (a literal brace is written '\\{')`,
    text,
    start,
  );
}

function shellPattern(text: string, start: number, from: number): Found {
  const { inner, end, isQuoted } = expectEnd(text, start, from, "%");
  const command = text.slice(from, inner).trim();
  if (command === "") throw new TemplateSyntaxError("a command is missing between '{%' and '%}'", text, from);
  return { part: { kind: "shell", pattern: text.slice(start, end), isQuoted, pieces: piecesOf(command) }, end };
}

function piecesOf(command: string): CommandPiece[] {
  return command
    .split(/(\\@|@Q|@)/)
    .filter((piece) => piece !== "")
    .map((piece) => {
      if (piece === "@") return { kind: "input" };
      if (piece === "@Q") return { kind: "quoted" };
      return { kind: "text", text: piece === "\\@" ? "@" : piece };
    });
}

function expressionPattern(text: string, start: number, from: number): Found {
  const { inner, end, isQuoted } = expectEnd(text, start, from, "=");
  // Loaded on demand, but in one go: the expression language takes several milliseconds that most templates need not
  // wait for.
  const loaded = require("../expression/expression.ts") as { readonly parseExpression: typeof parseExpression };
  try {
    const textOf = loaded.parseExpression(text, from, inner);
    return { part: { kind: "expression", pattern: text.slice(start, end), isQuoted, textOf }, end };
  } catch (error) {
    if (error instanceof ExpressionSyntaxError) throw new TemplateSyntaxError(error.message, text, error.offset);
    throw error;
  }
}

/** The signs of path patterns. */
const pathPatterns: ReadonlyMap<string, PartOf> = new Map<string, PartOf>([
  [".", (input, { dirName }) => dirName(input)],
  ["..", (input, { dirName }) => dirName(dirName(input))],
  ["/", (input, { baseName }) => baseName(input)],
  ["/-", (input, { baseName, splitExtension }) => splitExtension(baseName(input))[0]],
  ["-", (input, { splitExtension }) => splitExtension(input)[0]],
  ["+", (input, { splitExtension }) => splitExtension(input)[1]],
  ["++", (input, { splitExtension }) => splitExtension(input)[1].slice(1)],
]);

function pathPattern(text: string, start: number, inside: number): Found | null {
  const close = text.indexOf("}", inside);
  if (close === -1) return null;
  const inner = text.slice(inside, close).replace(/[ \t]+$/, "");
  const isQuoted = inner.endsWith("Q");
  const sign = isQuoted ? inner.slice(0, -1).trimEnd() : inner;
  const pattern = text.slice(start, close + 1);
  if (sign === "") return { part: { kind: "input", pattern, isQuoted }, end: close + 1 };
  const partOf = pathPatterns.get(sign);
  return partOf === undefined ? null : { part: { kind: "path", pattern, isQuoted, partOf }, end: close + 1 };
}

/** From the bracket; braces that are not closed on the same line are text. */
function wordsPattern(text: string, start: number, bracket: number): Found | null {
  const close = text.indexOf("}", bracket);
  if (close === -1 || text.slice(start, close).includes("\n")) return null;
  const pattern = text.slice(start, close + 1);
  const bounds: (number | null)[] = [];
  let at = bracket + 1;

  function blame(problem: string, offset: number): never {
    throw new TemplateSyntaxError(`${problem} (a literal brace is written '\\{')`, text, offset);
  }

  function skipBlanks(): void {
    while (text[at] === " " || text[at] === "\t") at++;
  }

  function acceptIndex(): number | null {
    skipBlanks();
    const [digits] = /^[+-]?[0-9]+/.exec(text.slice(at, close)) ?? [];
    at += digits?.length ?? 0;
    skipBlanks();
    return digits === undefined ? null : Number(digits);
  }

  for (;;) {
    skipBlanks();
    const place = at;
    const bound = acceptIndex();
    if (bounds.length === 2 && bound === 0) blame("the step of a slice must not be 0", place);
    bounds.push(bound);
    if (text[at] !== ":" || bounds.length === 3) break;
    at++;
  }
  if (text[at] !== "]") {
    const expected =
      bounds.length === 1 && bounds[0] === null ? "an index" : bounds.length === 3 ? "']'" : "':' or ']'";
    blame(at >= close ? "the pattern has no ']'" : `${expected} is expected here`, at);
  }
  if (bounds.length === 1 && bounds[0] === null) blame("an index is missing between '[' and ']'", at);
  at++;
  skipBlanks();
  const isQuoted = text[at] === "Q";
  if (isQuoted) at++;
  skipBlanks();
  if (at !== close && isQuoted) blame("nothing but '}' may follow the 'Q'", at);
  if (at !== close) blame("nothing but '}' or 'Q}' may follow the ']'", at);
  const [start0 = null, stop = null, step = null] = bounds;
  if (bounds.length === 1 && start0 !== null)
    return { part: { kind: "word", pattern, isQuoted, index: start0 }, end: close + 1 };
  return { part: { kind: "words", pattern, isQuoted, slice: { start: start0, stop, step } }, end: close + 1 };
}
