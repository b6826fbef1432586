/*
 * The two ends of a connection, as their owners see them. duplex.ts says what a connection promises.
 */
import type { Duplex } from "./duplex.ts";
import type { HostMessage, PeerMessage } from "./message.ts";

/** A server's end of a connection to a client or submitter. */
export type PeerLink = Duplex<HostMessage, PeerMessage>;

/** A client's or submitter's end of the connection to its server. */
export type HostLink = Duplex<PeerMessage, HostMessage>;
