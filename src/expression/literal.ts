/*
 * Numbers and texts as they are written in expressions, f-strings included. Does not know operators: the expression in
 * a field is read by the parser that is passed in.
 *
 *   string   = [ "r" | "u" | "f" | "rf" ] quoted            quoted by ' " ''' or """; f-strings have fields:
 *   field    = "{" expressions [ "=" ] [ "!" ( "r" | "s" | "a" ) ] [ ":" spec ] "}"       fields may stand in a spec
 */
import { parseFloatText } from "./float.ts";
import { parseInBase, parseInteger } from "./integer.ts";
import { identifier } from "./reader.ts";
import type { Reader } from "./reader.ts";

/** `label` is the text of the expression, for `{x = }`. */
export interface Field<E> {
  readonly value: E;
  readonly label: string | null;
  readonly conversion: string | null;
  readonly spec: readonly Piece<E>[] | null;
}

export type Piece<E> = string | Field<E>;

const stringStart = /[rRuUfFbB]{0,2}(?:'''|"""|'|")/y;
const digits = "[0-9](?:_?[0-9])*";
const exponent = `(?:[eE][+-]?${digits})?`;
const numberShape = new RegExp(
  `0[xXoObB][0-9A-Za-z_]*|(?:${digits})?\\.${digits}${exponent}|${digits}\\.?${exponent}`,
  "y",
);
const escapes: Readonly<Record<string, string>> = {
  "\n": "",
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\x07",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};
/** How many hexadecimal digits follow the letter of an escape. */
const numbered: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/**
 * The number that begins here; null when none does. Throws an ExpressionSyntaxError for one that is not well formed.
 */
export function acceptNumber(source: Reader, keywords: ReadonlySet<string>): bigint | number | null {
  const place = source.at;
  const written = source.match(numberShape);
  if (written === null) return null;
  source.at += written.length;
  const rest = source.match(identifier);
  const prefixed = /^0[xXoObB]/.test(written);
  const value = prefixed ? parseInBase(written, 0) : (parseInteger(written) ?? parseFloatText(written));
  // Python refuses 012, which is an octal number in some languages and a decimal one in others.
  const leadingZero = !prefixed && typeof value === "bigint" && value !== 0n && written.startsWith("0");
  if (value === null || leadingZero || (rest !== null && !keywords.has(rest)))
    source.blame("a number is not well formed", place);
  return value;
}

/**
 * The literals that stand here side by side, as the pieces of one text; null when none begins here. `expressions` reads
 * what stands in a field. Throws an ExpressionSyntaxError for one that is not well formed.
 */
export function acceptStrings<E>(source: Reader, expressions: () => E): readonly Piece<E>[] | null {
  let head = source.match(stringStart);
  if (head === null) return null;
  const pieces: Piece<E>[] = [];
  for (; head !== null; head = source.match(stringStart)) {
    pieces.push(...literal(source, head, expressions));
    source.skipBlanks();
  }
  return pieces;
}

/** One literal, from its prefix on. */
function literal<E>(source: Reader, head: string, expressions: () => E): Piece<E>[] {
  const place = source.at;
  const prefix = /^[A-Za-z]*/.exec(head)?.[0].toLowerCase() ?? "";
  if (prefix.includes("b")) source.blame("bytes are not supported");
  if (!["", "r", "u", "f", "rf", "fr"].includes(prefix)) source.blame(`a text cannot begin with '${prefix}'`);
  const quote = head.slice(prefix.length);
  source.at += head.length;
  const hasFields = prefix.includes("f");
  const isRaw = prefix.includes("r");
  const pieces: Piece<E>[] = [];
  let plain = "";
  while (source.at < source.end && !source.looksAt(quote)) {
    const char = source.template[source.at] as string;
    if (char === "\\") plain += isRaw ? rawEscape(source) : escape(source);
    else if (hasFields && (char === "{" || char === "}")) {
      if (source.template[source.at + 1] === char) {
        plain += char;
        source.at += 2;
      } else if (char === "}") source.blame("a single '}' in an f-string; write '}}' for the sign itself");
      else {
        pieces.push(plain, field(source, expressions));
        plain = "";
      }
    } else {
      plain += char;
      source.at++;
    }
  }
  if (!source.looksAt(quote)) source.blame("the text is not closed", place);
  source.at += quote.length;
  pieces.push(plain);
  return pieces.filter((piece) => piece !== "");
}

/** A format specification, up to the brace that closes its field. */
function specification<E>(source: Reader, expressions: () => E): Piece<E>[] {
  const pieces: Piece<E>[] = [];
  let plain = "";
  while (source.at < source.end && !source.looksAt("}")) {
    if (source.looksAt("{")) {
      pieces.push(plain, field(source, expressions));
      plain = "";
    } else plain += source.looksAt("\\") ? escape(source) : source.template[source.at++];
  }
  pieces.push(plain);
  return pieces.filter((piece) => piece !== "");
}

/** A replacement field of an f-string, from its opening brace. */
function field<E>(source: Reader, expressions: () => E): Field<E> {
  return source.nested(() => {
    const place = source.at++;
    const begin = source.at;
    source.skipBlanks();
    if (["}", "!", ":"].some((sign) => source.looksAt(sign))) source.blame("an expression is missing in the field");
    const value = expressions();
    let label: string | null = null;
    if (source.accept("=", ["="])) {
      source.skipBlanks();
      label = source.template.slice(begin, source.at);
    }
    let conversion: string | null = null;
    if (source.accept("!", ["="])) {
      conversion = source.match(/[A-Za-z]/y) ?? source.blame("a conversion is missing after '!': r, s or a");
      if (!"rsa".includes(conversion)) source.blame(`there is no conversion '!${conversion}'; it is !r, !s or !a`);
      source.at++;
    }
    const spec = source.accept(":") ? specification(source, expressions) : null;
    if (!source.accept("}")) source.blame("the field is not closed", source.at < source.end ? source.at : place);
    source.countNode();
    return { value, label, conversion, spec };
  });
}

/** In a raw text a backslash stays; a quote behind it stays too, and does not end the text. */
function rawEscape(source: Reader): string {
  const length = source.at + 1 < source.end && !"{}".includes(source.template[source.at + 1] as string) ? 2 : 1;
  source.at += length;
  return source.template.slice(source.at - length, source.at);
}

function escape(source: Reader): string {
  const place = source.at++;
  if (source.at >= source.end) source.blame("the text is not closed", place);
  const octal = source.match(/[0-7]{1,3}/y);
  if (octal !== null) {
    source.at += octal.length;
    return String.fromCodePoint(Number.parseInt(octal, 8));
  }
  const letter = source.template[source.at] as string;
  const size = numbered[letter];
  if (size !== undefined) {
    const hex = source.template.slice(source.at + 1, Math.min(source.at + 1 + size, source.end));
    const code = Number.parseInt(hex, 16);
    if (hex.length < size || !/^[0-9a-fA-F]+$/.test(hex) || code > 0x10ffff) {
      source.blame(`'\\${letter}' takes ${size} hexadecimal digits`, place);
    }
    source.at += 1 + size;
    return String.fromCodePoint(code);
  }
  if (letter === "N") source.blame("characters by name are not supported; write \\u and the number", place);
  const known = escapes[letter];
  // An unknown escape stays as it is written. Of one before a brace only the backslash is read here: the brace may
  // begin or end a field.
  if (known === undefined && "{}".includes(letter)) return "\\";
  source.at++;
  return known ?? `\\${letter}`;
}

/** Whether the pieces are text without fields. */
export function isText<E>(pieces: readonly Piece<E>[]): pieces is readonly string[] {
  return pieces.every((piece) => typeof piece === "string");
}
