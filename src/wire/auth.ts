/*
 * Proofs of the key, and MACs of frames: HMAC-SHA256 (RFC 2104) over texts that name what they are for, so that none
 * can stand for another. Keeps no state and knows no connections. PROTOCOL.md, sections 2 and 3, has the texts.
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export type Side = "client" | "server";

/**
 * What both sides have said before the proofs. Each part has a fixed length or is hex, so that no two transcripts read
 * the same.
 */
export interface Transcript {
  readonly version: number;
  readonly clientNonce: string;
  readonly serverNonce: string;
  /** The binding of the TLS channel (RFC 9266), hex; null without TLS. */
  readonly binding: string | null;
}

function describe({ version, clientNonce, serverNonce, binding }: Transcript): string {
  return `hypershell ${version} ${clientNonce} ${serverNonce} ${binding ?? "no tls"}`;
}

/** The proof that `side` knows the key, hex. */
export function proof(key: string, side: Side, transcript: Transcript): string {
  return createHmac("sha256", key)
    .update(`proof of ${side}: ${describe(transcript)}`)
    .digest("hex");
}

/** The key (32 bytes) for the MACs of the frames that `side` sends. */
export function frameKey(key: string, side: Side, transcript: Transcript): Uint8Array {
  return createHmac("sha256", key)
    .update(`frames of ${side}: ${describe(transcript)}`)
    .digest();
}

/** The MAC of a frame: 43 characters of base64url. Frames are numbered from 0 in each direction. */
export function frameMac(key: Uint8Array, number: number, frame: Uint8Array): string {
  return createHmac("sha256", key).update(`${number} `).update(frame).digest("base64url");
}

/** Whether two texts of Latin-1 are equal. The time does not depend on where they differ. */
export function same(left: string, right: string): boolean {
  const one = Buffer.from(left, "latin1");
  const other = Buffer.from(right, "latin1");
  return one.length === other.length && timingSafeEqual(one, other);
}
