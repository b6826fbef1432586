/*
 * Proofs of the key, and MACs of frames: HMAC-SHA256 (RFC 2104) over texts that name what they are for, so that none
 * can stand for another; and what is made of keys that could be guessed. Knows no connections. PROTOCOL.md, sections 2
 * and 3, has the texts.
 */
import { createHmac, scrypt, scryptSync, timingSafeEqual } from "node:crypto";

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

/** What proofs and MACs are made with: a key as people share it, or what scrypt made of it. */
export type Secret = string | Uint8Array;

/** Keys of fewer bytes are made slow to guess. One of 32 hexadecimal digits has 128 random bits. */
const longEnough = 32;

/**
 * Parameters of scrypt (RFC 7914): 32 MiB and about 0.1 seconds for each key that somebody tries. They and the salt are
 * the same for all, and not for the other side to choose: whoever is at the port could choose a salt that is worked out
 * beforehand, or one after the other for us to work on. So it is done once in the life of a process.
 */
const cost = { N: 2 ** 15, r: 8, p: 1, maxmem: 64 * 2 ** 20 } as const;
const salt = "hypershell key 1";
const slowBytes = 32;

/** Whether a key is short enough for guesses. */
export function isShort(key: string): boolean {
  return Buffer.byteLength(key) < longEnough;
}

/** What scrypt made of the keys of this process, of which there are few. */
const slow = new Map<string, Uint8Array>();
const mostKept = 8;

/** What scrypt makes of a short key. Takes 0.1 seconds the first time, unless `prepareKey` was called. */
export function slowKey(key: string): Uint8Array {
  const known = slow.get(key) ?? scryptSync(key, salt, slowBytes, cost);
  if (!slow.has(key) && slow.size < mostKept) slow.set(key, known);
  return known;
}

/** Works out what is needed of a key before there are connections that would wait for it, in another thread. */
export async function prepareKey(key: string): Promise<void> {
  if (!isShort(key) || slow.has(key)) return;
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  scrypt(key, salt, slowBytes, cost, (error, made: Uint8Array | undefined) => {
    if (made === undefined) reject(error);
    else resolve(made);
  });
  slow.set(key, await promise);
}

/** The proof that `side` knows the key, hex. */
export function proof(key: Secret, side: Side, transcript: Transcript): string {
  return createHmac("sha256", key)
    .update(`proof of ${side}: ${describe(transcript)}`)
    .digest("hex");
}

/** The key (32 bytes) for the MACs of the frames that `side` sends. */
export function frameKey(key: Secret, side: Side, transcript: Transcript): Uint8Array {
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
