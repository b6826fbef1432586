/*
 * The few options of `scripts/soak`: `--name VALUE`, each with a default. Anything else ends the program with a line
 * that says so.
 */
import { say } from "./say.ts";

/** The values of the options. Ends the program with status 2 for an unknown option, and for one without a value. */
export function readWords<Name extends string>(
  words: readonly string[],
  defaults: Readonly<Record<Name, string>>,
): Record<Name, string> {
  const found: Record<string, string> = { ...defaults };
  for (let i = 0; i < words.length; i += 2) {
    const name = words[i]!.replace(/^--/, "");
    const value = words[i + 1];
    if (words[i] !== `--${name}` || !Object.hasOwn(defaults, name)) refuse(`unknown option: ${words[i]}`);
    if (value === undefined) refuse(`${words[i]} needs a value`);
    found[name] = value;
  }
  return found;
}

/** A whole number from 1 on; ends the program with status 2 for anything else. */
export function count(text: string, option: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) refuse(`${option} needs a whole number from 1 on, not '${text}'`);
  return value;
}

/** Says what is wrong and ends the program with status 2. */
export function refuse(text: string): never {
  say.error(`scripts/soak: ${text}`);
  process.exit(2);
}
