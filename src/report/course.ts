/*
 * How many tasks waited, ran and ended when: over any time, for all tasks and for each client, in bounded memory. Times
 * are cut into cells of one width, and only cells in which something happened are kept, so that a quiet week between
 * two runs costs nothing. When there are too many cells, each four become one. Knows no pictures.
 *
 * A start is a step up of the number of tasks that run, an end is a step down. A cell has the sum of its steps, and the
 * area that they leave within the cell, so that no sum changes when cells become one.
 */

/** What happened within the width of a cell. Areas are in milliseconds times tasks. */
interface Cell {
  running: number;
  runningArea: number;
  waiting: number;
  waitingArea: number;
  succeeded: number;
  failed: number;
}

/** Cells by their number: that of the cell at 1970 is 0. */
type Cells = Map<number, Cell>;

export interface Course {
  /** Milliseconds that a cell takes. */
  widthMs: number;
  /** How many cells there are, all together, and how many there may be. */
  size: number;
  readonly most: number;
  readonly all: Cells;
  readonly clients: Map<string, Cells>;
  /** How many clients have cells of their own, at most. What the others did stands under the empty name. */
  readonly mostClients: number;
}

/** A course of nothing yet. */
export function newCourse(most = 150_000, mostClients = 2000): Course {
  return { widthMs: 1, size: 0, most, all: new Map(), clients: new Map(), mostClients };
}

/** When a task was where; milliseconds since 1970. */
export interface Stay {
  /** From when to when it waited; null: nobody knows. `waitedTo` null: it still waits. */
  readonly waitedFrom: number | null;
  readonly waitedTo: number | null;
  /** From when to when it ran; null: it did not, as far as is known. `ranTo` null: it still runs. */
  readonly ranFrom: number | null;
  readonly ranTo: number | null;
  /** When it ended; null: it has not. */
  readonly endedAt: number | null;
  readonly succeeded: boolean;
  readonly client: string | null;
}

/** Takes a task in. Spans that end before they begin are left out. */
export function addStay(course: Course, stay: Stay): void {
  const { waitedFrom, waitedTo, ranFrom, ranTo, endedAt, succeeded, client } = stay;
  const { widthMs, all } = course;
  if (waitedFrom !== null && (waitedTo === null || waitedTo >= waitedFrom)) {
    step(course, all, waitedFrom, widthMs, 1, "waiting", "waitingArea");
    if (waitedTo !== null) step(course, all, waitedTo, widthMs, -1, "waiting", "waitingArea");
  }
  const own = client === null ? null : cellsOf(course, client);
  if (ranFrom !== null && (ranTo === null || ranTo >= ranFrom)) {
    step(course, all, ranFrom, widthMs, 1, "running", "runningArea");
    if (own !== null) step(course, own, ranFrom, widthMs, 1, "running", "runningArea");
    if (ranTo !== null) {
      step(course, all, ranTo, widthMs, -1, "running", "runningArea");
      if (own !== null) step(course, own, ranTo, widthMs, -1, "running", "runningArea");
    }
  }
  if (endedAt !== null) {
    const how = succeeded ? "succeeded" : "failed";
    cellAt(course, all, Math.floor(endedAt / widthMs))[how] += 1;
    if (own !== null) cellAt(course, own, Math.floor(endedAt / widthMs))[how] += 1;
  }
  while (course.size > course.most) coarsen(course);
}

function cellsOf(course: Course, client: string): Cells {
  const known = course.clients.get(client);
  if (known !== undefined) return known;
  const name = course.clients.size < course.mostClients ? client : "";
  const cells = course.clients.get(name) ?? new Map<number, Cell>();
  course.clients.set(name, cells);
  return cells;
}

function cellAt(course: Course, cells: Cells, at: number): Cell {
  let cell = cells.get(at);
  if (cell === undefined) {
    cell = { running: 0, runningArea: 0, waiting: 0, waitingArea: 0, succeeded: 0, failed: 0 };
    cells.set(at, cell);
    course.size += 1;
  }
  return cell;
}

function step(
  course: Course,
  cells: Cells,
  timeMs: number,
  widthMs: number,
  by: 1 | -1,
  level: "running" | "waiting",
  area: "runningArea" | "waitingArea",
): void {
  const at = Math.floor(timeMs / widthMs);
  const cell = cellAt(course, cells, at);
  cell[level] += by;
  cell[area] += by * ((at + 1) * widthMs - timeMs);
}

/** Each four cells become one. */
function coarsen(course: Course): void {
  const before = course.widthMs;
  course.widthMs = before * 4;
  course.size = 0;
  for (const cells of [course.all, ...course.clients.values()]) {
    const former = [...cells];
    cells.clear();
    for (const [at, cell] of former) {
      const wide = Math.floor(at / 4);
      const left = ((wide + 1) * 4 - at - 1) * before;
      const into = cellAt(course, cells, wide);
      into.running += cell.running;
      into.runningArea += cell.runningArea + cell.running * left;
      into.waiting += cell.waiting;
      into.waitingArea += cell.waitingArea + cell.waiting * left;
      into.succeeded += cell.succeeded;
      into.failed += cell.failed;
    }
  }
}

/** A sum that grows with time, at the times where its slope changes; milliseconds since 1970, upwards. */
export interface Curve {
  readonly times: readonly number[];
  readonly sums: readonly number[];
}

/** How many tasks ran, or waited, times how long: the sum since the beginning, in milliseconds times tasks. */
export function areaCurve(cells: Cells, widthMs: number, level: "running" | "waiting", until: number): Curve {
  const [times, sums]: [number[], number[]] = [[], []];
  let [sum, height] = [0, 0];
  for (const [at, cell] of inOrder(cells)) {
    const from = at * widthMs;
    if (times.length > 0) sum += height * (from - times.at(-1)!);
    times.push(from);
    sums.push(sum);
    sum += height * widthMs + cell[`${level}Area`];
    times.push(from + widthMs);
    sums.push(sum);
    height += cell[level];
  }
  const last = times.at(-1);
  if (last !== undefined && until > last) {
    times.push(until);
    sums.push(sum + height * (until - last));
  }
  return { times, sums };
}

/** How many tasks have ended in this way since the beginning. */
export function countCurve(cells: Cells, widthMs: number, how: "succeeded" | "failed"): Curve {
  const [times, sums]: [number[], number[]] = [[], []];
  let sum = 0;
  for (const [at, cell] of inOrder(cells)) {
    times.push(at * widthMs, (at + 1) * widthMs);
    sums.push(sum, sum + cell[how]);
    sum += cell[how];
  }
  return { times, sums };
}

function inOrder(cells: Cells): readonly (readonly [number, Cell])[] {
  return [...cells].toSorted(([one], [other]) => one - other);
}

/** The sum at a time, milliseconds since 1970. */
export function sumAt({ times, sums }: Curve, time: number): number {
  if (times.length === 0 || time <= times[0]!) return 0;
  if (time >= times.at(-1)!) return sums.at(-1)!;
  let [low, high] = [0, times.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (times[middle]! <= time) low = middle;
    else high = middle;
  }
  const [from, to] = [times[low]!, times[high]!];
  const share = to > from ? (time - from) / (to - from) : 1;
  return sums[low]! + share * (sums[high]! - sums[low]!);
}

/** A stretch of time; milliseconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** From the first to the last thing that happened; null: nothing did. `until`: what is open goes on until then. */
export function extentOf({ all, widthMs }: Course, until: number): Span | null {
  let [first, last] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let open = 0;
  for (const [at, cell] of all) {
    if (at < first) first = at;
    if (at > last) last = at;
    open += cell.running + cell.waiting;
  }
  if (last < first) return null;
  const to = (last + 1) * widthMs;
  return { from: first * widthMs, to: open > 0 ? Math.max(to, until) : to };
}

/** Stretches between cells in which no task ran, in order of time. `until` as in `extentOf`. */
export function idleSpans({ all, widthMs }: Course, until: number): readonly Span[] {
  const idle: Span[] = [];
  let height = 0;
  let waiting = 0;
  let before: number | null = null;
  for (const [at, cell] of inOrder(all)) {
    const from = at * widthMs;
    if (before !== null && height === 0 && from > before) idle.push({ from: before, to: from });
    before = from + widthMs;
    height += cell.running;
    waiting += cell.waiting;
  }
  if (before !== null && height === 0 && waiting > 0 && until > before) idle.push({ from: before, to: until });
  return idle;
}
