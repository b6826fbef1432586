/* What a client wants done, in the imperative. */
import type { Text } from "../log/logger.ts";
import type { Assignment } from "../task/task.ts";
import type { ClientMessage } from "../wire/message.ts";
import type { StopSignal } from "./executor.ts";

export type ClientEffect =
  /** To one of the servers that may be asked, counted from 0. Answered by one `connected` or `connectFailed`. */
  | { readonly kind: "connect"; readonly server: number }
  /** The connection is given up: nothing of it is of interest any more. */
  | { readonly kind: "hangUp" }
  /** Whose tasks run here from now on. */
  | { readonly kind: "served"; readonly serverId: string; readonly serverHost: string }
  | { readonly kind: "send"; readonly message: ClientMessage }
  /** Answered by exactly one `ended`. */
  | { readonly kind: "start"; readonly task: Assignment; readonly template: string | null }
  | { readonly kind: "signal"; readonly id: string; readonly signal: StopSignal }
  /** Answered by a `groupSeen`. */
  | { readonly kind: "lookAtGroup"; readonly id: string }
  /** Not even SIGKILL ended this task. */
  | { readonly kind: "gaveUp"; readonly id: string }
  /** Nothing of this task is of interest any more. */
  | { readonly kind: "forget"; readonly id: string }
  | {
      readonly kind: "note";
      readonly level: "trace" | "debug" | "info" | "warning" | "error" | "critical";
      readonly text: Text;
    }
  /** Send `woken` at this time; replaces an earlier wish. Infinity: none. */
  | { readonly kind: "wake"; readonly at: number }
  /** Everything is reported and said, or cannot be (see `failure` of the state); comes once, last. */
  | { readonly kind: "finish" };

export function note(
  effects: ClientEffect[],
  level: Extract<ClientEffect, { kind: "note" }>["level"],
  text: Text,
): void {
  effects.push({ kind: "note", level, text });
}
