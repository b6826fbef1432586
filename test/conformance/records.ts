/*
 * What every database promises to people who search and change the history of tasks, stated once. Each implementation
 * runs this suite; what is expected comes from the model in history.ts, or stands in the test.
 */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { parseCondition, parseTagFilter } from "../../src/task/filter.ts";
import { type TaskField, taskFields } from "../../src/task/field.ts";
import type { Tags } from "../../src/task/task.ts";
import type { Change, Selection } from "../../src/history/history.ts";
import {
  allShown,
  change,
  changed,
  collect,
  conditionOf,
  endedRow,
  everyRow,
  heldRow,
  type HistoryRow,
  newRow,
  noon,
  type OpenedHistory,
  query,
  select,
  selected,
  shown,
  tagFilterOf,
  unscheduled,
  uuid,
  zone,
} from "./history.ts";

const [serverA, serverB] = [uuid(2_000_001), uuid(2_000_002)];
const at = noon + 3_600_000 + 0.5;

/** Rows of every kind: null and set, equal and different, awkward texts. */
function mixed(): HistoryRow[] {
  return [
    endedRow({ args: "echo a", exit_status: 0, tag: { site: "a", part: 0 } }),
    endedRow({ args: "echo 'it''s' \"q\" \\ %_ ü 漢 🦊", exit_status: 3, group: 1, tag: { site: "b", n: 1, part: 0 } }),
    endedRow({
      args: "Echo a",
      exit_status: -1,
      cores: null,
      memory: 8 * 2 ** 30,
      tag: { site: "b", n: 1.5, part: 0 },
    }),
    newRow({ args: "10", cores: 0, memory: null, timeout: null, submit_host: null, tag: { f: true, part: 0 } }),
    heldRow({ args: "9", server_id: serverA, attempt: 2, tag: { f: false, nul: null, part: 0 } }),
    endedRow({ args: "null", exit_status: 137, retried: true, client_host: null, waited: 0, duration: 90.5 }),
    endedRow({ args: "tab\there\nand there", exit_status: 0, group: 2, outpath: null, errpath: null, csvpath: null }),
    endedRow({ args: "true", exit_status: 1, cores_max: null, memory_max: 0, tag: { site: "1", naked: "", part: 0 } }),
    newRow({ args: "", group: -1, tag: { "x.y": "v", flag: "true", part: 0 } }),
    endedRow({ args: "Z", command: null, exit_status: -2, start_time: null, waited: null, duration: null }),
    endedRow({ args: "a", submit_time: noon, exit_status: 0, attempt: 3, cores: 2 }),
  ].toSorted((one, other) => Number(one.submit_time) - Number(other.submit_time));
}

const conditions = [
  `args == echo a | args != echo a | args > a | args >= a | args < a | args <= a | args == 10 | args > 1`,
  `args == null | args != null | args == NULL  | args ~ ^echo | args ~ (e|E)cho a$ | args ~ \\d | args ~ 漢`,
  `args ~ ^$ | args ~ \\\\ | args ~ 'it''s' | args ~ \\n | args ~ (?=.*a)(?!.*b) | args == it's; --`,
  `args < é | args > 漢 | args >= Z | args !=  | args ==  | command == null | command != null`,
  `command ~ echo | submit_host == null | submit_host == login01 | client_host < node02`,
  `client_host != node01 | outpath ~ out$ | outpath == null | id == ${uuid(1)} | id != ${uuid(1)}`,
  `id == nonsense | id != nonsense | id > 0190 | id < 01900000-0000-7 | id ~ 0$`,
  `submit_id == ${uuid(1_000_000)} | server_id == ${serverA} | server_id != ${serverA} | server_id == null`,
  `server_id >= 01900000 | previous_id == null | previous_id != null | next_id == x | exit_status == 0`,
  `exit_status != 0 | exit_status > 0 | exit_status >= 3 | exit_status < 0 | exit_status <= 3`,
  `exit_status == null | exit_status != null | exit_status == 1.5 | exit_status > 0.5 | exit_status != 0.5`,
  `exit_status == 9007199254740991 | exit_status < 1e300 | exit_status > -1e300 | exit_status == -0`,
  `group == 0 | group > 0 | group < 0 | group >= -1 | group != 1 | cores == 2 | cores == null`,
  `cores != null | cores >= 0.5 | cores < 2 | memory == 1KB | memory > 4GB | memory >= 8GiB`,
  `memory == null | memory < 1025 | cores_max == 1.5 | cores_max > 1 | cores_max == null | memory_max == 0`,
  `memory_max >= 2048.5 | timeout == 1m | timeout == null | waited > 0.1 | waited == 0 | waited <= 0.2`,
  `duration >= 90s | duration == 1.25 | duration == null | attempt > 1 | attempt == 2 | attempt <= 3`,
  `retried == true | retried == false | retried != true | retried > false | retried >= 1 | retried == null`,
  `submit_time > 2027-01-10 | submit_time < 2027-01-10 | submit_time >= 2027 | submit_time < 2027-01-1`,
  `submit_time == 2027-01-10 | submit_time != 2027-01-10 | submit_time >= 2027-01-10 12:00:0`,
  `submit_time < z | submit_time > 2027-01-10 12:00:00.00 | submit_time == 2027-01-10 12:00:00.000000`,
  `submit_time < 9 | submit_time > 3000-01-01 | submit_time < 2300 | submit_time > 1500-06-06`,
  `submit_time > yesterday | submit_time <= 2027-01-10 12:00:00.000000`,
  `submit_time > 2027-01-10 12:00:00.000000 | submit_time > 0 | submit_time ~ ^2027-01-10 12:00:00`,
  `submit_time < 2027-01-10 12:00:00.000000x | submit_time > 2027-13-45 | schedule_time == null`,
  `schedule_time != null | schedule_time > 2027 | start_time == null | start_time < 2028`,
  `completion_time == null | completion_time ~ \\.\\d{6}$ | completion_time >= 1999-12-31 23:59:59`,
].flatMap((line) => line.split(" | "));

const tagFilters = [
  `site | site: | site:a | site:b | site:1 | n | n:1 | n:1.0 | n:1.5 | n:2 | f | f:true | f:false | f:1`,
  `nul | nul:null | naked | flag | flag:true | x.y | x.y:v | x | part | part:0 | part:1 | part:false`,
  `no-such | bad key | it's | $.site | "site" | site:' or 1=1 -- | site:% | __proto__ | constructor`,
].flatMap((line) => line.split(" | "));

export function recordsConformance(title: string, open: () => Promise<OpenedHistory>): void {
  describe(`records: ${title}`, () => {
    const usualZone = process.env["TZ"];
    beforeAll(() => {
      process.env["TZ"] = zone;
    });
    afterAll(() => {
      if (usualZone === undefined) delete process.env["TZ"];
      else process.env["TZ"] = usualZone;
    });

    let history: OpenedHistory;
    beforeEach(async () => {
      history = await open();
    });
    afterEach(() => history[Symbol.asyncDispose]());

    const idsOf = async (selection: Partial<Selection>): Promise<unknown[]> =>
      (await collect(history.records.search(query(["id"], selection)))).map(([id]) => id);
    const ids = (rows: readonly HistoryRow[]): unknown[] => rows.map(({ id }) => id);

    describe("conditions", () => {
      let rows: HistoryRow[];
      beforeEach(async () => {
        rows = mixed();
        await history.add(rows);
      });

      test("each operator compares each kind of field by its kind, and null with nothing", async () => {
        for (const text of conditions) {
          const where = [conditionOf(text)];
          const expected = selected(rows, select({ where }));
          expect([text, await idsOf({ where })]).toEqual([text, ids(expected)]);
          expect([text, await history.records.count(select({ where }))]).toEqual([text, expected.length]);
        }
      });

      test("tags are found by key, and by value of the same type", async () => {
        for (const text of tagFilters) {
          const where = [tagFilterOf(text)];
          const expected = selected(rows, select({ where }));
          expect([text, await idsOf({ where })]).toEqual([text, ids(expected)]);
          expect([text, await history.records.count(select({ where }))]).toEqual([text, expected.length]);
        }
      });

      test("what the conditions mean, spelled out", async () => {
        const args = async (...where: string[]): Promise<unknown[]> =>
          (await collect(history.records.search(query(["args"], { where: where.map(parseCondition) })))).flat();
        expect(await args("args ~ ^echo a")).toEqual(["echo a"]);
        expect(await args("exit_status == -1")).toEqual(["Echo a"]);
        expect(await args("exit_status == null")).toEqual(["10", "9", ""]);
        expect(await args("duration >= 90s")).toEqual(["null"]);
        expect(await args("memory > 7GB")).toEqual(["Echo a"]);
        expect(await args("submit_time < 2027-01-10 12:00:00.1")).toEqual(["a"]);
        expect(await args("args > 9")).not.toContain("10");
      });

      test("a time with an offset is a moment, on every clock", async () => {
        const found = async (...where: string[]): Promise<number> =>
          history.records.count(select({ where: where.map(parseCondition) }));
        const moment = Number(rows[0]!.submit_time);
        const there = new Date(moment + 5.5 * 3_600_000).toISOString().slice(0, -1);
        const all = rows.filter(({ submit_time }) => Number(submit_time) === moment).length;
        expect(await found(`submit_time == ${there.replace("T", " ")}+05:30`)).toBe(all);
        expect(await found(`submit_time == ${there}+0530`)).toBe(all);
        expect(await found(`submit_time != ${there}+05:30`)).toBe(rows.length - all);
        expect(await found(`submit_time < ${there}+05:30`)).toBe(
          rows.filter(({ submit_time }) => Number(submit_time) < moment).length,
        );
      });

      test("all conditions hold at once", async () => {
        const where = [
          ...["exit_status != null", "args ~ [a-z]", "group >= 0"].map(parseCondition),
          ...["part", "site"].map(parseTagFilter),
        ];
        const expected = selected(rows, select({ where }));
        expect(expected.length).toBeGreaterThan(0);
        expect(await idsOf({ where })).toEqual(ids(expected));
        const both = [parseCondition("exit_status == 3"), parseTagFilter("site:b"), parseCondition("args ~ it")];
        expect(await idsOf({ where: both })).toEqual(ids(selected(rows, select({ where: both }))));
        expect(await idsOf({ where: [parseCondition("exit_status == 3"), parseTagFilter("site:a")] })).toEqual([]);
      });

      test("nulls come first upwards and last downwards, equals in order of insertion, or latest first", async () => {
        for (const orderBy of taskFields.filter((field) => field !== "tag")) {
          for (const descending of [false, true]) {
            const expected = ids(selected(rows, select({ orderBy, descending })));
            expect([orderBy, descending, await idsOf({ orderBy, descending })]).toEqual([
              orderBy,
              descending,
              expected,
            ]);
          }
        }
        expect((await idsOf({ orderBy: "tag" })).length).toBe(rows.length);
      });

      test("a limit cuts off, after the conditions and the order", async () => {
        const where = [parseCondition("exit_status != null"), parseCondition("args ~ .")];
        for (const limit of [0, 1, 3, 1000]) {
          for (const orderBy of [null, "args", "submit_time", "exit_status"] as const) {
            for (const descending of [false, orderBy !== null]) {
              for (const some of [[], where, where.slice(1)]) {
                const selection = select({ where: some, orderBy, descending, limit });
                const expected = selected(rows, selection);
                expect(await idsOf(selection)).toEqual(ids(expected));
                expect(await history.records.count(selection)).toBe(expected.length);
              }
            }
          }
        }
      });

      test("fields come in the order in which they were asked for, also twice", async () => {
        const fields: TaskField[] = ["tag", "args", "completion_time", "id", "args", "retried", "waited"];
        const found = await collect(history.records.search(query(fields)));
        expect(found).toEqual(rows.map((each) => shown(each, fields, history.displayTime)));
      });

      test("every field is shown as it is", async () => {
        expect(await everyRow(history)).toEqual(allShown(rows, history));
      });

      test("a task is found by its id, with all its fields in order", async () => {
        for (const each of rows) {
          const found = await history.records.find(String(each.id));
          expect(Object.entries(found ?? {})).toEqual(
            taskFields.map((field, i) => [field, shown(each, taskFields, history.displayTime)[i]!]),
          );
        }
        for (const unknown of [uuid(77_777_777), "nonsense", "", "'"]) {
          expect(await history.records.find(unknown)).toBeNull();
        }
      });

      test("a task is found by the beginning of its id where only one begins so", async () => {
        const all = ids(rows).map(String);
        for (const prefix of all.flatMap((id) => [8, 9, 13, 34, 36].map((length) => id.slice(0, length)))) {
          const [found, same] = [await history.records.idsWith(prefix), all.filter((id) => id.startsWith(prefix))];
          expect([found.length, found.every((id) => same.includes(id))]).toEqual([Math.min(2, same.length), true]);
        }
        expect(await history.records.idsWith("77777777-7777-7")).toEqual([]);
      });

      test("tag maps are listed in order of first appearance, with none missing", async () => {
        const seen = new Set<string>();
        const text = (tags: Tags): string =>
          JSON.stringify(Object.entries(tags).toSorted(([one], [other]) => (one < other ? -1 : 1)));
        const unique = (all: readonly Tags[]): string[] =>
          all.map(text).filter((each) => !seen.has(each) && seen.add(each) !== undefined);
        const expected = unique(rows.map(({ tag }) => tag as Tags)).toSorted();
        seen.clear();
        const found = await collect(history.records.tagSets());
        expect(unique(found).toSorted()).toEqual(expected);
        const keys = (all: readonly Tags[]): string[] => [...new Set(all.flatMap((tags) => Object.keys(tags)))];
        const inOrder = keys(rows.map(({ tag }) => tag as Tags));
        if (history.keepsTagOrder)
          expect(keys(found).filter((key) => key !== "part")).toEqual(inOrder.filter((key) => key !== "part"));
        else expect(keys(found).toSorted()).toEqual(inOrder.toSorted());
      });
    });

    test("a status without an end, and an end without a status, are found as what they are", async () => {
      const rows = [
        endedRow(),
        endedRow({ exit_status: 7, completion_time: null }),
        endedRow({ exit_status: null }),
        newRow(),
        heldRow(),
      ];
      await history.add(rows);
      for (const text of [
        "completion_time == null",
        "completion_time != null",
        "exit_status == null",
        "exit_status != 0",
      ]) {
        const where = [parseCondition(text)];
        const expected = selected(rows, select({ where }));
        expect([text, await idsOf({ where })]).toEqual([text, ids(expected)]);
        expect([text, await history.records.count(select({ where }))]).toEqual([text, expected.length]);
      }
      const what = change({ action: "cancel" });
      const expected = changed(rows, select(), what, at);
      expect(await history.records.change(select(), what, at)).toEqual(expected.report);
      expect(await everyRow(history)).toEqual(allShown(expected.rows, history));
    });

    describe("an empty history", () => {
      test("has nothing to find, to count or to change", async () => {
        expect(await everyRow(history)).toEqual([]);
        expect(await history.records.count(select())).toBe(0);
        expect(await collect(history.records.tagSets())).toEqual([]);
        for (const action of ["cancel", "revert", "delete"] as const)
          expect(await history.records.change(select(), change({ action }), at)).toEqual({ changed: 0, held: 0 });
      });
    });

    describe("a long history", () => {
      const count = 3000;
      let rows: HistoryRow[];
      beforeEach(async () => {
        rows = Array.from({ length: count }, (_, i) =>
          i % 3 === 2
            ? newRow({ group: i % 7, tag: { site: `s${i % 5}`, part: 0 } })
            : endedRow({ group: i % 7, exit_status: i % 11 === 0 ? 1 : 0 }),
        );
        await history.add(rows);
      });

      test("comes whole, in order, whatever is asked for", async () => {
        const asked: Partial<Selection>[] = [
          {},
          { where: [parseCondition("exit_status == null")] },
          { where: [parseCondition("exit_status != 0")] },
          { where: [parseCondition("exit_status == 0"), parseCondition("args ~ 7")] },
          { where: [parseTagFilter("site:s3")] },
          { where: [parseTagFilter("site")], limit: 901 },
          { where: [parseCondition("group == 3")], orderBy: "group" },
          { orderBy: "group", descending: true },
          { orderBy: "submit_time", descending: true },
          { orderBy: "submit_time", limit: 1501 },
          { orderBy: "schedule_time" },
        ];
        for (const selection of asked) {
          const expected = selected(rows, select(selection));
          expect(await idsOf(selection)).toEqual(ids(expected));
          expect(await history.records.count(select(selection))).toBe(expected.length);
        }
      });

      test("may be left in the middle, again and again", async () => {
        for (let i = 0; i < 20; i++) {
          for await (const [id] of history.records.search(query(["id"]))) {
            expect(id).toBe(rows[0]!.id);
            break;
          }
        }
        expect(await history.records.count(select())).toBe(count);
      });

      test("is read while others write: what stays is found once, what comes and goes at most once", async () => {
        const seen: unknown[] = [];
        const added = [newRow(), endedRow()];
        const gone = rows.slice(2000, 2010);
        for await (const [id] of history.records.search(query(["id"]))) {
          seen.push(id);
          if (seen.length !== 1000) continue;
          await history.add(added);
          for (const { id: each } of gone)
            await history.records.change(
              select({ where: [parseCondition(`id == ${String(each)}`)] }),
              change({ action: "delete" }),
              at,
            );
          const where = [parseCondition("group == 6")];
          await history.records.change(select({ where }), change({ fields: new Map([["args", "changed"]]) }), at);
        }
        const mayMiss = new Set(ids([...added, ...gone]));
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen.filter((id) => !mayMiss.has(id))).toEqual(ids(rows).filter((id) => !mayMiss.has(id)));
      });

      test("is changed as a whole, in order and up to a limit", async () => {
        const where = [parseCondition("exit_status == null")];
        const selection = select({ where, orderBy: "group", descending: true, limit: 950 });
        const what = change({ action: "cancel", tags: { why: "slow" } });
        const expected = changed(rows, selection, what, at);
        expect(await history.records.change(selection, what, at)).toEqual(expected.report);
        expect(await everyRow(history)).toEqual(allShown(expected.rows, history));
      });
    });

    describe("changes", () => {
      let rows: HistoryRow[];
      let chain: readonly HistoryRow[];
      beforeEach(async () => {
        const [one, two, three] = [
          endedRow({ exit_status: 2, retried: true }),
          endedRow({ exit_status: 3, retried: true }),
          heldRow(),
        ];
        chain = [
          { ...one, next_id: two.id },
          { ...two, previous_id: one.id, next_id: three.id, attempt: 2 },
          { ...three, previous_id: two.id, attempt: 3, server_id: serverB },
        ];
        rows = [
          ...mixed(),
          ...chain,
          heldRow({ server_id: serverA, client_id: null, client_host: null, args: "waits" }),
          heldRow({ server_id: null, server_host: null, args: "of an older program" }),
        ].toSorted((a, b) => Number(a.submit_time) - Number(b.submit_time));
        await history.add(rows);
      });

      async function expectChange(selection: Selection, what: Change): Promise<void> {
        const expected = changed(rows, selection, what, at);
        expect(await history.records.change(selection, what, at)).toEqual(expected.report);
        expect(await everyRow(history)).toEqual(allShown(expected.rows, history));
        expect(await history.recalls()).toEqual(expected.recalls);
      }
      const where = (...texts: string[]): Selection => select({ where: texts.map(parseCondition) });

      test("cancel ends what has not ended, tells its servers, and leaves alone what has", async () => {
        await expectChange(select(), change({ action: "cancel" }));
        const statuses = (await collect(history.records.search(query(["exit_status"])))).flat();
        expect(statuses.filter((status) => status === 0).length).toBe(rows.filter((r) => r.exit_status === 0).length);
        expect(statuses).not.toContain(null);
      });

      test("cancel counts its limit among what has not ended", async () => {
        await expectChange(select({ limit: 2 }), change({ action: "cancel" }));
      });

      test("cancel writes nothing else, also with other changes at once", async () => {
        await expectChange(
          where("args == 9"),
          change({ action: "cancel", fields: new Map([["group", 5]]), tags: { why: "late" }, removedTags: ["f"] }),
        );
      });

      test("revert makes a task look never scheduled, and its next attempt a chain of its own", async () => {
        await expectChange(where(`id == ${String(chain[0]!.id)}`), change({ action: "revert" }));
        expect(await history.records.find(String(chain[0]!.id))).toMatchObject({
          ...unscheduled,
          retried: false,
          next_id: null,
          previous_id: null,
          attempt: 1,
          args: chain[0]!.args,
          timeout: 60,
        });
        expect(await history.records.find(String(chain[1]!.id))).toMatchObject({
          previous_id: null,
          next_id: chain[2]!.id,
          exit_status: 3,
          attempt: 2,
        });
      });

      test("revert of everything leaves no link and no result", async () => {
        await expectChange(select(), change({ action: "revert" }));
        expect(await history.records.count(where("next_id != null"))).toBe(0);
        expect(await history.records.count(where("previous_id != null"))).toBe(0);
        expect(await history.records.count(where("exit_status != null"))).toBe(0);
      });

      test("revert in the middle of a chain keeps what came before", async () => {
        await expectChange(where(`id == ${String(chain[1]!.id)}`), change({ action: "revert", tags: { again: true } }));
      });

      test("delete takes rows away, and tells their servers; a failure without its next attempt is final", async () => {
        await expectChange(where("exit_status == null"), change({ action: "delete" }));
        expect((await history.recalls()).length).toBeGreaterThan(0);
      });

      test("delete by order and limit takes the right ones", async () => {
        await expectChange(select({ orderBy: "duration", descending: true, limit: 4 }), change({ action: "delete" }));
      });

      test("a field is set to a value of its kind, or to null, and nothing else is written", async () => {
        const values: readonly (readonly [TaskField, string | number | boolean | null])[] = [
          ...([
            ["args", "echo 'x'; -- \\ 🦊"],
            ["group", 7],
            ["cores", 4],
            ["memory", 2 ** 33],
            ["timeout", null],
          ] as const),
          ...([
            ["submit_host", null],
            ["cores_max", 0.25],
            ["memory_max", null],
            ["exit_status", -3],
          ] as const),
          ...([
            ["start_time", noon + 0.125],
            ["completion_time", null],
            ["schedule_time", noon + 1],
          ] as const),
          ...([
            ["retried", true],
            ["attempt", 9],
            ["waited", 2.5],
            ["duration", null],
            ["outpath", ""],
          ] as const),
          ...([
            ["server_id", serverB],
            ["client_id", null],
            ["command", "null"],
            ["submit_id", serverA],
          ] as const),
        ];
        for (const [field, value] of values) {
          const selection = where("args != null");
          const what = change({ fields: new Map([[field, value]]) });
          const before = rows;
          const expected = changed(before, selection, what, at);
          expect([field, await history.records.change(selection, what, at)]).toEqual([field, expected.report]);
          rows = [...expected.rows];
          expect([field, await everyRow(history)]).toEqual([field, allShown(rows, history)]);
        }
      });

      test("servers are told of what matters to a task that they hold, and of nothing else", async () => {
        const untold: readonly (readonly [TaskField, string | number])[] = [
          ...([
            ["outpath", "/x"],
            ["submit_host", "h"],
            ["attempt", 77],
            ["waited", 77],
          ] as const),
        ];
        for (const [field, value] of untold) {
          const report = await history.records.change(select(), change({ fields: new Map([[field, value]]) }), at);
          expect(report).toEqual({ changed: rows.length, held: 0 });
        }
        expect(await history.recalls()).toEqual([]);
        const told: readonly Change[] = [
          ...(["args", "group", "cores", "memory", "timeout"] as const).map((field) =>
            change({ fields: new Map([[field, field === "args" ? "x" : 77]]) }),
          ),
          change({ tags: { a: 1 } }),
          change({ removedTags: ["a"] }),
        ];
        const holders = [serverA, serverB, serverA];
        const heldIds = rows.filter(
          (r) => r.completion_time === null && r.server_id !== null && r.schedule_time !== null,
        );
        expect(heldIds.length).toBe(holders.length);
        for (const what of told) {
          expect(await history.records.change(select(), what, at)).toEqual({ changed: rows.length, held: 3 });
        }
        const recalls = await history.recalls();
        expect(recalls.length).toBe(told.length * 3);
        expect(new Set(recalls.map(({ kind }) => kind))).toEqual(new Set(["changed"]));
        expect(new Set(recalls.map(({ taskId }) => taskId))).toEqual(new Set(ids(heldIds).map(String)));
      });

      test("tags are set in place or added, of any type, and all others stay", async () => {
        const tags = { site: "c", n: 2.5, yes: true, no: false, nothing: null, naked: "", "x.y": "flat", b: "true" };
        await expectChange(where("args ~ [ae]"), change({ tags }));
      });

      test("tags stay in their order: what is replaced where it was, what is new behind", async () => {
        if (!history.keepsTagOrder) return;
        const [one] = rows.filter(({ args }) => args === "Echo a");
        await history.records.change(where("args == Echo a"), change({ tags: { n: 7, site: "z", more: true } }), at);
        const found = await history.records.find(String(one!.id));
        const keys = Object.keys((found?.tag ?? {}) as Tags).filter((key) => key !== "part");
        expect(keys).toEqual(["site", "n", "more"]);
      });

      test("tags are removed by key, and those that are not there do no harm", async () => {
        await expectChange(select(), change({ removedTags: ["site", "x.y", "no-such", "nul"] }));
        await history.records.change(select(), change({ removedTags: ["site"] }), at);
        expect(await history.records.count(select({ where: [parseTagFilter("site")] }))).toBe(0);
      });

      test("fields, tags and removals are all done at once, under a limit too", async () => {
        const what = change({
          fields: new Map<TaskField, string | number>([
            ["args", "zz"],
            ["timeout", 90],
          ]),
          tags: { x: 1 },
          removedTags: ["site", "f"],
        });
        await expectChange(select({ limit: 3, orderBy: "args" }), what);
      });

      test("a tag that is set and removed is removed", async () => {
        await expectChange(select(), change({ tags: { x: 1, y: "é 'q' \\" }, removedTags: ["x", "site"] }));
      });

      test("a change that takes rows out of its own selection reaches all of them", async () => {
        await expectChange(where("args ~ ."), change({ fields: new Map([["args", ""]]) }));
      });

      test("a change of nothing that is there changes nothing", async () => {
        await expectChange(where("args == no such"), change({ action: "delete" }));
        await expectChange(select({ limit: 0 }), change({ action: "delete" }));
      });

      test("each kind of condition selects what it finds", async () => {
        for (const filter of [
          parseTagFilter("site:b"),
          parseCondition("args ~ ^[0-9]+$"),
          parseCondition("submit_time < 2027-01-10 12:00:01"),
        ]) {
          const selection = select({ where: [filter] });
          const what = change({ tags: { mark: rows.length } });
          const expected = changed(rows, selection, what, at);
          expect(await history.records.change(selection, what, at)).toEqual(expected.report);
          rows = [...expected.rows];
          expect(await everyRow(history)).toEqual(allShown(rows, history));
        }
      });
    });
  });
}
