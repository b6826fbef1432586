/*
 * What a command takes: its options and positional words, as tables. flags.ts parses strictly by these, help.ts prints
 * them. Knows no command.
 */
import type { SettingKey } from "../config/schema.ts";
import type { InputWords } from "./inputs.ts";

/**
 * How an option takes its value. `words`: one or more words up to the next that starts with `-`. `optional`: the next
 * word unless it starts with `-`. `size`: bytes, with units. `seconds`: plain or `10m`, `1:30:00`; parsed to a number
 * of seconds.
 */
export type OptionKind = "flag" | "text" | "integer" | "float" | "size" | "seconds" | "words" | "optional";

/**
 * What a value is, so that a shell can offer it (cli/values.ts). `commandLine`: a command in one word. `command`: one
 * of several words. `task`: such a command, or a file of tasks. `hosts`: several, joined by commas. `address`: one of
 * this host. `tag`: also one of the settings of a task. `free`: nobody can know it.
 */
export type ValueKind =
  | "file"
  | "folder"
  | "shell"
  | "command"
  | "commandLine"
  | "launcher"
  | "task"
  | "taskId"
  | "host"
  | "hosts"
  | "hostGroup"
  | "address"
  | "field"
  | "condition"
  | "edit"
  | "tag"
  | "tagFilter"
  | "tagKey"
  | "resource"
  | "failures"
  | "setting"
  | "settingOrSection"
  | "settingValue"
  | "shellName"
  | "free";

export interface Option {
  /** Name under which Parsed holds the value. */
  readonly key: string;
  /** In declaration order, as error lines join them: `-N/--num-threads/--num-tasks`. */
  readonly names: readonly string[];
  readonly kind: OptionKind;
  readonly metavar?: string;
  readonly choices?: readonly string[];
  /** What its values are, or some of them; absent: one of the choices, else a number, or there is none. */
  readonly value?: ValueKind | readonly string[];
  /** Smallest value allowed (numbers); smaller is an argument error. */
  readonly min?: number;
  /** Largest value allowed. */
  readonly max?: number;
  /** Every mention counts (order kept); else the last one wins. `words` always accumulate. */
  readonly repeatable?: boolean;
  readonly help: string;
  /** The key in the configuration that speaks where the command line says nothing (args/settled.ts). */
  readonly setting?: SettingKey;
  /** The value without a setting where the command line says nothing; absent: null. */
  readonly preset?: string | number;
  /**
   * What the help says of that, in parentheses at the end of the line; absent: the preset, else the built-in value of
   * the setting.
   */
  readonly fallback?: string;
  /** Works, but stays out of the help. */
  readonly hidden?: boolean;
  /** Its value must not stay on the command line, where others can read it (cli/hidden-words.ts). */
  readonly secret?: true;
}

export interface Positional {
  readonly key: string;
  readonly metavar: string;
  readonly value: ValueKind;
  /** What it is instead beside an option, by the key of that. */
  readonly valueWith?: Readonly<Record<string, ValueKind>>;
  /** Least and most number of words. */
  readonly min: number;
  readonly max: number;
  readonly help: string;
}

export interface CommandSpec {
  /** As typed: `hs submit`. */
  readonly name: string;
  readonly summary: string;
  /** Lines of the usage block, without the word Usage. */
  readonly usage: readonly string[];
  readonly positionals: readonly Positional[];
  /** Help shows them under these headings, in order. */
  readonly sections: readonly { readonly title: string; readonly options: readonly Option[] }[];
  /**
   * Keys of options that exclude each other: `argument B: not allowed with argument A` (the later one is named first).
   */
  readonly exclusive: readonly (readonly string[])[];
  /** Whether words after `:::` are its input (args/inputs.ts). */
  readonly takesInputs?: true;
  /** Closing paragraphs of the help: examples, notes. */
  readonly epilog?: string;
}

type OptionIn<S extends CommandSpec> = S["sections"][number]["options"][number];

/** The option of a command under a key. */
export type OptionOf<S extends CommandSpec, K> = Extract<OptionIn<S>, { readonly key: K }>;

/** The keys of a command's options of some kinds; any text for a command that the type checker does not know. */
export type KeyOf<S extends CommandSpec, Kinds extends OptionKind = OptionKind> = Among<OptionIn<S>, Kinds>;
type Among<O, Kinds> = O extends Option ? (O["kind"] & Kinds extends never ? never : O["key"]) : never;

type PositionalKey<S extends CommandSpec> = S["positionals"][number]["key"];

/**
 * The words of any command that has these options and positionals, whatever others it has. By `Pick` the type checker
 * compares the keys, not the specs.
 */
export type ParsedWith<O extends Option, P extends Positional = never> = Pick<Parsed<CommandWith<O, P>>, keyof Parsed>;

interface CommandWith<O extends Option, P extends Positional> extends CommandSpec {
  readonly positionals: readonly P[];
  readonly sections: readonly { readonly title: string; readonly options: readonly O[] }[];
}

/** Where a value stands that must not be read by others. */
export interface SecretWord {
  /** Which word it is, counted from 0 among the words of the command. */
  readonly word: number;
  readonly value: string;
}

/**
 * The words of one call, checked against a CommandSpec. With the type of a constant spec the type checker knows the
 * keys; asking for another one, or for a value of another kind, is our bug (assertion).
 */
export interface Parsed<S extends CommandSpec = CommandSpec> {
  /** Whether the option or positional was named on the command line. */
  given(key: KeyOf<S> | PositionalKey<S>): boolean;
  flag(key: KeyOf<S, "flag">): boolean;
  /** undefined when not given. Of `optional` without a word: the empty text. */
  text(key: KeyOf<S, "text" | "optional"> | PositionalKey<S>): string | undefined;
  /** integer, float, size (bytes) and seconds. */
  number(key: KeyOf<S, "integer" | "float" | "size" | "seconds">): number | undefined;
  /** words, repeatable text, and positionals. */
  words(key: KeyOf<S, "words" | "text" | "optional"> | PositionalKey<S>): readonly string[];
  /** The values of secret options among the words, also of those that were given again. */
  readonly secrets: readonly SecretWord[];
  /** Whether there was a `--`, so that the words behind it are meant as they stand. */
  readonly verbatim: boolean;
  /** The input after `:::`; null: there is none. */
  readonly inputs: InputWords | null;
}
