/*
 * The three kinds of error that may be thrown on purpose, and the exit statuses of the program.
 * Anything else that is thrown is a bug and ends the program loudly (main.ts).
 *
 * A UserError knows how its one CRITICAL line reads (`[<logger>] <text>`) and which exit status it has.
 */

/** Exit statuses of hs, as documented in `hs --help`. */
export const exitStatus = {
  success: 0,
  usage: 1,
  badArgument: 2,
  badConfiguration: 3,
  interrupted: 4,
  runtimeError: 5,
  internalError: 6,
  tasksFailed: 7,
  /** Ctrl-C in a command that only shows something until then. */
  left: 130,
  unread: 141,
  terminated: 143,
} as const;

/**
 * Something the user can put right. `logger` is the name in brackets, without `hypershell.` (empty: plain
 * `hypershell`).
 */
export class UserError extends Error {
  override readonly name: string = "UserError";
  /** Lines that are shown below the message as they stand: the place, marked. */
  readonly caret: string | null = null;
  constructor(
    readonly status: number,
    readonly logger: string,
    text: string,
  ) {
    super(text);
  }
}

/** A bad option or word on the command line: `CRITICAL [hypershell] <text>`, status 2. */
export function argumentError(text: string): UserError {
  return new UserError(exitStatus.badArgument, "", text);
}

/** A bad setting: `CRITICAL [hypershell.<logger>] <text>`, status 3. */
export function configurationError(logger: string, text: string): UserError {
  return new UserError(exitStatus.badConfiguration, logger, text);
}

/** A failure outside the program: `CRITICAL [hypershell.<logger>] <text>`, status 5. */
export function runtimeError(logger: string, text: string): UserError {
  return new UserError(exitStatus.runtimeError, logger, text);
}

/**
 * The text with a capital at its start. The name of something at its start (`server.port`, `login07:50001`) stays as it
 * is.
 */
export function sentence(text: string): string {
  return /^[a-z-]+[ ,]/.test(text) ? `${text.slice(0, 1).toUpperCase()}${text.slice(1)}` : text;
}

/** A database has no tables yet, and only `hs initdb` may make them. */
export class NoTables extends UserError {
  constructor() {
    super(exitStatus.runtimeError, "data", "The database has no tables yet. Run 'hs initdb' once to create the tables");
  }
}

/**
 * A failure that may pass by itself (a locked database, a lost connection). It is retried in one place per boundary.
 */
export class TransientError extends Error {
  override readonly name: string = "TransientError";
}

/** A failure that no retry mends (a corrupt database). */
export class FatalError extends Error {
  override readonly name: string = "FatalError";
}

/** A database cannot keep one of the values that it was given. Without that value the same call may succeed. */
export class RefusedValue extends FatalError {
  override readonly name: string = "RefusedValue";
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
