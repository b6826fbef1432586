/*
 * What becomes of failures in a run, and after how many it starts nothing more: the words of `--halt`, and whether it
 * is so. Pure.
 */
import { counted } from "../base/units.ts";
import type { Retries } from "../task/retries.ts";

/** So many tasks that failed for good, or such a part of those that ended. */
export type Halt =
  { readonly kind: "count"; readonly count: number } | { readonly kind: "share"; readonly percent: number };

/** What becomes of failures in a run. */
export interface FailurePolicy {
  readonly retries: Retries;
  /** Whether the next attempt of a task goes before everything else. */
  readonly eager: boolean;
  /** The pause before the first retry of a task, milliseconds. */
  readonly retryDelayMs: number;
  /** Null: however many fail, the run goes on. */
  readonly halt: Halt | null;
  /** The exit status by which a task asks to be run again without a failure; null: there is none. */
  readonly requeueStatus: number | null;
  /** The number of lost clients after which a task is given up that they ran; 0: it never is. */
  readonly poison: number;
}

/** How many tasks ended, and how. */
interface Ended {
  readonly failed: number;
  readonly succeeded: number;
}

/** A share counts from this number of ended tasks on: of the first two, one failure would be half. */
const fewestEnded = 10;

/** Reads `3` or `20%`; null: it is neither, or not within 1 and beyond, or above 0 and up to 100 %. */
export function readHalt(text: string): Halt | null {
  const [, number, percent] = /^([0-9]{1,12}(?:\.[0-9]{1,6})?)(%?)$/.exec(text.trim()) ?? [];
  if (number === undefined) return null;
  const value = Number(number);
  if (percent === "%") return value > 0 && value <= 100 ? { kind: "share", percent: value } : null;
  return Number.isInteger(value) && value >= 1 ? { kind: "count", count: value } : null;
}

/** Whether that many tasks have failed; cancelled ones count as neither. */
export function isReached(halt: Halt, { failed, succeeded }: Ended): boolean {
  if (halt.kind === "count") return failed >= halt.count;
  const ended = failed + succeeded;
  return ended >= fewestEnded && failed * 100 >= halt.percent * ended;
}

/** What the log says of it; `durable`: whether a later run can go on. */
export function describeHalt(halt: Halt, { failed, succeeded }: Ended, durable: boolean): string {
  const ofAll = halt.kind === "count" ? "" : ` of ${failed + succeeded}`;
  const rule = halt.kind === "count" ? `${halt.count}` : `${halt.percent}%`;
  const tasks = halt.kind === "count" ? counted(failed, "task") : `${failed}`;
  const rest = durable ? "; a run with --restart goes on with the rest" : "";
  return `Nothing more is started: ${tasks}${ofAll} failed (--halt ${rule}) - what runs may end${rest}`;
}
