/*
 * How fast something goes on, by what was counted of late. The span that is looked back over grows with slow tasks: it
 * has twice as many ends in it as tasks run at once, so that tasks which end together do not make the rate jump. Pure.
 */

/** A count at a time, milliseconds. */
interface Sample {
  readonly at: number;
  readonly done: number;
}

export interface Pace {
  /** The samples, oldest first. */
  readonly samples: Sample[];
}

/** How far apart samples are at least, milliseconds. */
const apartMs = 500;
/** The most samples; then every second one of the older half is forgotten. */
const mostSamples = 120;
/** The span that is looked back over at least, milliseconds. */
const leastMs = 5000;
/** How many ends are looked back over at least, where there are that many. */
const leastEnds = 10;

/** A pace of which nothing is known yet. */
export function newPace(): Pace {
  return { samples: [] };
}

/** Notes that `done` things were done at a time, milliseconds. Times must not go backwards. */
export function notePace({ samples }: Pace, at: number, done: number): void {
  const last = samples.at(-1);
  if (last !== undefined && at - last.at < apartMs) return;
  samples.push({ at, done });
  if (samples.length <= mostSamples) return;
  const half = mostSamples / 2;
  const thinned = samples.slice(0, half).filter((_, index) => index % 2 === 0);
  samples.splice(0, half, ...thinned);
}

/**
 * How many things end in a second, at a time in milliseconds when `done` of them have ended and `running` are under
 * way. Null: none has ended of late, or less than a second is known.
 */
export function rateAt({ samples }: Pace, at: number, done: number, running: number): number | null {
  const ends = Math.max(leastEnds, 2 * running);
  for (let index = samples.length - 1; index >= 0; index -= 1) {
    const from = samples[index]!;
    const isFar = at - from.at >= leastMs && done - from.done >= ends;
    if (!isFar && index > 0) continue;
    if (at - from.at < 1000 || done <= from.done) return null;
    return ((done - from.done) / (at - from.at)) * 1000;
  }
  return null;
}
