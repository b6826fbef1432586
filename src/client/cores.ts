/*
 * Which task runs on which processors, where tasks are pinned (client.pin): each gets a set of its own. Pure, and knows
 * processors by their numbers only.
 *
 * A task that finds fewer free than it asks for shares: it runs on those that no other task has alone, and on all where
 * there are none. It is not made to wait, because whoever runs more tasks than there are cores has asked for it.
 */

export interface Cores {
  /**
   * Gives a task its processors, by number, until `release`. Whole numbers from 1; a task that asks for none gets 1.
   */
  take(id: string, wanted: number): readonly number[];
  /** Frees what the task has alone; does nothing for others. */
  release(id: string): void;
}

/** Hands out these processors, of which none is used. */
export function newCores(all: readonly number[]): Cores {
  const free = new Set(all);
  const held = new Map<string, readonly number[]>();
  return {
    take(id, wanted) {
      const count = Math.max(1, wanted);
      if (free.size < count) return free.size === 0 ? all : sorted(free);
      const own = neighbours(sorted(free), count);
      for (const core of own) free.delete(core);
      held.set(id, own);
      return own;
    },
    release(id) {
      for (const core of held.get(id) ?? []) free.add(core);
      held.delete(id);
    },
  };
}

function sorted(set: ReadonlySet<number>): number[] {
  return [...set].toSorted((a, b) => a - b);
}

/** The first that are side by side, because they mostly share a cache; else the first. */
function neighbours(free: readonly number[], count: number): number[] {
  for (let from = 0; from + count <= free.length; from++) {
    const last = free[from]! + count - 1;
    if (free[from + count - 1] === last) return free.slice(from, from + count);
  }
  return free.slice(0, count);
}
