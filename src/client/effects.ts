/*
 * What a client wants done, in the imperative. The reactor makes these; the door carries them out.
 */
import type { Text } from "../log/logger.ts";
import type { Assignment, Outcome } from "../task/task.ts";
import type { ClientMessage, Ground } from "../wire/message.ts";
import type { Origin, StopSignal } from "./executor.ts";

export type ClientEffect =
  /** Connect to this server, counted from 0. Answered by one `connected` or `connectFailed`. */
  | { readonly kind: "connect"; readonly server: number }
  /** Close the connection, and ignore what it still brings. */
  | { readonly kind: "hangUp" }
  /** Tell the executor which server's tasks run here from now on. */
  | { readonly kind: "served"; readonly serverId: string; readonly serverHost: string }
  | { readonly kind: "send"; readonly message: ClientMessage }
  /** Start a task. Answered by exactly one `ended` or `unplaced`. `devices`: see Executor. */
  | {
      readonly kind: "start";
      readonly task: Assignment;
      readonly origin: Origin;
      readonly devices: readonly number[] | null;
    }
  | { readonly kind: "signal"; readonly id: string; readonly signal: StopSignal }
  /** Check whether processes of a task are left. Answered by a `restSeen`. */
  | { readonly kind: "lookAtRest"; readonly id: string }
  /** Log that not even SIGKILL ended this task. */
  | { readonly kind: "gaveUp"; readonly id: string }
  /** Forget a task that is over in every respect. */
  | { readonly kind: "forget"; readonly id: string }
  | {
      readonly kind: "note";
      readonly level: "trace" | "debug" | "info" | "warning" | "error" | "critical";
      readonly text: Text;
    }
  /** Send `woken` at this time; replaces an earlier wish. Infinity: never. */
  | { readonly kind: "wake"; readonly at: number }
  /** Keep these outcomes, which the server has not confirmed, for a later client to deliver. */
  | { readonly kind: "keep"; readonly ground: Ground; readonly outcomes: readonly Outcome[] }
  /**
   * End the client: everything is reported and said, or cannot be (see `failure` of the state). It comes once, last.
   */
  | { readonly kind: "finish" };

/** Adds a line to the log. */
export function note(
  effects: ClientEffect[],
  level: Extract<ClientEffect, { kind: "note" }>["level"],
  text: Text,
): void {
  effects.push({ kind: "note", level, text });
}
