/*
 * The contract of a store: where tasks rest between submission and record. Memory, SQLite and PostgreSQL promise the same;
 * test/conformance/store.ts says what, and runs against each. The server never asks which one it has.
 *
 * Deliberately unknown here: clients, templates, what a retry policy is, which processes are alive (callers say).
 * Invariants: a task is claimed by at most one server at a time; an outcome is recorded at most once per row; a row that
 * has ended (completion_time set) is never changed by claim, commit or revert.
 */
import type { ClaimedTask, NewTask, Outcome, Submission } from "../task/task.ts";

/** Which tasks a run may schedule: its own submission, or everything that no live server reserves or holds. */
export type Scope = { readonly kind: "submission"; readonly id: string } | { readonly kind: "all" };

/** A server process: its heartbeat row. Other servers leave alone what a live server holds or reserves. */
export interface ServerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /** Start time of the process as the system tells it (guards against reuse of the pid); null where it cannot be known. */
  readonly pidStart: string | null;
  /** A finite run that reserves its own submission (submission id = server id); false: takes whatever is free. */
  readonly reserves: boolean;
  readonly startedAt: number;
  /**
   * The last heartbeat. A database that has a clock goes by that, whatever is given, and tells it by the clock of the one who asks; in a file stands what
   * the clock of the server's host told.
   */
  readonly beatAt: number;
}

export interface ClaimRequest {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: number;
  readonly scope: Scope;
  /** The group that is being run; null before the first. */
  readonly group: number | null;
  readonly limit: number;
  /** Allowed attempts: a failed row with fewer is not a final failure. */
  readonly attempts: number;
  /** Attempts above 1 first. */
  readonly eager: boolean;
}

/**
 * Tasks come in order of submission from the lowest group with unscheduled tasks, and from one group at a time. A higher group than
 * `group` is never entered by a claim itself: the answer is `advance`, and the caller claims again with `group` = `to`.
 */
export type Claim =
  | { readonly kind: "claimed"; readonly group: number; readonly tasks: readonly ClaimedTask[] }
  /** Nothing in scope is unscheduled. `unfinished` rows in scope are still held by some server (ours included). */
  | { readonly kind: "none"; readonly unfinished: number }
  /** The next unscheduled task is in a higher group than `busyGroup`, which still has `unfinished` rows in scope. */
  | { readonly kind: "waiting"; readonly busyGroup: number; readonly unfinished: number }
  /** A person changed tasks that this server holds: it has to see to its recalls first, or it might get a task that it still runs. */
  | { readonly kind: "recalled" }
  /** Everything below `to` has ended. `failed` final failures are in group `group` (0 when `group` is null), for example `example`. */
  | { readonly kind: "advance"; readonly to: number; readonly failed: number; readonly example: string | null };

/**
 * News of a task that a server held when somebody else changed its row. `cancelled`, `deleted`: stop it. `reverted`: stop it, its row waits
 * to be run again. `adopted`: its client has taken it to another server. `changed`: run it as it is now, if it has not been handed out.
 */
export interface Recall {
  /** Grows with each recall of a store; names it in Commit.recalled. */
  readonly number: number;
  readonly id: string;
  readonly kind: "cancelled" | "reverted" | "deleted" | "changed" | "adopted";
}

export interface AdoptRequest {
  readonly ids: readonly string[];
  /** Those of them that have ended at the client: nobody else needs to run them, whoever holds them. */
  readonly finished: readonly string[];
  readonly from: readonly string[];
  readonly scope: Scope;
  readonly serverId: string;
  readonly serverHost: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly at: number;
}

/** An outcome on its way into the row of its task; only result fields and the client are written. */
export interface Completion extends Omit<Outcome, "lease"> {
  readonly clientId: string;
  readonly clientHost: string;
  /** Seconds, milliseconds kept. */
  readonly waited: number | null;
  readonly duration: number | null;
  /**
   * The next attempt: stored, and linked both ways, only if this outcome is recorded. `claimed` true: it belongs to the committing
   * server at once (eager retries); else it waits its turn.
   */
  readonly retry: { readonly task: NewTask; readonly claimed: boolean } | null;
}

/** One transaction of a server. Done wholly or not at all. */
export interface Commit {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: number;
  readonly assigned: readonly { readonly id: string; readonly clientId: string; readonly clientHost: string }[];
  readonly completed: readonly Completion[];
  /** Ids given back unfinished: schedulable again by anyone in whose scope they are. Ended rows are left alone. */
  readonly reverted: readonly string[];
  /** Numbers of recalls that are dealt with. Until then outcomes of tasks that were reverted, deleted or adopted are refused. */
  readonly recalled: readonly number[];
}

/** What became of the outcomes of a Commit: `refused` rows had already ended (or were cancelled, or deleted); an id for each such outcome. */
export interface CommitReport {
  readonly refused: readonly string[];
}

export interface Store {
  /** Whether tasks outlive this process (a database). */
  readonly durable: boolean;
  /** For log lines: `sqlite (/path/main.db)` or `memory`. */
  readonly title: string;

  /** One row for a submitting process, before its first task. */
  addSubmission(submission: Submission): Promise<void>;
  /** The submission, or null for tasks of older programs. */
  submission(id: string): Promise<Submission | null>;
  /** All or none; resolved when they are stored (durable) or when there is room (memory: this is the back-pressure). */
  insert(tasks: readonly NewTask[]): Promise<void>;
  /** Calls back when tasks may have been added, by this process or (durable) by another; coarse, may call too often. */
  onInsert(wake: () => void): void;

  /** Calls back when there may be recalls; coarse, may call too often. */
  onRecall(wake: () => void): void;
  /** Of tasks of this server, oldest first; the same again until a commit says that they are dealt with. */
  recalls(serverId: string): Promise<readonly Recall[]>;

  /** A new server. Returns its start by the clock that all servers of this store share, which is ours where the store has none: leases go by it. */
  addServer(server: ServerRow): Promise<number>;
  /** What it reserves is free for others; what it holds stays its own. */
  unreserve(id: string): Promise<void>;
  beatServer(id: string, at: number): Promise<void>;
  /** Orderly end: nothing is held or reserved any more. */
  endServer(id: string): Promise<void>;
  /** Rows of servers that have not ended. */
  servers(): Promise<readonly ServerRow[]>;
  /** A dead server's row is removed, what it held is reverted (see Commit.reverted), what it reserved is free. Returns the number reverted. */
  buryServer(id: string): Promise<number>;
  /** Reverts scheduled, unended rows whose server has no row here (written by older programs). Returns their number. */
  revertOrphans(): Promise<number>;

  claim(request: ClaimRequest): Promise<Claim>;
  commit(commit: Commit): Promise<CommitReport>;
  /** Creates next attempts for final failures in scope that have fewer than `attempts`. Returns their number. */
  retryFailures(scope: Scope, attempts: number, at: number, newId: () => string): Promise<number>;
  /** How many rows in scope have no completion_time. Scope `all` leaves out what live servers reserve. */
  survey(scope: Scope): Promise<{ readonly unfinished: number }>;
  /** How many rows are in scope, ended ones too. Reads them all: for ten million rows it takes a second or so. */
  total(scope: Scope): Promise<number>;
  /** The group of the row with the latest schedule_time; else 0 without rows; else the lowest group. Reason as for the log line. */
  activeGroup(): Promise<{ readonly group: number; readonly reason: string }>;

  /** A client of this server, new or back again (also from another server): it is connected from `connectedAt` on. */
  addClient(client: {
    id: string;
    host: string;
    serverId: string;
    serverHost: string;
    connectedAt: number;
  }): Promise<void>;
  /** A client of this server left, or was given up. If another server has it by now, that one's word counts. */
  endClient(id: string, serverId: string, at: number, evicted: boolean): Promise<void>;
  /** Clients of that server that did not leave and were not evicted: they may still run tasks when it is dead. */
  clientsOf(serverId: string): Promise<readonly string[]>;
  /**
   * A client is back, and names the tasks that it has. Those that are in scope and have not ended are held by `serverId` and `clientId` from now
   * on, and answered, if one of these is true of them:
   *
   * (a) they are free;
   * (b) one of the servers `from` holds them, or one that has no row any more;
   * (c) this client is on record as running them, for whichever server;
   * (d) they are `finished`: nobody else needs to run them, whoever holds them.
   *
   * In cases (c) and (d) a former server that is alive gets a recall. In the same transaction the client becomes that of `serverId`, as by
   * addClient: if they were apart, a crash in between would leave the client to one dead server and its tasks to another.
   */
  adopt(request: AdoptRequest): Promise<readonly ClaimedTask[]>;

  close(): Promise<void>;
}
