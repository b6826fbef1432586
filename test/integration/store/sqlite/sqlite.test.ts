import { everyFailure } from "../../../../src/task/retries.ts";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../../../src/base/clock.ts";
import { newId } from "../../../../src/base/ids.ts";
import { openSqlite } from "../../../../src/store/sqlite/sqlite.ts";
import { formatTime } from "../../../../src/store/times.ts";
import type { NewTask } from "../../../../src/task/task.ts";
import { adoption, adoptionConformance } from "../../../conformance/adoption.ts";
import { setbackConformance } from "../../../conformance/setbacks.ts";
import { openSqliteWithRecords } from "../../../sqlite.ts";
import { serversConformance } from "../../../conformance/servers.ts";
import { sourcesConformance } from "../../../conformance/sources.ts";
import {
  claimed,
  client1,
  completion,
  makeCommit,
  makeServer,
  makeTask,
  makeTasks,
  mine,
  request,
  serverId,
  storeConformance,
  t0,
} from "../../../conformance/store.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const open = (name = "main.db") => openSqliteWithRecords(join(folder, name));

for (const conformance of [
  storeConformance,
  adoptionConformance,
  serversConformance,
  setbackConformance,
  sourcesConformance,
]) {
  conformance("sqlite", async () => {
    const store = open();
    return { store, [Symbol.asyncDispose]: () => store.close() };
  });
}

/** Looks at the file as another program would. */
function look<T>(sql: string, ...cells: string[]): T[] {
  const db = new Database(join(folder, "main.db"), { readonly: true });
  try {
    return db.query(sql).all(...cells) as T[];
  } finally {
    db.close();
  }
}

function optimize(): void {
  const db = new Database(join(folder, "main.db"));
  // 0x10000: all tables, not only those that this connection has searched.
  db.run("pragma optimize = 0x10002");
  db.close();
}

describe("rows", () => {
  test("a new row is as other programs expect it", async () => {
    const store = open();
    const task = makeTask({ args: "echo 1", submitTime: t0 + 0.001, tag: { site: "a b", part: 3, n: 1 } });
    await store.insert([task]);
    await store.close();
    const [row] = look<Record<string, unknown>>("select * from task");
    expect(row).toEqual({
      id: task.id,
      group: 0,
      args: "echo 1",
      submit_id: task.submitId,
      submit_time: "2026-11-22 07:40:58.000001",
      submit_host: "login01",
      cores: 2,
      memory: 8589934592,
      cores_max: null,
      memory_max: null,
      timeout: 60,
      server_id: null,
      server_host: null,
      schedule_time: null,
      client_id: null,
      client_host: null,
      command: null,
      start_time: null,
      completion_time: null,
      exit_status: null,
      outpath: null,
      errpath: null,
      csvpath: null,
      attempt: 1,
      retried: 0,
      waited: null,
      duration: null,
      previous_id: null,
      next_id: null,
      tag: '{"site": "a b", "n": 1, "part": 0}',
    });
  });

  test("claim, assignment and outcome fill the row in, and touch nothing else", async () => {
    const store = open();
    const task = makeTask();
    await store.insert([task]);
    await store.claim(request());
    await store.commit(makeCommit({ assigned: [{ id: task.id, clientId: "c9", clientHost: "node09" }] }));
    expect(await store.find(task.id)).toMatchObject({
      server_id: serverId,
      server_host: "login01",
      schedule_time: "2026-11-22 07:41:03",
      client_id: "c9",
      client_host: "node09",
      exit_status: null,
      completion_time: null,
    });
    const db = new Database(join(folder, "main.db"));
    db.run("update task set tag = '{\"edited\":1,\"part\":0}', args = 'edited'");
    db.close();
    const done = completion(task, {
      outpath: "/o",
      errpath: "/e",
      csvpath: "/c",
      coresMax: 1.5,
      memoryMax: 2e9,
      exitStatus: 3,
    });
    await store.commit(makeCommit({ completed: [done] }));
    expect(await store.find(task.id)).toMatchObject({
      args: "edited",
      tag: { edited: 1, part: 0 },
      client_id: client1,
      client_host: "node01",
      command: "echo",
      start_time: "2026-11-22 07:41:04",
      completion_time: "2026-11-22 07:41:05.000500",
      exit_status: 3,
      outpath: "/o",
      errpath: "/e",
      csvpath: "/c",
      cores_max: 1.5,
      memory_max: 2e9,
      waited: 1,
      duration: 1.001,
      retried: false,
      next_id: null,
    });
    await store.close();
  });

  test("attempts are linked both ways and keep what the task asked for", async () => {
    const store = open();
    const task = makeTask();
    await store.insert([task]);
    await store.claim(request());
    const retry = { ...task, id: newId(), attempt: 2, previousId: task.id };
    await store.commit(
      makeCommit({ completed: [completion(task, { exitStatus: 1, retry: { task: retry, claimed: false } })] }),
    );
    expect(await store.find(task.id)).toMatchObject({ retried: true, next_id: retry.id, exit_status: 1 });
    expect(await store.find(retry.id)).toMatchObject({
      previous_id: task.id,
      attempt: 2,
      cores: 2,
      memory: 8589934592,
      timeout: 60,
      submit_id: task.submitId,
      schedule_time: null,
    });
    await store.close();
  });

  test("a task that was reverted by hand after its next attempt fails again into a chain of its own", async () => {
    const store = open();
    const task = makeTask();
    await store.insert([task]);
    await store.claim(request());
    const second = { ...task, id: newId(), attempt: 2, previousId: task.id };
    await store.commit(
      makeCommit({ completed: [completion(task, { exitStatus: 1, retry: { task: second, claimed: false } })] }),
    );
    const db = new Database(join(folder, "main.db"));
    db.run("update task set schedule_time = null, completion_time = null, exit_status = null where attempt = 1");
    db.close();
    await store.claim(request());
    const third = { ...second, id: newId() };
    const order = makeCommit({
      completed: [completion(task, { exitStatus: 1, retry: { task: third, claimed: false } })],
    });
    expect(await store.commit(order)).toEqual({ refused: [] });
    expect(await store.find(task.id)).toMatchObject({ next_id: third.id });
    expect(await store.find(third.id)).toMatchObject({ previous_id: task.id });
    expect(await store.find(second.id)).toMatchObject({ previous_id: null });
    await store.close();
  });

  test("giving back clears what dispatch wrote, and keeps tags, attempt and links", async () => {
    const store = open();
    const task = makeTask();
    await store.insert([task]);
    await store.claim(request());
    await store.commit(makeCommit({ assigned: [{ id: task.id, clientId: "c1", clientHost: "n" }] }));
    await store.commit(makeCommit({ reverted: [task.id] }));
    expect(await store.find(task.id)).toMatchObject({
      server_id: null,
      server_host: null,
      schedule_time: null,
      client_id: null,
      client_host: null,
      attempt: 1,
      tag: task.tag,
    });
    await store.close();
  });

  test("an outcome for a row cancelled by another program is refused, and for a deleted row too", async () => {
    const store = open();
    const [cancelled, deleted] = makeTasks(2) as [ReturnType<typeof makeTask>, ReturnType<typeof makeTask>];
    await store.insert([cancelled, deleted]);
    await store.claim(request());
    const db = new Database(join(folder, "main.db"));
    db.query("update task set exit_status = -1, completion_time = ? where id = ?").run(formatTime(t0), cancelled.id);
    db.query("delete from task where id = ?").run(deleted.id);
    db.close();
    const report = await store.commit(makeCommit({ completed: [completion(cancelled), completion(deleted)] }));
    expect(report.refused).toEqual([cancelled.id, deleted.id]);
    expect(await store.find(cancelled.id)).toMatchObject({ exit_status: -1 });
    await store.close();
  });

  test("clients leave rows that tell when and how they left", async () => {
    const store = open();
    const client = { id: "c1", host: "node01", serverId, serverHost: "login01", connectedAt: t0 };
    await store.addClient(client);
    await store.endClient("c1", serverId, t0 + 1500, true);
    expect(look("select * from client")).toEqual([
      {
        id: "c1",
        host: "node01",
        server_id: serverId,
        server_host: "login01",
        connected_at: "2026-11-22 07:40:58.000000",
        disconnected_at: "2026-11-22 07:40:59.500000",
        evicted: 1,
      },
    ]);
    await store.addClient({ ...client, host: "node02", serverId: "s2", serverHost: "login02", connectedAt: t0 + 9000 });
    expect(look("select * from client")).toEqual([
      {
        id: "c1",
        host: "node02",
        server_id: "s2",
        server_host: "login02",
        connected_at: "2026-11-22 07:41:07.000000",
        disconnected_at: null,
        evicted: 0,
      },
    ]);
    await store.close();
  });

  test("an adopted row names its new server and its client, and keeps the time it was scheduled", async () => {
    const store = open();
    const [held, free, unnamed] = makeTasks(3) as [NewTask, NewTask, NewTask];
    await store.insert([held, free, unnamed]);
    await store.claim(request({ serverId: "dead", limit: 1 }));
    // As a program may have left it that was interrupted before it wrote everything.
    const db = new Database(join(folder, "main.db"));
    db.query("update task set schedule_time = ? where id = ?").run(formatTime(t0), unnamed.id);
    db.close();
    const rows = await store.adopt(adoption([held, free, unnamed], { clientId: "c9", clientHost: "node09" }));
    expect(rows.length).toBe(3);
    const now = { server_id: serverId, server_host: "login01", client_id: "c9", client_host: "node09" };
    expect(await store.find(held.id)).toMatchObject({ ...now, schedule_time: "2026-11-22 07:41:03" });
    expect(await store.find(free.id)).toMatchObject({ ...now, schedule_time: "2026-11-22 07:41:04" });
    expect(await store.find(unnamed.id)).toMatchObject({ ...now, schedule_time: "2026-11-22 07:40:58" });
    await store.close();
  });
});

describe("rows that move", () => {
  test("a row that was given another rowid is found by its id, and its neighbour left alone", async () => {
    const store = open();
    const tasks = makeTasks(6);
    await store.insert(tasks);
    await store.claim(request());
    // As a vacuum may: each row but the first gets the number of the one before it.
    const db = new Database(join(folder, "main.db"));
    db.query("delete from task where id = ?").run(tasks[0]!.id);
    db.run("update task set rowid = rowid + 100");
    db.run("update task set rowid = rowid - 101");
    db.close();
    const [, second, third, fourth, fifth] = tasks.map(({ id }) => id);
    const assigned = [{ id: second!, clientId: "c2", clientHost: "node02" }];
    const report = await store.commit(makeCommit({ assigned, completed: [completion({ id: third! })] }));
    expect(report.refused).toEqual([]);
    const seen = look<{ id: string; client_id: string | null; exit_status: number | null }>(
      "select id, client_id, exit_status from task where client_id is not null order by rowid",
    );
    expect(seen).toEqual([
      { id: second!, client_id: "c2", exit_status: null },
      { id: third!, client_id: client1, exit_status: 0 },
    ]);
    await store.commit(makeCommit({ reverted: [fourth!, fifth!] }));
    expect(claimed(await store.claim(request())).map(({ id }) => id)).toEqual([fourth!, fifth!]);
    await store.close();
  });

  test("a claim of rows with gaps between them comes in order", async () => {
    const store = open();
    const tasks = makeTasks(9);
    await store.insert(tasks);
    await store.claim(request());
    await store.commit(makeCommit({ reverted: [tasks[7]!.id, tasks[1]!.id, tasks[4]!.id, tasks[5]!.id] }));
    const again = claimed(await store.claim(request({ at: t0 + 9000 })));
    expect(again).toEqual([1, 4, 5, 7].map((i) => ({ ...tasks[i]!, scheduleTime: t0 + 9000 })));
    await store.close();
  });
});

describe("several processes", () => {
  test("two servers on one database never get the same task", async () => {
    const [one, two] = [open(), open()];
    await one.insert(makeTasks(200));
    const got: string[] = [];
    for (let i = 0; i < 20; i++) {
      const store = i % 2 === 0 ? one : two;
      const claim = await store.claim(request({ limit: 10, serverId: newId() }));
      got.push(...claimed(claim).map(({ id }) => id));
    }
    expect(new Set(got).size).toBe(200);
    await one.close();
    await two.close();
  });

  test("an insert by another process wakes a listener, and own claims and commits do not", async () => {
    const timers: (() => void)[] = [];
    const clock = {
      now: () => t0,
      after: (_delay: number, action: () => void) => {
        timers.push(action);
        return { cancel: () => {} };
      },
    };
    const store = openSqlite({ file: join(folder, "main.db"), pragmas: {}, clock });
    let calls = 0;
    expect(timers.length).toBe(0);
    store.onInsert(() => calls++);
    const tick = (): void => timers.shift()!();
    tick();
    expect(calls).toBe(0);
    const another = open();
    await another.insert([makeTask()]);
    tick();
    expect(calls).toBe(1);
    tick();
    await store.claim(request());
    tick();
    expect(calls).toBe(1);
    await store.close();
    await another.close();
    tick();
    expect(timers.length).toBe(0);
  });

  test("a database written by one process is found by the next, its reservations included", async () => {
    const first = open();
    await first.addServer(makeServer(serverId, { reserves: true }));
    await first.insert(makeTasks(3, { submitId: serverId }));
    await first.close();
    const second = open();
    expect((await second.survey({ kind: "all" })).unfinished).toBe(0);
    expect(await second.total({ kind: "submission", id: serverId })).toBe(3);
    await second.close();
  });
});

describe("plans", () => {
  // Statements that run for every bundle must not look through the table, whatever the planner's statistics say.
  test("claims scan nothing but the range of an index they need", async () => {
    const store = open();
    await store.insert(makeTasks(2000));
    await store.insert(makeTasks(2000, { submitId: newId() }));
    optimize();
    const db = new Database(join(folder, "main.db"));
    const plan = (sql: string): string =>
      (db.query(`explain query plan ${sql}`).all() as { detail: string }[]).map(({ detail }) => detail).join("; ");
    const fresh = `completion_time is null and schedule_time is null`;
    const own = plan(
      "select rowid from task indexed by task_unfinished_submission " +
        `where ${fresh} and submit_id = 'x' and "group" = 1 order by rowid limit 5`,
    );
    const all = plan(
      `select rowid from task indexed by task_unfinished_group where ${fresh} and "group" = 1 order by rowid limit 5`,
    );
    for (const text of [own, all]) {
      expect(text).toContain("SEARCH task USING COVERING INDEX");
      expect(text).not.toContain("TEMP B-TREE");
    }
    db.close();
    await store.close();
  });

  test("no statement of a run looks through the whole table, adoption and recovery included", async () => {
    const ran = new Set<string>();
    const store = openSqlite({
      file: join(folder, "main.db"),
      pragmas: {},
      clock: systemClock,
      echo: (sql) => ran.add(sql),
    });
    const tasks = makeTasks(300);
    await store.insert(tasks);
    optimize();
    ran.clear();
    const [one, two, three] = tasks.map((task) => ({ id: task.id, clientId: "c1", clientHost: "node01" }));
    await store.addServer(makeServer(serverId));
    await store.addClient({ id: "c1", host: "node01", serverId, serverHost: "login01", connectedAt: t0 });
    await store.claim(request({ limit: 200, scope: { kind: "all" }, eager: true }));
    const retry = { task: makeTask({ attempt: 2, previousId: two!.id }), claimed: true };
    await store.commit(
      makeCommit({
        assigned: [one!, { ...one!, id: tasks[250]!.id }],
        completed: [completion(two!, { exitStatus: 1, retry }), completion({ id: tasks[251]!.id })],
        reverted: [three!.id],
      }),
    );
    await store.claim(request({ limit: 5 }));
    await store.adopt(adoption(tasks.slice(100), { from: [serverId] }));
    await store.clientsOf(serverId);
    await store.retryFailures({ kind: "all" }, everyFailure(3), t0, newId);
    await store.revertOrphans();
    await store.buryServer(serverId);
    // Past tasks that are held back, each way.
    const [early, late] = [makeTask({ group: 8 }), makeTask({ group: 9 })];
    await store.insert([early, late, makeTask({ group: 9, submitId: newId() })]);
    await store.claim(request({ group: "any", limit: 1000 }));
    await store.commit(makeCommit({ completed: [completion(early, { exitStatus: 1 })], reverted: [late.id] }));
    for (const group of [null, 9]) await store.claim(request({ group, scope: { kind: "all" } }));
    expect((await store.survey({ kind: "all" })).unfinished).toBeGreaterThan(0);
    await store.close();
    const db = new Database(join(folder, "main.db"));
    const plans = [...ran]
      .filter((sql) => /^\s*(?:select|update|insert|delete|with)/.test(sql))
      .map((sql) => ({ sql, plan: db.query(`explain query plan ${sql}`).all() as { detail: string }[] }));
    db.close();
    const adopting = plans.find(({ sql }) => sql.includes("coalesce(schedule_time, $at)"));
    expect(adopting?.plan.map(({ detail }) => detail).join("; ")).toContain("sqlite_autoindex_task_1 (id=?)");
    // Whether there is any row at all may be looked up in any.
    const scanning = plans.filter(
      ({ sql, plan }) => !sql.endsWith("limit 1") && plan.some(({ detail }) => /^SCAN task\b(?! USING)/.test(detail)),
    );
    expect(scanning.map(({ sql }) => sql)).toEqual([]);
    expect(plans.length).toBeGreaterThan(25);
  });

  test("the journal is a write-ahead log on a local file system, or what the user says", async () => {
    const mode = (): string => look<{ journal_mode: string }>("pragma journal_mode")[0]!.journal_mode;
    await open().close();
    expect(mode()).toBe("wal");
    await openSqlite({
      file: join(folder, "main.db"),
      pragmas: { journal_mode: "DELETE" },
      clock: systemClock,
    }).close();
    expect(mode()).toBe("delete");
  });
});

test("an order of ten thousand rows with next attempts in between keeps every one", async () => {
  const store = open();
  const tasks = makeTasks(1000);
  await store.insert(tasks);
  await store.claim(request({ limit: 1000 }));
  const completed = tasks.map((task, i) =>
    completion(
      task,
      i % 3 === 0
        ? {
            exitStatus: 1,
            retry: { task: { ...task, id: newId(), attempt: 2, previousId: task.id }, claimed: i % 2 === 0 },
          }
        : {},
    ),
  );
  expect(await store.commit(makeCommit({ completed }))).toEqual({ refused: [] });
  const survey = await store.survey(mine);
  expect([survey.unfinished, await store.total(mine)]).toEqual([334, 1334]);
  expect(claimed(await store.claim(request({ limit: 1000 }))).length).toBe(167);
  await store.close();
});
