/*
 * What may stand at the cursor of a command line that is not finished, by the table of the command and the grammar of
 * flags.ts. Pure: it knows which kind of value is expected, not which values there are.
 */
import { find, type Found, helpOption, nameTable } from "./flags.ts";
import { inputSeparators } from "./inputs.ts";
import type { CommandSpec, Option, ValueKind } from "./spec.ts";

/** A value that may stand at the cursor. */
export interface Expected {
  readonly value: ValueKind | readonly string[];
  /** What the help says of it. */
  readonly help: string;
  /** Values of the same list that stand before it. */
  readonly before: readonly string[];
}

export interface Cursor {
  /** The options that may be named here; none where a value has to follow. */
  readonly options: readonly Option[];
  /** null: no value may stand here. */
  readonly expected: Expected | null;
  /** What of the word is no value, and stays: `--output=`, `-f`. */
  readonly kept: string;
  /** The positional words before the cursor. */
  readonly positional: readonly string[];
  /** Which word is the first of them; null: there is none. */
  readonly firstAt: number | null;
}

/** A line as far as the cursor. */
interface Walk {
  readonly spec: CommandSpec;
  readonly names: ReadonlyMap<string, Option>;
  readonly given: Set<string>;
  readonly positional: string[];
  firstAt: number | null;
  /** The option whose values are being read, and those that it has. */
  pending: { readonly option: Option; readonly values: string[] } | null;
  /** Behind `--`, or within the input of `:::`. */
  mode: "options" | "verbatim" | "inputs";
}

/** What may stand in place of `current`, behind `words`; both without quotes. `current` ends at the cursor. */
export function cursorAt(spec: CommandSpec, words: readonly string[], current: string): Cursor {
  const walk: Walk = {
    spec,
    names: nameTable(spec),
    given: new Set(),
    positional: [],
    firstAt: null,
    pending: null,
    mode: "options",
  };
  words.forEach((word, index) => {
    step(walk, word);
    if (walk.positional.length > 0) walk.firstAt ??= index;
  });
  return at(walk, current);
}

function step(walk: Walk, word: string): void {
  if (walk.mode !== "options") {
    if (walk.mode === "verbatim") walk.positional.push(word);
    return;
  }
  const { pending } = walk;
  if (pending !== null && !(word.startsWith("-") && word.length > 1 && isMany(pending.option))) {
    if (pending.option.kind !== "optional" || !word.startsWith("-")) {
      pending.values.push(word);
      if (pending.option.kind !== "words") walk.pending = null;
      return;
    }
  }
  walk.pending = null;
  if (word === "--") walk.mode = "verbatim";
  else if (walk.spec.takesInputs === true && inputSeparators.has(word)) walk.mode = "inputs";
  else if (!isNamed(word)) walk.positional.push(word);
  else readOption(walk, word);
}

const isMany = (option: Option): boolean => option.kind === "words";

/** Whether a word is that of an option; a number is none. */
const isNamed = (word: string): boolean => /^-(?![.\d])./.test(word) || word.startsWith("-0");

function readOption(walk: Walk, word: string): void {
  const found = foundIn(walk, word);
  if (found === null) return;
  for (const option of found.options) walk.given.add(option.key);
  const last = found.options.at(-1)!;
  if (last.kind !== "flag" && found.attached === null) walk.pending = { option: last, values: [] };
}

function foundIn(walk: Walk, word: string): Found | null {
  try {
    return find(walk.names, word);
  } catch {
    return null;
  }
}

function at(walk: Walk, current: string): Cursor {
  const { positional, firstAt, pending, mode } = walk;
  const none = { options: [], kept: "", positional, firstAt };
  if (mode === "inputs") return { ...none, expected: { value: "file", help: "Input.", before: [] } };
  if (mode === "verbatim") return { ...none, expected: nextPositional(walk) };
  const mustFollow = pending !== null && pending.option.kind !== "optional" && pending.values.length === 0;
  const isOption = current.startsWith("-") && !(mustFollow && !current.startsWith("--"));
  if (pending !== null && (mustFollow || pending.option.kind === "words") && !isOption)
    return { ...none, expected: expectedOf(pending.option, pending.values) };
  if (!isOption) {
    const ofOption = pending === null ? null : expectedOf(pending.option, []);
    const expected = ofOption ?? nextPositional(walk);
    return { ...none, options: current === "" && expected === null ? optionsLeft(walk) : [], expected };
  }
  const attached = attachedAt(walk, current);
  if (attached !== null) return { ...none, ...attached };
  return { ...none, options: mustFollow ? [] : optionsLeft(walk), expected: null };
}

/** The value that is joined to the name of its option in the word at the cursor; null: none is. */
function attachedAt(walk: Walk, current: string): Pick<Cursor, "kept" | "expected"> | null {
  const sign = current.indexOf("=");
  if (current.startsWith("--") && sign < 0) return null;
  const found = isNamed(current) ? foundIn(walk, current) : null;
  const last = found?.options.at(-1);
  if (found === null || found.attached === null || last === undefined || last.kind === "flag") {
    return sign < 0 ? null : { kept: current, expected: null };
  }
  const kept = current.slice(0, current.length - found.attached.length);
  return { kept, expected: expectedOf(last, []) };
}

function expectedOf(option: Option, before: readonly string[]): Expected | null {
  const value = option.value ?? option.choices;
  return value === undefined ? null : { value, help: option.help, before };
}

/** The positional that the next word would be. */
function nextPositional({ spec, positional, given }: Walk): Expected | null {
  let first = 0;
  for (const each of spec.positionals) {
    if (positional.length < first + each.max) {
      const { value, valueWith = {}, help } = each;
      const instead = Object.keys(valueWith).find((key) => given.has(key));
      return {
        value: instead === undefined ? value : valueWith[instead]!,
        help,
        before: positional.slice(first),
      };
    }
    first += each.max;
  }
  return null;
}

/** The options that can still be given: each once, unless it counts more than once, and none that another excludes. */
function optionsLeft({ spec, given }: Walk): readonly Option[] {
  const all = spec.sections.flatMap((section) => section.options);
  const own = all.some((option) => option.names.includes("--help")) ? all : [...all, helpOption];
  const excluded = new Set(spec.exclusive.filter((group) => group.some((key) => given.has(key))).flat());
  return own.filter((option) => {
    if (option.hidden === true) return false;
    if (given.has(option.key)) return option.repeatable === true || option.kind === "words";
    return !excluded.has(option.key);
  });
}
