/*
 * Listening and connecting: TCP, with TLS or without, as ByteStreams with a session on top. The only user of Bun.listen and Bun.connect.
 */
import type { Duplex } from "./duplex.ts";
import type { HostMessage, PeerMessage } from "./message.ts";
import type { WireProblem } from "./problem.ts";
import type { SessionOptions } from "./session.ts";

/** PEM texts and the rules of TLS. */
export interface ServerTls {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string | null;
}

export interface ClientTls {
  /** PEM of the certificates to trust; null: the system's. Not looked at with `fingerprint`, or when `trust` is not "chain". */
  readonly ca: string | null;
  /**
   * `proof`: any certificate, because the proof of the key is bound to this very channel. `chain`: signed by `ca` (and the name, if
   * `servername` is set or `ca` is null). `fingerprint`: this very certificate. `none`: as `proof`, said to be insecure.
   */
  readonly trust: "proof" | "chain" | "fingerprint" | "none";
  /** SHA-256 of the certificate: 64 lower-case hex digits; null unless `trust` is "fingerprint". */
  readonly fingerprint: string | null;
  /** The name that the certificate must have, and that is sent (SNI); null: the host, only checked against the system's authorities. */
  readonly servername: string | null;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly ciphers: string | null;
}

export interface ListenOptions extends Omit<SessionOptions, "nonce"> {
  /** A name or an address, IPv4 or IPv6. */
  readonly host: string;
  /** 0: any free one. */
  readonly port: number;
  /** null: no TLS, every frame has a MAC. */
  readonly tls: ServerTls | null;
  /** A peer that has shown the key. */
  readonly onSession: (link: Duplex<HostMessage, PeerMessage>, peer: string) => void;
  /** A connection that came to nothing; `peer` for the log. */
  readonly onProblem: (problem: WireProblem, peer: string) => void;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** No new connections; those that are open stay. */
  close(): void;
}

export interface ConnectOptions extends Omit<SessionOptions, "nonce"> {
  readonly host: string;
  readonly port: number;
  readonly tls: ClientTls | null;
  /** The connection must be made by then, milliseconds. */
  readonly connectMs: number;
}

/** Throws a UserError when the port is taken or the address is not this host's: `OSError: ...`, status 5. */
export declare function listen(options: ListenOptions): Promise<Listener>;

/** Rejects with a WireProblem. */
export declare function connect(options: ConnectOptions): Promise<Duplex<PeerMessage, HostMessage>>;
