/*
 * The option grammar: words of a command line, checked strictly against a CommandSpec. Knows no command and prints
 * nothing; every complaint is an argumentError.
 *
 *   line      = { word } [ "--" { operand } ]          only the first "--" is dropped; words after it are positional
 *   word      = "--" name [ "=" value ]                any unambiguous prefix of a long name
 *             | "-" letter [ [ "=" ] value ]           value attached: -N4, -N=4
 *             | "-" letter { letter } [ [ "=" ] value ]  flags in a cluster, the last may take a value: -cRl5
 *             | positional                             anywhere among the options
 *
 * A word is an option when it starts with "-" and is neither "-" itself nor a number. The only digit that may be an
 * option is 0, as in xargs: where a command has it, `-0` and `-0c` are options, and `-0.5` is still a number. In the
 * place of a value a word with a blank in it is a value too (`--template '-n {}'`), unless it is plainly an option with
 * its value attached.
 */
import { escapeCharacter } from "../base/escape.ts";
import { assert } from "../base/assert.ts";
import { argumentError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { parseSeconds, parseSize } from "../base/units.ts";
import type { InputWords } from "./inputs.ts";
import type { CommandSpec, Option, Parsed, Positional, SecretWord } from "./spec.ts";

/** Every command has it; a command that declares its own keeps it. */
export const helpOption: Option = {
  key: "help",
  names: ["-h", "--help"],
  kind: "flag",
  help: "Show this help and stop.",
};

/**
 * What the words mean: a call for help (wherever it stands before `--`), or values. `inputs` came after them. Throws
 * argumentError.
 */
export function parseFlags(
  spec: CommandSpec,
  words: readonly string[],
  inputs: InputWords | null = null,
): Parsed | "help" {
  const names = nameTable(spec);
  try {
    return parse(spec, names, words, inputs);
  } catch (thrown) {
    if (asksForHelp(words)) return "help";
    throw thrown;
  }
}

function asksForHelp(words: readonly string[]): boolean {
  const end = words.indexOf("--");
  const before = end < 0 ? words : words.slice(0, end);
  return before.includes("--help") || before.includes("-h");
}

type OptionValue = string | number;

/** A command line, and what has been found on it so far. */
interface Line {
  readonly spec: CommandSpec;
  readonly names: ReadonlyMap<string, Option>;
  readonly words: readonly string[];
  /** The values of each option and positional, by key. A flag that was given has an empty list. */
  readonly values: Map<string, OptionValue[]>;
  readonly seen: Option[];
  readonly positional: string[];
  readonly secrets: SecretWord[];
  readonly unrecognized: string[];
  /** The word to look at next. */
  at: number;
  asksForHelp: boolean;
  /** Whether `--` was met. */
  verbatim: boolean;
}

function parse(
  spec: CommandSpec,
  names: ReadonlyMap<string, Option>,
  words: readonly string[],
  inputs: InputWords | null,
): Parsed | "help" {
  const line: Line = {
    spec,
    names,
    words,
    values: new Map(),
    seen: [],
    positional: [],
    secrets: [],
    unrecognized: [],
    at: 0,
    asksForHelp: false,
    verbatim: false,
  };
  while (line.at < words.length) readWord(line, words[line.at++]!);
  if (line.asksForHelp) return "help";

  const surplus = assign(spec.positionals, line.positional, line.values);
  if (line.unrecognized.length > 0 || surplus.length > 0) {
    const hint = meant(names, line.unrecognized);
    throw argumentError(`unrecognized arguments: ${[...line.unrecognized, ...surplus].join(" ")}${hint}`);
  }
  return { ...answers(spec, names, line.values), secrets: line.secrets, verbatim: line.verbatim, inputs };
}

/** The long option that one of these words was meant to be, as the end of a message; empty where there is none. */
function meant(names: ReadonlyMap<string, Option>, unrecognized: readonly string[]): string {
  const known = [...names].filter(([name, { hidden }]) => name.startsWith("--") && hidden !== true);
  const letters = known.map(([name]) => name.slice(2));
  for (const word of unrecognized) {
    if (!word.startsWith("--")) continue;
    const close = nearest(word.slice(2).replace(/=.*$/s, ""), letters);
    if (close !== null) return ` (did you mean '--${close}'?)`;
  }
  return "";
}

function readWord(line: Line, word: string): void {
  const { names, words, positional, unrecognized } = line;
  if (word === "--") {
    line.verbatim = true;
    // Not push(...): a long list of words must not become arguments on the stack.
    for (; line.at < words.length; line.at += 1) positional.push(words[line.at]!);
    return;
  }
  if (!isOption(names, word)) {
    positional.push(word);
    return;
  }
  const found = find(names, word);
  if (found !== null) {
    readOption(line, found);
    return;
  }
  // Words that follow may have been meant for it, so they are named with it.
  unrecognized.push(word);
  while (line.at < words.length && words[line.at] !== "--" && !isOption(names, words[line.at]!))
    unrecognized.push(words[line.at++]!);
}

/** Notes the options of one word; the last of them takes its value, attached or from the words that follow. */
function readOption(line: Line, { options, attached }: Found): void {
  const { names, words } = line;
  if (options.some((option) => option.names.includes("--help"))) line.asksForHelp = true;
  options.slice(0, -1).forEach((option) => note(line, option));
  const option = options.at(-1)!;
  if (option.kind === "flag") {
    if (attached !== null) throw blame(option, `takes no value, but ${quoted(attached)} was given`);
    note(line, option);
  } else if (attached !== null) {
    take(line, option, attached);
  } else if (option.kind === "words") {
    const kept = note(line, option);
    if (!isValue(names, words[line.at])) throw blame(option, "expected at least one argument");
    while (isValue(names, words[line.at])) kept.push(convert(option, words[line.at++]!));
  } else if (isValue(names, words[line.at])) {
    take(line, option, words[line.at++]!);
  } else if (option.kind === "optional") {
    note(line, option).push("");
  } else {
    throw blame(option, "expected one argument");
  }
}

/** Keeps the value of an option, which stands in the last word that was read. */
function take(line: Line, option: Option, value: string): void {
  note(line, option).push(convert(option, value));
  if (option.secret === true) line.secrets.push({ word: line.at - 1, value });
}

function isOption(names: ReadonlyMap<string, Option>, word: string): boolean {
  return looksLikeOption(names, word) && !(word.includes(" ") && find(names, word) === null);
}

function isValue(names: ReadonlyMap<string, Option>, word: string | undefined): word is string {
  if (word === undefined || word === "--") return false;
  return !looksLikeOption(names, word) || (word.includes(" ") && !hasAttachedValue(names, word));
}

/** Marks an option as given and answers the list for its values. Throws argumentError when another excludes it. */
function note({ spec, seen, values }: Line, option: Option): OptionValue[] {
  for (const group of spec.exclusive) {
    if (!group.includes(option.key)) continue;
    const other = seen.find((earlier) => earlier.key !== option.key && group.includes(earlier.key));
    if (other !== undefined) throw blame(option, `not allowed with argument ${joined(other)}`);
  }
  seen.push(option);
  const kept = values.get(option.key);
  if (kept !== undefined && (option.repeatable === true || option.kind === "words")) return kept;
  const fresh: OptionValue[] = [];
  values.set(option.key, fresh);
  return fresh;
}

/** Every way to write an option. A spec that uses a name twice is our mistake. */
export function nameTable(spec: CommandSpec): ReadonlyMap<string, Option> {
  const table = new Map<string, Option>();
  const options = spec.sections.flatMap((section) => section.options);
  for (const option of options.some((each) => each.names.includes("--help")) ? options : [...options, helpOption]) {
    for (const name of option.names) {
      assert(!table.has(name), `${spec.name} declares ${name} twice`);
      table.set(name, option);
    }
  }
  return table;
}

function looksLikeOption(names: ReadonlyMap<string, Option>, word: string): boolean {
  if (word.length < 2 || !word.startsWith("-") || word === "--") return false;
  return !/^-\.?\d/.test(word) || (names.has("-0") && /^-0(?!\.?\d)/.test(word));
}

/** The options that a word names. */
export interface Found {
  /** More than one for a cluster of short flags; only the last may take a value. */
  readonly options: readonly Option[];
  /** What was written together with the option; null: nothing. */
  readonly attached: string | null;
}

/** The options a word names; null when it names none. Throws argumentError for an ambiguous prefix. */
export function find(names: ReadonlyMap<string, Option>, word: string): Found | null {
  return word.startsWith("--") ? findLong(names, word) : findShort(names, word);
}

function findLong(names: ReadonlyMap<string, Option>, word: string): Found | null {
  const sign = word.indexOf("=");
  const name = sign < 0 ? word : word.slice(0, sign);
  const attached = sign < 0 ? null : word.slice(sign + 1);
  const exact = names.get(name);
  if (exact !== undefined) return { options: [exact], attached };
  if (name.length < 3 || name.includes(" ")) return null;
  const prefixed = [...names].filter(([each]) => each.startsWith(name));
  const shown = prefixed.filter(([, option]) => option.hidden !== true);
  const candidates = shown.length > 0 ? shown : prefixed;
  const first = candidates[0];
  if (first === undefined) return null;
  if (candidates.some(([, option]) => option.key !== first[1].key)) {
    throw argumentError(`ambiguous option: ${name} could match ${candidates.map(([each]) => each).join(", ")}`);
  }
  return { options: [first[1]], attached };
}

function findShort(names: ReadonlyMap<string, Option>, word: string): Found | null {
  const options: Option[] = [];
  for (let at = 1; at < word.length; at += 1) {
    const option = names.get(`-${word[at]}`);
    if (option === undefined) {
      // `-c=yes`: the flag is known, its value is the mistake.
      return word[at] === "=" && options.length > 0 ? { options, attached: word.slice(at + 1) } : null;
    }
    options.push(option);
    if (option.kind !== "flag") {
      const rest = word.slice(at + 1);
      return { options, attached: rest === "" ? null : rest.replace(/^=/, "") };
    }
  }
  return { options, attached: null };
}

/** `--launcher=srun -n4` and `-techo {}` in the place of a value: the value before them was forgotten. */
function hasAttachedValue(names: ReadonlyMap<string, Option>, word: string): boolean {
  if (word.startsWith("--")) return /^--[^ =]+=/.test(word) && find(names, word) !== null;
  const option = names.get(word.slice(0, 2));
  return option !== undefined && option.kind !== "flag" && word[2] !== " ";
}

function convert(option: Option, text: string): OptionValue {
  const value = valueOf(option, text);
  const leftOut = option.kind === "optional" && text === "";
  if (option.choices !== undefined && !leftOut && !option.choices.includes(text)) refuseChoice(option, text);
  if (typeof value === "number" && option.min !== undefined && value < option.min) {
    throw blame(option, `must be ${option.min} or more, not ${text.trim()}`);
  }
  if (typeof value === "number" && option.max !== undefined && value > option.max)
    throw blame(option, `must be ${option.max} or less, not ${text.trim()}`);
  return value;
}

function refuseChoice(option: Option, text: string): never {
  const choices = (option.choices ?? []).map(quoted).join(", ");
  throw blame(option, `invalid choice: ${quoted(text)} (choose from ${choices})`);
}

function valueOf(option: Option, text: string): OptionValue {
  switch (option.kind) {
    case "integer":
      return parseInteger(text) ?? refuseInteger(option, text);
    case "float":
      return parseFloatText(text) ?? refuseValue(option, "float", text);
    case "size":
      return parseSize(text) ?? refuseValue(option, "size", text, "bytes, or with a unit as in 512MB or 1.5GB");
    case "seconds":
      return parseSeconds(text) ?? refuseValue(option, "time", text, "seconds, or as in 90s, 10m, 2h, 1:30:00");
    default:
      return text;
  }
}

function refuseInteger(option: Option, text: string): never {
  if (integerShape.test(text.trim()))
    throw blame(option, `${quoted(text)} is too large (at most ${Number.MAX_SAFE_INTEGER})`);
  return refuseValue(option, "int", text);
}

function refuseValue(option: Option, kind: string, text: string, hint?: string): never {
  throw blame(option, `invalid ${kind} value: ${quoted(text)}${hint === undefined ? "" : ` (${hint})`}`);
}

const integerShape = /^[-+]?\d+(_\d+)*$/;

/** A decimal integer as Python's int() reads it: blanks around it, a sign, single underscores between digits. */
export function parseInteger(text: string): number | null {
  const trimmed = text.trim();
  if (!integerShape.test(trimmed)) return null;
  const value = Number(trimmed.replaceAll("_", ""));
  return Number.isSafeInteger(value) ? value + 0 : null;
}

/** As Python's float(), without infinities and nan, which no option has a use for. */
export function parseFloatText(text: string): number | null {
  const trimmed = text.trim();
  if (!/^[-+]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][-+]?\d+(_\d+)*)?$/.test(trimmed)) return null;
  const value = Number(trimmed.replaceAll("_", ""));
  return Number.isFinite(value) ? value : null;
}

/**
 * Hands the words out in order, each positional taking what it can while those after it get their least; returns what
 * is left over.
 */
function assign(
  positionals: readonly Positional[],
  words: readonly string[],
  values: Map<string, OptionValue[]>,
): readonly string[] {
  let at = 0;
  const missing: string[] = [];
  positionals.forEach((positional, index) => {
    const reserved = positionals.slice(index + 1).reduce((sum, later) => sum + later.min, 0);
    const share = Math.max(positional.min, Math.min(positional.max, words.length - at - reserved));
    const taken = words.slice(at, at + share);
    at += taken.length;
    if (taken.length < positional.min) missing.push(positional.metavar);
    if (taken.length > 0) values.set(positional.key, taken);
  });
  if (missing.length > 0) throw argumentError(`the following arguments are required: ${missing.join(", ")}`);
  return words.slice(at);
}

function answers(
  spec: CommandSpec,
  names: ReadonlyMap<string, Option>,
  values: ReadonlyMap<string, OptionValue[]>,
): Omit<Parsed, "secrets" | "verbatim" | "inputs"> {
  const kinds = new Map<string, Option["kind"] | "positional">();
  for (const option of names.values()) kinds.set(option.key, option.kind);
  for (const positional of spec.positionals) kinds.set(positional.key, "positional");
  const kindOf = (key: string): Option["kind"] | "positional" => {
    const kind = kinds.get(key);
    assert(kind !== undefined, `${spec.name} has no argument '${key}'`);
    return kind;
  };
  return {
    given: (key) => {
      kindOf(key);
      return values.has(key);
    },
    flag: (key) => {
      assert(kindOf(key) === "flag", `'${key}' of ${spec.name} is no flag`);
      return values.has(key);
    },
    text: (key) => {
      const kind = kindOf(key);
      assert(kind === "text" || kind === "optional" || kind === "positional", `'${key}' of ${spec.name} is no text`);
      return values.get(key)?.at(-1)?.toString();
    },
    number: (key) => {
      const kind = kindOf(key);
      const isNumber = kind === "integer" || kind === "float" || kind === "size" || kind === "seconds";
      assert(isNumber, `'${key}' of ${spec.name} is not a number`);
      return values.get(key)?.at(-1) as number | undefined;
    },
    words: (key) => {
      const kind = kindOf(key);
      const isWords = kind === "words" || kind === "text" || kind === "optional" || kind === "positional";
      assert(isWords, `'${key}' of ${spec.name} has no words`);
      return (values.get(key) ?? []) as string[];
    },
  };
}

function blame(option: Option, text: string): Error {
  return argumentError(`argument ${joined(option)}: ${text}`);
}

function joined(option: Option): string {
  return option.names.join("/");
}

/**
 * In quotes as messages show a word: single ones, double ones around a word that has only single ones; control
 * characters escaped.
 */
export function quoted(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escaped = text.replace(/[\\\p{Cc}]/gu, escapeCharacter).replaceAll(quote, `\\${quote}`);
  return quote + escaped + quote;
}
