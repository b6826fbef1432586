/*
 * What the rest of the program knows of logging: six levels and a name. Knows no layout and no place that lines go to.
 */

export type LevelName = "DEVEL" | "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** What a line says. A function is called only when the level is on. */
export type Text = string | (() => string);

export interface Logger {
  enabled(level: LevelName): boolean;
  trace(text: Text): void;
  debug(text: Text): void;
  info(text: Text): void;
  warning(text: Text): void;
  error(text: Text): void;
  critical(text: Text): void;
}

/** The logger of a name. The name stands without the leading `hypershell.`; an empty one means plain `hypershell`. */
export type Loggers = (name: string) => Logger;
