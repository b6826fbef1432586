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

/** Whether the text is a UUID in lower case, as all ids of this program are. */
export function isId(text: string): boolean {
  return uuidShape.test(text);
}

/** The id in lower case, or null when the text does not have the shape of a UUID. */
export function parseId(text: string): string | null {
  const folded = text.toLowerCase();
  return uuidShape.test(folded) ? folded : null;
}

/** Positions of the hyphens of a UUID. */
const hyphens: ReadonlySet<number> = new Set([8, 13, 18, 23]);

/** The beginning of an id, in lower case: 8 characters or more; null when no UUID begins like that. */
export function parseIdPrefix(text: string): string | null {
  const folded = text.toLowerCase();
  if (folded.length < 8 || folded.length > 36) return null;
  const fits = Array.from(folded).every((each, at) => (hyphens.has(at) ? each === "-" : /[0-9a-f]/.test(each)));
  return fits ? folded : null;
}

/** The first and the last UUID that begin with what parseIdPrefix answers. */
export function idsFrom(prefix: string): readonly [first: string, last: string] {
  const rest = Array.from({ length: 36 - prefix.length }, (_, i) => (hyphens.has(prefix.length + i) ? "-" : "0"));
  return [prefix + rest.join(""), prefix + rest.join("").replaceAll("0", "f")];
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
