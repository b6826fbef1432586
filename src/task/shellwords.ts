/*
 * Makes the words of a command line into one task line, so that the shell sees the same words again. Words are quoted
 * as people type them (base/shell.ts), except tags behind a tag marker.
 */
import { quoteAsTyped } from "../base/shell.ts";

const marker = /^#\s*HYPERSHELL(?::|\s|$)/;

/**
 * One line of several words. Words from a tag marker on (`'#' HYPERSHELL: site:b`, or `'# HYPERSHELL: site:b'`) stay
 * bare, since they are tags, not arguments.
 */
export function joinWords(words: readonly string[]): string {
  const tagsAt = words.findIndex((word, index) => marker.test(word === "#" ? `# ${words[index + 1] ?? ""}` : word));
  return words.map((word, index) => (tagsAt >= 0 && index >= tagsAt ? word : quoteAsTyped(word))).join(" ");
}
