/*
 * Words of the command line as a source of lines: each combination of one row of every source is a line, and the last
 * source changes fastest. They are made while they are read, so a million of them take no memory. Does not know how the
 * words were written.
 */
import { listText } from "../base/wordlist.ts";
import { firstBatch, largestBatch, type LineBatch, type LineSource } from "./lines.ts";

/** Words of the command line as input. */
export interface WordInput {
  /** The sources in their order, the rows of each, and the words of a row. */
  readonly sources: readonly (readonly (readonly string[])[])[];
  /** Whether a template may ask for single words, so that one with blanks in it must stay one. */
  readonly keepsWords: boolean;
  /** Whether the words of each line are to be told apart, even if none has blanks. */
  readonly listsAll?: boolean;
  /** Whether an empty word alone is a line: a template makes something of it. Else it is an empty line, no task. */
  readonly keepsEmpty: boolean;
}

/** The lines of these words. They can be read again, like those of a file. */
export function combinations({ sources, ...kept }: WordInput): LineSource {
  let isClosed = false;
  return {
    name: ":::",
    regular: true,
    async *read() {
      let first = 1;
      let size = firstBatch;
      let lines: string[] = [];
      for (const words of rowsOf(sources)) {
        lines.push(lineOf(words, kept));
        if (lines.length < size) continue;
        yield { first, lines } satisfies LineBatch;
        if (isClosed) return;
        first += lines.length;
        size = Math.min(size * 2, largestBatch);
        lines = [];
      }
      if (lines.length > 0) yield { first, lines };
    },
    close() {
      isClosed = true;
      return Promise.resolve();
    },
  };
}

/** The words of each combination. It counts like an odometer; the place of the last source is the fastest. */
function* rowsOf(sources: WordInput["sources"]): Generator<readonly string[], void, void> {
  if (sources.length === 0 || sources.some((rows) => rows.length === 0)) return;
  const places = sources.map(() => 0);
  for (;;) {
    yield sources.flatMap((rows, at) => rows[places[at]!]!);
    let at = sources.length - 1;
    while (at >= 0 && places[at] === sources[at]!.length - 1) {
      places[at] = 0;
      at -= 1;
    }
    if (at < 0) return;
    places[at]! += 1;
  }
}

const needsList = /^$|\s/;

/** A line for these words. A list only where blanks would not do: most lines are as people would write them. */
function lineOf(words: readonly string[], kept: Omit<WordInput, "sources">): string {
  const { keepsWords, keepsEmpty, listsAll = false } = kept;
  const [only = ""] = words;
  if (words.length === 1 && only === "") return keepsEmpty ? listText(words) : "";
  if (listsAll && words.length > 1) return listText(words);
  return keepsWords && words.some((word) => needsList.test(word)) ? listText(words) : words.join(" ");
}
