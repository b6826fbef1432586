/*
 * Runs suites of whole programs while one process of hs after the other stands still for a moment, as on a machine that
 * has too much to do: what comes in another order then shows. Needs Linux. A failure names its test; the same seed
 * draws the same pauses, but not at the same points of a run.
 */
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join, resolve } from "node:path";
import { random } from "../test/simulation/random.ts";
import { say } from "./say.ts";
import { count, readWords, refuse } from "./soak-words.ts";

const root = resolve(import.meta.dir, "..");
const dist = `${join(root, "dist")}/`;

/** Between two stalls, and of one; milliseconds. Nothing that hs does may depend on less than the longest. */
const [shortestGapMs, longestGapMs] = [50, 500];
const stallsMs = [50, 150, 400] as const;

const words = readWords(process.argv.slice(2), { rounds: "3", seed: "1", suite: "e2e" });
const rounds = count(words.rounds, "--rounds");
const rng = random(count(words.seed, "--seed"));
if (process.platform !== "linux") refuse("stalls need /proc, which only Linux has");

/** Processes of this checkout's hs that run; who is stopped already is left to those who did it. */
function running(): readonly number[] {
  return readdirSync("/proc")
    .map(Number)
    .filter((pid) => {
      try {
        if (!Number.isInteger(pid) || !readlinkSync(`/proc/${pid}/exe`).startsWith(dist)) return false;
        const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
        return stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "T";
      } catch {
        // It has ended meanwhile, or belongs to somebody else.
        return false;
      }
    });
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended meanwhile.
  }
}

const oneOf = (values: readonly number[]): number => values[rng.between(0, values.length - 1)]!;

let stalls = 0;
async function stallUntil(over: () => boolean): Promise<void> {
  while (!over()) {
    await Bun.sleep(rng.between(shortestGapMs, longestGapMs));
    const pids = running();
    if (pids.length === 0) continue;
    const pid = oneOf(pids);
    signal(pid, "SIGSTOP");
    await Bun.sleep(oneOf(stallsMs));
    signal(pid, "SIGCONT");
    stalls++;
  }
}

let failures = 0;
for (let round = 1; round <= rounds; round++) {
  let over = false;
  stalls = 0;
  const child = Bun.spawn([join(root, "scripts/test"), words.suite], {
    cwd: root,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const stalling = stallUntil(() => over);
  const [status, out] = await Promise.all([child.exited, child.stdout.text(), child.stderr.text()]);
  over = true;
  await stalling;
  if (status === 0) {
    say.success(`round ${round}: fine, ${stalls} stalls`);
    continue;
  }
  failures++;
  say.fail(`round ${round}: FAILED, ${stalls} stalls`);
  console.log(out.slice(out.indexOf("\nfailed in ")));
}
process.exit(failures > 0 ? 1 : 0);
