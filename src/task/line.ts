/*
 * One line of input, read: a task with its inline tags, tags for all lines that follow, or nothing. Knows no file and
 * no defaults.
 *
 *   line    = [ args ] [ comment ]
 *   comment = "#" text                                        dropped
 *           | [ "#" text " " ] "#" [ blanks ] "HYPERSHELL" [ ":" ] { blanks tag }
 *
 * A comment begins where a shell would see one: at an unquoted `#` at the start of a word. So none begins in `a#b`,
 * `\#`, `$#`, `${#x}`, quotes or substitutions. A line that begins with a plain comment is a comment to its end, even
 * if a marker follows: somebody commented out a task, and its tags are not meant for the lines after it.
 */
import { edits } from "../base/nearest.ts";
import { builtInResources } from "./demand.ts";
import type { TaskSetting } from "./tag.ts";
import { describeBadTag, parseTags } from "./tag.ts";

export type Line =
  /** `near`: the text in a comment that was probably meant to be the marker of settings. */
  | { readonly kind: "task"; readonly args: string; readonly settings: readonly TaskSetting[]; readonly near?: string }
  /** `words` are the tags as written. */
  | { readonly kind: "settings"; readonly settings: readonly TaskSetting[]; readonly words: readonly string[] }
  | { readonly kind: "blank" }
  | { readonly kind: "comment"; readonly near?: string }
  | { readonly kind: "bad"; readonly reason: string };

/**
 * The most bytes that a task may have. Linux refuses an argument or a variable of more than 128 KiB (MAX_ARG_STRLEN,
 * with the final NUL), and a task gets its line as TASK_ARGS and its command as TASK_COMMAND.
 */
export const longestArgs = 131_072 - "TASK_COMMAND=".length - 1;

const blank: Line = { kind: "blank" };
const comment: Line = { kind: "comment" };
const noSettings: readonly TaskSetting[] = [];

/**
 * What a line says. `resources`: as in parseTags. Measured on a 2-core virtual machine: 0.07 microseconds for `echo
 * hello world number 123456`, 0.13 with a comment, 0.8 with a tag.
 */
export function parseLine(text: string, resources?: ReadonlySet<string>): Line {
  const line = text.trim();
  if (line === "") return blank;
  if (!line.includes("#")) return task(line, noSettings);
  const start = commentStart(line);
  if (start < 0) return task(line, noSettings);
  const args = trimBeforeComment(line.slice(0, start));
  const words = markedWords(line.slice(start), args === "");
  if (words === null) return unmarked(args, nearMarker(line.slice(start), args === ""));
  if (words[0] === ":") return { kind: "bad", reason: "no blank may stand before the colon, write # HYPERSHELL:" };
  const settings = parseTags(words, resources);
  if ("reason" in settings) return { kind: "bad", reason: describeBadTag(settings) };
  return args === "" ? { kind: "settings", settings, words } : task(args, settings);
}

/** Reads a line. */
export type LineReader = (text: string) => Line;

/** A reader of lines whose tags may name these resources. */
export function lineReader(resources: ReadonlySet<string>): LineReader {
  return resources === builtInResources ? parseLine : (text) => parseLine(text, resources);
}

/** A line that is a task exactly as it stands; only an empty one is none. */
export function exactLine(text: string): Line {
  return text === "" ? blank : task(text, noSettings);
}

/** Cuts off the blanks before the comment, but not one that a backslash makes part of the last word. */
function trimBeforeComment(text: string): string {
  const trimmed = text.trimEnd();
  const escapes = /\\*$/.exec(trimmed)![0].length;
  return escapes % 2 === 0 ? trimmed : text.slice(0, trimmed.length + 1);
}

function task(args: string, settings: readonly TaskSetting[]): Line {
  const fault = argsFault(args);
  return fault === null ? { kind: "task", args, settings } : { kind: "bad", reason: fault };
}

/** Why no program could be given this text; null: one can. */
function argsFault(args: string): string | null {
  if (args.includes("\0")) return "it has a NUL character";
  if (!args.isWellFormed()) return "it has half of a character (a surrogate without the other)";
  // A UTF-16 unit is at most three bytes of UTF-8, so most lines need no count.
  if (args.length * 3 <= longestArgs) return null;
  const bytes = Buffer.byteLength(args);
  return bytes <= longestArgs ? null : `it is ${bytes} bytes long, a task can have ${longestArgs} at most`;
}

const markerWord = "HYPERSHELL";
const marker = /(?:^|\s)#\s*HYPERSHELL(?::|(?=\s|$))/;

/** The tags of a comment; null: it has no marker. `whole`: the comment is all of the line, so a marker must open it. */
function markedWords(text: string, whole: boolean): readonly string[] | null {
  const match = marker.exec(text);
  if (match === null || (whole && match.index > 0)) return null;
  const list = text.slice(match.index + match[0].length).trim();
  return list === "" ? [] : list.split(/\s+/);
}

/** A line with a plain comment. */
function unmarked(args: string, near: string | null): Line {
  if (args === "") return near === null ? comment : { kind: "comment", near };
  const line = task(args, noSettings);
  return near === null || line.kind !== "task" ? line : { ...line, near };
}

/** A word, or two, where the marker would stand: with a colon or the like behind it, or by itself. */
const placeOfMarker = /(?:^|\s)(#\s*([A-Za-z][A-Za-z0-9_-]{7,12}|[A-Za-z]{3,6}[ \t][A-Za-z]{3,6})(\s*[:;=]|(?=\s|$)))/g;

/**
 * What was probably meant to be the marker: the word is at most two edits away from it. Where no colon follows, only a
 * word in capitals counts, because people may write of the program in a comment. null: nothing is. `whole` as above.
 */
function nearMarker(text: string, whole: boolean): string | null {
  for (const match of text.matchAll(placeOfMarker)) {
    if (whole && match.index > 0) return null;
    const [, found = "", word = "", end = ""] = match;
    const letters = word.replace(/[-_ \t]/g, "").toUpperCase();
    if (end === "" && word !== word.toUpperCase()) continue;
    if (Math.abs(letters.length - markerWord.length) <= 2 && edits(letters, markerWord) <= 2) return found;
  }
  return null;
}

const char = {
  tab: 9,
  newline: 10,
  blank: 32,
  doubleQuote: 34,
  hash: 35,
  dollar: 36,
  ampersand: 38,
  singleQuote: 39,
  open: 40,
  close: 41,
  semicolon: 59,
  less: 60,
  greater: 62,
  backslash: 92,
  backtick: 96,
  openBrace: 123,
  bar: 124,
  closeBrace: 125,
} as const;

/**
 * What the scanner is inside of: `"..."`, `${...}`, `${...}` within double quotes, `$(...)` or `<(...)`, and backticks.
 */
type Nest = "quotes" | "braces" | "quotedBraces" | "parens" | "backticks";

/**
 * Where the comment that ends the text begins, or -1. Follows the POSIX shell language (2.2 Quoting, 2.3 Token
 * Recognition). Comments inside substitutions are left to the shell, and so are those on all lines but the last.
 */
function commentStart(text: string): number {
  const nests: Nest[] = [];
  let wordStart = true;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    const inside = nests.at(-1);
    const wasWordStart = wordStart;
    wordStart = false;
    switch (code) {
      case char.backslash:
        at += 1;
        break;
      case char.doubleQuote:
        if (inside === "quotes") nests.pop();
        else nests.push("quotes");
        break;
      case char.singleQuote:
        if (inside === "quotes" || inside === "quotedBraces") break;
        at = text.indexOf("'", at + 1);
        if (at < 0) return -1;
        break;
      case char.backtick: {
        const opened = nests.indexOf("backticks");
        if (opened < 0) nests.push("backticks");
        else nests.length = opened;
        break;
      }
      case char.dollar:
        at = afterDollar(text, at, nests);
        if (at < 0) return -1;
        break;
      case char.closeBrace:
        if (inside === "braces" || inside === "quotedBraces") nests.pop();
        break;
      case char.open:
        if (inside === "parens") nests.push("parens");
        wordStart = true;
        break;
      case char.close:
        if (inside === "parens") nests.pop();
        else wordStart = true;
        break;
      case char.hash: {
        if (!wasWordStart || inside !== undefined) break;
        const end = text.indexOf("\n", at);
        if (end < 0) return at;
        at = end;
        wordStart = true;
        break;
      }
      case char.less:
      case char.greater:
        // Process substitution, `<(...)`, is a part of a word.
        if (text.charCodeAt(at + 1) === char.open) {
          nests.push("parens");
          at += 1;
        } else wordStart = true;
        break;
      case char.blank:
      case char.tab:
      case char.newline:
      case char.semicolon:
      case char.ampersand:
      case char.bar:
        wordStart = true;
        break;
    }
  }
  return -1;
}

/**
 * The last character that belongs to the dollar sign at `at`: of an expansion that begins there, which becomes the
 * innermost nest, its bracket; of `$'...'` the closing quote, or -1 when there is none.
 */
function afterDollar(text: string, at: number, nests: Nest[]): number {
  const inside = nests.at(-1);
  const next = text.charCodeAt(at + 1);
  if (next === char.openBrace) nests.push(inside === "quotes" ? "quotedBraces" : "braces");
  else if (next === char.open) nests.push("parens");
  else if (next === char.singleQuote && inside !== "quotes" && inside !== "quotedBraces")
    return ansiQuoteEnd(text, at + 2);
  else return at;
  return at + 1;
}

/** The closing quote of `$'...'`, in which a backslash escapes a quote; -1 when there is none. */
function ansiQuoteEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === char.backslash) at += 1;
    else if (code === char.singleQuote) return at;
  }
  return -1;
}
