/*
 * A list of words as one text: a line of input whose words may be empty or have blanks. A mark stands before each word.
 * It is a character that no text for interchange has (Unicode: a noncharacter), so files and names are free of it.
 * Everything that people and programs see of such a line has one blank between its words.
 */

/** What stands before each word. */
export const mark = "\ufdd0";

/** The text that keeps these words apart. Where one of them has the mark in it, it is a plain text with blanks. */
export function listText(words: readonly string[]): string {
  return words.some((word) => word.includes(mark)) ? words.join(" ") : mark + words.join(mark);
}

/** Whether a text is a list of words. */
export function isList(text: string): boolean {
  return text.startsWith(mark);
}

/** The words of a text that is a list. */
export function listedWords(text: string): string[] {
  return text.slice(1).split(mark);
}

/** The text as people see it: of a list its words with a blank between them, any other text as it is. */
export function lineText(text: string): string {
  return isList(text) ? text.slice(1).replaceAll(mark, " ") : text;
}
