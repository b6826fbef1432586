/*
 * What a server wants done, in the imperative. The reactor makes these; the door carries them out and reports back by
 * events.
 */
import type { Text } from "../log/logger.ts";
import type { ClaimRequest, Commit } from "../store/store.ts";
import type { NewTask } from "../task/task.ts";
import type { Lease, ServerMessage } from "../wire/message.ts";

/** `refusal`: a warning of which there are at most so many in a minute (log/sparing.ts). */
export type NoteLevel = "refusal" | "trace" | "debug" | "info" | "warning" | "error" | "critical";

export type ServerEffect =
  | { readonly kind: "send"; readonly clientId: string; readonly message: ServerMessage }
  /** Forget the connection of a client. */
  | { readonly kind: "disconnect"; readonly clientId: string }
  /** Ask the store for tasks. Answered by exactly one `claimed`. */
  | { readonly kind: "claim"; readonly request: Omit<ClaimRequest, "serverId" | "serverHost" | "at"> }
  /**
   * Tell the store what has happened. Answered by exactly one `committed`. `confirms`: clients are told then that their
   * outcomes are safe.
   */
  | {
      readonly kind: "commit";
      readonly commit: Omit<Commit, "serverId" | "serverHost">;
      readonly confirms: boolean;
    }
  /**
   * Make this client known to the store, and have the store hand over those of the tasks `adopt` that have not ended.
   * Answered by exactly one `registered` with this number.
   */
  | {
      readonly kind: "register";
      readonly clientId: string;
      readonly host: string;
      readonly number: number;
      readonly adopt: readonly string[];
      /** Whether the client has any tasks, known to this server or not. */
      readonly brings: boolean;
      /** The tasks among `adopt` that have ended at the client. */
      readonly finished: readonly string[];
      /** Dead servers that may be on record as holding them. */
      readonly from: readonly string[];
    }
  /** Ask the store how many unfinished tasks were submitted from this directory. Answered by one `counted`. */
  | { readonly kind: "countFrom"; readonly cwd: string }
  /** Ask the store what others did to tasks of this server. Answered by one `recalled`. */
  | { readonly kind: "recalls" }
  /** Have the store free what a dead server still holds. Answered by one `buried`. */
  | { readonly kind: "bury"; readonly serverId: string }
  /** Ask the store whether it has the row of this server. Answered by one `rowSeen` or `rowMissed`. */
  | { readonly kind: "attest" }
  /** Write the row of this server again. Answered by one `entered`. */
  | { readonly kind: "enter" }
  /** Tell the store that a client has left, or was given up. One that never had a task is forgotten there. */
  | {
      readonly kind: "endClient";
      readonly clientId: string;
      readonly evicted: boolean;
      readonly hasWorked: boolean;
    }
  /** Print what this run has printed, if it did: its outcome is recorded. See Printer. */
  | { readonly kind: "recorded"; readonly run: Lease; readonly text: string; readonly next: string | null }
  /** Write a task that failed for good to the failure file. `template`: that of its submission; null: none. */
  | { readonly kind: "failed"; readonly task: NewTask; readonly template: string | null }
  /** Log this. */
  | { readonly kind: "note"; readonly level: NoteLevel; readonly text: Text }
  /** Send `woken` at this time, milliseconds since 1970; replaces an earlier wish. */
  | { readonly kind: "wake"; readonly at: number }
  /** Report that nothing is left to do; comes once, last. */
  | { readonly kind: "finish" };

/** Logs a line. On busy paths the text is a function, which is called only when the level is on. */
export function note(effects: ServerEffect[], level: NoteLevel, text: Text): void {
  effects.push({ kind: "note", level, text });
}

/** Sends a client a message about these of its dispatches, if there are any. */
export function tell(
  effects: ServerEffect[],
  clientId: string,
  kind: "ack" | "cancel" | "drop",
  tasks: readonly Lease[],
): void {
  if (tasks.length > 0) effects.push({ kind: "send", clientId, message: { kind, tasks } });
}
