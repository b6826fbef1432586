/*
 * What the rest of the program knows of logging: six levels and a name. Text may be a function, called only when the level is on.
 */

export type LevelName = "DEVEL" | "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

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

/** Makes loggers; `name` is without the leading `hypershell.` (empty: plain `hypershell`). */
export type Loggers = (name: string) => Logger;
