/*
 * What a command takes: its options and positional words, as tables. flags.ts parses strictly by these, help.ts prints
 * them. Knows no command.
 */

/**
 * How an option takes its value. `words`: one or more words up to the next that starts with `-`. `optional`: the next
 * word unless it starts with `-`. `size`: bytes, with units. `seconds`: plain or `10m`, `1:30:00`; parsed to a number
 * of seconds.
 */
export type OptionKind = "flag" | "text" | "integer" | "float" | "size" | "seconds" | "words" | "optional";

export interface Option {
  /** Name under which Parsed holds the value. */
  readonly key: string;
  /** In declaration order, as error lines join them: `-N/--num-threads/--num-tasks`. */
  readonly names: readonly string[];
  readonly kind: OptionKind;
  readonly metavar?: string;
  readonly choices?: readonly string[];
  /** Smallest value allowed (numbers); smaller is an argument error. */
  readonly min?: number;
  /** Largest value allowed. */
  readonly max?: number;
  /** Every mention counts (order kept); else the last one wins. `words` always accumulate. */
  readonly repeatable?: boolean;
  readonly help: string;
  /** Shown in parentheses at the end of the help line. */
  readonly fallback?: string;
  /** Works, but stays out of the help. */
  readonly hidden?: boolean;
}

export interface Positional {
  readonly key: string;
  readonly metavar: string;
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
  /** Closing paragraphs of the help: examples, notes. */
  readonly epilog?: string;
}

/**
 * The words of one call, checked against a CommandSpec. Asking for a key that the spec does not have is our bug
 * (assertion).
 */
export interface Parsed {
  /** Whether the option was named on the command line. */
  given(key: string): boolean;
  flag(key: string): boolean;
  /** undefined when not given. Of `optional` without a word: the empty text. */
  text(key: string): string | undefined;
  /** integer, float, size (bytes) and seconds. */
  number(key: string): number | undefined;
  /** words, repeatable text, and positionals. */
  words(key: string): readonly string[];
}
