/*
 * What an option comes to in one call: what the command line says, else what the configuration says under the option's
 * setting, else the option's preset, else null. Knows no command, and no built-in value: those of settings stand in
 * config/schema.ts.
 */
import { assert } from "../base/assert.ts";
import type { Config } from "../config/load.ts";
import type { BooleanKey, CertainNumberKey, CertainTextKey, NumberKey, TextKey } from "../config/schema.ts";
import type { CommandSpec, KeyOf, Option, OptionOf, Parsed } from "./spec.ts";

type Basic<O extends Option> = O["kind"] extends "flag"
  ? boolean
  : O["kind"] extends "text" | "optional"
    ? string
    : O["kind"] extends "integer" | "float" | "size" | "seconds"
      ? number
      : never;

/** Options that have a value in every call. */
type Certain = { readonly kind: "flag" } | { readonly preset: string | number } | { readonly setting: CertainSetting };
type CertainSetting = CertainTextKey | CertainNumberKey;

/** The type of the value of an option. */
export type Settled<O extends Option> = O extends { readonly repeatable: true }
  ? readonly string[]
  : O extends Certain
    ? Basic<O>
    : Basic<O> | null;

/** What an option may come to, whatever option it is. */
type AnyValue = string | number | boolean | readonly string[] | null;

/** The value of an option; of a repeatable one every text that was given. `words` are read from Parsed. */
export function settled<const O extends Option>(option: O, parsed: Parsed, config: Config): Settled<O> {
  return valueOf(option, parsed, config) as Settled<O>;
}

function valueOf(option: Option, parsed: Parsed, config: Config): AnyValue {
  const { key, kind, setting, preset = null } = option;
  // Its setting holds more than texts, and is read by whoever knows what they mean.
  if (option.repeatable === true) return parsed.words(key);
  // That the kinds of an option and of its setting agree is a test's business: the types of both would say it twice.
  if (kind === "flag") return parsed.flag(key) || (setting !== undefined && config.boolean(setting as BooleanKey));
  const isText = kind === "text" || kind === "optional";
  const given = isText ? parsed.text(key) : parsed.number(key);
  if (given !== undefined) return given;
  if (setting === undefined) return preset;
  return isText ? config.text(setting as TextKey) : config.number(setting as NumberKey);
}

/** Asks for the value of an option by its key. */
export type Reader<S extends CommandSpec> = <K extends KeyOf<S>>(key: K) => Settled<OptionOf<S, K>>;

/** A reader of one call: the values of the options of `spec`, each looked up when it is asked for. */
export function reader<const S extends CommandSpec>(spec: S, parsed: Parsed, config: Config): Reader<S> {
  const options = new Map<string, Option>();
  for (const section of spec.sections) for (const option of section.options) options.set(option.key, option);
  return (key) => {
    const option = options.get(key);
    assert(option !== undefined, `${spec.name} has no option '${key}'`);
    return valueOf(option, parsed, config) as never;
  };
}

/** The values of a table of options, under their keys. */
export type ValuesOf<T extends readonly Option[]> = { readonly [O in T[number] as O["key"]]: Settled<O> };

/**
 * What the options of `table` come to in a call of a command that has options of the same keys, perhaps with other
 * settings.
 */
export function valuesOf<const T extends readonly Option[]>(
  table: T,
  read: (key: T[number]["key"]) => AnyValue,
): ValuesOf<T> {
  return Object.fromEntries(table.map(({ key }) => [key, read(key)])) as ValuesOf<T>;
}

/**
 * The words that tell these values to a command with these options. null and false need none. A value that begins with
 * `-` could be taken for an option, so it is joined to a long name.
 */
export function wordsOf(table: readonly Option[], values: Readonly<Record<string, AnyValue>>): string[] {
  return table.flatMap(({ key, names }) => {
    const value = values[key] ?? null;
    const name = names[0] ?? "";
    if (value === null || value === false) return [];
    if (value === true) return [name];
    if (typeof value === "number") return [name, `${value}`];
    const texts = typeof value === "string" ? [value] : value;
    const long = names.find((each) => each.startsWith("--")) ?? name;
    return texts.flatMap((text) => (text.startsWith("-") ? [`${long}=${text}`] : [name, text]));
  });
}
