/*
 * A command does the same in a shell that lives as in a fresh one: lines by hand (lines.txt) and by seed (lines.ts), in
 * dash and in bash. TWINS_LINES and TWINS_FIRST_SEED run others, see `scripts/soak words`.
 */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "../simulation/random.ts";
import { makeLine } from "./lines.ts";
import { shellsIn, type Twins, twins } from "./twins.ts";

const total = Number(process.env["TWINS_LINES"] ?? 2000);
const firstSeed = Number(process.env["TWINS_FIRST_SEED"] ?? 1);
const byHand = readFileSync(join(import.meta.dir, "lines.txt"), "utf8")
  .split("\n")
  .filter(Boolean);

/** Does something with each shell, all at once. */
async function withEach(work: (both: Twins, name: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "hs-shells-"));
  try {
    await Promise.all(
      shellsIn(folder).map(async (shell) => {
        using both = await twins(shell);
        await work(both, shell.slice(folder.length + 1));
      }),
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test.skipIf(process.platform !== "linux")(
  "lines that people write do the same in a shell that lives",
  async () => {
    await withEach(async (both, shell) => {
      let tried = 0;
      for (const line of byHand) {
        const results = await both.run(line);
        if (results === null) continue;
        tried++;
        expect({ shell, line, result: results[1] }).toEqual({ shell, line, result: results[0] });
      }
      expect(tried).toBeGreaterThan(150);
    });
  },
  60_000,
);

test.skipIf(process.platform !== "linux")(
  "lines made by a seed do the same in a shell that lives",
  async () => {
    let seed = firstSeed;
    let left = total;
    await withEach(async (both, shell) => {
      // Each seed is for one of the shells, and each of them takes as many as it can in the time.
      while (left > 0) {
        left--;
        const own = seed++;
        const results = await both.run(makeLine(random(own)));
        if (results === null) left++;
        else expect({ shell, seed: own, result: results[1] }).toEqual({ shell, seed: own, result: results[0] });
      }
    });
  },
  3_600_000,
);

test.skipIf(process.platform !== "linux")("what differs is found: outputs, status, files, environment", async () => {
  await withEach(async (both) => {
    const lines = ['echo "$TASK_ARGS"', "env", 'exit "${TASK_ARGS}"', 'echo >"h$TASK_ARGS"', 'echo "$TASK_ARGS" >&2'];
    for (const line of lines) {
      const [fresh, living] = (await both.run(line, { TASK_ARGS: "9" }))!;
      expect([line, fresh === living]).toEqual([line, false]);
    }
  });
});
