/*
 * What a run says of the unfinished tasks of earlier runs: how many it continues, from where and since when, or how to
 * go on with those that it leaves alone, and how to be rid of them. Only words; recover.ts decides which tasks.
 */
import { hostName } from "../base/process.ts";
import { quoteForSh } from "../base/shell.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Source } from "../store/store.ts";
import { formatTime } from "../store/times.ts";

/** The largest number of directories that are named. */
const most = 4;

/** The number of unfinished tasks of all these. */
export function unfinishedOf(sources: readonly Source[]): number {
  return sources.reduce((sum, { unfinished }) => sum + unfinished, 0);
}

/** Tells what a run continues, one line for each of the first directories. */
export function tellOfContinued(sources: readonly Source[], log: Logger): void {
  for (const source of sources.slice(0, most)) log.info(`Continuing ${originOf(source)}`);
  const others = sources.slice(most);
  if (others.length === 0) return;
  const places = others.length === 1 ? "1 other directory" : `${others.length} other directories`;
  log.info(`Continuing ${counted(unfinishedOf(others), "task")} submitted from ${places}`);
}

/** `12 tasks submitted from /a on 2026-11-30 10:12:03`. */
function originOf({ cwd, host, submissions, unfinished, first, last }: Source): string {
  const tasks = counted(unfinished, "task");
  if (cwd === null || first === null || last === null) return `${tasks} of an older program`;
  const place = host === hostName() ? cwd : `${cwd} (${host})`;
  const from = `${tasks} submitted from ${place}`;
  const by = submissions === 1 ? from : `${from} in ${submissions} submissions`;
  const [start, end] = [timeOf(first), timeOf(last)];
  return start === end ? `${by} on ${start}` : `${by}, from ${start} to ${end}`;
}

function timeOf(ms: number): string {
  return formatTime(ms).slice(0, 19);
}

/**
 * Tells of tasks that a run leaves alone. `now` (milliseconds since 1970) is before the first task of this run.
 * `isAlone`: no other run is at work whose tasks might be meant as well.
 */
export function tellOfLeft(sources: readonly Source[], now: number, isAlone: boolean, log: Logger): void {
  const unfinished = unfinishedOf(sources);
  if (unfinished === 0) return;
  const them = unfinished === 1 ? "it" : "them";
  log.info(
    `Database has ${counted(unfinished, "unfinished task")} of earlier runs - left alone (run ${them} with --restart)`,
  );
  const condition = conditionOf(sources, now, isAlone);
  if (condition !== null) log.info(`To drop ${them} instead: hs update --cancel --remaining -w ${condition}`);
}

/** A condition that is true of these unfinished tasks, and of no others; null: there is no short one. */
function conditionOf(sources: readonly Source[], now: number, isAlone: boolean): string | null {
  const [first, ...others] = sources;
  if (first !== undefined && others.length === 0 && first.submissions === 1) return `submit_id==${first.example}`;
  // Beside other runs, a time would name their tasks too.
  return isAlone ? quoteForSh(`submit_time<${formatTime(now)}`) : null;
}
