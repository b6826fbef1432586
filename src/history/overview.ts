/*
 * The contract of a glance at a database that somebody repeats every second: how many tasks there are, which run, which
 * failed last, who is connected. Whatever is asked goes along an index, so that it takes milliseconds among ten million
 * tasks. SQLite and PostgreSQL promise the same; test/conformance/view.ts runs against both.
 */
import type { FailureView, TaskView } from "../view/view.ts";
import type { ServerRow } from "../store/store.ts";

/** How many tasks there are, archived ones too: what `hs list --count` says, alone and with -R, -S, -F. */
export interface TaskCounts {
  readonly total: number;
  readonly remaining: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Those among `failed` that were cancelled. */
  readonly cancelled: number;
}

/** A task that a server has handed out to a client. */
export interface HandedOut extends TaskView {
  readonly clientId: string;
}

/** A client that neither left nor was given up by its server. */
export interface ConnectedClient {
  readonly id: string;
  readonly host: string;
  readonly serverId: string;
}

/** A task that has ended: when (milliseconds since 1970), how, and how long it took (seconds; null: not known). */
export interface EndedTask {
  readonly completionTime: number;
  readonly exitStatus: number;
  readonly duration: number | null;
}

/** The largest number of tasks that are looked at to find those that are handed out. */
export const mostHeld = 20_000;

/** The largest number of characters of a command, or of the name of a host, that are told. */
export const mostText = 1000;

/** An open database that is only looked at. Every call may throw a TransientError or a UserError. */
export interface Overview {
  /** For log lines, as in Opened. */
  readonly title: string;
  /**
   * Counts all tasks, in portions, so that others in this process get their turn. It takes some 50 ms for a million
   * tasks in SQLite.
   */
  counts(): Promise<TaskCounts>;
  /** A text that stays the same while nobody writes; null: not known. */
  state(): Promise<string | null>;
  /** Tasks that clients have, at most `mostHeld`, in no particular order. */
  handedOut(): Promise<readonly HandedOut[]>;
  /** The last failures, roughly: among those that were submitted last. Cancelled tasks are left out. */
  failures(most: number): Promise<readonly FailureView[]>;
  /** Tasks that have ended, roughly the last. */
  latest(most: number): Promise<readonly EndedTask[]>;
  clients(): Promise<readonly ConnectedClient[]>;
  servers(): Promise<readonly ServerRow[]>;
  /** When the oldest waiting task was submitted, milliseconds since 1970; null: none waits. */
  waitingSince(): Promise<number | null>;
  close(): Promise<void>;
}
