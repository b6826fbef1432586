/*
 * The contract of a store. A store keeps tasks from their submission until their outcome is recorded. The stores in
 * memory, SQLite and PostgreSQL keep the same promises: test/conformance/store.ts spells them out and runs against
 * each. The server never asks which store it has.
 *
 * Deliberately unknown here: clients, templates, when a task is tried again, which processes are alive (callers say).
 *
 * Invariants: a task is claimed by at most one server at a time; an outcome is recorded at most once per row; a row
 * that has ended (completion_time set) is never changed by claim, commit or revert.
 */
import type { Retries } from "../task/retries.ts";
import type { ClaimedTask, NewTask, Outcome, Submission } from "../task/task.ts";

/** The tasks that a run may schedule: its own submission, or everything that no live server reserves or holds. */
export type Scope = { readonly kind: "submission"; readonly id: string } | { readonly kind: "all" };

/** The row of a server process, with its heartbeat. Other servers leave alone what a live server holds or reserves. */
export interface ServerRow {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  /**
   * Start time of the process as its system tells it, so that another process with the same pid is not mistaken for
   * this one. It is null where the system does not tell.
   */
  readonly pidStart: string | null;
  /**
   * The process table that `pid` is a number of (see cluster/liveness.ts). Null: not known, so that `pid` says nothing.
   */
  readonly processTable: string | null;
  /**
   * True for a finite run: it reserves its own submission, whose id is that of the server. False: it takes any free
   * task.
   */
  readonly reserves: boolean;
  readonly startedAt: number;
  /** The first of its leases, see `Admission`. */
  readonly firstLease: number;
  /**
   * The last heartbeat, in milliseconds since 1970, in terms of the reader's clock. A shared database (PostgreSQL)
   * measures it by its own clock and ignores the value that it is given. An SQLite file keeps what the clock of the
   * server's host shows.
   */
  readonly beatAt: number;
}

/** What the store tells a server that enters. */
export interface Admission {
  /** The identity of the store: a text that it got when it was made, and that stays the same whoever opens it. */
  readonly storeId: string;
  /**
   * The first lease of the server, which counts its dispatches from here. It is above every lease that other servers of
   * this store have handed out, whatever clocks show.
   */
  readonly firstLease: number;
}

export interface ClaimRequest {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: number;
  readonly scope: Scope;
  /**
   * The group that the run is at; null before the first. `any`: tasks of every group are taken, whatever runs or has
   * failed in those below.
   */
  readonly group: number | "any" | null;
  readonly limit: number;
  /** Which failures are final: a failed row that is tried again holds nothing back. */
  readonly retries: Retries;
  /** Whether next attempts (attempt > 1) are claimed before first ones. */
  readonly eager: boolean;
  /** Submissions that scope `all` leaves out of this claim, as if a live server reserved them. */
  readonly aside: readonly string[];
  /**
   * Tasks that are passed over, though they wait for their turn like others: their group is not left before they have
   * ended, and a claim that finds nothing but such tasks answers `claimed` without any. Those that are passed over are
   * looked at one by one, so a claim gives up after many of them (100,000).
   */
  readonly tooMuch: readonly TooMuch[];
}

/** After so many tasks a claim looks no further for some that are not too much. */
export const mostPassedOver = 100_000;

/**
 * Tasks that need at least so much in every respect, and are passed over for that. 0 and an empty list say nothing, and
 * at least one of them says something.
 */
export interface TooMuch {
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  /** Keys of tags: a task that needs this has all of them, with whatever value. */
  readonly tags: readonly string[];
  /** Its time limit, seconds. */
  readonly timeout: number;
}

/** Unfinished tasks that were submitted from one directory of one host. */
export interface Source {
  /** Null, as `host` and the times: tasks of older programs, of which this is not known. */
  readonly cwd: string | null;
  readonly host: string | null;
  readonly submissions: number;
  /** The id of one of the submissions. */
  readonly example: string;
  readonly unfinished: number;
  /** When the first and the last of the submissions began, milliseconds since 1970. */
  readonly first: number | null;
  readonly last: number | null;
}

/**
 * Failures that hold tasks back: final failures of one group in one submission. A waiting task is held back by those of
 * lower groups that were submitted from the same directory; see setbacks.ts.
 */
export interface Setback {
  readonly submitId: string;
  /** Where the submission came from, and when, in milliseconds since 1970. Null: it is not recorded. */
  readonly origin: Pick<Submission, "cwd" | "time"> | null;
  readonly group: number;
  readonly failed: number;
  /** The id of one of the failed tasks. */
  readonly example: string;
}

/** The waiting tasks in scope that are held back. */
export interface HeldBack {
  /** How many they are. */
  readonly tasks: number;
  /** Some of the submissions that they belong to (at most `mostTold`), with the lowest of their groups. */
  readonly waiting: readonly { readonly submitId: string; readonly group: number }[];
  /** How many submissions they belong to. */
  readonly submissions: number;
  /** Some of the reasons (at most `mostTold`), the lowest group first. */
  readonly setbacks: readonly Setback[];
  /** How many reasons there are. */
  readonly reasons: number;
}

/** The largest number of submissions and reasons that are told of tasks that are held back. */
export const mostTold = 3;

/**
 * The answer to a claim. Its tasks are all of one group, in order of submission: the lowest group in scope with waiting
 * tasks, leaving out those that are held back. No group is entered while a task of a lower one is under way. A lower
 * group than `group` is entered at once; before it enters a higher one, a claim answers `advance`, and the caller
 * claims again with `group` set to `to`.
 */
export type Claim =
  | { readonly kind: "claimed"; readonly group: number; readonly tasks: readonly ClaimedTask[] }
  /** Nothing in scope waits. Servers (ours included) still hold `unfinished` rows in scope. */
  | { readonly kind: "none"; readonly unfinished: number }
  /**
   * Nothing can be taken before tasks end that servers hold. `busyGroup` is the lowest group that has some of these,
   * and `unfinished` rows in scope.
   */
  | { readonly kind: "waiting"; readonly busyGroup: number; readonly unfinished: number }
  /**
   * Somebody changed tasks that this server holds. It must deal with its recalls first: otherwise it might claim a task
   * that it still runs.
   */
  | { readonly kind: "recalled" }
  /**
   * Nothing of the groups below `to` can be run. `heldBack` tells of all tasks that failures hold back; null: none of
   * the groups up to `to` is.
   */
  | { readonly kind: "advance"; readonly to: number; readonly heldBack: HeldBack | null }
  /** Tasks wait in scope, nothing is under way there, and all of what waits is held back. */
  | { readonly kind: "heldBack"; readonly heldBack: HeldBack };

/**
 * News for a server: somebody else changed the row of a task that it held. What the server has to do:
 * `cancelled`, `deleted`: stop the task.
 * `reverted`: stop it; its row waits to be run again.
 * `adopted`: forget it; its client has taken it to another server.
 * `changed`: run it as its row is now, unless it has been handed out.
 */
export interface Recall {
  /** The number grows with each recall of a store. Commit.recalled names recalls by it. */
  readonly number: number;
  readonly id: string;
  readonly kind: "cancelled" | "reverted" | "deleted" | "changed" | "adopted";
}

/** What is to be done in a scope. */
export interface Backlog {
  /** The lowest group with unfinished tasks, which is the next to run; null: there is none. */
  readonly group: number | null;
  /** How many tasks of that group have not ended. */
  readonly inGroup: number;
  /** How many tasks of all groups have not ended. */
  readonly unfinished: number;
}

export interface AdoptRequest {
  readonly ids: readonly string[];
  /** The tasks among `ids` that have ended at the client: nobody else needs to run them, whoever holds them. */
  readonly finished: readonly string[];
  readonly from: readonly string[];
  readonly scope: Scope;
  readonly serverId: string;
  readonly serverHost: string;
  readonly clientId: string;
  readonly clientHost: string;
  readonly at: number;
}

/** An outcome on its way into the row of its task. Only result fields and the client are written. */
export interface Completion extends Omit<Outcome, "lease"> {
  /** Null, as its host: no client has ever had the task, because none could meet what it needs. */
  readonly clientId: string | null;
  readonly clientHost: string | null;
  /** Seconds, as a fraction to the millisecond; so is `duration`. */
  readonly waited: number | null;
  readonly duration: number | null;
  /**
   * The next attempt. It is stored, and both rows are linked, only if this outcome is recorded. If `claimed` is true,
   * the committing server holds it at once (eager retries); otherwise it waits its turn.
   */
  readonly retry: { readonly task: NewTask; readonly claimed: boolean } | null;
}

/** What a server writes in one transaction: all of it or nothing. */
export interface Commit {
  readonly serverId: string;
  readonly serverHost: string;
  readonly at: number;
  readonly assigned: readonly { readonly id: string; readonly clientId: string; readonly clientHost: string }[];
  /**
   * Tasks that have run for a while, and since when, milliseconds since 1970. It is noted of those that this server
   * still holds, and lost when they are given back.
   */
  readonly started: readonly { readonly id: string; readonly startTime: number }[];
  readonly completed: readonly Completion[];
  /**
   * Ids of tasks that are given back unfinished: every run that has them in scope may claim them again. Ended rows are
   * left alone.
   */
  readonly reverted: readonly string[];
  /**
   * Numbers of recalls that are dealt with. Until a recall is dealt with, an outcome of a task that was reverted,
   * deleted or adopted is refused.
   */
  readonly recalled: readonly number[];
  /**
   * Whether its outcomes may be recorded a moment later, together with others, if they survive the death of this
   * process until then: `buryServer` records what such a process left. The answer says nothing of what is refused then.
   * Absent: they may not.
   */
  readonly mayLinger?: boolean;
}

/**
 * What became of the outcomes of a Commit. `refused` has an id for each outcome that was not recorded, because its task
 * had already ended, or was cancelled, deleted or taken away.
 */
export interface CommitReport {
  readonly refused: readonly string[];
}

/** What only a store in memory tells and does: nobody else can look into it, or change it. */
export interface OwnStore {
  /** How many tasks there were so far, and how they ended. */
  counts(): {
    readonly total: number;
    readonly unfinished: number;
    readonly succeeded: number;
    readonly cancelled: number;
  };
  /** When the oldest task was submitted that waits here, milliseconds since 1970; null: none does. */
  waitingSince(): number | null;
  /**
   * Cancels tasks as `hs update --cancel` does in a database: they end now, and a server that holds one gets a recall.
   * Answers how many; those that have ended are left alone.
   */
  cancel(ids: readonly string[]): number;
}

export interface Store {
  /** Null: a database, which others can look into by themselves. */
  readonly own?: OwnStore | null;
  /** Whether tasks outlive this process (a database). */
  readonly durable: boolean;
  /** The store as log lines name it: `sqlite (/path/main.db)` or `memory`. */
  readonly title: string;

  /** Adds the row of a submitting process; called before its first task is inserted. */
  addSubmission(submission: Submission): Promise<void>;
  /** Finds a submission; null for tasks of older programs, which have none. */
  submission(id: string): Promise<Submission | null>;
  /**
   * Adds all of the tasks or none. A durable store answers when they are stored, memory when it has room: this is the
   * back-pressure.
   */
  insert(tasks: readonly NewTask[]): Promise<void>;
  /**
   * Resolves when everything that was stored before the call survives a power cut. Without it the last second of a run
   * may be lost then. Closing the store does the same.
   */
  sync(): Promise<void>;
  /** Calls `wake` when tasks may have been added: by this process, or (durable) by another. It may call too often. */
  onInsert(wake: () => void): void;

  /** Calls `wake` when there may be recalls. It may call too often. */
  onRecall(wake: () => void): void;
  /**
   * The recalls of this server, oldest first. A recall is answered again and again until a commit says that it is dealt
   * with.
   */
  recalls(serverId: string): Promise<readonly Recall[]>;

  /** Adds a server, perhaps once more after others have taken it for dead. */
  addServer(server: Omit<ServerRow, "firstLease">): Promise<Admission>;
  /** Frees what a server reserves, for others to claim. What it holds stays its own. */
  unreserve(id: string): Promise<void>;
  /**
   * Renews the heartbeat of a server. Answers whether its row was there; if not, another server took it for dead, and
   * has freed what it held.
   */
  beatServer(id: string, at: number): Promise<boolean>;
  /** Removes a server that ends in good order: nothing is held or reserved by it any more. */
  endServer(id: string): Promise<void>;
  /** Rows of servers that have not ended. */
  servers(): Promise<readonly ServerRow[]>;
  /**
   * How many of the unended tasks that a server holds are on record as being with a client; the others only wait for
   * one. A store that is not durable keeps no such record: 0.
   */
  handedOut(serverId: string): Promise<number>;
  /**
   * Records the outcomes that a dead server had acknowledged and not yet recorded (see Commit.mayLinger). Answers how
   * many. Rejects with a UserError when they cannot be read.
   */
  recordLeft(id: string): Promise<number>;
  /**
   * Removes the row of a dead server, records what it left, reverts what else it held (see Commit.reverted), and frees
   * what it reserved. Answers how many tasks were reverted.
   */
  buryServer(id: string): Promise<number>;
  /** Reverts scheduled, unended rows whose server has no row here, as older programs leave them. Answers how many. */
  revertOrphans(): Promise<number>;

  claim(request: ClaimRequest): Promise<Claim>;
  commit(commit: Commit): Promise<CommitReport>;
  /**
   * Creates next attempts for final failures in scope that `retries` allows, in the order in which those were
   * submitted. Answers how many. `at` is in milliseconds since 1970.
   */
  retryFailures(scope: Scope, retries: Retries, at: number, newId: () => string): Promise<number>;
  /** How many rows in scope have no completion_time. Scope `all` leaves out what live servers reserve. */
  survey(scope: Scope): Promise<{ readonly unfinished: number }>;
  /** Which of these tasks have not ended. What is not in the store has. */
  unended(ids: readonly string[]): Promise<readonly string[]>;
  /** As `survey`, with the group that is next. It counts along an index of what is unfinished, whatever has ended. */
  backlog(scope: Scope): Promise<Backlog>;
  /** Where the unfinished rows in scope (see `survey`) came from, those with the most rows first. */
  sources(scope: Scope): Promise<readonly Source[]>;
  /** How many rows are in scope, ended ones included. This reads them all: about a second for ten million rows. */
  total(scope: Scope): Promise<number>;

  /**
   * Adds a client of this server, or updates one that is back, perhaps from another server. It is connected from
   * `connectedAt` on.
   */
  addClient(client: {
    id: string;
    host: string;
    serverId: string;
    serverHost: string;
    connectedAt: number;
  }): Promise<void>;
  /**
   * Notes that a client of this server left or was given up. If the client belongs to another server by now, nothing
   * changes: that server decides.
   */
  endClient(id: string, serverId: string, at: number, evicted: boolean): Promise<void>;
  /**
   * Removes the row of a client of this server that never had a task from it. There may be many such clients, and
   * nobody asks for them.
   */
  forgetClient(id: string, serverId: string): Promise<void>;
  /** Clients of that server that neither left nor were evicted. When the server is dead, they may still run tasks. */
  clientsOf(serverId: string): Promise<readonly string[]>;
  /**
   * Takes over the tasks that a returning client names. Tasks that are in scope, have not ended and are not on record
   * as another client's are held by `serverId` and `clientId` from now on, if one of these is true of them:
   *
   * (a) they are free;
   * (b) they are held by one of the servers `from`, or by one that has no row any more;
   * (c) this client is on record as running them, for whichever server;
   * (d) they are `finished`: nobody else needs to run them, whichever server holds them.
   *
   * In cases (c) and (d) the former server gets a recall if it is alive. Answers the tasks that were taken over.
   *
   * The same transaction makes the client one of `serverId`, as addClient does. In two transactions, a crash in between
   * would leave the client to one dead server and its tasks to another.
   */
  adopt(request: AdoptRequest): Promise<readonly ClaimedTask[]>;

  close(): Promise<void>;
}
