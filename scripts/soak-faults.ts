/*
 * Runs the scenarios of test/fault/scenarios.ts many times, with another seed each, and prints what it cost: how many
 * tasks ran twice, next to how many were on clients declared lost (the two differ by those whose outcomes came back in
 * time). Goes on after a failure; tells each as it comes.
 */
import { type Scenario, scenarios } from "../test/fault/scenarios.ts";
import { table } from "./bench-measure.ts";
import { say } from "./say.ts";
import { count, readWords, refuse } from "./soak-words.ts";

const words = readWords(process.argv.slice(2), { rounds: "20", from: "1", only: "" });
const rounds = count(words.rounds, "--rounds");
const first = count(words.from, "--from");
const known: readonly Scenario[] = Object.values(scenarios);
const names = words.only === "" ? known.map(({ name }) => name) : words.only.split(",");
const chosen = names.map(
  (name) =>
    known.find((scenario) => scenario.name === name) ??
    refuse(`no scenario '${name}'; there are ${known.map((scenario) => scenario.name).join(", ")}`),
);

let failures = 0;
const rows: string[][] = [];
for (const { name, run } of chosen) {
  const sum = { tasks: 0, ranTwice: 0, onLost: 0, backInTime: 0, seconds: 0, failed: 0 };
  for (let seed = first; seed < first + rounds; seed++) {
    const startedAt = performance.now();
    try {
      const tally = await run(seed);
      const seconds = (performance.now() - startedAt) / 1000;
      const { ranTwice, onLost, backInTime } = tally;
      const counts = `${ranTwice} ran twice, ${onLost} on lost clients, ${backInTime} of them back in time`;
      say.success(`${name} ${seed}: ${counts}, ${seconds.toFixed(1)} s`);
      sum.tasks += tally.tasks;
      sum.ranTwice += ranTwice;
      sum.onLost += onLost;
      sum.backInTime += backInTime;
    } catch (error) {
      sum.failed++;
      say.fail(`${name} ${seed}: FAILED ${error instanceof Error ? error.message : String(error)}`);
    }
    sum.seconds += (performance.now() - startedAt) / 1000;
  }
  failures += sum.failed;
  const { tasks, ranTwice, onLost, backInTime, failed, seconds } = sum;
  rows.push([name, rounds, failed, tasks, ranTwice, onLost, backInTime, (seconds / rounds).toFixed(1)].map(String));
}
const head = ["scenario", "rounds", "failed", "tasks", "ran twice", "on lost clients", "back in time", "s a round"];
console.log(table("Servers and clients killed in the middle of their work", head, rows));
process.exit(failures > 0 ? 1 : 0);
