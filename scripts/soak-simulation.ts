/*
 * Runs the simulation of test/simulation/ for as many seeds as wished, some at a time, so that it tells how far it is.
 * A seed that fails is named by the test itself, with the words that replay it.
 */
import { resolve } from "node:path";
import { say } from "./say.ts";
import { count, readWords } from "./soak-words.ts";

const root = resolve(import.meta.dir, "..");
/** Some minutes at most, and a new process for each, so that nothing adds up. */
const portion = 1000;

const words = readWords(process.argv.slice(2), { seeds: "10000", from: "1" });
const seeds = count(words.seeds, "--seeds");
const first = count(words.from, "--from");

let failures = 0;
for (let from = first; from < first + seeds; from += portion) {
  const size = Math.min(portion, first + seeds - from);
  const startedAt = performance.now();
  const child = Bun.spawn([process.execPath, "test", "--timeout", "3600000", "./test/simulation"], {
    cwd: root,
    env: { ...process.env, SIMULATION_FIRST_SEED: String(from), SIMULATION_SEEDS: String(size) },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [status, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const seedsSaid = `seeds ${from} to ${from + size - 1}`;
  if (status === 0) {
    say.success(`${seedsSaid}: fine, ${seconds} s`);
    continue;
  }
  failures++;
  say.fail(`${seedsSaid}: FAILED, ${seconds} s`);
  console.log(`${out}${err}`);
}
process.exit(failures > 0 ? 1 : 0);
