/*
 * Simulated days of an autoscaled cluster (test/simulation/autoscale.ts), a line each: how many node hours the tasks
 * needed and used, how many launches came to nothing, and the longest waits. Bounds nothing: the test does.
 */
import { simulateDay } from "../test/simulation/autoscale.ts";
import { count, readWords } from "./soak-words.ts";

const words = readWords(process.argv.slice(2), { seeds: "20", from: "1" });
const seeds = count(words.seeds, "--seeds");
const first = count(words.from, "--from");

const columns = ["policy", "seed", "tasks", "needed h", "used h", "most", "launches", "failed", "in vain"];
const rows = [[...columns, "longest wait s", "nobody came s"]];
for (const policy of ["dynamic", "fixed"] as const)
  for (let seed = first; seed < first + seeds; seed++) {
    const day = simulateDay(seed, policy);
    const { tasks, needed, used, most, launches, failed, vain, longestWait, longestNeglect } = day;
    const hours = [needed, used].map((each) => each.toFixed(1));
    const waits = [longestWait, longestNeglect].map((each) => each.toFixed(0));
    rows.push([policy, `${seed}`, `${tasks}`, ...hours, ...[most, launches, failed, vain].map(String), ...waits]);
  }
const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
for (const row of rows) console.log(row.map((cell, column) => cell.padStart(widths[column]!)).join("  "));
