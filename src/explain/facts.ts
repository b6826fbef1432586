/*
 * What is known of a task and of what is around it, and what is told of that. Plain data.
 */
import type { TaskRecord } from "../history/history.ts";
import type { ClientRow, Obstacles } from "../history/obstacles.ts";
import type { ServerRow } from "../store/store.ts";
import type { ClientView } from "../view/view.ts";

/** A server on record. */
export interface ServerFact extends Pick<ServerRow, "id" | "host" | "pid" | "reserves" | "startedAt" | "beatAt"> {
  readonly isAlive: boolean;
}

/** Another attempt of the same command. */
export type Attempt = Pick<TaskRecord, "id" | "attempt" | "exit_status" | "start_time" | "schedule_time">;

export interface Facts {
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly task: TaskRecord;
  /** The attempts before it and after it, in order. */
  readonly earlier: readonly Attempt[];
  readonly later: readonly Attempt[];
  /** Servers that have not ended in good order. */
  readonly servers: readonly ServerFact[];
  /** How many clients are on record as connected, by server. */
  readonly clients: ReadonlyMap<string, number>;
  /** The client that the task is on record with; null: none, or it is not known. */
  readonly client: ClientRow | null;
  /** What stands in its way; null: it does not wait, or nobody can tell. */
  readonly obstacles: Obstacles | null;
  /** Names of resources that tags may ask for. */
  readonly resources: ReadonlySet<string>;
  /** What a running server says of its clients; null: none was asked. */
  readonly seen: Seen | null;
}

/** The busiest clients of a server, and how many it has in all. */
export interface Seen {
  readonly clients: readonly Pick<ClientView, "host" | "capacity" | "standing">[];
  readonly total: number;
}

/** What becomes of a task, in one word. */
export type TaskState = "waits" | "taken" | "runs" | "succeeded" | "failed" | "cancelled";

/** A task explained. Each text is a sentence. */
export interface Explanation {
  readonly id: string;
  readonly state: TaskState;
  /** Why it is in this state, the most important first. */
  readonly why: readonly string[];
  /** What happened to it so far, in order. */
  readonly story: readonly string[];
  /** What can be done, most of it as commands. */
  readonly advice: readonly string[];
}

/** A task in the making of its explanation. */
export interface Telling {
  readonly why: string[];
  readonly story: string[];
  readonly advice: string[];
}
