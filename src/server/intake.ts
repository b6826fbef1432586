/*
 * The server's end of `hs submit --queue`: tasks that come over the wire are stored, and answered when they are.
 */
import type { Clock } from "../base/clock.ts";
import type { Logger } from "../log/logger.ts";
import type { Scope, Store } from "../store/store.ts";
import type { Duplex } from "../wire/duplex.ts";
import type { HostMessage, PeerMessage, SubmitterMessage } from "../wire/message.ts";

export interface IntakeOptions {
  readonly store: Store;
  readonly scope: Scope;
  readonly serverId: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** The server is about to end and takes nothing more. */
  readonly closing: () => boolean;
  /** A submitter is there, and gone, for the schedule: called once each. */
  readonly onOpen: () => void;
  readonly onClose: () => void;
}

/** The door delivers what comes over the link, and its end. */
export interface Intake {
  receive(message: Exclude<SubmitterMessage, { kind: "submitter" }>): void;
  closed(): void;
}

export declare function takeSubmitter(
  link: Duplex<HostMessage, PeerMessage>,
  first: Extract<SubmitterMessage, { kind: "submitter" }>,
  options: IntakeOptions,
): Intake;
