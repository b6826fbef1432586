/*
 * Lets hostile peers say as many frames as wished to a server in a process of its own (test/integration/fuzz), against
 * one store or each, and tells how long it took and how much memory that process had. Afterwards the tables must have
 * what was recorded, and `hs verify` must find no fault. The number of frames and the seed are those of the command
 * line.
 */
import { targetApart } from "../test/integration/fuzz/apart.ts";
import { fuzz, sameOutcomes } from "../test/integration/fuzz/run.ts";
import { placeFor, type StoreName } from "../test/integration/fuzz/stores.ts";
import { type Postgres, startPostgres } from "../test/systems/postgres.ts";
import { megabytes } from "./bench-measure.ts";
import { say } from "./say.ts";
import { count, readWords, refuse } from "./soak-words.ts";

const words = readWords(process.argv.slice(2), { frames: "1000000", store: "memory,sqlite,postgres", seed: "1" });
const frames = count(words.frames, "--frames");
const seed = count(words.seed, "--seed");
const names = words.store.split(",");
const known: readonly string[] = ["memory", "sqlite", "postgres"];
for (const name of names) if (!known.includes(name)) refuse(`--store is one of ${known.join(", ")}, not '${name}'`);

/** More than this is too much for a server that peers talk to, bytes. */
const mostMemory = 300e6;

let postgres: Postgres | null = null;
let failures = 0;
for (const name of names) {
  const since = performance.now();
  try {
    await using place = await placeFor(name as StoreName, async () => (postgres ??= await startPostgres()));
    await using target = await targetApart(place.where);
    const sizes: string[] = [];
    const report = await fuzz({
      target,
      frames,
      seed,
      onProgress(said, memory) {
        if (said >= ((sizes.length + 1) * frames) / 10) sizes.push(megabytes(memory));
      },
    });
    await sameOutcomes(report, await place.outcomes());
    await place.expectSound();
    const seconds = ((performance.now() - since) / 1000).toFixed(0);
    const { most } = report.memory;
    const text =
      `${name}, seed ${seed}: ${report.frames} frames in ${report.sessions} sessions, of which ${report.cutOff} were ` +
      `cut off; ${report.recorded.size} outcomes, ${report.byHostile} of hostile clients; ${seconds} s; ` +
      `the server had ${megabytes(most)} at most, by tenths ${sizes.join(", ")}`;
    if (most > mostMemory) throw new Error(`${text}: that is more than ${megabytes(mostMemory)}`);
    say.success(text);
  } catch (error) {
    failures++;
    say.fail(
      `${name}, seed ${seed}: FAILED (replay: scripts/soak fuzz --frames ${frames} --store ${name} --seed ${seed})`,
    );
    console.log(error);
  }
}
await (postgres as Postgres | null)?.[Symbol.asyncDispose]();
process.exit(failures > 0 ? 1 : 0);
