/*
 * Every message that a server exchanges with its clients and with submitters, as they are on the wire (one JSON object a line, see
 * PROTOCOL.md) and in the in-process pipe (the same objects, never mutated by either side). Together with task/task.ts this predicts the program.
 *
 * Clients: a client says hello and grants credit (how many tasks it will take beyond those it holds). The server sends
 * assignments while there is credit; each uses up one. Outcomes come back as results, are kept by the client until an ack names
 * them, and new credit comes in the same frame. Beats say that the client lives, and are answered.
 *
 * Submitters: one names its submission, sends tasks, and goes on sending while few of them are not yet known to be stored.
 */
import type { Assignment, NewTask, Outcome, Submission } from "../task/task.ts";

export interface Lease {
  readonly id: string;
  readonly lease: number;
}

export type ClientMessage =
  /**
   * First message of a connection. `running` (started or waiting to) and `finished` (not acknowledged) are non-empty when the client resumes, at
   * the same server or at its successor; the outcomes of the finished ones follow as results.
   */
  | {
      readonly kind: "hello";
      readonly clientId: string;
      readonly host: string;
      readonly executors: number;
      readonly credit: number;
      readonly running: readonly Lease[];
      readonly finished: readonly Lease[];
    }
  /** Finished tasks, and how many more tasks the client will take. */
  | { readonly kind: "results"; readonly outcomes: readonly Outcome[]; readonly credit: number }
  /** Tasks given back without an outcome: never started, or stopped on the way out. */
  | { readonly kind: "returned"; readonly tasks: readonly Lease[] }
  /** The client lives. */
  | { readonly kind: "beat" }
  /** The client leaves; everything it held was returned or reported before. `reason` is for people. */
  | { readonly kind: "bye"; readonly reason: string };

export type ServerMessage =
  /** `companyMs`: how long an outcome may wait to share a frame with others; 0 where each is worth recording at once. */
  | { readonly kind: "welcome"; readonly serverId: string; readonly serverHost: string; readonly companyMs: number }
  /** The template of a submission; sent once per session before its first task. */
  | { readonly kind: "submission"; readonly id: string; readonly template: string | null }
  | { readonly kind: "assign"; readonly tasks: readonly Assignment[] }
  /** These outcomes are recorded: the client may forget them. */
  | { readonly kind: "ack"; readonly tasks: readonly Lease[] }
  /** Stop these tasks (signal escalation); their outcomes are reported as usual. */
  | { readonly kind: "cancel"; readonly tasks: readonly Lease[] }
  /** These tasks are somebody else's by now, or ended: stop them, return them, nobody waits for their outcomes. */
  | { readonly kind: "drop"; readonly tasks: readonly Lease[] }
  /** Answers a beat. */
  | { readonly kind: "beat" }
  /** No more work: return what was not started, see to what runs, say bye. */
  | { readonly kind: "leave"; readonly how: LeaveKind; readonly reason: string };

/**
 * What happens to running tasks when a client leaves. `finish`: they run to their end. `interrupt`: they are stopped (signal escalation) and
 * their outcomes count. `abort`: they are stopped and given back unfinished.
 */
export type LeaveKind = "finish" | "interrupt" | "abort";

export type SubmitterMessage =
  /** First message of a connection. */
  | { readonly kind: "submitter"; readonly submission: Submission }
  /** Answered by `stored`, in order. At most `submitWindow` tasks may be unanswered. */
  | { readonly kind: "tasks"; readonly tasks: readonly NewTask[] }
  /** All tasks were sent; the server ends the connection when all are stored. */
  | { readonly kind: "done" };

export type IntakeMessage =
  /** `group`: where tasks without a group of their own go, and why. */
  | { readonly kind: "accepted"; readonly serverId: string; readonly group: number; readonly groupReason: string }
  /** These many tasks, of those not yet answered, are stored. */
  | { readonly kind: "stored"; readonly count: number }
  /** The server takes no tasks, or could not store them; the connection ends. */
  | { readonly kind: "refused"; readonly reason: string };

/** Tasks that a submitter may have sent without knowing that they are stored. */
export const submitWindow = 8192;

/** What connects to a server, and what a server answers. */
export type PeerMessage = ClientMessage | SubmitterMessage;
export type HostMessage = ServerMessage | IntakeMessage;
