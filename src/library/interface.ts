/*
 * What a program sees of the library: the shapes that go in and out. Types only, and none of another room, so that
 * what is published can be read without the rest of the sources.
 *
 * Times are Dates, to the millisecond. Spans (durations, limits, pauses) are seconds, sizes are bytes, as everywhere in
 * `hs`.
 */

/** A value of a tag. */
export type TagValue = string | number | boolean | null;

/** Tags of a task, by their keys. Keys and values are of A-Z a-z 0-9 _ . + - and at most 120 characters long. */
export type Tags = Readonly<Record<string, TagValue>>;

/** A command with what it needs, in place of the bare command. */
export interface TaskRequest {
  /** The command, or what the template makes a command of. */
  readonly args: string;
  /** Tasks of a higher group wait until those of all lower ones have succeeded; from 0. */
  readonly group?: number | undefined;
  /** How many cores it needs. */
  readonly cores?: number | undefined;
  /** How much memory it needs, bytes. */
  readonly memory?: number | undefined;
  /** After so many seconds it is stopped, with exit status -4. */
  readonly timeout?: number | undefined;
  readonly tags?: Tags | undefined;
}

/**
 * Commands to run: one, many, or as many as an iterable gives. An iterable is read no faster than its tasks are run,
 * so it may be endless. Each command is run exactly as it stands, by a shell if it needs one.
 */
export type Tasks = string | Iterable<string | TaskRequest> | AsyncIterable<string | TaskRequest>;

/** A task, as the store has it. A field is null as long as there is nothing to tell. */
export interface Task {
  /** A UUID. Ids sort in the order in which tasks were submitted. */
  readonly id: string;
  readonly group: number;
  /** The command as it was given, without its template. */
  readonly args: string;
  /** The submission that it came with: what `submit` answers, or a run of its own. */
  readonly submitId: string;
  readonly submitTime: Date;
  readonly submitHost: string | null;
  /** What it asks for: cores, bytes, seconds. */
  readonly cores: number | null;
  readonly memory: number | null;
  readonly timeout: number | null;
  readonly tags: Tags;
  readonly serverId: string | null;
  readonly serverHost: string | null;
  readonly scheduleTime: Date | null;
  readonly clientId: string | null;
  readonly clientHost: string | null;
  /** The command that was run. */
  readonly command: string | null;
  readonly startTime: Date | null;
  readonly completionTime: Date | null;
  /**
   * The exit status of the program; 128 and the number of the signal that ended it. Below zero there was none: -1
   * cancelled, -2 the template failed, -3 no client has what it needs, -4 over its time, -5 over its memory, -6 it took
   * too many clients down.
   */
  readonly exitStatus: number | null;
  /** Files with what it printed, on the host where it ran, if its client captures. */
  readonly outpath: string | null;
  readonly errpath: string | null;
  /** A file with what it used over time, and the peaks (cores, bytes), if its client measures. */
  readonly csvpath: string | null;
  readonly coresMax: number | null;
  readonly memoryMax: number | null;
  /** 1 for the first attempt. Each attempt is a task of its own. */
  readonly attempt: number;
  /** Whether there is a later attempt. */
  readonly retried: boolean;
  readonly previousId: string | null;
  readonly nextId: string | null;
  /** From its submission to its start, and from there to its end, seconds. */
  readonly waited: number | null;
  readonly duration: number | null;
}

/** A task that has ended for good: no other attempt follows. */
export interface Outcome extends Task {
  /** Whether the exit status is 0. */
  readonly ok: boolean;
  readonly exitStatus: number;
  readonly completionTime: Date;
  /** What it printed, read as UTF-8; null: nothing is captured (see `capture`). */
  readonly stdout: string | null;
  readonly stderr: string | null;
  /** Whether more was printed than `stdout` or `stderr` hold: the first 16 MiB of each. */
  readonly isCut: boolean;
}

/** How a run or a server went. */
export interface Summary {
  readonly succeeded: number;
  readonly failed: number;
  readonly cancelled: number;
  /** How many tasks were to be run and have not ended; null: the database could not tell. */
  readonly left: number | null;
}

export type LogLevel = "TRACE" | "DEBUG" | "INFO" | "WARNING" | "ERROR" | "CRITICAL";

/** A line of the log. */
export interface LogLine {
  readonly level: LogLevel;
  /** Which part says it: `hypershell.server`, `hypershell.client`, ... */
  readonly name: string;
  readonly message: string;
  readonly time: Date;
}

/**
 * What every call takes. What no option says is as the configuration of `hs` has it for this user and directory: its
 * files, and the HYPERSHELL_* variables. It is read anew with each call.
 */
export interface CommonOptions {
  /** The variables that settings are read from, and that tasks inherit. Default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where tasks run, and what relative paths are relative to. Default: the working directory of this process. */
  readonly cwd?: string | undefined;
  /** A folder for settings, the database and files of tasks, in place of the user's (HYPERSHELL_SITE). */
  readonly site?: string | undefined;
  /** Gets the lines of the log, which otherwise nobody sees. What it throws is ignored. */
  readonly log?: ((line: LogLine) => void) | undefined;
  /** The least level that `log` gets. Default: INFO. */
  readonly logLevel?: LogLevel | undefined;
}

/** Where tasks are stored. */
export interface DatabaseOptions {
  /**
   * The path of an SQLite file (made if it is not there), a URL (`postgresql://HOST/NAME`, `sqlite:///PATH`), `true`
   * for the database of the configuration, `false` for none.
   */
  readonly database?: string | boolean | undefined;
}

/** What tasks get that do not say so themselves. */
export interface TaskDefaultOptions {
  readonly group?: number | undefined;
  readonly tags?: Tags | undefined;
  /** How many cores a task needs. */
  readonly taskCores?: number | undefined;
  /** How much memory a task needs, bytes. */
  readonly taskMemory?: number | undefined;
  /** After so many seconds a task is stopped, with exit status -4. */
  readonly taskTimeout?: number | undefined;
}

/** What becomes of tasks that fail. */
export interface FailureOptions {
  /** How often a failed task is tried again. Default: never. */
  readonly retries?: number | undefined;
  /** Only these failures are tried again, as in `exit=75,signal=KILL,timeout`. Default: all. */
  readonly retryOn?: string | undefined;
  /** The pause before the first retry of a task, seconds. It doubles each time, up to an hour. Default: none. */
  readonly retryDelay?: number | undefined;
  /** How many times the memory that it asked for a task asks for when it is tried again, from 1 to 1024. Default: 1. */
  readonly retryMemory?: number | undefined;
  /** Whether retries go before new tasks. */
  readonly eager?: boolean | undefined;
  /** Nothing more is started once so many tasks have failed for good, or such a part, as `"20%"`. Default: go on. */
  readonly halt?: number | `${number}%` | undefined;
}

/** How tasks run on this host. */
export interface ExecutorOptions {
  /** How many tasks run at the same time. Default: as many as there are cores. */
  readonly executors?: number | undefined;
  /** Makes a command of each task that was submitted without a template, as `gzip -k {Q}`. Default: `{}`. */
  readonly template?: string | undefined;
  /** The shell, as `/bin/bash`. Default: /bin/sh. */
  readonly shell?: string | undefined;
  /** Keeps what tasks print, instead of passing it on. */
  readonly capture?: boolean | undefined;
  /** Files for the standard output and the standard error of all tasks. Default: those of this process. */
  readonly output?: string | undefined;
  readonly errors?: string | undefined;
  /** The cores that tasks may use together. Default: all. */
  readonly cores?: number | undefined;
  /** The memory that tasks may use together, bytes. Default: all. */
  readonly memory?: number | undefined;
  /** What else tasks can ask for by a tag of that name, as `{ licence: 2 }`. */
  readonly resources?: Readonly<Record<string, number>> | undefined;
  /** The most tasks that start in a second. Default: no limit. */
  readonly ratelimit?: number | undefined;
  /** The pause between SIGINT, SIGTERM and SIGKILL for a task that must end, seconds. Default: 10. */
  readonly signalWait?: number | undefined;
}

/** Stops what was asked for, as Ctrl-C stops `hs`; the promise, or the loop, then throws the reason of the signal. */
export interface AbortOptions {
  readonly signal?: AbortSignal | undefined;
}

/** `database`: none, unless you name one. */
export interface RunOptions
  extends CommonOptions, DatabaseOptions, TaskDefaultOptions, FailureOptions, ExecutorOptions, AbortOptions {}

/** The way to a server. */
export interface ServerOptions {
  /** `HOST:PORT`, or only `HOST`. Default: server.host and server.port of the configuration. */
  readonly address?: string | undefined;
  /** The key that both sides must know. Default: server.auth of the configuration. */
  readonly key?: string | undefined;
  /** Whether the connection is encrypted, which both sides must agree on. Default: true. */
  readonly tls?: boolean | undefined;
}

/** `database`: that of the configuration, unless you name another one, or a server. */
export interface SubmitOptions extends CommonOptions, DatabaseOptions, TaskDefaultOptions, AbortOptions {
  /** Gives the tasks to this server, which stores them, instead of to a database. */
  readonly server?: ServerOptions | undefined;
}

/** What was submitted. */
export interface Submitted {
  /** The submission, which each of its tasks names: `search({ where: "submit_id == " + id })` finds them. */
  readonly id: string;
  /** How many tasks are stored. */
  readonly count: number;
}

/** `database`: none, unless you name one. */
export interface ServeOptions extends CommonOptions, DatabaseOptions, TaskDefaultOptions, FailureOptions, AbortOptions {
  /** Tasks to be run; `done` resolves when they have ended. Default: what is submitted, until the server is stopped. */
  readonly tasks?: Tasks | undefined;
  /** Runs what the database still holds of earlier runs, and ends then. Not together with `tasks`. */
  readonly restart?: boolean | undefined;
  /** The address to listen on; `0.0.0.0` is every one of this host. Default: localhost. */
  readonly bind?: string | undefined;
  /** The port to listen on; 0: any that is free. Default: 0. */
  readonly port?: number | undefined;
  /** The key that clients and submitters must know. Default: that of the configuration, or else a new one. */
  readonly key?: string | undefined;
  /** Whether connections are encrypted. Default: true. */
  readonly tls?: boolean | undefined;
  /** Called with each outcome after it is stored. What it throws is ignored. */
  readonly onOutcome?: ((outcome: Task) => void) | undefined;
}

/** What can be stopped. `await using` stops it at the end of its block. */
export interface Stoppable extends AsyncDisposable {
  /** Stops tasks and leaves, as Ctrl-C does. Resolves, as `done` does, when everything is closed. */
  stop(): Promise<void>;
  /** Starts nothing more, and lets the tasks end that run. Resolves when everything is closed. */
  drain(): Promise<void>;
}

/** A server that listens. */
export interface Server extends Stoppable {
  /** `HOST:PORT`, for clients and submitters. */
  readonly address: string;
  readonly port: number;
  readonly key: string;
  /** Resolves when the server has ended and everything is closed. Rejects with what went wrong. */
  readonly done: Promise<Summary>;
}

export interface ConnectOptions extends CommonOptions, ServerOptions, ExecutorOptions, AbortOptions {
  /** Leaves after so many seconds without a task. Default: never. */
  readonly idle?: number | undefined;
  /** After so many seconds each task that runs here is stopped, with exit status -4. Default: no limit. */
  readonly taskTimeout?: number | undefined;
}

/** A client that runs the tasks of a server. */
export interface Client extends Stoppable {
  /** Resolves when the client has left and everything is closed. Rejects with what went wrong. */
  readonly done: Promise<void>;
}

/** Which tasks. What is named must all be true of them. */
export interface Filter {
  /** Conditions as for `hs list -w`, as `exit_status != 0`, `duration >= 10m`, `args ~ ^make`. */
  readonly where?: string | readonly string[] | undefined;
  /** Tags that they have, with these values; `true` stands for any value. */
  readonly tags?: Tags | undefined;
  readonly group?: number | undefined;
  /** failed, succeeded: ended with such a status. completed: ended. remaining: not ended. */
  readonly status?: "failed" | "succeeded" | "completed" | "remaining" | undefined;
}

/** `database`: that of the configuration, unless you name another one. */
export interface CountOptions extends CommonOptions, DatabaseOptions, Filter {}

export interface SearchOptions extends CountOptions, AbortOptions {
  /** Default: the order of submission. */
  readonly orderBy?: Exclude<keyof Task, "tags"> | undefined;
  readonly descending?: boolean | undefined;
  /** The most tasks. Default: all. */
  readonly limit?: number | undefined;
}

/** A filter that must be given: `where: []` alone means every task. */
export interface ChangeOptions extends CountOptions {
  readonly where: string | readonly string[];
}
