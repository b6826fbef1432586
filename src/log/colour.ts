/*
 * Escape codes of colours, and whether a stream gets them. Logs, help and tables ask here, each for its own stream.
 * Knows no layout.
 */

const codes = {
  reset: 0,
  bold: 1,
  faint: 2,
  italic: 3,
  underline: 4,
  black: 30,
  red: 31,
  green: 32,
  yellow: 33,
  blue: 34,
  magenta: 35,
  cyan: 36,
  white: 37,
} as const;

export type Ansi = keyof typeof codes;
export type Colour = Extract<Ansi, "black" | "red" | "green" | "yellow" | "blue" | "magenta" | "cyan" | "white">;

export const ansiNames = Object.keys(codes) as readonly Ansi[];

/** The escape sequence (ECMA-48, SGR); the empty text for a stream without colour. */
export function ansi(name: Ansi, coloured: boolean): string {
  return coloured ? `\u001b[${codes[name]}m` : "";
}

/** The text between the code and a reset; as it is for a stream without colour, and when it is empty. */
export function paint(text: string, name: Ansi, coloured: boolean): string {
  return coloured && text !== "" ? `\u001b[${codes[name]}m${text}\u001b[0m` : text;
}

/**
 * Whether a stream is coloured. FORCE_COLOR wins over NO_COLOR (no-color.org); each counts when it is not empty.
 * Without them only a terminal is coloured.
 */
export function wantsColour(env: Readonly<Record<string, string | undefined>>, isTerminal: boolean): boolean {
  if (env["FORCE_COLOR"]) return true;
  if (env["NO_COLOR"]) return false;
  return isTerminal;
}
