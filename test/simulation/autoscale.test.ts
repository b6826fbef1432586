/*
 * The autoscaler neither thrashes nor starves: the day of autoscale.ts, with bounds. `scripts/soak autoscale` prints
 * the figures of many days.
 */
import { expect, test } from "bun:test";
import { type Day, simulateDay } from "./autoscale.ts";

const most = 12;
/** Each client stays for this long without a task before it leaves, hours. */
const tail = 5 / 60;

/** What is wrong with a day, if anything is. */
function faultsOf({ needed, used, launches, failed, vain, longestNeglect, longestWait, ...day }: Day): string[] {
  const came = launches - failed;
  return [
    // A node that is drained, and one that stays a moment longer, take more than the tasks need.
    ...(used > 1.25 * needed + 1.5 * tail * came ? [`${used} node hours for ${needed}`] : []),
    ...(vain > 1 + 0.1 * launches ? [`${vain} of ${launches} launches in vain`] : []),
    ...(longestNeglect > 180 ? [`nobody came for ${longestNeglect} s`] : []),
    ...(longestWait > 4 * 3600 ? [`a task waited for ${longestWait} s`] : []),
    ...(day.most > most + 2 ? [`${day.most} clients`] : []),
    ...(day.end > 30 * 3600 ? [`the day ended after ${day.end} s`] : []),
  ];
}

test("a day of arrivals: clients are used, few come in vain, and no task is forgotten", () => {
  for (const seed of [1, 2, 3]) expect([seed, ...faultsOf(simulateDay(seed, "dynamic"))]).toEqual([seed]);
});

test("a fixed number of one works off all of it in its own time, with few launches", () => {
  const { used, needed, vain, longestNeglect } = simulateDay(7, "fixed");
  expect(used).toBeLessThan(1.2 * needed);
  expect([vain <= 2, longestNeglect <= 180]).toEqual([true, true]);
});
