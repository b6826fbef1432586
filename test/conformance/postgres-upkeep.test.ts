/*
 * What housekeeping and the way to rows do in PostgreSQL alone: tables of archived tasks, counts that are kept by
 * triggers, nothing left running.
 */
import { afterAll, beforeAll, describe, expect } from "bun:test";
import { UserError } from "../../src/base/errors.ts";
import { postgresEdits } from "../../src/history/postgres/edits.ts";
import { postgresRecords } from "../../src/history/postgres/partitions.ts";
import { recordsOf } from "../../src/history/postgres/records.ts";
import { prepareTables } from "../../src/store/postgres/schema.ts";
import { postgresUpkeep } from "../../src/history/postgres/upkeep.ts";
import { parseCondition, parseTagFilter } from "../../src/task/filter.ts";
import type { TaskField } from "../../src/task/field.ts";
import type { Tags } from "../../src/task/task.ts";
import { noPostgres } from "../systems/postgres.ts";
import { needs, until } from "../e2e/harness.ts";
import { type PostgresHistories, startPostgresHistories } from "./histories.ts";
import {
  change,
  collect,
  endedRow,
  heldRow,
  type HistoryRow,
  newRow,
  noon,
  type OpenedHistory,
  query,
  select,
  selected,
  uuid,
} from "./history.ts";

const withPostgres = needs([], noPostgres);

describe("upkeep: postgresql", () => {
  let postgres: PostgresHistories;
  beforeAll(async () => {
    if (noPostgres === null) postgres = await startPostgresHistories('it\'s "here"');
  });
  afterAll(() => postgres?.[Symbol.asyncDispose]());

  const tables = async (): Promise<unknown[]> =>
    (
      await postgres.connection.query(
        `select relname from pg_class
         where relnamespace = (select oid from pg_namespace where nspname = current_schema())
           and relkind = 'r' and relname like 'task%' order by 1`,
      )
    ).flat();

  async function fresh(): Promise<OpenedHistory> {
    for (const name of await tables())
      if (name !== "task") await postgres.connection.script(`drop table ${String(name)}`);
    await postgres.connection.script("truncate server");
    return postgres.open();
  }

  const everything = (): ReturnType<typeof postgresRecords> =>
    postgresRecords(postgres.connection, { ignorePartitions: false });
  const find = async (fields: TaskField[], where: string[] = []): Promise<unknown[]> =>
    (await collect(everything().search(query(fields, { where: where.map(parseCondition) })))).map((cells) =>
      fields.length === 1 ? cells[0] : cells,
    );
  const ids = (rows: readonly HistoryRow[]): unknown[] => rows.map(({ id }) => id);

  withPostgres(
    "a rotation moves what has ended for good, and every task is still found, main first, then in order of number",
    async () => {
      const history = await fresh();
      const upkeep = postgresUpkeep(postgres.connection);
      const first = [
        endedRow(),
        endedRow({ exit_status: -1, tag: { site: "a", part: 0 } }),
        endedRow({ exit_status: 3, retried: true }),
      ];
      const open = [newRow(), heldRow(), endedRow({ exit_status: 4, attempt: 1 })];
      await history.add([...first, ...open]);
      expect(await upkeep.nextPartition()).toBe("task_1");
      const told: number[] = [];
      expect(await upkeep.rotate("task_1", 2, (moved) => told.push(moved))).toBe(3);
      expect(told.at(-1)).toBe(3);
      expect(await upkeep.total()).toBe(3);
      expect(await find(["id"])).toEqual([...ids(open), ...ids(first)]);
      expect((await find(["tag"])).map((tag) => (tag as Tags)["part"])).toEqual([0, 0, 0, 1, 1, 1]);

      const second = Array.from({ length: 12 }, (_, i) => endedRow({ args: `later ${i}` }));
      for (let i = 0; i < second.length; i++) {
        await history.add([second[i]!]);
        expect(await upkeep.nextPartition()).toBe(`task_${i + 2}`);
        expect(await upkeep.rotate(`task_${i + 2}`, 2)).toBe(1);
      }
      expect(await find(["id"])).toEqual([...ids(open), ...ids(first), ...ids(second)]);
      expect(await find(["id"], ["args ~ later"])).toEqual(ids(second));
      expect(await find(["args"], [`id == ${String(second[3]!.id)}`])).toEqual(["later 3"]);
      expect((await everything().find(String(second[11]!.id)))?.["tag"]).toEqual({ part: 13 });
      expect(await everything().count(select())).toBe(18);
      expect(await everything().count(select({ where: [parseTagFilter("part:3")] }))).toBe(1);
      expect(await history.records.count(select())).toBe(3);
      expect(await history.records.find(String(first[0]!.id))).toBeNull();
      const all = await collect(
        everything().search(query(["id"], { orderBy: "submit_time", descending: true, limit: 2 })),
      );
      expect(all.flat()).toEqual([second[11]!.id, second[10]!.id]);
      const keys = (await collect(everything().tagSets())).flatMap((tags) => Object.keys(tags));
      expect(new Set(keys)).toEqual(new Set(["part", "site"]));
    },
  );

  withPostgres("failures that may still be tried again, or that decide what runs, stay", async () => {
    const history = await fresh();
    const upkeep = postgresUpkeep(postgres.connection);
    const [finite, live] = [uuid(5_000_000), uuid(6_000_000)];
    await postgres.connection.query(
      `insert into server (id, host, pid, pid_start, reserves, started_at, beat_at)
       values ($1::uuid, 'h', 1, null, true, 0, 0), ($2::uuid, 'h', 1, null, false, 0, 0)`,
      [finite, live],
    );
    const failed = { exit_status: 1, retried: false };
    const rows = {
      again: endedRow({ ...failed, attempt: 1, group: 5 }),
      final: endedRow({ ...failed, attempt: 2, group: 5 }),
      below: endedRow({ ...failed, attempt: 2, group: 4 }),
      reserved: endedRow({ ...failed, attempt: 2, group: 5, submit_id: finite }),
      shared: endedRow({ ...failed, attempt: 2, group: 5, submit_id: live }),
      byHand: endedRow({ exit_status: null }),
      waiting: newRow({ group: 5 }),
    };
    await history.add(Object.values(rows));
    expect(await upkeep.rotate("task_1", 2)).toBe(2);
    expect(await collect(recordsOf(postgres.connection, "task_1").search(query(["id"])))).toEqual([
      [rows.final.id],
      [rows.shared.id],
    ]);
    expect(await upkeep.rotate("task_2", 2)).toBe(0);
    expect(await tables()).toEqual(["task", "task_1"]);
  });

  withPostgres("tables of others are neither read nor overwritten", async () => {
    const history = await fresh();
    const upkeep = postgresUpkeep(postgres.connection);
    const { script } = postgres.connection;
    await script("create table task_1 (id uuid, args text)");
    await script("create table task_foo (like task)");
    await script("create table task_02 (like task)");
    await script("insert into task_1 values (gen_random_uuid(), 'not ours')");
    const rows = [endedRow(), endedRow()];
    await history.add(rows);
    expect(await upkeep.nextPartition()).toBe("task_2");
    expect(await upkeep.rotate("task_2", 1)).toBe(2);
    expect(await find(["id"])).toEqual(ids(rows));
    expect(await upkeep.rotate("task_3", 1)).toBe(0);
    expect(await tables()).toEqual(["task", "task_02", "task_1", "task_2", "task_foo"]);
    await upkeep.truncate();
    expect(await find(["id"])).toEqual(ids(rows));
    const failure: unknown = await upkeep.rotate("task_9; drop table task", 1).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
  });

  withPostgres("a rotation is seen wholly or not at all", async () => {
    const history = await fresh();
    const rows = Array.from({ length: 500 }, (_, i) => endedRow({ exit_status: i % 2 }));
    await history.add(rows);
    const upkeep = postgresUpkeep(postgres.connection);
    const counts: number[] = [];
    const rotation = upkeep.rotate("task_1", 1, () => {
      // Within the transaction: others see nothing of it.
      counts.push(-1);
    });
    let over = false;
    void rotation.then(() => (over = true));
    while (!over) counts.push((await find(["id"])).length);
    expect(await rotation).toBe(500);
    expect(new Set(counts.filter((count) => count >= 0))).toEqual(new Set([500]));
    expect(await upkeep.total()).toBe(0);
  });

  withPostgres(
    "rows in an order of their own are all there, from any number of partitions, whatever is moved meanwhile",
    async () => {
      const history = await fresh();
      const { connection } = postgres;
      const upkeep = postgresUpkeep(connection);
      const added: HistoryRow[] = [];
      const addMore = async (): Promise<void> => {
        const more = Array.from({ length: 40 }, (_, i) => endedRow({ args: `${(i * 7) % 40}`, exit_status: i % 2 }));
        added.push(...more);
        await history.add(more);
      };
      // More than there are connections for cursors.
      for (let part = 1; part <= 5; part++) {
        await addMore();
        await upkeep.rotate(`task_${part}`, 1);
      }
      for (const orderBy of ["args", "submit_time", "exit_status"] as const) {
        for (const limit of [null, 500, 7]) {
          await addMore();
          let [begun, moved] = [false, 0];
          /** Moves what there is when the first row is asked for, and the partitions are known. */
          const late = async (sql: string): Promise<void> => {
            if (begun || !/ task where .* order by/s.test(sql)) return;
            begun = true;
            moved = await upkeep.rotate(await upkeep.nextPartition(), 1);
          };
          const overtaken = {
            ...connection,
            query: async (sql: string, values?: readonly unknown[]) => {
              await late(sql);
              return connection.query(sql, values);
            },
            async *stream(sql: string, values: readonly unknown[], portion: number) {
              await late(sql);
              yield* connection.stream(sql, values, portion);
            },
          };
          const wanted = query(["id"], { orderBy, limit });
          const found = await collect(postgresRecords(overtaken, { ignorePartitions: false }).search(wanted));
          expect([orderBy, limit, moved, found.length]).toEqual([
            orderBy,
            limit,
            40,
            Math.min(limit ?? Infinity, added.length),
          ]);
          expect(new Set(found.flat()).size).toBe(found.length);
          if (limit === null) expect(new Set<unknown>(found.flat())).toEqual(new Set(ids(added)));
        }
      }
    },
  );

  withPostgres("counts of tasks are right whoever writes, and after they were wrong", async () => {
    const history = await fresh();
    const { connection, server } = postgres;
    const edits = postgresEdits(connection);
    const texts = [
      "exit_status == null",
      "exit_status != null",
      "exit_status == 0",
      "exit_status != 0",
      "exit_status > 1",
    ];
    const bad = async (): Promise<unknown[]> => {
      const wrong: unknown[] = [];
      for (const where of [[], ...texts.map((text) => [parseCondition(text)])]) {
        const counted = await history.records.count(select({ where }));
        const found = (await collect(history.records.search(query(["id"], { where })))).length;
        if (counted !== found) wrong.push([where, counted, found]);
      }
      return wrong;
    };
    await history.add(
      Array.from({ length: 300 }, (_, i) => (i % 3 === 0 ? newRow() : endedRow({ exit_status: i % 5 }))),
    );
    expect(await bad()).toEqual([]);
    // Enough statements for the rows of the counts to be put together.
    const statuses = Array.from({ length: 120 }, (_, i) => i % 4);
    for (const status of statuses) {
      const where = [parseCondition(`exit_status ${status === 0 ? "== null" : `== ${status - 1}`}`)];
      const selection = select({ where, limit: 3 });
      await edits.change(selection, change({ fields: new Map([["exit_status", status === 3 ? null : status]]) }), noon);
    }
    await edits.change(select({ limit: 10 }), change({ action: "delete" }), noon);
    expect(await bad()).toEqual([]);
    const [database] = (await connection.query("select current_database()"))[0] as [string];
    const quiet = `set search_path = "it's ""here"""; set session_replication_role = replica`;
    await server.sql(database, `${quiet}; update task set exit_status = 0`);
    expect((await bad()).length).toBeGreaterThan(0);
    await postgresUpkeep(connection).optimize();
    expect(await bad()).toEqual([]);
    await connection.script("truncate task");
    expect(await bad()).toEqual([]);
  });

  withPostgres("space is counted, and backups are named as what they are", async () => {
    const history = await fresh();
    await history.add(Array.from({ length: 2000 }, () => endedRow()));
    const upkeep = postgresUpkeep(postgres.connection);
    expect(await upkeep.vacuum()).toBe(0);
    await history.records.change(select(), change({ action: "delete" }), noon);
    expect(await upkeep.vacuum()).toBeGreaterThan(100_000);
    const failure: unknown = await upkeep.backup("/tmp/copy").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as UserError).status).toBe(2);
    expect((failure as UserError).message).toContain("pg_dump");
  });

  withPostgres("a value that a column cannot hold is refused before anything is changed", async () => {
    const history = await fresh();
    const rows = [endedRow(), endedRow()];
    await history.add(rows);
    const bad: readonly (readonly [TaskField, string | number | boolean | null])[] = [
      ["client_id", "not an id"],
      ["group", 2 ** 40],
      ["cores", 1.5],
      ["group", null],
      ["args", "a\0b"],
      ["previous_id", uuid(99)],
    ];
    for (const [field, value] of bad) {
      const failure: unknown = await history.records
        .change(
          select(),
          change({
            fields: new Map([
              ["args", "changed"],
              [field, value],
            ]),
          }),
          noon,
        )
        .catch((error: unknown) => error);
      expect([field, failure instanceof UserError && failure.status]).toEqual([field, 2]);
    }
    expect((await find(["args"])).flat()).toEqual(rows.map(({ args }) => args));
  });

  withPostgres(
    "tables of another program, without our indices and counts, are searched and changed all the same",
    async () => {
      const history = await fresh();
      const { connection } = postgres;
      const rows = Array.from({ length: 2500 }, (_, i) =>
        i % 2 === 0 ? newRow({ group: i % 5 }) : endedRow({ tag: { i: i % 3, part: 0 } }),
      );
      await history.add(rows);
      const names = await connection.query(
        "select indexname from pg_indexes where tablename = 'task' and schemaname = current_schema() " +
          "and indexname like 'task\\_%' and indexname !~ 'key$'",
      );
      for (const [name] of names) if (name !== "task_pkey") await connection.script(`drop index ${String(name)}`);
      await connection.script("drop table tally cascade; drop function tally_tasks cascade");
      try {
        const records = recordsOf(connection, "task");
        for (const where of [
          [],
          [parseCondition("exit_status == null")],
          [parseTagFilter("i:2")],
          [parseCondition("args ~ 7$")],
        ]) {
          const expected = selected(rows, select({ where }));
          expect((await collect(records.search(query(["id"], { where })))).map(([id]) => id)).toEqual(
            ids(expected) as string[],
          );
          expect(await records.count(select({ where }))).toBe(expected.length);
        }
        expect((await collect(records.tagSets())).length).toBeGreaterThanOrEqual(4);
        const where = [parseCondition("group == 2")];
        const { changed } = await postgresEdits(connection).change(
          select({ where }),
          change({ action: "cancel" }),
          noon,
        );
        expect(changed).toBe(rows.filter(({ group }) => group === 2).length);
      } finally {
        await prepareTables(connection, true);
      }
      expect(await recordsOf(connection, "task").count(select())).toBe(rows.length);
    },
  );

  withPostgres("a search that is left leaves nothing running, whatever its order", async () => {
    const history = await fresh();
    await history.add(Array.from({ length: 3000 }, (_, i) => endedRow({ args: `echo ${i % 7}` })));
    for (const orderBy of [null, "submit_time", "args"] as const) {
      for await (const cells of history.records.search(query(["id", "args"], { orderBy }))) {
        expect(cells.length).toBe(2);
        break;
      }
    }
    const [database] = (await postgres.connection.query("select current_database()"))[0] as [string];
    await until(async () => {
      const states = await postgres.server.sql(
        database,
        `select state from pg_stat_activity where application_name = 'hypershell' and state <> 'idle'`,
      );
      return states.length === 0;
    }, "a statement still runs");
  });
});
