/*
 * The last row of a terminal, kept apart from all others: whatever tasks write scrolls in the rows above, also what
 * does not end in a newline. These are the escape sequences (ECMA-48, and DECSTBM, DECSC and DECRC of the VT100). Each
 * text is to be written at once: it leaves the cursor and the colours as they were. Pure.
 */

const save = "\u001b7";
const restore = "\u001b8";
const plain = "\u001b[0m";
const eraseRow = "\u001b[K";
const eraseBelow = "\u001b[J";
const allRows = "\u001b[r";
/** The cursor is no longer in the last row that may be written to, and is still where it was in the text. */
const makeRoom = "\u001bD\u001b[A";

/** The fewest rows and columns that a terminal must have for a line. */
export const leastRows = 4;
export const leastColumns = 10;

/**
 * The text in the last row of a terminal with so many rows. Each time the row is set apart anew, since a task may have
 * reset the terminal, and the cursor is led out of it.
 */
export function drawn(text: string, rows: number): string {
  return `${makeRoom}${save}\u001b[1;${rows - 1}r\u001b[${rows};1H${plain}${text}${plain}${eraseRow}${restore}`;
}

/** The last row is empty, and a row as all others. */
export const erased = `${save}${allRows}\u001b[999;1H${plain}${eraseRow}${restore}`;

/** The same after the size has changed: the row may be anywhere below the cursor, also in two pieces. */
export const swept = `${save}${allRows}${restore}${save}${plain}${eraseBelow}${restore}`;

/** A new row, unless the cursor is at the start of one, in a terminal with so many columns (as zsh does it). */
export function freshRow(columns: number): string {
  return `${" ".repeat(Math.max(0, columns - 1))}\r${eraseRow}`;
}
