/*
 * How each shell is spoken to: what it hands over, and the lines that it gets back. Pure.
 *
 *   answer    = header { candidate }                          lines, their parts separated by TAB
 *   header    = native TAB flags TAB kept TAB value           native: none, files, folders, or command with a number
 *   candidate = text [ TAB help TAB ( "1" | "0" ) ]           1: something has to follow
 *
 * A candidate of bash is quoted already and begins where readline will replace; one of zsh is the value alone; those of
 * fish and PowerShell are whole words. Sources: bash(1), Programmable Completion; zshcompsys(1); complete(1) of fish;
 * Register-ArgumentCompleter of PowerShell.
 */

export const shellNames = ["bash", "zsh", "fish", "powershell"] as const;
export type ShellName = (typeof shellNames)[number];

/** A value that can be typed here. */
export interface Candidate {
  readonly text: string;
  /** Empty: nothing is said of it. */
  readonly help: string;
  /** Something has to follow: no blank behind it. */
  readonly goesOn?: true;
}

/** What the shell itself can add: it knows better how paths and its own commands are completed. */
export type Native = "none" | "files" | "folders" | "command";

/** The words of a line that is not finished. */
export interface Line {
  /** Without quotes, all before the one at the cursor. */
  readonly words: readonly string[];
  /** The word at the cursor, as far as that, without quotes. */
  readonly current: string;
  /** The same with its quotes. */
  readonly raw: string;
  /** Where each of the words begins in the line, the current one too; characters. */
  readonly starts: readonly number[];
}

/** What is to be offered. `text` of a candidate is the value, behind `kept`. */
export interface Answer {
  readonly candidates: readonly Candidate[];
  readonly native: Native;
  /** Where the command begins that the shell is to complete, counted in words. */
  readonly commandAt: number;
  /** What of the word stays: `--output=`, `a,` of a list. */
  readonly kept: string;
  /** The value so far, without quotes. */
  readonly value: string;
  /** The candidates do not begin as the value does. */
  readonly replaces: boolean;
}

const blanks = /[ \t\n]/;

/** A line as bash takes it apart, as far as the cursor. Words of other commands before it are not expected. */
export function splitLine(text: string): Line {
  const words: string[] = [];
  const starts: number[] = [];
  let at = 0;
  for (;;) {
    while (at < text.length && blanks.test(text[at]!)) at += 1;
    const from = at;
    const { word, end } = readWord(text, at);
    starts.push(from);
    if (end === text.length) return { words, current: word, raw: text.slice(from), starts };
    words.push(word);
    at = end;
  }
}

/** One word, without its quotes, and where it ends. A quote that is not closed reaches to the end. */
function readWord(text: string, from: number): { readonly word: string; readonly end: number } {
  let word = "";
  let quote = "";
  let at = from;
  for (; at < text.length; at += 1) {
    const character = text[at]!;
    if (quote === "'") {
      if (character === "'") quote = "";
      else word += character;
    } else if (character === "\\" && at + 1 < text.length) {
      const next = text[++at]!;
      word += quote === '"' && !'"\\$`'.includes(next) ? `\\${next}` : next;
    } else if (quote === '"') {
      if (character === '"') quote = "";
      else word += character;
    } else if (character === "'" || character === '"') quote = character;
    else if (blanks.test(character)) break;
    else if (character !== "\\") word += character;
  }
  return { word, end: at };
}

/** The word without its quotes, as a POSIX shell and fish have it. */
export function unquoted(raw: string): string {
  return readWord(raw, 0).word;
}

/**
 * Where readline begins to replace: behind the quote that is open, else behind the last character of `breaks` that is
 * not quoted.
 */
function replacedFrom(raw: string, breaks: string): { readonly from: number; readonly quote: string } {
  let quote = "";
  let from = 0;
  for (let at = 0; at < raw.length; at += 1) {
    const character = raw[at]!;
    if (quote !== "") {
      if (character === "\\" && quote === '"') at += 1;
      else if (character === quote) {
        quote = "";
        from = at + 1;
      }
    } else if (character === "\\") at += 1;
    else if (character === "'" || character === '"') {
      quote = character;
      from = at + 1;
    } else if (breaks.includes(character)) from = at + 1;
  }
  return { from, quote };
}

/** Quoted for bash, within the quote that is open, or outside of any. */
function quotedForBash(text: string, quote: string): string {
  if (quote === "'") return text.replaceAll("'", "'\\''");
  if (quote === '"') return text.replace(/["\\$`]/g, "\\$&");
  return text.replace(/[^\w./:=@%+,~^\u0080-\u{10ffff}-]/gu, "\\$&").replace(/^~/, "\\~");
}

/** In PowerShell a word with any other character is put between single quotes. */
function quotedForPowerShell(text: string): string {
  return /^[\w./:=+\\-][\w./:=+~%\\-]*$/.test(text) ? text : `'${text.replace(/['\u2018\u2019]/g, "$&$&")}'`;
}

// oxlint-disable-next-line no-control-regex -- a terminal would obey them, and lines would not be lines
const control = /[\u0000-\u001f\u007f-\u009f]/;

/** The lines for a shell. `breaks`: COMP_WORDBREAKS of bash. */
export function answerLines(answer: Answer, shell: ShellName, line: Line, breaks: string): readonly string[] {
  const { native, commandAt, kept, value, replaces } = answer;
  const candidates = answer.candidates.filter(({ text }) => !control.test(text));
  const texts = shell === "bash" ? forBash(answer, candidates, line, breaks) : candidates.map(shownIn(shell, kept));
  const goesOn = candidates.length === 1 && candidates[0]?.goesOn === true;
  const flags = [goesOn ? "nospace" : "", replaces ? "replaces" : ""].filter((flag) => flag !== "").join(" ");
  const offset = shell === "bash" ? (line.starts[commandAt] ?? 0) : commandAt;
  const what = native === "command" ? `command ${offset}` : native;
  return [
    [what, flags === "" ? "-" : flags, kept, value]
      .map((part) => part.replace(new RegExp(control, "g"), ""))
      .join("\t"),
    ...texts,
  ];
}

function shownIn(shell: ShellName, kept: string): (candidate: Candidate) => string {
  return ({ text, help, goesOn }) => {
    const said = help.replace(new RegExp(control, "g"), " ");
    if (shell === "zsh") return [text, said, goesOn === true ? "1" : "0"].join("\t");
    if (shell === "fish") return said === "" ? kept + text : `${kept}${text}\t${said}`;
    return [quotedForPowerShell(kept + text), said === "" ? text : said, text].join("\t");
  };
}

/** What readline puts in place of what it replaces; what stands before that has to stay as it is. */
function forBash({ kept }: Answer, candidates: readonly Candidate[], { raw }: Line, breaks: string): readonly string[] {
  const { from, quote } = replacedFrom(raw, breaks);
  const staying = readWord(raw.slice(0, quote === "" ? from : from - 1), 0).word;
  return candidates.flatMap(({ text }) => {
    const whole = kept + text;
    return whole.startsWith(staying) ? [quotedForBash(whole.slice(staying.length), quote)] : [];
  });
}
