/*
 * Words of command lines: quoted so that a shell sees one word, and split as a shell would. Knows no templates, no
 * options and no programs; which policy of quoting is right is the caller's decision.
 */
import { isCmd } from "./command-shell.ts";
import { argumentError } from "./errors.ts";

/** Between single quotes everything stands for itself in a POSIX shell, so only the single quote needs care. */
function singleQuoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

/**
 * What quotes words, where they need to be, for a shell that runs tasks, by its path: on Windows cmd.exe, PowerShell,
 * or one that came from Unix.
 */
export function quoterFor(shell: string, platform: NodeJS.Platform = process.platform): (word: string) => string {
  if (isCmd(shell, platform)) return quoteForCmd;
  return platform === "win32" && /(?:^|[\\/])(?:pwsh|powershell)(?:\.exe)?$/i.test(shell)
    ? quoteForPowerShell
    : quoteForLoginShell;
}

/** Quoted, where it needs to be, as one word for /bin/sh (POSIX, Shell Command Language, 2.2). */
export function quoteForSh(word: string): string {
  return /^[A-Za-z0-9_%+,./:=@^-]+$/.test(word) ? word : singleQuoted(word);
}

/**
 * Quoted, where it needs to be, for cmd.exe and the program that it starts: those of C take a backslash before a quote
 * for its escape. cmd.exe has no way to keep `%NAME%` from being replaced inside quotes.
 */
export function quoteForCmd(word: string): string {
  if (/^[A-Za-z0-9_+,./\\:=@-]+$/.test(word)) return word;
  const doubled = (_: string, backslashes: string, end: string): string => backslashes.repeat(2) + end.repeat(2);
  return `"${word.replace(/(\\*)("|$)/g, doubled)}"`;
}

/** Between single quotes everything stands for itself in PowerShell. Source: about_Quoting_Rules. */
function quoteForPowerShell(word: string): string {
  return /^[A-Za-z0-9_+./\\:=-]+$/.test(word) && !word.startsWith("-") ? word : `'${word.replaceAll("'", "''")}'`;
}

/**
 * For a login shell, which may be csh, zsh or fish: these give `%`, `^` and a leading `=` a meaning that sh does not.
 */
function quoteForLoginShell(word: string): string {
  return /^[A-Za-z0-9_+,./:@-][A-Za-z0-9_+,./:=@-]*$/.test(word) ? word : singleQuoted(word);
}

/** What starts a program on another host, whatever login shell the user has there. */
export interface RemoteStart {
  /** The line for the login shell. */
  readonly line: string;
  /** What the line reads from its standard input; the program finds there only what comes after it. */
  readonly input: string;
}

/**
 * Starts a program by a login shell of which nothing is known, with these `variables` in its environment (each
 * `NAME=value`), which are on no command line. Words that mean themselves in all shells are the line.
 * No way to quote others is the same everywhere: between single quotes csh replaces `!` and refuses an end of line, and
 * fish takes backslashes away. So the login shell is given a line that calls /bin/sh, which reads the words.
 */
export function startByLoginShell(words: readonly string[], variables: readonly string[] = []): RemoteStart {
  const bare = words.map(quoteForLoginShell);
  if (variables.length === 0 && bare.every((text, index) => text === words[index]))
    return { line: bare.join(" "), input: "" };
  // `read` takes one line and not a byte more. The line end that words may have is the first parameter then.
  const inQuotes = (all: readonly string[]): string =>
    all.map((word) => quoteForSh(word).replaceAll("\n", `'"$1"'`)).join(" ");
  const quoted = `${variables.length > 0 ? `export ${inQuotes(variables)}; ` : ""}exec ${inQuotes(words)}`;
  const lineEnd = quoted.includes('"$1"') ? `set -- "$(printf '\\n.')"; set -- "\${1%.}"; ` : "";
  return {
    line: `/bin/sh -c 'IFS= read -r hs_words; eval "$hs_words"'`,
    input: `unset hs_words; ${lineEnd}${quoted}\n`,
  };
}

/** Letters beyond ASCII mean nothing to a shell, unlike blanks beyond ASCII, which trimming could take away. */
const typedBare = /^(?:[\w@%+=:,./^{}-]|(?!\s)[^\x00-\x7f])+$/;
const braceExpansion = /^[{}]$|[{].*(?:,|\.\.).*[}]/;

/**
 * As people type it: bare where that is safe, else in double quotes where these will do, else in single quotes. cmd.exe
 * knows double ones only.
 */
export function quoteAsTyped(word: string, platform: NodeJS.Platform = process.platform): string {
  if (platform === "win32") return /^[\w+,./\\:=@{}-]+$/.test(word) ? word : quoteForCmd(word);
  if (typedBare.test(word) && !braceExpansion.test(word)) return word;
  // Within double quotes these four keep a meaning, and `!` has one in interactive shells.
  if (/[\s']/.test(word) && !/["$`\\!]/.test(word)) return `"${word}"`;
  return singleQuoted(word);
}

/**
 * The words of a text as a POSIX shell would see them: quotes and backslashes count, nothing else does. On Windows a
 * backslash stands for itself: it separates folders. Throws UserError (status 2) that names `option` for a quote that
 * is not closed and for a backslash at the end.
 */
export function splitWords(text: string, option: string, platform: NodeJS.Platform = process.platform): string[] {
  const refuse = (problem: string): never => {
    throw argumentError(`argument ${option}: ${problem} in ${JSON.stringify(text)}`);
  };
  return scanWords(text, platform !== "win32", refuse);
}

/**
 * The same for text that is used whatever it is: what is not closed stands for itself. `backslashes` false: they do
 * too.
 */
export function splitWordsAnyway(text: string, backslashes: boolean): string[] {
  return scanWords(text, backslashes, () => {});
}

/** `incomplete` is told what is not closed; if it returns, that character stands for itself. */
function scanWords(text: string, backslashes: boolean, incomplete: (problem: string) => void): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let at = 0;
  while (at < text.length) {
    const char = text[at]!;
    at++;
    if (/\s/.test(char)) {
      if (word !== null) words.push(word);
      word = null;
      continue;
    }
    word ??= "";
    if (char === "'") {
      const end = text.indexOf("'", at);
      if (end < 0) incomplete("a quote (') is not closed");
      word += end < 0 ? char : text.slice(at, end);
      if (end >= 0) at = end + 1;
    } else if (char === '"') {
      const inner = doubleQuoted(text, at, backslashes);
      if (inner === null) incomplete('a quote (") is not closed');
      word += inner === null ? char : inner.text;
      if (inner !== null) at = inner.end;
    } else if (char === "\\" && backslashes) {
      if (at >= text.length) incomplete("nothing follows the last backslash");
      word += at < text.length ? text[at]! : char;
      at++;
    } else {
      word += char;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

/** What stands from `at` to the closing double quote, and the place behind that; null when there is none. */
function doubleQuoted(text: string, at: number, backslashes: boolean): { text: string; end: number } | null {
  let inner = "";
  for (let place = at; place < text.length; place++) {
    if (text[place] === '"') return { text: inner, end: place + 1 };
    if (backslashes && text[place] === "\\" && '"\\$`\n'.includes(text[place + 1] ?? " ")) place++;
    inner += text[place] ?? "";
  }
  return null;
}
