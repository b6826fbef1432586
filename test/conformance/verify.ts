/*
 * What `hs verify` promises over every database: each kind of fault is planted, found by its name, and mended if the
 * rows leave no choice. What is sound, or merely under way, is never told.
 */
import { describe, expect, test } from "bun:test";
import type { CheckOptions, CheckStore, Fault, FaultKind } from "../../src/history/faults.ts";
import type { TaskRecord } from "../../src/history/history.ts";
import {
  change,
  conditionOf,
  endedRow,
  heldRow,
  type HistoryRow,
  newRow,
  noon,
  type OpenedHistory,
  select,
  unscheduled,
  uuid,
} from "./history.ts";

const submission = uuid(1_000_000);
const [alive, dead, deadWithClients, unknown] = [2_000_000, 2_000_001, 2_000_002, 2_000_003].map(uuid) as [
  string,
  string,
  string,
  string,
];
const [nowhere, nowhereElse] = [uuid(9_000_000), uuid(9_000_001)];

const options: CheckOptions = { whole: true, isAlive: ({ id }) => id === alive, hasFile: null };

const addServer = (id: string, reserves = false): string =>
  `insert into server (id, host, pid, reserves, started_at, beat_at)
   values ('${id}', 'elsewhere', 1, ${reserves}, 0, 0)`;
const addClient = (id: string, server: string): string =>
  `insert into client values ('${id}', 'h', '${server}', 'h', '2027-01-10 12:00:00', null, false)`;
const addSubmission = (id: string): string =>
  `insert into submission values ('${id}', '2027-01-10 12:00:00', 'h', 'u', '/', null, '1')`;
const addRecall = (server: string, task: unknown, kind: string): string =>
  `insert into recall (server_id, task_id, kind) values ('${server}', '${String(task)}', '${kind}')`;

/** A failure and its next attempt, linked both ways. */
function chain(first: Partial<HistoryRow> = {}, second: Partial<HistoryRow> = {}): [HistoryRow, HistoryRow] {
  const one = endedRow({ exit_status: 1, retried: true, ...first });
  const two = newRow({ attempt: 2, previous_id: one.id, ...second });
  return [{ ...one, next_id: first.next_id === undefined ? two.id : first.next_id }, two];
}

/** The fields of a second attempt that has ended like this. */
function endedAs(exitStatus: number): Partial<HistoryRow> {
  const { previous_id: _, ...rest } = endedRow({ exit_status: exitStatus, attempt: 2 });
  return rest;
}

/** Faults as `KIND ID OTHER`, in a fixed order. */
type Told = readonly string[];

const told = (faults: readonly Pick<Fault, "kind" | "id" | "other">[]): Told =>
  faults.map(({ kind, id, other }) => `${kind} ${String(id)} ${String(other)}`).toSorted();

async function withCheck<T>(history: OpenedHistory, work: (store: CheckStore) => Promise<T>): Promise<T> {
  const store = await history.openCheck();
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

async function look(history: OpenedHistory, asked = options): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  await withCheck(history, (store) => store.check(asked, (fault) => void faults.push(fault)));
  return faults;
}

/** Mends what can be mended of these; answers what was. */
function mendAll(history: OpenedHistory, faults: readonly Fault[]): Promise<readonly Fault[]> {
  return withCheck(history, async (store) => {
    const mended: Fault[] = [];
    for (const fault of faults) if (fault.mendable && (await store.mend(fault, options.isAlive))) mended.push(fault);
    return mended;
  });
}

/** A fault to plant. */
interface Planted {
  readonly kind: FaultKind;
  readonly rows: readonly HistoryRow[];
  readonly sql?: readonly string[];
  /** The id that is told: that of a row by its number, or another. */
  readonly of: number | string;
  readonly other?: number | string;
  /** Of the row that is told, when it is mended; missing: it is left for a person. */
  readonly mended?: Partial<TaskRecord>;
}

const waits = { server_id: null, client_id: null, schedule_time: null, start_time: null, command: null };

function plantedRows(): readonly Planted[] {
  const badTags = newRow();
  return [
    { kind: "badNumber", rows: [newRow({ group: -1 })], of: 0 },
    { kind: "badNumber", rows: [newRow({ attempt: 0 })], of: 0 },
    {
      kind: "badTags",
      rows: [badTags],
      sql: [`update TABLE set tag = '[1]' where id = '${String(badTags.id)}'`],
      of: 0,
    },
    { kind: "noStatus", rows: [endedRow({ exit_status: null })], of: 0 },
    { kind: "noTime", rows: [heldRow({ exit_status: 0 })], of: 0 },
    { kind: "neverScheduled", rows: [endedRow({ schedule_time: null })], of: 0 },
    { kind: "neverStarted", rows: [endedRow({ start_time: null })], of: 0 },
    { kind: "neverStarted", rows: [endedRow({ command: null, exit_status: 3 })], of: 0 },
    { kind: "retriedEnd", rows: [endedRow({ retried: true })], of: 0 },
    {
      kind: "earlyResult",
      rows: [heldRow({ command: "x", start_time: noon })],
      of: 0,
      mended: { command: null, server_id: alive },
    },
    { kind: "strayHolder", rows: [newRow({ server_id: alive })], of: 0, mended: waits },
    { kind: "strayHolder", rows: [newRow({ start_time: noon, outpath: "/o" })], of: 0, mended: waits },
    { kind: "retriedOpen", rows: [newRow({ retried: true })], of: 0, mended: { retried: false } },
    { kind: "noSubmission", rows: [newRow({ submit_id: nowhere })], of: 0 },
  ];
}

function plantedLinks(): readonly Planted[] {
  const gone = { exit_status: 1, retried: true } as const;
  return [
    {
      kind: "nextGone",
      rows: [endedRow({ ...gone, next_id: nowhere })],
      of: 0,
      other: nowhere,
      mended: { retried: false, next_id: null, exit_status: 1 },
    },
    {
      kind: "previousGone",
      rows: [newRow({ attempt: 2, previous_id: nowhereElse })],
      of: 0,
      other: nowhereElse,
      mended: { previous_id: null, attempt: 2 },
    },
    { kind: "nextUnaware", rows: chain({}, { previous_id: null }), of: 1, other: 0, mended: { attempt: 2 } },
    {
      kind: "previousUnaware",
      rows: chain({ next_id: null, retried: false }),
      of: 0,
      other: 1,
      mended: { retried: true },
    },
    // The attempt before was reverted by a program that left the link.
    {
      kind: "previousElsewhere",
      rows: chain({ ...unscheduled, next_id: null, retried: false }),
      of: 1,
      other: 0,
      mended: { previous_id: null, attempt: 2 },
    },
    { kind: "notRetried", rows: chain({ retried: false }), of: 0, other: 1, mended: { retried: true } },
    { kind: "attemptOrder", rows: chain({}, { attempt: 4 }), of: 0, other: 1 },
  ];
}

function plantedAround(): readonly Planted[] {
  const [held, heldToo, recalled, recalledToo] = [heldRow(), heldRow(), newRow(), newRow()];
  return [
    {
      kind: "deadServer",
      rows: [
        { ...held, server_id: dead, client_id: dead },
        newRow({ submit_id: dead }),
        endedRow({ submit_id: dead, server_id: dead }),
      ],
      sql: [addServer(dead, true), addClient(dead, dead), addSubmission(dead), addRecall(dead, held.id, "changed")],
      of: dead,
      other: 0,
      mended: waits,
    },
    // Its client may come back, and still run the task.
    {
      kind: "deadServerOfClients",
      rows: [{ ...heldToo, server_id: deadWithClients }],
      sql: [addServer(deadWithClients), addClient(uuid(3_000_001), deadWithClients)],
      of: deadWithClients,
      other: 0,
    },
    { kind: "lostServer", rows: [heldRow({ server_id: unknown })], of: unknown, other: 0, mended: waits },
    { kind: "lostServer", rows: [heldRow({ server_id: null })], of: "", other: 0, mended: waits },
    {
      kind: "strayRecall",
      rows: [recalled],
      sql: [addRecall(unknown, recalled.id, "cancelled")],
      of: 0,
      mended: {},
    },
    { kind: "badRecall", rows: [recalledToo], sql: [addRecall(alive, recalledToo.id, "other")], of: 0 },
  ];
}

/** What every planted database has besides: a submission, a server that is alive, and a client of it. */
const surroundings = [addSubmission(submission), addServer(alive), addClient(uuid(3_000_000), alive)];

async function plant(history: OpenedHistory, all: readonly Pick<Planted, "rows" | "sql">[]): Promise<void> {
  for (const sql of surroundings) await history.run(sql);
  await history.add(all.flatMap(({ rows }) => rows));
  for (const sql of all.flatMap((each) => each.sql ?? [])) await history.run(sql);
}

function expected({ kind, rows, of, other }: Planted): Pick<Fault, "kind" | "id" | "other"> {
  const idOf = (which: number | string | undefined): string | null =>
    typeof which === "number" ? String(rows[which]!.id) : (which ?? null);
  return { kind, id: idOf(of), other: idOf(other) };
}

/** The row whose state shows that the fault is mended: the one that is told, or of a server's the first. */
function mendedRow({ rows, of }: Planted): HistoryRow {
  return rows[typeof of === "number" ? of : 0]!;
}

export function verifyConformance(title: string, openNew: () => Promise<OpenedHistory>): void {
  describe(`hs verify over ${title}`, () => {
    test("what programs write is sound, with servers at work, and after a rotation", async () => {
      await using history = await openNew();
      const [first, second] = chain();
      const rows = [
        endedRow(),
        endedRow({ exit_status: -1, command: null, start_time: null, server_id: null, client_id: null }),
        endedRow({ exit_status: -2, command: null }),
        endedRow({ exit_status: -4, command: null, start_time: null }),
        endedRow({ exit_status: 143, command: null, start_time: null }),
        heldRow(),
        heldRow({ client_id: null, client_host: null }),
        heldRow({ start_time: noon }),
        newRow(),
        // The next attempt was deleted when it had ended.
        endedRow({ exit_status: 1, retried: true }),
        // The one before was reverted, or deleted.
        newRow({ attempt: 3 }),
        // A program of version 2.8 has no rows of submissions.
        newRow({ submit_id: "5b2f1a34-8a51-4d6f-9a0e-0b5a3f7f2f10" }),
        // The first attempt is rotated, and the second waits.
        first,
        second,
      ];
      await plant(history, [{ rows }]);
      const lookWhole = () =>
        withCheck(history, async (store) => {
          const faults: Fault[] = [];
          return { checked: await store.check(options, (fault) => void faults.push(fault)), faults };
        });
      expect(await lookWhole()).toEqual({
        checked: { tasks: rows.length, partitions: 0, filesElsewhere: 0 },
        faults: [],
      });
      await history.rotate();
      expect(await lookWhole()).toEqual({
        checked: { tasks: rows.length, partitions: 1, filesElsewhere: 0 },
        faults: [],
      });
    });

    test("every fault is found by its name, and mended where the rows leave no choice", async () => {
      await using history = await openNew();
      const all = [...plantedRows(), ...plantedLinks(), ...plantedAround()];
      await plant(history, all);
      const faults = await look(history);
      expect(told(faults)).toEqual(told(all.map(expected)));
      const mendable = all.filter(({ mended }) => mended !== undefined);
      expect(told(faults.filter((each) => each.mendable))).toEqual(told(mendable.map(expected)));
      expect(told(await mendAll(history, faults))).toEqual(told(mendable.map(expected)));
      expect(told(await look(history))).toEqual(told(all.filter(({ mended }) => mended === undefined).map(expected)));
      for (const each of mendable) {
        const id = String(mendedRow(each).id);
        expect(await history.records.find(id)).toMatchObject({ id, ...each.mended });
      }
      // Everything is still there, and mending again does nothing.
      for (const { id } of all.flatMap(({ rows }) => rows))
        expect(await history.records.find(String(id))).not.toBeNull();
      expect(await mendAll(history, faults)).toEqual([]);
    });

    test("two tasks that name the same next attempt are left for a person", async () => {
      await using history = await openNew();
      const [one, two] = chain();
      const other = endedRow({ exit_status: 1, retried: true, next_id: two.id });
      await plant(history, [{ rows: [{ ...one, next_id: null }, two, other] }]);
      const faults = await look(history);
      expect(faults.map(({ kind }) => kind).toSorted()).toEqual(["nextElsewhere", "previousUnaware"]);
      expect(await mendAll(history, faults)).toEqual([]);
      expect(await look(history)).toEqual(faults);
    });

    test("partitions: chains go on across them, no task is in two of them, and none of theirs waits", async () => {
      await using history = await openNew();
      const [first, second] = chain();
      const [twin, other, unended, lone] = [endedRow(), endedRow(), endedRow(), endedRow({ exit_status: 1 })];
      const [left, gone] = chain();
      await plant(history, [{ rows: [first, second, twin, other, unended, left, gone, lone] }]);
      await history.rotate();
      const idOf = (row: HistoryRow): string => String(row.id);
      await history.add([twin, { ...other, exit_status: 3 }]);
      await history.run(`update TABLE set next_id = null where id = '${idOf(first)}'`, "partition");
      await history.run(
        `update TABLE set completion_time = null, exit_status = null,
        command = null where id = '${idOf(unended)}'`,
        "partition",
      );
      await history.run(`delete from TABLE where id = '${idOf(gone)}'`);
      const faults = await look(history);
      expect(faults.map(({ kind, id, mendable }) => `${kind} ${String(id)} ${mendable}`).toSorted()).toEqual(
        [
          `twice ${idOf(twin)} true`,
          `twiceOtherwise ${idOf(other)} false`,
          `previousUnaware ${idOf(first)} true`,
          `nextGone ${idOf(left)} true`,
          `openArchived ${idOf(unended)} false`,
        ].toSorted(),
      );
      expect(await mendAll(history, faults)).toHaveLength(3);
      const rest = await look(history);
      expect(rest.map(({ kind }) => kind).toSorted()).toEqual(["openArchived", "twiceOtherwise"]);
      await history.run(`delete from TABLE where id = '${idOf(other)}'`);
      await history.run(`delete from TABLE where id = '${idOf(unended)}'`, "partition");
      expect(await look(history)).toEqual([]);
    });

    test("an attempt that is deleted takes its links along, also out of a partition", async () => {
      await using history = await openNew();
      const [first, waiting] = chain();
      const [tried, ended] = chain({}, endedAs(2));
      const [early, late] = chain({}, endedAs(3));
      await plant(history, [{ rows: [first, waiting, tried, ended, early, late] }]);
      const idOf = (row: HistoryRow): string => String(row.id);
      const remove = (row: HistoryRow) =>
        history.records.change(
          select({ where: [conditionOf(`id == ${idOf(row)}`)] }),
          change({ action: "delete" }),
          noon,
        );
      // In one table.
      expect(await remove(ended)).toEqual({ changed: 1, held: 0 });
      expect(await history.records.find(idOf(tried))).toMatchObject({ next_id: null, retried: true });
      expect(await remove(early)).toEqual({ changed: 1, held: 0 });
      expect(await history.records.find(idOf(late))).toMatchObject({ previous_id: null, attempt: 2 });
      // Across two.
      await history.rotate();
      expect(await history.records.find(idOf(first))).toBeNull();
      expect(await history.findAnywhere(idOf(first))).toMatchObject({ next_id: idOf(waiting), retried: true });
      expect(await remove(waiting)).toEqual({ changed: 1, held: 0 });
      expect(await history.findAnywhere(idOf(first))).toMatchObject({ next_id: null, retried: false, exit_status: 1 });
      expect(await look(history)).toEqual([]);
    });

    test("captured files are looked for where they are recorded", async () => {
      await using history = await openNew();
      const rows = [
        endedRow({ outpath: "/here", errpath: "/gone", csvpath: null }),
        endedRow({ outpath: "/far", errpath: null, csvpath: "", client_host: "far" }),
        newRow(),
      ];
      await plant(history, [{ rows }]);
      await withCheck(history, async (store) => {
        const faults: Fault[] = [];
        const checked = await store.check(
          { ...options, hasFile: ({ clientHost }, path) => (clientHost === "far" ? null : path === "/here") },
          (fault) => void faults.push(fault),
        );
        expect(told(faults)).toEqual([`fileGone ${String(rows[0]!.id)} /gone`]);
        expect(checked.filesElsewhere).toBe(1);
      });
    });
  });
}
