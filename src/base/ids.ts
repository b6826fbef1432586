/*
 * UUIDs of tasks and process instances: version 7 (RFC 9562), so that ids sort by time of creation and
 * the primary key index of a database grows at its end.
 */

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
