/*
 * Words of a command line made into one line for the POSIX shell, so that it sees the same words again. A word is left
 * as it is unless the shell would read it differently. Double quotes are preferred, because people type them.
 */

/** Letters beyond ASCII mean nothing to a shell, unlike blanks beyond ASCII, which trimming could take away. */
const plain = /^(?:[\w@%+=:,./^{}-]|(?!\s)[^\x00-\x7f])+$/;
const braced = /^[{}]$|[{].*(?:,|\.\.).*[}]/;

/** The word as the shell has to read it (POSIX 2.2 Quoting). */
export function quoteWord(word: string): string {
  if (plain.test(word) && !braced.test(word)) return word;
  // Within double quotes these four keep a meaning, and `!` has one in interactive shells.
  if (/[\s']/.test(word) && !/["$`\\!]/.test(word)) return `"${word}"`;
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

const marker = /^#\s*HYPERSHELL(?::|\s|$)/;

/**
 * One line of several words. Words from a tag marker on (`'#' HYPERSHELL: site:b`, or `'# HYPERSHELL: site:b'`) stay
 * bare, since they are tags, not arguments.
 */
export function joinWords(words: readonly string[]): string {
  const tagsAt = words.findIndex((word, index) => marker.test(word === "#" ? `# ${words[index + 1] ?? ""}` : word));
  return words.map((word, index) => (tagsAt >= 0 && index >= tagsAt ? word : quoteWord(word))).join(" ");
}
