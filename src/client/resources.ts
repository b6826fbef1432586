/*
 * What the tasks of a client can ask for by name, and how much of it there is: gpus are found, of others only the user
 * knows. Here is how they are written. Knows no options and no configuration.
 */
import { gpus } from "../task/demand.ts";
import { whyNoResource } from "../task/tag.ts";

/** By name, in the order in which they were given. */
export type Resources = Readonly<Record<string, number>>;

/** More of a thing than this nobody counts, and sums of as many are exact. */
const most = 1_000_000_000;

/** `license:3`: the name and the amount. A text: why it is none. */
export function parseResource(word: string): { readonly name: string; readonly amount: number } | string {
  const colon = word.indexOf(":");
  if (colon < 0) return `a resource has a name and a number, as in ${word === "" ? "license" : word}:3`;
  const name = word.slice(0, colon).trim();
  const text = word.slice(colon + 1).trim();
  const amount = /^(?:\d+(?:\.\d*)?|\.\d+)$/.test(text) ? Number(text) : Number.NaN;
  return whyNotHad(name, amount) ?? { name, amount };
}

/** Why a client cannot have so much of a resource with this name; null: it can. */
export function whyNotHad(name: string, amount: unknown): string | null {
  const reason = whyNoResource(name);
  if (reason !== null) return reason;
  if (typeof amount !== "number" || !(amount >= 0)) return `the amount of ${name} is a number, 0 or more`;
  if (amount > most) return `the amount of ${name} is at most ${most}`;
  return name === gpus && !Number.isInteger(amount) ? "the number of gpus is whole" : null;
}
