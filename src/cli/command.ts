/*
 * What a command is: one file per verb under cli/, holding its help text, its options and a short `run` that reads as
 * the story.
 */
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Config } from "../config/load.ts";
import type { Loggers } from "../log/logger.ts";

/**
 * The surroundings of a call. Of the rooms below cli/ only cluster/ takes a Config, and none reads the environment of
 * the process.
 */
export interface Context {
  /** `hs` or `hsx`. */
  readonly program: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The working directory. Throws UserError when it is not there any more. */
  readonly cwd: string;
  /** Loaded on first use, so that help and version need no files. Throws UserError (status 3). */
  readonly config: () => Config;
  /** Logging set up from the configuration on first use. */
  readonly loggers: Loggers;
}

export interface Command {
  readonly spec: CommandSpec;
  /**
   * What becomes of a call without any word. `usage`: usage on stdout and status 1. `stdin`: the same where stdin is a
   * terminal or closed. `stream`: the same also where it is /dev/null, as under a service manager. `run`: it is run.
   */
  readonly bare: "usage" | "stdin" | "stream" | "run";
  /** The exit status. Throws UserError for what the user can mend. */
  run(parsed: Parsed, context: Context): Promise<number>;
}
