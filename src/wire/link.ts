/* The two ends of a connection, as who holds one sees it. What a connection promises is told by duplex.ts. */
import type { Duplex } from "./duplex.ts";
import type { HostMessage, PeerMessage } from "./message.ts";

/** A server's way to a client or submitter. */
export type PeerLink = Duplex<HostMessage, PeerMessage>;

/** The way of a client or submitter to its server. */
export type HostLink = Duplex<PeerMessage, HostMessage>;
