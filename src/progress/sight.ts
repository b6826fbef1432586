/*
 * What somebody who waits sees of a piece of work at one moment, as plain data: how much is done, of how much, and what
 * it waits for. Knows no terminal, and nothing of where the numbers come from.
 */

export interface Sight {
  /** What `done` counts, as a word behind the number: `done`, `stored`, `moved`. */
  readonly verb: string;
  /** How many things are done, the failed and the cancelled ones included. Null: nothing is counted. */
  readonly done: number | null;
  /** How many there are in all; null: nobody knows. */
  readonly total: number | null;
  /** Whether the total may still grow, because not all of the input is read. */
  readonly isOpen: boolean;
  readonly failed: number;
  readonly cancelled: number;
  /** How many tasks run now; null: nothing runs here, or nobody knows. */
  readonly running: number | null;
  /** How many clients are connected; null: there are none to be counted. */
  readonly clients: number | null;
  /** What it is at, or what it waits for; null: the numbers say enough. */
  readonly note: string | null;
}

/** A sight with nothing in it but this; the numbers are 0 or unknown. */
export function sight(parts: Partial<Sight>): Sight {
  return {
    verb: "done",
    done: null,
    total: null,
    isOpen: false,
    failed: 0,
    cancelled: 0,
    running: null,
    clients: null,
    note: null,
    ...parts,
  };
}
