/*
 * Which known name a misspelt one was meant to be. Does not know what the names are for.
 */

/**
 * The name that is the fewest edits away from `typed`, at most a third of its letters (and one to three edits); null
 * when there is none.
 */
export function nearest(typed: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Infinity;
  for (const name of names) {
    const allowed = Math.max(1, Math.min(3, Math.floor(name.length / 3)));
    if (Math.abs(name.length - typed.length) > allowed) continue;
    const distance = edits(typed, name);
    if (distance <= allowed && distance < least) {
      best = name;
      least = distance;
    }
  }
  return best;
}

/**
 * The number of edits from one text to another. An edit is a letter more, a letter less, another letter, or two
 * neighbours swapped (optimal string alignment distance).
 */
export function edits(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, at) => at);
  for (let i = 1; i <= from.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= to.length; j += 1) {
      const changed = from[i - 1] === to[j - 1] ? 0 : 1;
      let distance = Math.min(last[j]! + 1, row[j - 1]! + 1, last[j - 1]! + changed);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      if (swapped) distance = Math.min(distance, beforeLast[j - 2]! + 1);
      row.push(distance);
    }
    beforeLast = last;
    last = row;
  }
  return last[to.length]!;
}
