/*
 * Which commands may run in a shell that ran others before (living-shell.ts), told by the grammar of what is accepted:
 *
 *     line         list
 *     list         and-or { ";" and-or } [ ";" ]
 *     and-or       pipeline { ( "&&" | "||" ) pipeline }
 *     pipeline     [ "!" blank ] command { "|" command }, in bash without "!"
 *     command      { assignment | redirection } [ program { word | redirection } ], not empty
 *     assignment   name "=" [ word ]
 *     program      literal letters, digits and _ . / + - : @ % , or "["; no word of `refused`; "export" with a name
 *     redirection  [ digit ] ( ">" | ">>" | ">|" | "<" | "<>" ) word
 *                  [ digit ] ( ">&" | "<&" ) ( digit | "-" )
 *     word         one or more of: plain signs, "\" sign, "'" signs "'", '"' { sign | "\" sign | expansion } '"',
 *                  expansion, "`" list "`" (without a backslash in it)
 *     expansion    "$" name | "$" ( "?" | "#" | "@" | "*" | "1" to "9" ) | "$(" list ")" | "$((" arithmetic "))"
 *                  "${" [ "#" ] name "}" | "${" name operator { plain sign | expansion } "}"
 *     operator     [ ":" ] ( "-" | "=" | "+" ) | "%" | "%%" | "#" | "##"
 *     arithmetic   not in bash: digits, letters, blanks, operators, parentheses in pairs, expansions
 *
 * All else gets a shell of its own: several lines, comments, `&`, here-documents, compound commands, and whatever
 * shows what only a shell that lives longer has (`$$`, `$!`, `$-`, `$0`, `$_`, its options, its traps, its lines, its
 * children). A text of the grammar is whole: put into parentheses, it can neither end them nor leave them open.
 *
 * Source: POSIX.1-2024, Shell Command Language, sections 2.2 to 2.10. Knows neither shells nor tasks.
 */

/** The longest command that is looked at, in characters: longer ones gain nothing. */
const longest = 4096;
/** How deep substitutions may lie in each other. */
const deepest = 16;

/**
 * Words that are no program here: reserved words, and built-in commands of dash and bash that tell of the shell itself,
 * change how it works, or are done otherwise outside a shell of their own.
 */
const refused = new Set(
  (
    ". alias bg bind break builtin caller case command compgen complete compopt continue coproc declare dirs disown " +
    "do done elif else enable esac eval exec fc fg fi for function getopts hash help history if in jobs kill let " +
    "local logout mapfile newgrp popd pushd readarray readonly return select set shift shopt source suspend " +
    "then time times trap type typeset ulimit unalias until wait while"
  ).split(" "),
);

/**
 * Names that mean something else in a shell that has run before, or change by themselves; and setsid(1), which goes to
 * the background only where it has the place of the shell.
 */
const odd = new RegExp(
  "\\b(?:BASH\\w*|COMP_\\w*|COPROC|DIRSTACK|EPOCH\\w*|EUID|FUNCNAME|GROUPS|HISTCMD|LINENO|PIPESTATUS|PPID|RANDOM|" +
    "SECONDS|SHELLOPTS|SRANDOM|TMOUT|UID|setsid)\\b|[\\0-\\x08\\n-\\x1f\\x7f]",
);

/** What signs are, by their codes below 128, as bits. */
const [word, literal, first, name, digit, arithmetic, operand] = [1, 2, 4, 8, 16, 32, 64];
const kinds = new Uint8Array(128);
const small = "abcdefghijklmnopqrstuvwxyz";
const letters = `${small}${small.toUpperCase()}_`;
const digits = "0123456789";
mark(word, `${letters}${digits}!#%*+,-./:=?@[]^{}~`);
mark(literal, `${letters}${digits}./+-:@%,`);
mark(first, `${letters}${digits}./:`);
mark(name, letters);
mark(name | digit, digits);
mark(arithmetic, `${letters}${digits} \t+-*/%<>=!&|?:,~^`);
mark(operand, `${letters}${digits} ./,:*?@+=-`);

function mark(bits: number, signs: string): void {
  for (const sign of signs) kinds[sign.charCodeAt(0)]! |= bits;
}

/** Codes of signs. */
const [tab, blank, bang, quotes, hash, dollar, percent, and, quote] = [9, 32, 33, 34, 35, 36, 37, 38, 39];
const [open, close, star, plus, minus, colon, semicolon, less, equals] = [40, 41, 42, 43, 45, 58, 59, 60, 61];
const [greater, question, at, bracket, backslash, underscore, backquote] = [62, 63, 64, 91, 92, 95, 96];
const [brace, bar, endBrace] = [123, 124, 125];

/** What is being read, and how far. */
interface Reader {
  readonly text: string;
  at: number;
  depth: number;
  readonly isDash: boolean;
  /** How many redirections there were outside of substitutions, where it is not read as a list. */
  redirections: number;
}

/**
 * Whether a command may run in a shell that ran others before. `isDash`: whether that is dash. A mistake in arithmetic,
 * or after `!`, ends a subshell of bash with another status than bash itself.
 */
export function isReusable(command: string, isDash: boolean): boolean {
  if (command.length > longest || odd.test(command)) return false;
  const reader = { text: command, at: 0, depth: 0, isDash, redirections: 0 };
  return readList(reader) && reader.at === command.length;
}

/**
 * A command that is one simple command with redirections, without what may stand behind it; null: it is more, or has
 * none. The command must be one that may be reused.
 */
export function redirected(command: string): string | null {
  const reader = { text: command, at: 0, depth: 0, isDash: false, redirections: 0 };
  if (!readCommand(reader) || reader.redirections === 0) return null;
  const code = peek(reader);
  return Number.isNaN(code) || (code === semicolon && /^; *$/.test(command.slice(reader.at)))
    ? command.slice(0, reader.at)
    : null;
}

/**
 * Whether a command is one pipeline of two commands or more, and nothing else: dash makes a subshell for each of them,
 * so that none changes the shell itself. The command must be one that dash may reuse. One that speaks of descriptors
 * is not: it could see those that the shell has put aside.
 */
export function isPipeline(command: string): boolean {
  if (!command.includes("|") || command.includes("fd")) return false;
  const reader = { text: command, at: 0, depth: 0, isDash: true, redirections: 0 };
  let commands = 0;
  do {
    if (!readCommand(reader)) return false;
    commands++;
  } while (accept(reader, bar) && peek(reader) !== bar);
  return commands > 1 && reader.at === command.length;
}

/** The code of the next sign; NaN: there is none. */
const peek = (reader: Reader): number => reader.text.charCodeAt(reader.at);
const is = (code: number, bits: number): boolean => code < 128 && (kinds[code]! & bits) !== 0;

function accept(reader: Reader, code: number): boolean {
  if (peek(reader) !== code) return false;
  reader.at++;
  return true;
}

function skipBlanks(reader: Reader): void {
  for (let code = peek(reader); code === blank || code === tab; code = peek(reader)) reader.at++;
}

/** Reads a list, up to what cannot belong to it. Each of these functions answers whether there was what it reads. */
function readList(reader: Reader): boolean {
  if (reader.depth > deepest) return false;
  reader.depth++;
  for (;;) {
    if (!readAndOr(reader)) return false;
    if (!accept(reader, semicolon)) break;
    skipBlanks(reader);
    const code = peek(reader);
    if (Number.isNaN(code) || code === close) break;
  }
  reader.depth--;
  return true;
}

function readAndOr(reader: Reader): boolean {
  for (;;) {
    if (!readPipeline(reader)) return false;
    const code = peek(reader);
    if ((code !== and && code !== bar) || reader.text.charCodeAt(reader.at + 1) !== code) return true;
    reader.at += 2;
  }
}

function readPipeline(reader: Reader): boolean {
  skipBlanks(reader);
  if (accept(reader, bang)) {
    const code = peek(reader);
    if (!reader.isDash || (code !== blank && code !== tab)) return false;
  }
  for (;;) {
    if (!readCommand(reader)) return false;
    if (peek(reader) !== bar || reader.text.charCodeAt(reader.at + 1) === bar) return true;
    reader.at++;
  }
}

/** Reads a command, and the blanks around it. */
function readCommand(reader: Reader): boolean {
  let isEmpty = true;
  let hasProgram = false;
  for (;;) {
    skipBlanks(reader);
    if (isAtEnd(reader)) return !isEmpty;
    isEmpty = false;
    if (isAtRedirection(reader)) {
      if (!readRedirection(reader)) return false;
    } else if (hasProgram) {
      if (!readWord(reader)) return false;
    } else if (!readAssignment(reader)) {
      if (!readProgram(reader)) return false;
      hasProgram = true;
    } else if (!isDelimiter(peek(reader)) && !readWord(reader)) return false;
  }
}

/** Whether a command ends here. */
function isAtEnd(reader: Reader): boolean {
  const code = peek(reader);
  return Number.isNaN(code) || code === semicolon || code === bar || code === and || code === close;
}

/** Whether a word ends before this sign. */
function isDelimiter(code: number): boolean {
  return (
    Number.isNaN(code) ||
    code === blank ||
    code === tab ||
    code === semicolon ||
    code === bar ||
    code === and ||
    code === less ||
    code === greater ||
    code === open ||
    code === close
  );
}

function isAtRedirection({ text, at: from }: Reader): boolean {
  const code = text.charCodeAt(from);
  const sign = is(code, digit) ? text.charCodeAt(from + 1) : code;
  return sign === less || sign === greater;
}

function readRedirection(reader: Reader): boolean {
  if (reader.depth === 0) reader.redirections++;
  if (is(peek(reader), digit)) reader.at++;
  const sign = peek(reader);
  reader.at++;
  if (accept(reader, and)) {
    if (!accept(reader, minus)) {
      if (!is(peek(reader), digit)) return false;
      reader.at++;
    }
    return isDelimiter(peek(reader));
  }
  // A second `<` begins a here-document.
  if (sign === less) accept(reader, greater);
  else if (!accept(reader, greater)) accept(reader, bar);
  skipBlanks(reader);
  return readWord(reader);
}

/** Reads the name and the sign of an assignment. */
function readAssignment(reader: Reader): boolean {
  const { text, at: from } = reader;
  if (is(text.charCodeAt(from), digit)) return false;
  let to = from;
  while (is(text.charCodeAt(to), name)) to++;
  if (to === from || text.charCodeAt(to) !== equals) return false;
  reader.at = to + 1;
  return true;
}

function readProgram(reader: Reader): boolean {
  const { text, at: from } = reader;
  if (accept(reader, bracket)) return isDelimiter(peek(reader));
  if (!is(text.charCodeAt(from), first)) return false;
  while (is(peek(reader), literal)) reader.at++;
  if (!isDelimiter(peek(reader)) || isNumbered(reader, from)) return false;
  const program = text.slice(from, reader.at);
  return !refused.has(program) && (program !== "export" || isBeforeName(reader));
}

/** Whether the next word begins as a name. `export` alone, or with an option, shows what is exported. */
function isBeforeName(reader: Reader): boolean {
  skipBlanks(reader);
  return is(peek(reader), name);
}

/**
 * Whether the word that began at `from` and ends here is the descriptor of a redirection to some shell: a number of two
 * digits or more, or a name in braces.
 */
function isNumbered({ text, at: to }: Reader, from: number): boolean {
  const code = text.charCodeAt(to);
  if (code !== less && code !== greater) return false;
  if (text.charCodeAt(to - 1) === endBrace) return true;
  for (let place = from; place < to; place++) if (!is(text.charCodeAt(place), digit)) return false;
  return true;
}

function readWord(reader: Reader): boolean {
  const from = reader.at;
  if (peek(reader) === hash) return false;
  for (;;) {
    const code = peek(reader);
    if (is(code, word) || code >= 128) reader.at++;
    else if (isDelimiter(code)) break;
    else if (!readQuoted(reader, code)) return false;
  }
  return reader.at > from && peek(reader) !== open && !isNumbered(reader, from);
}

/** Reads what begins with a sign that changes the meaning of others, outside of quotes. */
function readQuoted(reader: Reader, code: number): boolean {
  if (code === quote) {
    const end = reader.text.indexOf("'", reader.at + 1);
    reader.at = end + 1;
    return end > 0;
  }
  if (code === backslash) {
    reader.at += 2;
    return reader.at <= reader.text.length;
  }
  if (code === quotes) return readDouble(reader);
  if (code === backquote) return readBackquoted(reader);
  return code === dollar && readExpansion(reader);
}

/** Reads a text in double quotes. */
function readDouble(reader: Reader): boolean {
  const { text } = reader;
  reader.at++;
  for (;;) {
    const code = peek(reader);
    if (Number.isNaN(code) || code === backquote) return false;
    if (code === dollar && !isLone(text.charCodeAt(reader.at + 1))) {
      if (!readExpansion(reader)) return false;
      continue;
    }
    reader.at += code === backslash ? 2 : 1;
    if (code === quotes) return true;
  }
}

/** Whether a `$` in double quotes stands for itself before this sign. */
const isLone = (code: number): boolean => code === quotes || code === blank;

function readBackquoted(reader: Reader): boolean {
  const end = reader.text.indexOf("`", reader.at + 1);
  if (end < 0) return false;
  const inner = reader.text.slice(reader.at + 1, end);
  reader.at = end + 1;
  return !inner.includes("\\") && isReusable(inner, reader.isDash);
}

function readExpansion(reader: Reader): boolean {
  reader.at++;
  const code = peek(reader);
  if (code === open) return reader.text.charCodeAt(reader.at + 1) === open ? readSum(reader) : readCommands(reader);
  if (code === brace) return readBraces(reader);
  if (code === question || code === hash || code === at || code === star || (is(code, digit) && code !== 48)) {
    reader.at++;
    return true;
  }
  return readName(reader);
}

/** Reads the name of a variable. `_` is the last word of the command before. */
function readName(reader: Reader): boolean {
  const from = reader.at;
  if (is(peek(reader), digit)) return false;
  while (is(peek(reader), name)) reader.at++;
  return reader.at > from && !(reader.at === from + 1 && reader.text.charCodeAt(from) === underscore);
}

function readCommands(reader: Reader): boolean {
  reader.at++;
  return readList(reader) && accept(reader, close);
}

/** Reads `{name ...}`. */
function readBraces(reader: Reader): boolean {
  reader.at++;
  if (accept(reader, hash)) return readName(reader) && accept(reader, endBrace);
  if (!readName(reader)) return false;
  if (accept(reader, endBrace)) return true;
  const code = peek(reader);
  if (code === hash || code === percent) {
    reader.at++;
    accept(reader, code);
  } else {
    accept(reader, colon);
    if (!accept(reader, minus) && !accept(reader, equals) && !accept(reader, plus)) return false;
  }
  return readOperand(reader);
}

/** Reads what follows the operator, and the brace at its end. */
function readOperand(reader: Reader): boolean {
  if (reader.depth > deepest) return false;
  reader.depth++;
  for (;;) {
    const code = peek(reader);
    if (is(code, operand)) reader.at++;
    else if (code !== dollar) break;
    else if (!readExpansion(reader)) return false;
  }
  reader.depth--;
  return accept(reader, endBrace);
}

/** Reads `((arithmetic))`. */
function readSum(reader: Reader): boolean {
  reader.at += 2;
  if (reader.depth > deepest || !reader.isDash) return false;
  reader.depth++;
  for (let inner = 0; ;) {
    const code = peek(reader);
    if (is(code, arithmetic)) reader.at++;
    else if (code === dollar) {
      if (!readExpansion(reader)) return false;
    } else if (code === open) {
      inner++;
      reader.at++;
    } else if (!accept(reader, close)) return false;
    else if (--inner < 0) break;
  }
  reader.depth--;
  return accept(reader, close);
}
