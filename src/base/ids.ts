/*
 * Ids and keys. Tasks and process instances have UUIDs of version 7 (RFC 9562), so that ids sort by time of creation
 * and the primary key index of a database grows at its end. Everything else that needs a name nobody else has takes one
 * from nanoid.
 */
import { customAlphabet, nanoid } from "nanoid";

/** A new UUIDv7, lower case with hyphens; strictly increasing within one process. */
export function newId(): string {
  return Bun.randomUUIDv7();
}

const uuidShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id in lower case, or null when the text does not have the shape of a UUID. */
export function parseId(text: string): string | null {
  const folded = text.toLowerCase();
  return uuidShape.test(folded) ? folded : null;
}

/** A name that nobody else has: 21 characters of `A-Za-z0-9_-`, 126 random bits. It may begin with `-`. */
export function uniqueName(): string {
  return nanoid();
}

const hexadecimal = customAlphabet("0123456789abcdef");

/** So many hexadecimal digits from the system's generator for secrets, 4 bits each: 128 digits have 512 bits. */
export function secretDigits(digits: number): string {
  return hexadecimal(digits);
}
