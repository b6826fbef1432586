/*
 * Which executor a task ran on. A database does not keep it, so each task gets the first lane of its client that is
 * free when it starts. That is what executors looked like, if not which was which.
 */

interface Timed {
  /** Milliseconds since 1970. */
  readonly from: number;
  readonly to: number;
}

/** The lane of each, from 0, in the same order as `spans`; and how many lanes there are. */
export function lanesOf(spans: readonly Timed[]): { readonly lanes: readonly number[]; readonly count: number } {
  const order = spans.map((_, i) => i).toSorted((one, other) => spans[one]!.from - spans[other]!.from);
  const lanes = Array.from({ length: spans.length }, () => 0);
  const freeAt: number[] = [];
  for (const each of order) {
    const { from, to } = spans[each]!;
    let lane = freeAt.findIndex((free) => free <= from);
    if (lane < 0) lane = freeAt.push(0) - 1;
    freeAt[lane] = Math.max(from, to);
    lanes[each] = lane;
  }
  return { lanes, count: freeAt.length };
}
