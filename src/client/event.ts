/*
 * What can happen to a client, in the past tense. The door makes these; the reactor reads them.
 */
import type { Outcome } from "../task/task.ts";
import type { LeaveKind, ServerMessage } from "../wire/message.ts";
import type { ProblemKind } from "../wire/problem.ts";
import type { End } from "./allocation.ts";

export type ClientEvent =
  | { readonly kind: "received"; readonly message: Exclude<ServerMessage, { kind: "taken" | "show" }> }
  /** A connection was made, after `connect`. */
  | { readonly kind: "connected" }
  /** A connection could not be made, after `connect`. `permanent`: trying again does not help. */
  | {
      readonly kind: "connectFailed";
      readonly problem: ProblemKind;
      readonly text: string;
      readonly permanent: boolean;
    }
  /** The connection ended. `error` is null for an orderly end. */
  | { readonly kind: "disconnected"; readonly error: string | null }
  /** A task waits until the system lets it start (`isWaiting`), or has started after it did. */
  | { readonly kind: "held"; readonly id: string; readonly isWaiting: boolean }
  /** A task was not started: what ended before it is not recorded yet, and takes its time. */
  | { readonly kind: "postponed"; readonly id: string }
  /** A started task has ended. `isUnread`: by SIGPIPE, because nobody reads the output of this client any more. */
  | { readonly kind: "ended"; readonly outcome: Outcome; readonly isUnread: boolean }
  /**
   * A task has taken more memory than it asked for, bytes. `isKilled`: the kernel has ended all of it, and an `ended`
   * follows; else it goes on.
   */
  | {
      readonly kind: "overMemory";
      readonly id: string;
      readonly used: number;
      readonly allowed: number;
      readonly isKilled: boolean;
    }
  /** A task was not started, because the directory of its submission cannot be entered. */
  | { readonly kind: "unplaced"; readonly id: string; readonly reason: string }
  /** Somebody checked whether processes are left of a task that ended while it was being stopped. */
  | {
      readonly kind: "restSeen";
      readonly id: string;
      readonly alive: boolean;
      /** Whether all of them ignore SIGINT, as what a shell starts with & does. */
      readonly ignoreInterrupt?: boolean;
    }
  /** The time of a `wake` effect has come. */
  | { readonly kind: "woken" }
  /** The batch system has said when the time of this host is up; null: nothing is known of an end. */
  | { readonly kind: "endLearned"; readonly end: End | null }
  /** From now on the client leaves after this long without a task, milliseconds; null: never. */
  | { readonly kind: "idleLimited"; readonly idleMs: number | null }
  /** A signal to this process, or the code that runs it, asks it to leave. */
  | { readonly kind: "stopRequested"; readonly how: LeaveKind; readonly reason: string }
  /** The user does not want to wait any longer (a second Ctrl-C). */
  | { readonly kind: "killRequested" };
