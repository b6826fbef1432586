/* What a client wants done, in the imperative. The reactor says it, the door does it. */
import type { Text } from "../log/logger.ts";
import type { Assignment } from "../task/task.ts";
import type { ClientMessage } from "../wire/message.ts";
import type { StopSignal } from "./executor.ts";

export type ClientEffect =
  /** Connect to this server, counted from 0. Answered by one `connected` or `connectFailed`. */
  | { readonly kind: "connect"; readonly server: number }
  /** Close the connection, and ignore what it still brings. */
  | { readonly kind: "hangUp" }
  /** Tell the executor whose tasks run here from now on. */
  | { readonly kind: "served"; readonly serverId: string; readonly serverHost: string }
  | { readonly kind: "send"; readonly message: ClientMessage }
  /** Start a task. Answered by exactly one `ended`. */
  | { readonly kind: "start"; readonly task: Assignment; readonly template: string | null }
  | { readonly kind: "signal"; readonly id: string; readonly signal: StopSignal }
  /** Look whether processes of the group of a task are left. Answered by a `groupSeen`. */
  | { readonly kind: "lookAtGroup"; readonly id: string }
  /** Log that not even SIGKILL ended this task. */
  | { readonly kind: "gaveUp"; readonly id: string }
  /** Forget a task of which nothing is of interest any more. */
  | { readonly kind: "forget"; readonly id: string }
  | {
      readonly kind: "note";
      readonly level: "trace" | "debug" | "info" | "warning" | "error" | "critical";
      readonly text: Text;
    }
  /** Send `woken` at this time; replaces an earlier wish. Infinity: none. */
  | { readonly kind: "wake"; readonly at: number }
  /**
   * End the client: everything is reported and said, or cannot be (see `failure` of the state). Comes once, last.
   */
  | { readonly kind: "finish" };

/** Adds a line for the log. */
export function note(
  effects: ClientEffect[],
  level: Extract<ClientEffect, { kind: "note" }>["level"],
  text: Text,
): void {
  effects.push({ kind: "note", level, text });
}
