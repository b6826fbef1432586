/*
 * The log levels: their order, their names in settings, and the colour of each. Numbers are those of Python's logging.
 */
import type { Colour } from "./colour.ts";
import type { LevelName } from "./logger.ts";

interface Level {
  /** A higher number is graver. `%(levelno)d` prints it. */
  readonly number: number;
  readonly colour: Colour;
}

export const levels: Readonly<Record<LevelName, Level>> = {
  DEVEL: { number: 1, colour: "red" },
  TRACE: { number: 5, colour: "cyan" },
  DEBUG: { number: 10, colour: "blue" },
  INFO: { number: 20, colour: "green" },
  WARNING: { number: 30, colour: "yellow" },
  ERROR: { number: 40, colour: "red" },
  CRITICAL: { number: 50, colour: "magenta" },
};

/** What may be written in `logging.level` (in any case), least grave first. */
export const levelChoices: readonly string[] = ["notset", ...Object.keys(levels).map((name) => name.toLowerCase())];

/** The least level number that a threshold lets through (`notset`: 0); null for an unknown name. */
export function parseThreshold(text: string): number | null {
  const name = text.trim().toUpperCase();
  if (name === "NOTSET") return 0;
  return Object.hasOwn(levels, name) ? levels[name as LevelName].number : null;
}
