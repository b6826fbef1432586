/*
 * The numbers of tasks as people count them: the place of each in the input of this run, from 1 on. Tasks that came
 * another way (hs submit, an earlier run) get the next number when they are first asked for. Knows ids and nothing else
 * of tasks.
 *
 * A run may be ten million tasks ahead of its work. Ids that were made one after the other sort so (base/ids.ts), so
 * 8 bytes for each are enough, and a number is found by halving.
 */
import type { NewTask } from "../task/task.ts";

export interface Numbering {
  /** Numbers tasks of this input, unless they have their numbers already. */
  add(tasks: readonly Pick<NewTask, "id">[]): void;
  /** The number of a task, from 1 on. */
  of(id: string): number;
  /** Forgets a task that has ended. The next attempt gets the same number; null: there is none. */
  end(id: string, nextId: string | null): void;
}

/** Tasks that were added together, whose numbers follow one another. */
interface Batch {
  readonly first: number;
  /** What `keyOf` answers for each, growing. */
  readonly keys: Float64Array;
  /** How many of them have not ended. */
  left: number;
}

interface State {
  batches: Batch[];
  /** Numbers of tasks that are in no batch, by id. */
  readonly others: Map<string, number>;
  /** The number that was given last, and the last key. */
  last: number;
  lastKey: number;
}

/** No task has a number yet. */
export function newNumbering(): Numbering {
  const state: State = { batches: [], others: new Map(), last: 0, lastKey: -1 };
  return {
    add: (tasks) => add(state, tasks),
    of(id) {
      const known = state.others.get(id) ?? inBatches(state, id)?.number;
      if (known !== undefined) return known;
      state.others.set(id, ++state.last);
      return state.last;
    },
    end: (id, nextId) => end(state, id, nextId),
  };
}

function add(state: State, tasks: readonly Pick<NewTask, "id">[]): void {
  const [head] = tasks;
  // Tasks that could not be stored come once more.
  if (head === undefined || state.others.has(head.id) || inBatches(state, head.id) !== null) return;
  const keys = Float64Array.from(tasks, ({ id }) => keyOf(id));
  const isGrowing = keys.every((key, at) => key > (keys[at - 1] ?? state.lastKey));
  if (isGrowing) {
    state.batches.push({ first: state.last + 1, keys, left: keys.length });
    state.lastKey = keys.at(-1)!;
    state.last += keys.length;
  } else for (const { id } of tasks) state.others.set(id, ++state.last);
}

/** A UUID of version 7 without its random end: milliseconds since 2020 and a counter of 12 bits, as one number. */
function keyOf(id: string): number {
  const ms = Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
  return (ms - since) * 4096 + Number.parseInt(id.slice(15, 18), 16);
}

const since = Date.UTC(2020, 0, 1);

function inBatches({ batches }: State, id: string): { readonly batch: Batch; readonly number: number } | null {
  const key = keyOf(id);
  const batch = batches[lastUpTo(batches.length, (at) => batches[at]!.keys[0]! <= key)];
  if (batch === undefined) return null;
  const at = lastUpTo(batch.keys.length, (index) => batch.keys[index]! <= key);
  return batch.keys[at] === key ? { batch, number: batch.first + at } : null;
}

/** The last index below `length` that is `low`, as all before it are; -1: none is. */
function lastUpTo(length: number, isLow: (index: number) => boolean): number {
  let [from, to] = [0, length];
  while (from < to) {
    const middle = (from + to) >>> 1;
    if (isLow(middle)) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}

function end(state: State, id: string, nextId: string | null): void {
  const { others } = state;
  const known = others.get(id);
  const found = known === undefined ? inBatches(state, id) : null;
  const number = known ?? found?.number;
  if (number === undefined) return;
  others.delete(id);
  if (nextId !== null) others.set(nextId, number);
  if (found !== null && --found.batch.left === 0) state.batches = state.batches.filter(({ left }) => left > 0);
}
