/*
 * Runs as many command lines as wished, each in a fresh shell and in one that lives
 * (test/property/living-shell.test.ts), some at a time, so that it tells how far it is. A line that differs is named by
 * the test, with its seed.
 */
import { resolve } from "node:path";
import { say } from "./say.ts";
import { count, readWords } from "./soak-words.ts";

const root = resolve(import.meta.dir, "..");
const portion = 5000;

const words = readWords(process.argv.slice(2), { lines: "20000", from: "1" });
const lines = count(words.lines, "--lines");
const first = count(words.from, "--from");

let failures = 0;
for (let done = 0; done < lines; done += portion) {
  const size = Math.min(portion, lines - done);
  const startedAt = performance.now();
  // Some seeds make lines that are not for living shells. They are far fewer than half.
  const from = first + 2 * done;
  const child = Bun.spawn([process.execPath, "test", "./test/property/living-shell.test.ts"], {
    cwd: root,
    env: { ...process.env, TWINS_LINES: String(size), TWINS_FIRST_SEED: String(from) },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [status, out, err] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  if (status === 0) {
    say.success(`${size} lines, seeds from ${from}: fine, ${seconds} s`);
    continue;
  }
  failures++;
  say.fail(`${size} lines, seeds from ${from}: FAILED, ${seconds} s`);
  console.log(`${out}${err}`);
}
process.exit(failures > 0 ? 1 : 0);
