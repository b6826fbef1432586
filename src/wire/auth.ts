/*
 * Proofs and MACs: HMAC-SHA256 (RFC 2104) over texts that name what they are for, so that no proof can stand for another. Synchronous.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export type Side = "client" | "server";

/** What both sides agree on before the proofs; each part is of fixed length or hex, so no two transcripts read the same. */
export interface Transcript {
  readonly version: number;
  readonly clientNonce: string;
  readonly serverNonce: string;
  /** Of the TLS channel, hex (RFC 9266); null without TLS. */
  readonly binding: string | null;
}

function describe({ version, clientNonce, serverNonce, binding }: Transcript): string {
  return `hypershell ${version} ${clientNonce} ${serverNonce} ${binding ?? "no tls"}`;
}

/** Shows that `side` knows the key; hex. */
export function proof(key: string, side: Side, transcript: Transcript): string {
  return createHmac("sha256", key)
    .update(`proof of ${side}: ${describe(transcript)}`)
    .digest("hex");
}

/** The key of the MACs on what `side` sends. */
export function frameKey(key: string, side: Side, transcript: Transcript): Uint8Array {
  return createHmac("sha256", key)
    .update(`frames of ${side}: ${describe(transcript)}`)
    .digest();
}

/** Of the frame with this number, counted from 0 in its direction; base64url, 43 characters. */
export function frameMac(key: Uint8Array, number: number, frame: Uint8Array): string {
  return createHmac("sha256", key).update(`${number} `).update(frame).digest("base64url");
}

/** In a time that does not depend on where they differ. */
export function same(left: string, right: string): boolean {
  const one = Buffer.from(left, "latin1");
  const other = Buffer.from(right, "latin1");
  return one.length === other.length && timingSafeEqual(one, other);
}
