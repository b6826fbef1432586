/*
 * A database of ten million finished and one million open tasks: how long people wait who search and change it with the
 * compiled program (its start included), and what a server gets from the store while the table grows. SQLite and
 * PostgreSQL side by side.
 */
import { everyFailure } from "../src/task/retries.ts";
import { mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { newId } from "../src/base/ids.ts";
import type { RecordStore } from "../src/history/history.ts";
import type { Store } from "../src/store/store.ts";
import { parseCondition } from "../src/task/filter.ts";
import { taskFields } from "../src/task/field.ts";
import type { ClaimedTask, NewTask } from "../src/task/task.ts";
import { measure, median, megabytes, milliseconds, table } from "./bench-measure.ts";
import { environment, hs } from "./bench-server.ts";
import { type Benches, postgresBenches, sqliteBenches } from "./bench-tables.ts";

const { values: flags } = parseArgs({
  options: {
    only: { type: "string", default: "sqlite,postgres" },
    rows: { type: "string", default: "10000000" },
    open: { type: "string" },
    rounds: { type: "string", default: "5" },
  },
});
const finished = Number(flags.rows);
const open = Number(flags.open ?? Math.round(finished / 10));
const rounds = Number(flags.rounds);
const changedRows = Math.min(100_000, Math.round(finished / 2));
/** Tasks of a bundle, and of one sample of rates. */
const [bundle, sampleTasks] = [1000, 16_000];
/** Tasks of the table that others are compared with. */
const smallest = 1000;
const place = mkdtempSync(join(tmpdir(), "hs-bench-"));
const serverId = newId();

const seconds = (startedAt: number): number => (performance.now() - startedAt) / 1000;

interface Sample {
  /** Tasks a second. */
  readonly insert: number;
  readonly claim: number;
  readonly complete: number;
  /** Of one bundle, seconds. */
  readonly claimOne: number;
  readonly completeOne: number;
}

function newTasks(count: number): NewTask[] {
  const at = systemClock.now();
  const more = { group: 0, submitId: serverId, submitHost: "login01", cores: null, memory: null, timeout: null };
  const again = { attempt: 1, previousId: null, tag: { part: 0 } };
  const make = (_: unknown, i: number): NewTask => ({
    ...more,
    ...again,
    id: newId(),
    args: `./simulate --seed ${i} input.dat`,
    submitTime: at + i / 1000,
  });
  return Array.from({ length: count }, make);
}

async function complete(store: Store, tasks: readonly ClaimedTask[]): Promise<void> {
  const at = systemClock.now();
  const result = { clientId: serverId, clientHost: "node01", startTime: at - 10, completionTime: at, exitStatus: 0 };
  const none = { outpath: null, errpath: null, csvpath: null, coresMax: null, memoryMax: null, retry: null };
  const completed = tasks.map(({ id, args }) => ({
    ...result,
    ...none,
    id,
    command: args,
    waited: 0.1,
    duration: 0.01,
  }));
  const commit = {
    serverId,
    serverHost: "login01",
    at,
    assigned: [],
    started: [],
    completed,
    reverted: [],
    recalled: [],
  };
  const { refused } = await store.commit(commit);
  if (refused.length > 0) throw new Error(`${refused.length} outcomes were refused`);
}

/** A round of work through the store, in bundles as a busy server has them. */
async function sample(store: Store): Promise<Sample> {
  const scope = { kind: "all" } as const;
  const [claims, completions]: [number[], number[]] = [[], []];
  let startedAt = performance.now();
  for (let i = 0; i < sampleTasks; i += 4000) await store.insert(newTasks(4000));
  const insertSeconds = seconds(startedAt);
  const bundles: (readonly ClaimedTask[])[] = [];
  for (let i = 0; i < sampleTasks; i += bundle) {
    startedAt = performance.now();
    const asked = { serverId, serverHost: "login01", at: systemClock.now(), scope, group: 0, limit: bundle };
    const found = await store.claim({ ...asked, retries: everyFailure(1), eager: false, aside: [], tooMuch: [] });
    claims.push(seconds(startedAt));
    if (found.kind !== "claimed" || found.tasks.length !== bundle) throw new Error(`claimed ${JSON.stringify(found)}`);
    bundles.push(found.tasks);
  }
  for (const tasks of bundles) {
    startedAt = performance.now();
    await complete(store, tasks);
    completions.push(seconds(startedAt));
  }
  const rate = (times: readonly number[]): number => sampleTasks / times.reduce((sum, each) => sum + each, 0);
  return {
    insert: sampleTasks / insertSeconds,
    claim: rate(claims),
    complete: rate(completions),
    claimOne: median(claims),
    completeOne: median(completions),
  };
}

interface Rates {
  readonly tasks: number;
  readonly large: Sample;
  readonly small: Sample;
}

/**
 * Round by round in turn, so that what disturbs the one disturbs the other too. The best round is the least disturbed
 * one.
 */
async function measureRates({ large, small }: Benches, tasks: number): Promise<Rates> {
  const samples: { readonly large: Sample; readonly small: Sample }[] = [];
  for (let i = 0; i < rounds; i++) {
    await small.clear();
    await small.fill(0, smallest, true);
    await small.settle();
    samples.push({ small: await sample(small.store), large: await sample(large.store) });
  }
  const of = (which: "large" | "small"): Sample => {
    const all = samples.map((each) => each[which]);
    const best = (key: "insert" | "claim" | "complete"): number => Math.max(...all.map((each) => each[key]));
    const middle = (key: "claimOne" | "completeOne"): number => median(all.map((each) => each[key]));
    return {
      insert: best("insert"),
      claim: best("claim"),
      complete: best("complete"),
      claimOne: middle("claimOne"),
      completeOne: middle("completeOne"),
    };
  };
  return { tasks, large: of("large"), small: of("small") };
}

interface Question {
  readonly name: string;
  readonly words: readonly string[];
  /** Only until so many lines have come. */
  readonly lines?: number;
  /** What the answer must be, if it is known. */
  readonly answer?: number;
  readonly once?: boolean;
}

function questions(total: number): readonly Question[] {
  const list = ["list"];
  const of = (words: string): string[] => [...list, ...words.split(" ")];
  return [
    { name: "start of the program alone", words: of("--fields") },
    { name: "start and connection (hs list -l0)", words: of("-l0") },
    { name: "hs list --count", words: of("--count"), answer: total },
    { name: "hs list --count --remaining", words: of("--count --remaining"), answer: open },
    { name: "hs list --count -t site:a", words: of("--count -t site:a") },
    { name: "hs list --count --failed", words: of("--count --failed") },
    { name: "hs list --count --succeeded", words: of("--count --succeeded") },
    { name: "hs list --count --failed -t site:a", words: of("--count --failed -t site:a"), answer: 0 },
    { name: "hs list -l1 --order-by submit_time --desc", words: of("-l1 --order-by submit_time --desc") },
    { name: "hs list --remaining -l1 --order-by submit_time", words: of("--remaining -l1 --order-by submit_time") },
    { name: "hs list --tag-keys", words: of("--tag-keys") },
    { name: "first row of hs list --csv", words: of("--csv"), lines: 2 },
    { name: "first row of hs list --csv --remaining", words: of("--csv --remaining"), lines: 2 },
    { name: "first row of hs list --csv --failed", words: of("--csv --failed"), lines: 2 },
    { name: "first row of hs list --csv -t site:b", words: of("--csv -t site:b"), lines: 2 },
    {
      name: `hs update -l ${changedRows} (a tag)`,
      words: ["update", "mark:1", "-f", "-S", "-l", String(changedRows)],
      once: true,
    },
    {
      name: `hs update -l ${changedRows} --cancel`,
      words: ["update", "--cancel", "-f", "-R", "-l", String(changedRows)],
      once: true,
    },
  ];
}

/** Seconds until it has ended, or until so many lines have come. */
async function ask({ words, lines, answer }: Question, env: Record<string, string | undefined>): Promise<number> {
  const startedAt = performance.now();
  const child = Bun.spawn([hs, ...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const said = child.stderr.text();
  let [text, taken] = ["", Number.NaN];
  const decoder = new TextDecoder();
  for await (const part of child.stdout) {
    text += decoder.decode(part, { stream: true });
    if (lines === undefined || text.split("\n").length <= lines) continue;
    taken = seconds(startedAt);
    // As `head` does: what has been read is enough. (Leaving the loop closes the pipe.)
    break;
  }
  const status = await child.exited;
  if (lines === undefined) taken = seconds(startedAt);
  if (status !== 0 || Number.isNaN(taken)) throw new Error(`hs ${words.join(" ")}: ${status} ${await said}`);
  if (answer !== undefined && Number(text) !== answer) throw new Error(`hs ${words.join(" ")}: ${text} of ${answer}`);
  return taken;
}

/** The median; one answer that is wrong does not cost all that was measured before. */
async function repeated(question: Question, env: Record<string, string | undefined>): Promise<string> {
  try {
    if (question.once === true) return milliseconds(await ask(question, env));
    // What was written last is not in memory everywhere.
    await ask(question, env);
    const times: number[] = [];
    for (let i = 0; i < rounds; i++) times.push(await ask(question, env));
    return milliseconds(median(times));
  } catch (error) {
    console.error(String(error));
    return "FAILED";
  }
}

/**
 * What is left of a search without the start of a program and the way into the database: the first one of each
 * connection, the median.
 */
async function searched(
  benches: Benches,
  search: (records: RecordStore) => Promise<number>,
  answer: number,
): Promise<string> {
  const times: number[] = [];
  for (let i = 0; i <= rounds; i++) {
    const records = await benches.large.records();
    const startedAt = performance.now();
    const found = await search(records);
    times.push(seconds(startedAt));
    await records.close();
    if (found !== answer) throw new Error(`${found} of ${answer}`);
  }
  return milliseconds(median(times.slice(1)));
}

const everything = { where: [], orderBy: null, descending: false, limit: null } as const;

async function countRemaining(records: RecordStore): Promise<number> {
  return records.count({ ...everything, where: [parseCondition("exit_status == null")] });
}

async function latest(records: RecordStore): Promise<number> {
  let rows = 0;
  const selection = { ...everything, orderBy: "submit_time", descending: true, limit: 1 } as const;
  for await (const _ of records.search({ ...selection, fields: taskFields })) rows++;
  return rows;
}

interface Results {
  readonly title: string;
  readonly rates: readonly Rates[];
  readonly waits: ReadonlyMap<string, string>;
}

async function run(benches: Benches): Promise<Results> {
  const { title, large, small } = benches;
  const env = { ...environment(join(place, "site")), ...large.env };
  const rates: Rates[] = [];
  // The first is not like the others: code is compiled, caches are empty.
  await sample(small.store);
  let tasks = 0;
  for (let size = smallest; size <= finished; size *= 10) {
    if (size <= tasks) continue;
    await large.fill(tasks, size - tasks, true);
    await large.settle();
    console.error(`${title}: ${size} tasks`);
    rates.push(await measureRates(benches, size));
    tasks = size + sampleTasks * rounds;
  }
  await large.fill(tasks, open, false);
  await large.settle();
  tasks += open;
  console.error(`${title}: ${tasks} tasks, ${open} of them open`);
  const last = await measureRates(benches, tasks);
  rates.push(last);
  tasks += sampleTasks * rounds;
  const waits = new Map<string, string>();
  waits.set("count of remaining tasks, by the store", await searched(benches, countRemaining, open));
  waits.set("latest task, by the store", await searched(benches, latest, 1));
  for (const question of questions(tasks)) {
    waits.set(question.name, await repeated(question, env));
  }
  waits.set(`claim of ${bundle} tasks, by the store`, milliseconds(last.large.claimOne));
  waits.set(`completion of ${bundle} tasks, by the store`, milliseconds(last.large.completeOne));
  const whole = await measure({ command: [hs, "list", "--csv"], env: defined(env), cwd: place });
  waits.set("hs list --csv of everything", `${whole.seconds.toFixed(1)} s`);
  waits.set("memory for it", megabytes(whole.peakBytes));
  return { title, rates, waits };
}

const defined = (env: Record<string, string | undefined>): Record<string, string> =>
  Object.fromEntries(Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined));

const count = (value: number): string => Math.round(value).toLocaleString("en-US");

function ratesTable({ title, rates }: Results): string {
  const row = ({ tasks, large, small }: Rates, i: number): string[] => [
    `${count(tasks)}${i === rates.length - 1 ? ` (${count(open)} open)` : ""}`,
    ...(["insert", "claim", "complete"] as const).flatMap((key) => [
      count(large[key]),
      (large[key] / small[key]).toFixed(2),
    ]),
  ];
  return table(
    `${title}: tasks a second by the store in bundles of ${bundle}, the best of ${rounds} rounds; ` +
      `and as a part of what it is with ${count(smallest)} tasks`,
    ["tasks in the table", "insert", "", "schedule", "", "complete", ""],
    rates.map(row),
  );
}

const benches: Readonly<Record<string, () => Promise<Benches>>> = {
  sqlite: () => sqliteBenches(place),
  postgres: postgresBenches,
};
let current: Benches | null = null;

async function cleanUp(): Promise<void> {
  await current?.[Symbol.asyncDispose]();
  current = null;
  rmSync(place, { recursive: true, force: true });
}
// Gigabytes must not stay behind.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.once(signal, () => void cleanUp().finally(() => process.exit(1)));
}

try {
  const { bavail, bsize } = statfsSync(place);
  const needed = (finished + open) * 1200;
  if (bavail * bsize < needed) throw new Error(`${place} has no room for ${megabytes(needed)}`);
  const results: Results[] = [];
  for (const name of flags.only.split(",")) {
    const make = benches[name];
    if (make === undefined) throw new Error(`--only: ${name} is none of ${Object.keys(benches).join(", ")}`);
    current = await make();
    // Half an hour of one database is not lost to the other.
    try {
      const result = await run(current);
      results.push(result);
      console.log(ratesTable(result));
    } catch (error) {
      console.error(error);
      process.exitCode = 1;
    }
    await current[Symbol.asyncDispose]();
    current = null;
  }
  const names = [...(results[0]?.waits.keys() ?? [])];
  console.log(
    table(
      `${count(finished + open)} tasks and those of the samples, ${count(open)} of them open; ` +
        "start of the program included, but for what the store is asked",
      ["", ...results.map(({ title }) => title)],
      names.map((name) => [name, ...results.map(({ waits }) => waits.get(name) ?? "")]),
    ),
  );
} finally {
  await cleanUp();
}
