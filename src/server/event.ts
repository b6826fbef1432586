/* What can happen to a server, in the past tense. The door makes these; the reactor only reads them. */
import type { Claim, CommitReport } from "../store/store.ts";
import type { ClientMessage, LeaveKind } from "../wire/message.ts";

export type ServerEvent =
  /** A client said hello on a connection of its own. */
  | { readonly kind: "joined"; readonly hello: Extract<ClientMessage, { kind: "hello" }> }
  | {
      readonly kind: "received";
      readonly clientId: string;
      readonly message: Exclude<ClientMessage, { kind: "hello" }>;
    }
  /** The connection of a client ended, with or without a bye before. */
  | { readonly kind: "disconnected"; readonly clientId: string }
  /** The store answered a claim; `templates` are those of submissions that this server meets for the first time. */
  | {
      readonly kind: "claimed";
      readonly claim: Claim;
      readonly templates: readonly { readonly id: string; readonly template: string | null }[];
    }
  | { readonly kind: "committed"; readonly report: CommitReport }
  /** Tasks may have been added to the store. */
  | { readonly kind: "inserted" }
  /** Lines were read that will be added to the store. */
  | { readonly kind: "inputResumed" }
  /** No line came for a while; more may. */
  | { readonly kind: "inputQuiet" }
  | { readonly kind: "inputEnded" }
  /** The time that a `wake` effect named has come. */
  | { readonly kind: "woken" }
  | { readonly kind: "stopRequested"; readonly how: LeaveKind };
