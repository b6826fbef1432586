/*
 * Draws how a value went over time, as blocks of text: a row of columns, each as high as its value. Knows no tasks, and
 * writes to nobody.
 */

/** A value that held until a time; both in any unit. */
export interface Step {
  readonly at: number;
  readonly value: number;
}

/** From an eighth of a line to a whole one. */
const blocks = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"] as const;
const eighths = blocks.length - 1;

/**
 * The largest value in each of `columns` parts (1 or more), equally long, of the time from the first step to the last.
 * Steps are in the order of time; the value of each holds since the step before it, and that of the first for no time.
 */
export function inColumns(steps: readonly Step[], columns: number): readonly number[] {
  const most = Array.from({ length: columns }, () => 0);
  const first = steps[0]?.at ?? 0;
  const span = (steps.at(-1)?.at ?? 0) - first;
  if (span <= 0) return most.fill(steps.at(-1)?.value ?? 0);
  const columnOf = (at: number): number => ((at - first) / span) * columns;
  let from = 0;
  for (const { at, value } of steps.slice(1)) {
    const to = columnOf(at);
    // It has a part of each column that it touches, one at least.
    const last = Math.min(columns - 1, Math.max(Math.floor(from), Math.ceil(to) - 1));
    for (let column = Math.floor(from); column <= last; column++) most[column] = Math.max(most[column]!, value);
    from = to;
  }
  return most;
}

/**
 * The lines of a drawing, from the top: `height` of them (1 or more), in which a value of `top` (above 0) reaches the
 * upper edge. What is above 0 is seen.
 */
export function drawn(values: readonly number[], top: number, height: number): readonly string[] {
  const levels = values.map((value) => {
    const level = Math.round((value / top) * height * eighths);
    return value > 0 ? Math.min(height * eighths, Math.max(1, level)) : 0;
  });
  return Array.from({ length: height }, (_, index) => {
    const below = (height - 1 - index) * eighths;
    return levels.map((level) => blocks[Math.min(eighths, Math.max(0, level - below))]).join("");
  });
}
