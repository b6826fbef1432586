/* What can happen to a client, in the past tense. */
import type { Outcome } from "../task/task.ts";
import type { LeaveKind, ServerMessage } from "../wire/message.ts";
import type { ProblemKind } from "../wire/problem.ts";

export type ClientEvent =
  | { readonly kind: "received"; readonly message: ServerMessage }
  /** A connection was made, after `connect`. */
  | { readonly kind: "connected" }
  /** It could not be made. `permanent`: trying again is of no use. */
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
  /** Of a task that has ended while being stopped: whether processes of its group are left. */
  | { readonly kind: "groupSeen"; readonly id: string; readonly alive: boolean }
  /** The time that a `wake` effect named has come. */
  | { readonly kind: "woken" }
  /** A signal to this process, or whoever runs it, wants it to leave. */
  | { readonly kind: "stopRequested"; readonly how: LeaveKind; readonly reason: string }
  /** Ctrl-C a second time: no more patience. */
  | { readonly kind: "killRequested" };
