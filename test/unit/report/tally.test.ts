/* Records become a summary, and a summary a page: counts agree, texts of tasks mean nothing but themselves. */
import { expect, test } from "bun:test";
import { reportPage } from "../../../src/report/page.ts";
import type { Summary } from "../../../src/report/summary.ts";
import { lanesOf } from "../../../src/report/lanes.ts";
import { adder, mostBars, newTally, summaryOf, tallied } from "../../../src/report/tally.ts";
import { timeReader } from "../../../src/store/times.ts";
import { keptTime } from "../../../src/store/times.ts";
import type { ShownValue } from "../../../src/task/task.ts";

type Fields = Partial<Record<(typeof tallied)[number], ShownValue>>;

const now = Date.UTC(2026, 10, 30, 12);

/** Times by their seconds before noon: thousands of tasks share a few, and to write them all took most of the test. */
const times = new Map<number, string>();

/** The time this many seconds before noon, as PostgreSQL shows it. */
function ago(seconds: number): string {
  let time = times.get(seconds);
  if (time === undefined) {
    time = `${new Date(keptTime(now - seconds * 1000)).toISOString().slice(0, 23).replace("T", " ")}000+00:00`;
    times.set(seconds, time);
  }
  return time;
}

let next = 0;
function task(fields: Fields): ShownValue[] {
  const usual: Fields = {
    id: `id-${next++}`,
    args: "echo 1",
    submit_time: ago(100),
    attempt: 1,
    retried: false,
    ...fields,
  };
  return tallied.map((name) => usual[name] ?? null);
}

function ended(status: number, from: number, to: number, fields: Fields = {}): ShownValue[] {
  return task({
    schedule_time: ago(from),
    start_time: ago(from),
    completion_time: ago(to),
    exit_status: status,
    client_id: "client-1",
    client_host: "node01",
    waited: 100 - from,
    duration: from - to,
    ...fields,
  });
}

function summaryOfRows(rows: Iterable<readonly ShownValue[]>, gone: readonly string[] = []): Summary {
  const tally = newTally({ now, gone: new Set(gone), reader: timeReader });
  const add = adder(tally);
  for (const row of rows) add(row);
  return summaryOf(tally);
}

const imprint = { database: "sqlite (/x/main.db)", filters: "", isByState: false, program: "hs 1", host: "login" };
const pageOf = (rows: Iterable<readonly ShownValue[]>): string => reportPage(summaryOfRows(rows), imprint);

test("each state is counted as hs list counts it", () => {
  const running = { schedule_time: ago(5), start_time: ago(5), client_id: "client-1", client_host: "node01" };
  const { counts, slowest } = summaryOfRows(
    [
      ended(0, 90, 80),
      ended(3, 80, 70, { retried: true }),
      ended(0, 60, 50, { attempt: 2 }),
      task({ exit_status: -1, completion_time: ago(1) }),
      task(running),
      task({ ...running, client_id: "dead" }),
      task({}),
    ],
    ["dead"],
  );
  expect(counts).toEqual({
    total: 7,
    succeeded: 2,
    failed: 2,
    cancelled: 1,
    retried: 1,
    remaining: 3,
    running: 1,
    stranded: 1,
    later: 1,
  });
  expect(slowest.map(({ duration }) => duration)).toEqual([10, 10, 10, 5]);
});

test("a task starts on the first lane that is free", () => {
  const span = (from: number, to: number) => ({ from, to });
  expect(lanesOf([span(0, 10), span(1, 3), span(4, 6), span(2, 9), span(10, 11)])).toEqual({
    lanes: [0, 1, 1, 2, 0],
    count: 3,
  });
});

test("what a task is called does nothing to the page", () => {
  const args = `</title></script><script>alert("1")</script> ' & \u202e \x1b[2J \ud800`;
  const page = pageOf([ended(1, 90, 80, { args, client_host: "<b>node" }), ended(0, 9, 8, { args })]);
  expect(page).not.toContain("<script>alert");
  expect(page).not.toContain("<b>node");
  expect(page).not.toContain("\u202e");
  expect(page).not.toContain("\x1b");
  expect(page).toContain("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &#39; &amp; \\u202e \\x1b[2J");
  expect(page.match(/<script/g)).toHaveLength(1);
});

test("the page asks for nothing from elsewhere, and runs nothing but its own program", () => {
  const page = pageOf([ended(0, 90, 80)]);
  expect(page.match(/\b(?:src|href|action)="(?!#)|url\(|@import/g)).toBeNull();
  const hashes = [...page.matchAll(/<(style|script)>([\s\S]*?)<\/\1>/g)].map(
    ([, , content]) => `'sha256-${new Bun.CryptoHasher("sha256").update(content!).digest("base64")}'`,
  );
  expect(hashes).toHaveLength(2);
  for (const hash of hashes) expect(page).toContain(hash);
  expect(page).toContain("default-src 'none'");
  expect(page.match(/ style="| on\w+="/g)).toBeNull();
});

const ids = (page: string): readonly string[] => [...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id!);

test("whatever tasks there are, the page is whole: labels lead somewhere, no number is none", () => {
  const mixed = [ended(0, 90, 80), ended(-1, 20, 30, { waited: -40 }), task({}), task({ start_time: "no time" })];
  for (const rows of [
    [task({})],
    [ended(0, 90, 90)],
    [ended(1, 90, 80, { start_time: null, duration: null, waited: null, client_id: null })],
    [ended(137, 90, 10), ended(-6, 80, 10)],
    [ended(0, 90, 80, { client_id: null, client_host: null })],
    [ended(0, 90, 80, { cores: 0, memory: 0, cores_max: 1.5, memory_max: 1e9 }), ended(0, 9, 8, { cores: 2 })],
    mixed,
  ]) {
    const page = pageOf(rows);
    const known = ids(page);
    expect(new Set(known).size).toBe(known.length);
    for (const [, labels] of page.matchAll(/aria-labelledby="([^"]+)"/g))
      for (const label of labels!.split(" ")) expect(known).toContain(label);
    expect(page.replace(/<(style|script)>[\s\S]*?<\/\1>/g, "")).not.toMatch(/NaN|Infinity|undefined|null/);
  }
  expect(pageOf(mixed)).toContain("the clocks of these hosts differ");
});

test("with too many tasks for a bar each, clients have bands, and the page stays small", () => {
  function* many(): Generator<readonly ShownValue[]> {
    for (let i = 0; i <= mostBars; i += 1) yield ended(i % 9 === 0 ? 1 : 0, 90 - (i % 60), 20 - (i % 20));
  }
  const summary = summaryOfRows(many());
  expect(summary.bars).toBeNull();
  const page = reportPage(summary, imprint);
  expect(page.length).toBeLessThan(200_000);
  expect(page).toContain("at once at most, 10,001 tasks, 1,112 failed");
});

test("groups that would have no end become one: statuses, hosts, attempts", () => {
  const rows = Array.from({ length: 5100 }, (_, i) =>
    ended(i + 1, 90, 80, { client_host: `node${i}`, client_id: `client-${i}`, attempt: i + 1 }),
  );
  const summary = summaryOfRows(rows);
  const { failures, hosts, clients, attempts, counts } = summary;
  expect([failures.size, hosts.size, clients.size, attempts.size]).toEqual([501, 5001, 5001, 50]);
  const sum = (groups: Iterable<{ readonly count: number }>): number =>
    [...groups].reduce((all, { count }) => all + count, 0);
  expect([sum(failures.values()), sum(attempts.values())]).toEqual([counts.failed, counts.total]);
  expect(reportPage(summary, imprint)).toContain("other clients");
});
