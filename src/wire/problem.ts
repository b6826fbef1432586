/*
 * In which ways a connection can go wrong, and whose fault each is. PROTOCOL.md has the same list; the texts that people read are made where
 * the problem is found.
 */

export type ProblemKind =
  /** Nobody listens there. */
  | "refused"
  /** The name is not known, or there is no way to the host. */
  | "unreachable"
  /** Did not answer in time: connecting, handshake, or no sign of life. */
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
  /** What came is no message: no JSON, too long, wrong fields, out of turn, or its MAC is wrong. */
  | "malformed"
  /** Too many connections that have not shown the key. */
  | "busy";

/** `permanent`: trying again will not help (wrong key, wrong version). */
export class WireProblem extends Error {
  override readonly name: string = "WireProblem";
  constructor(
    readonly kind: ProblemKind,
    text: string,
  ) {
    super(text);
  }

  get permanent(): boolean {
    return this.kind === "tls" || this.kind === "certificate" || this.kind === "key" || this.kind === "version";
  }
}
