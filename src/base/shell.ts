/* Text as one word of a command line. */

const needsNoQuotes = /^[A-Za-z0-9_%+,./:=@^-]+$/;

/** Quoted, where it needs to be, as one word for /bin/sh; for cmd.exe on Windows. */
export function quoteForShell(text: string): string {
  return process.platform === "win32" ? quoteForCmd(text) : quoteForSh(text);
}

/** Quoted, where it needs to be, as one word for /bin/sh (POSIX, Shell Command Language, 2.2). */
export function quoteForSh(text: string): string {
  return needsNoQuotes.test(text) ? text : `'${text.replace(/'/g, `'\\''`)}'`;
}

/** cmd.exe has no way to keep `%NAME%` from being replaced inside quotes. */
export function quoteForCmd(text: string): string {
  return /^[A-Za-z0-9_+,./\\:=@-]+$/.test(text) ? text : `"${text.replace(/"/g, '""')}"`;
}
