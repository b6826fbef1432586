/*
 * Tags as users write them (`key`, `key:value`), checked and turned into settings of a task. The keys `group`, `cores`,
 * `memory` and `timeout` name columns of the task instead of tags; `part` belongs to the database and is dropped.
 *
 *   tag   = key [ ":" [ value ] ]
 *   key   = 1 to 120 of A-Z a-z 0-9 _ . + -
 *   value = 0 to 120 of the same
 *
 * Does not know where a tag was written: what is wrong comes back as text, and the caller names the place.
 */
import { argumentError } from "../base/errors.ts";
import { parseSeconds, parseSize } from "../base/units.ts";
import { coerce, coerceTag } from "./coerce.ts";
import { builtInResources, whyNoAmount } from "./demand.ts";
import type { TagValue } from "./task.ts";

/** What one tag sets: a tag of the task, or one of its columns. */
export type TaskSetting =
  | { readonly kind: "tag"; readonly key: string; readonly value: TagValue }
  | { readonly kind: "group"; readonly value: number }
  | { readonly kind: "cores" | "memory" | "timeout"; readonly value: number | null };

/** A word that is no tag, and why: `bad tag "a/b": ...`. */
export interface BadTag {
  readonly word: string;
  readonly reason: string;
}

const shape = /^[A-Za-z0-9_.+-]*$/;
const longest = 120;
const alphabet = "A-Z a-z 0-9 _ . + -";

/** Keys of tags that are not those of resources. */
const reserved: ReadonlySet<string> = new Set(["group", "cores", "memory", "timeout", "part"]);

/** The largest group, number of cores, and timeout (seconds): every database has 32 bits for them. */
export const largestNumber = 2 ** 31 - 1;

/**
 * The settings of a list of words, in order; `part` is left out. A BadTag for the first word that cannot be one. Tags
 * with one of the names of `resources` need an amount.
 */
export function parseTags(
  words: readonly string[],
  resources: ReadonlySet<string> = builtInResources,
): readonly TaskSetting[] | BadTag {
  const settings: TaskSetting[] = [];
  for (const [index, word] of words.entries()) {
    const next = words[index + 1];
    // `site: b` would quietly make two empty tags, which nobody means.
    if (word.endsWith(":") && word.length > 1 && next !== undefined && !next.includes(":")) {
      return bad(`${word} ${next}`, `no blank may stand between a key and its value, write ${word}${next}`);
    }
    const setting = parseTag(word, resources);
    if ("reason" in setting) return setting;
    if (setting.kind !== "tag" || setting.key !== "part") settings.push(setting);
  }
  return settings;
}

/** As parseTags, for words of the command line. Throws UserError for the first word that cannot be a tag. */
export function requireTags(words: readonly string[], resources?: ReadonlySet<string>): readonly TaskSetting[] {
  const settings = parseTags(words, resources);
  if ("reason" in settings) throw argumentError(describeBadTag(settings));
  return settings;
}

/** The sentence for the user; a long word is shortened. */
export function describeBadTag({ word, reason }: BadTag): string {
  const shown = word.length <= 2 * longest ? word : `${word.slice(0, 2 * longest)}...`;
  return `bad tag "${shown}": ${reason}`;
}

/** The setting of one word, or why it is none; the key `part` is taken like any other. `resources`: as in parseTags. */
export function parseTag(word: string, resources: ReadonlySet<string> = builtInResources): TaskSetting | BadTag {
  const colon = word.indexOf(":");
  const key = (colon < 0 ? word : word.slice(0, colon)).trim();
  const text = colon < 0 ? "" : word.slice(colon + 1).trim();
  switch (key) {
    case "group":
    case "cores":
    case "memory":
    case "timeout":
      return parseReserved(key, word, text);
  }
  const reason = whyNoKey(key);
  if (reason !== null) return bad(word, reason);
  const value = coerceTag(text);
  if (typeof value === "string") {
    if (!shape.test(value)) return bad(word, `a value may only hold ${alphabet}`);
    if (value.length > longest)
      return bad(word, `the value is too long (${value.length} characters, at most ${longest})`);
  }
  const noAmount = resources.has(key) ? whyNoAmount(key, value) : null;
  if (noAmount !== null) return bad(word, noAmount);
  return { kind: "tag", key, value };
}

/** Why no tag can have this key; null: a tag can. */
export function whyNoKey(key: string): string | null {
  if (key === "") return "the key is empty";
  if (!shape.test(key)) return `a key may only hold ${alphabet}`;
  return key.length > longest ? `the key is too long (${key.length} characters, at most ${longest})` : null;
}

/** Why no resource can have this name, which a tag has to bear; null: one can. */
export function whyNoResource(name: string): string | null {
  return reserved.has(name) ? `${name} is no name for a resource, because it means something else` : whyNoKey(name);
}

/** The setting of a column. `null` takes a limit away again, and so does 0, as in the configuration. */
function parseReserved(
  key: "group" | "cores" | "memory" | "timeout",
  word: string,
  text: string,
): TaskSetting | BadTag {
  if (coerce(text) === null) return key === "group" ? { kind: key, value: 0 } : { kind: key, value: null };
  switch (key) {
    case "group":
    case "cores": {
      const value = coerce(text);
      if (typeof value !== "number" || !/^[-+\d_\s]+$/.test(text) || value < 0) {
        return bad(word, `${key} is a whole number, 0 or more`);
      }
      if (value > largestNumber) return bad(word, `${key} is at most ${largestNumber}`);
      return key === "group" ? { kind: key, value } : { kind: key, value: value || null };
    }
    case "memory": {
      const bytes = parseSize(text);
      if (bytes === null) return bad(word, "memory is a number of bytes, or with a unit as in 512MB or 1.5GB");
      return { kind: key, value: bytes || null };
    }
    case "timeout": {
      const seconds = parseSeconds(text);
      if (seconds === null) return bad(word, "timeout is a number of seconds, or as in 90s, 10m, 2h, 1:30:00");
      if (seconds > largestNumber) return bad(word, `timeout is at most ${largestNumber} seconds`);
      return { kind: key, value: seconds || null };
    }
  }
}

function bad(word: string, reason: string): BadTag {
  return { word, reason };
}
