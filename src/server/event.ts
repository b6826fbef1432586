/* What can happen to a server, in the past tense. The door makes these; the reactor only reads them. */
import type { Claim, CommitReport, Recall } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { ClientMessage, LeaveKind } from "../wire/message.ts";

/** What tasks have from their submission: its template, and the directory that it came from; null: there is none. */
export interface SubmissionFacts {
  readonly template: string | null;
  readonly cwd: string | null;
}

/** The submissions of the tasks that the store has answered with, each once. */
export type NewSubmissions = readonly (SubmissionFacts & { readonly id: string })[];

/**
 * A task that somebody took back from a server: reverted, deleted or cancelled. What comes of its dispatches with
 * leases from `from` on and below `below` does not count any more.
 */
export interface Revoked {
  readonly id: string;
  readonly from: number;
  readonly below: number;
}

export type ServerEvent =
  /** A client said hello on a connection of its own: its registration begins. */
  | { readonly kind: "helloReceived"; readonly hello: Extract<ClientMessage, { kind: "hello" }> }
  /** A client said something else. */
  | {
      readonly kind: "received";
      readonly clientId: string;
      readonly message: Exclude<ClientMessage, { kind: "hello" | "output" | "shown" }>;
    }
  /** The connection of a client ended, after a bye or without one. `error` null: it ended in order. */
  | { readonly kind: "disconnected"; readonly clientId: string; readonly error: string | null }
  /** A client does not read what it is sent: its connection takes no more for now. */
  | { readonly kind: "clogged"; readonly clientId: string }
  /** It has read all of it. */
  | { readonly kind: "unclogged"; readonly clientId: string }
  /** The store answered a claim. */
  | { readonly kind: "claimed"; readonly claim: Claim; readonly submissions: NewSubmissions }
  /** The store knows the client. Of the tasks that the client brought, those in `adopted` are this server's now. */
  | {
      readonly kind: "registered";
      readonly clientId: string;
      /** The number of the registration, see `register`. */
      readonly number: number;
      readonly adopted: readonly ClaimedTask[];
      readonly submissions: NewSubmissions;
      readonly revoked: readonly Revoked[];
    }
  /**
   * The row of a dead server is removed. The tasks that its clients did not come back with are free; there were
   * `reverted` of them.
   */
  | {
      readonly kind: "buried";
      readonly serverId: string;
      readonly reverted: number;
      readonly revoked: readonly Revoked[];
    }
  /** The number of unfinished tasks that were submitted from a directory. */
  | { readonly kind: "counted"; readonly cwd: string; readonly unfinished: number }
  /** A submitter has connected. */
  | { readonly kind: "intakeOpened" }
  /** A submitter is gone. */
  | { readonly kind: "intakeClosed" }
  /** The store has done a commit. */
  | { readonly kind: "committed"; readonly report: CommitReport }
  /** Tasks may have been added to the store. */
  | { readonly kind: "inserted" }
  /** The store may have recalls. */
  | { readonly kind: "recallsNoticed" }
  /** The store's answer to `recalls`. */
  | { readonly kind: "recalled"; readonly recalls: readonly Recall[] }
  /** There are `count` other servers that take any free task from the same store. */
  | { readonly kind: "neighbours"; readonly count: number }
  /** The row of this server is in the store, as it should be. */
  | { readonly kind: "rowSeen" }
  /** The row of this server is not in the store any more: others took it for dead. */
  | { readonly kind: "rowMissed" }
  /** The row of this server is in the store again. */
  | { readonly kind: "entered"; readonly firstLease: number }
  /** This process did not run for so long that others may have taken it for dead. */
  | { readonly kind: "slept" }
  /** Lines were read that will be added to the store. */
  | { readonly kind: "inputResumed" }
  /** No line came for a while; more may. */
  | { readonly kind: "inputQuiet" }
  /** The last line was read. */
  | { readonly kind: "inputEnded" }
  /** The time that a `wake` effect named has come. */
  | { readonly kind: "woken" }
  /** Somebody asked the server to end in this way. */
  | { readonly kind: "stopRequested"; readonly how: LeaveKind }
  /** Whoever asked for a stop does not want to wait any longer: clients that do not answer are not waited for. */
  | { readonly kind: "hurried" };
