/* What a server wants done, in the imperative. The reactor makes these; the door carries them out and reports back by events. */
import type { Text } from "../log/logger.ts";
import type { ClaimRequest, Commit } from "../store/store.ts";
import type { ServerMessage } from "../wire/message.ts";

export type NoteLevel = "trace" | "debug" | "info" | "warning" | "error" | "critical";

export type ServerEffect =
  | { readonly kind: "send"; readonly clientId: string; readonly message: ServerMessage }
  /** Forget the connection of a client. */
  | { readonly kind: "disconnect"; readonly clientId: string }
  /** Answered by exactly one `claimed`. */
  | { readonly kind: "claim"; readonly request: Omit<ClaimRequest, "serverId" | "serverHost" | "at"> }
  /** Answered by exactly one `committed`. */
  | { readonly kind: "commit"; readonly commit: Omit<Commit, "serverId" | "serverHost"> }
  /**
   * The store is to know of this client, and to hand over those of its tasks `adopt` that have not ended. Answered by exactly one `registered` with
   * this number.
   */
  | {
      readonly kind: "register";
      readonly clientId: string;
      readonly host: string;
      readonly number: number;
      readonly adopt: readonly string[];
      /** It has tasks, known to this server or not. */
      readonly brings: boolean;
      /** Those of them that have ended there. */
      readonly finished: readonly string[];
      /** Dead servers that may be on record as holding them. */
      readonly from: readonly string[];
    }
  /** Answered by one `recalled`. */
  | { readonly kind: "recalls" }
  /** Answered by one `buried`. */
  | { readonly kind: "bury"; readonly serverId: string }
  | { readonly kind: "endClient"; readonly clientId: string; readonly evicted: boolean }
  /** A task failed for good: its input line for the failure file. */
  | { readonly kind: "failed"; readonly args: string }
  | { readonly kind: "note"; readonly level: NoteLevel; readonly text: Text }
  /** Send `woken` at this time; replaces an earlier wish. */
  | { readonly kind: "wake"; readonly at: number }
  /** Nothing is left to do; comes once, last. */
  | { readonly kind: "finish" };

export function note(effects: ServerEffect[], level: NoteLevel, text: Text): void {
  effects.push({ kind: "note", level, text });
}
