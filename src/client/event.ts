/* What can happen to a client, in the past tense. The door tells it, the reactor takes it in. */
import type { Outcome } from "../task/task.ts";
import type { LeaveKind, ServerMessage } from "../wire/message.ts";
import type { ProblemKind } from "../wire/problem.ts";

export type ClientEvent =
  | { readonly kind: "received"; readonly message: ServerMessage }
  /** A connection was made, after `connect`. */
  | { readonly kind: "connected" }
  /** A connection could not be made, after `connect`. `permanent`: trying again is of no use. */
  | {
      readonly kind: "connectFailed";
      readonly problem: ProblemKind;
      readonly text: string;
      readonly permanent: boolean;
    }
  /** The connection ended. `error` is null for an orderly end. */
  | { readonly kind: "disconnected"; readonly error: string | null }
  /** A started task came to its end. */
  | { readonly kind: "ended"; readonly outcome: Outcome }
  /** Somebody looked whether processes are left of the group of a task that has ended while being stopped. */
  | { readonly kind: "groupSeen"; readonly id: string; readonly alive: boolean }
  /** The time of a `wake` effect has come. */
  | { readonly kind: "woken" }
  /** A signal to this process, or whoever runs it, wants it to leave. */
  | { readonly kind: "stopRequested"; readonly how: LeaveKind; readonly reason: string }
  /** The user has no more patience (a second Ctrl-C). */
  | { readonly kind: "killRequested" };
