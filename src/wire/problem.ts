/*
 * The ways in which a connection can go wrong. PROTOCOL.md, section 8, tells whose fault each is. The texts that people
 * read are made where the problem is found.
 */

export type ProblemKind =
  /** Nobody listens there. */
  | "refused"
  /** The name is not known, or there is no way to the host. */
  | "unreachable"
  /** The other side did not answer in time: no connection, no end of the handshake, or no sign of life. */
  | "silent"
  /** The connection broke. */
  | "lost"
  /** One side speaks TLS, the other does not, or they cannot agree. */
  | "tls"
  /** The certificate is not the one that was asked for. */
  | "certificate"
  /** The other side does not know the key, or somebody is in between. */
  | "key"
  /** The other side speaks another version of the protocol. */
  | "version"
  /** What came is no message (no JSON, too long, wrong fields), comes out of turn, or has the wrong MAC. */
  | "malformed"
  /** The server has too many connections that have not shown the key. */
  | "busy";

/** What is wrong with a connection, and a text for people. */
export class WireProblem extends Error {
  override readonly name: string = "WireProblem";
  constructor(
    readonly kind: ProblemKind,
    text: string,
  ) {
    super(text);
  }

  /** Whether trying again will not help, as with a wrong key or version. */
  get permanent(): boolean {
    return this.kind === "tls" || this.kind === "certificate" || this.kind === "key" || this.kind === "version";
  }
}
