/*
 * Every message that a server and a client exchange, as they are on the wire (one JSON object a line) and in the
 * in-process pipe (the same objects, never mutated by either side). Together with task/task.ts this predicts the program.
 *
 * Flow: a client says hello and grants credit (how many tasks it will take beyond those it holds). The server sends
 * assignments while there is credit; each uses up one. Outcomes come back as results, are kept by the client until an ack names
 * them, and new credit comes in the same frame. Beats say that the client lives.
 */
import type { Assignment, Outcome } from "../task/task.ts";

export interface Lease {
  readonly id: string;
  readonly lease: number;
}

export type ClientMessage =
  /** First message. `running` and `finished` are non-empty when the client was connected before and resumes. */
  | {
      readonly kind: "hello";
      readonly clientId: string;
      readonly host: string;
      readonly executors: number;
      readonly credit: number;
      readonly running: readonly Lease[];
      readonly finished: readonly Outcome[];
    }
  /** Finished tasks, and how many more tasks the client will take. */
  | { readonly kind: "results"; readonly outcomes: readonly Outcome[]; readonly credit: number }
  /** Tasks that were never started, given back (draining, or stopping). */
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
  /** No more work: return what was not started, see to what runs, say bye. */
  | { readonly kind: "leave"; readonly how: LeaveKind; readonly reason: string };

/**
 * What happens to running tasks when a client leaves. `finish`: they run to their end. `interrupt`: they are stopped (signal escalation) and
 * their outcomes count. `abort`: they are stopped and given back unfinished.
 */
export type LeaveKind = "finish" | "interrupt" | "abort";
