/*
 * What an executor of processes is told: what users wish for their tasks, and what comes from the client and its host.
 */
import type { Clock } from "../base/clock.ts";
import type { Jobs } from "../base/windows.ts";
import type { Logger } from "../log/logger.ts";
import type { DeviceList } from "./device-list.ts";
import type { EnvironmentOptions } from "./environment.ts";
import type { Monitor } from "./monitor.ts";
import type { Pins } from "./pinning.ts";
import type { Sink } from "./sink.ts";

/** What a user may wish for all tasks. An option in the table of a client (args/options.ts) arrives here by itself. */
export interface TaskWishes {
  /** Whether the output of each task goes to files in `taskFolder`. It excludes `outputPath` and `errorsPath`. */
  readonly capture: boolean;
  /**
   * A folder, or a name with patterns, for files with the output of each task (see results.ts), an absolute path; null:
   * there are none. It excludes the other ways.
   */
  readonly results: string | null;
  /** The client's own template, for tasks whose submission has none; null: `{}`. */
  readonly template: string | null;
  /** The shell that runs tasks, as SHELL -c COMMAND: a path, or a name that is looked up in PATH; null: the usual. */
  readonly shell: string | null;
  /** Whether each task gets a file of what it uses over time, in `taskFolder`, and its outcome has peaks. */
  readonly monitor: boolean;
  /** Whether tasks that take more memory than they asked for are stopped. */
  readonly enforce: boolean;
}

export interface ExecutorOptions extends EnvironmentOptions, Omit<TaskWishes, "monitor" | "enforce"> {
  /** `/bin/sh` or cmd.exe, or the one that the user chose. */
  readonly shell: string;
  /**
   * Whether tasks run in the directory that their submission came from, where it is known. The others run in `cwd`, as
   * all do without.
   */
  readonly inOrigin: boolean;
  /** Whether a shell may run one task after the other, where nobody can tell. */
  readonly shellReuse: boolean;
  /** Where clients of this site note that their tasks last. */
  readonly clientFolder: string;
  /** The number of a task, from 1 on, for the files of its results; null: it is not known here. */
  readonly numberOf: ((id: string) => number) | null;
  /** File for the standard output of all tasks; null: the client's own. */
  readonly outputPath: string | null;
  /** File for the standard error of all tasks; null: the client's own. */
  readonly errorsPath: string | null;
  /** What measures tasks; null: nothing does. It is closed with the executor. */
  readonly monitor: Monitor | null;
  /** The devices of this host, asked for when a task has some. */
  readonly devices: () => DeviceList;
  /** What holds the processes of each task together on Windows; null elsewhere. It is closed with the executor. */
  readonly jobs: Jobs | null;
  /** Keeps each task on processors of its own; null: tasks run on all. */
  readonly pins: Pins | null;
  /** Whether this process prints failures on the standard output that it shares with tasks. */
  readonly printsFailures: boolean;
  /** What takes the output of tasks to print it; null: nothing does. */
  readonly sink: Sink | null;
  readonly clock: Clock;
  /** Called when a task died of SIGPIPE because nobody reads any more what this process and its tasks write. */
  readonly onUnread: () => void;
  /** Logs why a task could not be run. */
  readonly log: Pick<Logger, "error" | "warning" | "debug">;
}
