/*
 * The axis of time: which part of its length each stretch of time has. Long stretches in which nothing ran are cut
 * short, so that two runs with a week between them both can be read. Places are shares of the length, 0 to 1. Knows no
 * pictures.
 */
import { localFields } from "../base/zone.ts";
import { roundStep } from "./distribution.ts";
import type { Span } from "./course.ts";

interface Piece extends Span {
  /** Its ends on the axis. */
  readonly start: number;
  readonly end: number;
  /** Whether nothing ran, and the stretch is cut short. */
  readonly isCut: boolean;
}

/** Without gaps, in order of time; the first begins at 0, the last ends at 1. */
export type TimeAxis = readonly Piece[];

/** Idle stretches that are longer than this share of the rest are cut short. */
const longIdle = 0.5;
/** At most so many are cut short: the longest. */
const mostCuts = 12;
/** What a cut takes of the length. */
const cutLength = 0.02;

/** The axis of a span. `idle`: stretches in which nothing ran, in order of time. */
export function timeAxis(span: Span, idle: readonly Span[]): TimeAxis {
  const whole = Math.max(span.to - span.from, 1);
  const lengthOf = ({ from, to }: Span): number => to - from;
  let active = whole;
  const cuts: Span[] = [];
  // The longest first: each that is cut makes the rest shorter, and the next one longer beside it.
  for (const each of idle.toSorted((one, other) => lengthOf(other) - lengthOf(one)).slice(0, mostCuts)) {
    if (lengthOf(each) < longIdle * (active - lengthOf(each)) || active - lengthOf(each) <= 0) break;
    cuts.push(each);
    active -= lengthOf(each);
  }
  cuts.sort((one, other) => one.from - other.from);
  const perMs = (1 - cuts.length * cutLength) / active;
  const pieces: Piece[] = [];
  let [at, place] = [span.from, 0];
  const add = (to: number, isCut: boolean): void => {
    if (to <= at) return;
    const end = isCut ? place + cutLength : place + (to - at) * perMs;
    pieces.push({ from: at, to, start: place, end, isCut });
    [at, place] = [to, end];
  };
  for (const cut of cuts) {
    add(cut.from, false);
    add(cut.to, true);
  }
  add(span.from + whole, false);
  return pieces.map((piece, i) => (i === pieces.length - 1 ? { ...piece, end: 1 } : piece));
}

/** Where a time (milliseconds since 1970) stands, from 0 to 1. */
export function placeOf(axis: TimeAxis, time: number): number {
  for (const { from, to, start, end } of axis) {
    if (time <= to) return time <= from ? start : start + ((time - from) / (to - from)) * (end - start);
  }
  return 1;
}

/** A stretch of the axis, and of time. */
export interface Column extends Span {
  readonly start: number;
  readonly end: number;
}

/** About `most` columns of equal length (1 or more), none of them across the end of a cut. */
export function columnsOf(axis: TimeAxis, most: number): readonly Column[] {
  return axis.flatMap(({ from, to, start, end, isCut }) => {
    const number = isCut ? 1 : Math.max(1, Math.round((end - start) * most));
    return Array.from({ length: number }, (_, i): Column => ({
      from: from + ((to - from) * i) / number,
      to: from + ((to - from) * (i + 1)) / number,
      start: start + ((end - start) * i) / number,
      end: start + ((end - start) * (i + 1)) / number,
    }));
  });
}

interface Tick {
  readonly place: number;
  readonly label: string;
}

const [second, minute, hour, day] = [1000, 60_000, 3_600_000, 86_400_000];
const steps = [
  ...[1, 2, 5, 10, 15, 30].map((each) => each * second),
  ...[1, 2, 5, 10, 15, 30].map((each) => each * minute),
  ...[1, 2, 3, 6, 12].map((each) => each * hour),
];

/** The least round number of milliseconds that is not smaller. */
function roundSpan(rough: number): number {
  if (rough < second) return Math.max(1, roundStep(rough));
  return steps.find((each) => each >= rough) ?? day * roundStep(Math.max(1, rough / day));
}

/** About `most` round local times (1 or more), with the date where it is another one than before. */
export function ticksOf(axis: TimeAxis, most: number): readonly Tick[] {
  const ticks: Tick[] = [];
  let shownDay = "";
  for (const { from, to, start, end, isCut } of axis) {
    if (isCut || end <= start) continue;
    const span = roundSpan((to - from) / (end - start) / most);
    const offset = localFields(from).getTime() - from;
    for (let at = Math.ceil((from + offset) / span) * span - offset; at < to; at += span) {
      const fields = new Date(at + offset).toISOString();
      const date = fields.slice(5, 10);
      const time = fields.slice(11, span < second ? 23 : span < minute ? 19 : 16);
      ticks.push({ place: start + ((at - from) / (to - from)) * (end - start), label: labelOf(date, time, span) });
    }
  }
  return ticks;

  function labelOf(date: string, time: string, span: number): string {
    const isNew = date !== shownDay && shownDay !== "";
    shownDay = date;
    return span >= day ? date : isNew ? `${date} ${time}` : time;
  }
}
