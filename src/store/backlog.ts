/*
 * What there is to do, from the groups of unfinished tasks. Knows no store.
 */
import type { Backlog } from "./store.ts";

/** The backlog of tasks of these groups, one for each task. */
export function backlogOf(groups: readonly number[]): Backlog {
  let [lowest, inGroup]: [number | null, number] = [null, 0];
  for (const group of groups) {
    if (lowest === null || group < lowest) [lowest, inGroup] = [group, 0];
    if (group === lowest) inGroup++;
  }
  return { group: lowest, inGroup, unfinished: groups.length };
}
