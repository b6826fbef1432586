/*
 * Outcomes that wait for their rows in a file beside the database: when they do, who sees them, and that whoever buries
 * a server which died finds them.
 */
import { Database } from "bun:sqlite";
import { afterEach, beforeEach, expect, test } from "bun:test";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../../../src/store/sqlite/sqlite.ts";
import type { Commit, Store } from "../../../../src/store/store.ts";
import type { NewTask } from "../../../../src/task/task.ts";
import {
  completion,
  makeCommit,
  makeServer,
  makeTask,
  makeTasks,
  mine,
  request,
  serverId,
  t0,
} from "../../../conformance/store.ts";

let folder: string;
let now = t0;
let due: (() => void)[] = [];
const clock = {
  now: () => now,
  after(_delayMs: number, action: () => void) {
    due.push(action);
    return { cancel: () => (due = due.filter((each) => each !== action)) };
  },
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "hs-lingering-"));
  now = t0;
  due = [];
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const path = (): string => join(folder, "main.db");
const left = (): string => `${path()}-outcomes-${serverId}`;
const open = (): Store => openSqlite({ file: path(), pragmas: {}, clock });

/** How many tasks have an outcome, as another program sees it. */
function recorded(): number {
  const db = new Database(path(), { readonly: true });
  try {
    return (db.query("select count(*) as count from task where completion_time is not null").get() as { count: number })
      .count;
  } finally {
    db.close();
  }
}

function change(sql: string, ...cells: string[]): void {
  const db = new Database(path());
  db.run(sql, cells);
  db.close();
}

const outcomes = (tasks: readonly NewTask[], fields: Partial<Commit> = {}): Commit =>
  makeCommit({ completed: tasks.map((task) => completion(task)), mayLinger: true, ...fields });

/** A store with tasks that its server holds, of which the first has just ended: those that follow may linger. */
async function begun(count: number): Promise<{ readonly store: Store; readonly tasks: readonly NewTask[] }> {
  const store = open();
  await store.addServer(makeServer(serverId));
  const tasks = makeTasks(count);
  await store.insert(tasks);
  await store.claim(request({ limit: count }));
  await store.commit(outcomes(tasks.slice(0, 1)));
  return { store, tasks };
}

/** Records what a server left, as the store of its successor does while the dead one has closed nothing. */
async function successor(work: (store: Store) => Promise<void>): Promise<void> {
  const store = open();
  await work(store);
  await store.close();
}

test("an outcome alone is in its row at once, and those that follow closely wait for each other", async () => {
  const { store, tasks } = await begun(5);
  expect(recorded()).toBe(1);
  for (const task of tasks.slice(1, 4)) await store.commit(outcomes([task]));
  expect(recorded()).toBe(1);
  // A timer that is due records them.
  for (const action of due) action();
  expect(recorded()).toBe(4);
  now += 20;
  await store.commit(outcomes(tasks.slice(4)));
  expect(recorded()).toBe(5);
  await store.close();
  expect(readdirSync(folder).filter((name) => name.includes("outcomes"))).toEqual([]);
});

test("whoever asks the same store finds them recorded", async () => {
  const { store, tasks } = await begun(4);
  await store.commit(outcomes(tasks.slice(1, 3)));
  expect(await store.survey(mine)).toEqual({ unfinished: 1 });
  await store.commit(outcomes(tasks.slice(3)));
  expect(await store.claim(request({ limit: 1 }))).toMatchObject({ kind: "none" });
  await store.close();
});

test("a commit that gives back, or has a next attempt, or may not linger, takes them along", async () => {
  const { store, tasks } = await begun(6);
  await store.commit(outcomes(tasks.slice(1, 2)));
  await store.commit(makeCommit({ reverted: [tasks[2]!.id], mayLinger: true }));
  expect(recorded()).toBe(2);
  await store.commit(outcomes(tasks.slice(3, 4)));
  const retry = { task: makeTask({ previousId: tasks[4]!.id, attempt: 2 }), claimed: false };
  await store.commit(makeCommit({ completed: [completion(tasks[4]!, { exitStatus: 1, retry })], mayLinger: true }));
  expect(recorded()).toBe(4);
  await store.commit(outcomes(tasks.slice(5), { mayLinger: false }));
  expect(recorded()).toBe(5);
  await store.close();
});

test("after the death of a server its successor records what it left, once, and gives back the rest", async () => {
  const { store, tasks } = await begun(6);
  await store.commit(outcomes(tasks.slice(1, 3)));
  await store.commit(outcomes(tasks.slice(3, 4)));
  await successor(async (next) => {
    expect(await next.recordLeft(serverId)).toBe(3);
    expect(existsSync(left())).toBe(false);
    expect(await next.recordLeft(serverId)).toBe(0);
    expect(await next.buryServer(serverId)).toBe(2);
  });
  expect(recorded()).toBe(4);
  await store.close();
});

test("burying alone does the same", async () => {
  const { store, tasks } = await begun(3);
  await store.commit(outcomes(tasks.slice(1, 2)));
  await successor(async (next) => expect(await next.buryServer(serverId)).toBe(1));
  expect(recorded()).toBe(2);
  await store.close();
});

test("what is left counts only for tasks that the dead server still holds", async () => {
  const { store, tasks } = await begun(4);
  await store.commit(outcomes(tasks.slice(1)));
  change("update task set server_id = 'another' where id = ?", tasks[1]!.id);
  change("update task set server_id = null, schedule_time = null where id = ?", tasks[2]!.id);
  await successor(async (next) => expect(await next.recordLeft(serverId)).toBe(1));
  expect(recorded()).toBe(2);
  await store.close();
});

test("what was taken back from the dead server is run again, whatever it left of it", async () => {
  const { store, tasks } = await begun(3);
  await store.commit(outcomes(tasks.slice(1, 2)));
  const recall = "insert into recall (server_id, task_id, kind) values (?, ?, 'reverted')";
  change(recall, serverId, tasks[1]!.id);
  await successor(async (next) => expect(await next.buryServer(serverId)).toBe(2));
  expect(recorded()).toBe(1);
  await store.close();
});

test("while somebody has changed a task, the answer says which outcomes are refused", async () => {
  const { store, tasks } = await begun(3);
  change("insert into recall (server_id, task_id, kind) values (?, ?, 'deleted')", serverId, tasks[1]!.id);
  expect(await store.commit(outcomes(tasks.slice(1)))).toEqual({ refused: [tasks[1]!.id] });
  await store.close();
});

test("a line that was cut off, or is none of ours, is passed over", async () => {
  const { store, tasks } = await begun(4);
  await store.commit(outcomes(tasks.slice(1, 2)));
  appendFileSync(left(), 'no line\n{"completed":[{"id":3}],"serverHost":"h","at":1}\n');
  await store.commit(outcomes(tasks.slice(2, 3)));
  const whole = Bun.file(left()).size;
  await store.commit(outcomes(tasks.slice(3)));
  truncateSync(left(), whole + 40);
  await successor(async (next) => expect(await next.recordLeft(serverId)).toBe(2));
  await store.close();
});

test("where no file can be written each outcome is recorded by itself", async () => {
  mkdirSync(left());
  const { store, tasks } = await begun(3);
  await store.commit(outcomes(tasks.slice(1, 2)));
  expect(recorded()).toBe(2);
  await store.close();
  await successor(async (next) => {
    const reason = "it is a directory";
    expect(next.recordLeft(serverId)).rejects.toThrow(
      `'${left()}' has outcomes of a server that is gone, and cannot be read (${reason})`,
    );
  });
});

test("a server that enters anew begins a new file", async () => {
  const { store, tasks } = await begun(4);
  await store.commit(outcomes(tasks.slice(1, 2)));
  // Others took it for dead.
  await successor(async (next) => void (await next.buryServer(serverId)));
  await store.addServer(makeServer(serverId));
  await store.claim(request({ limit: 4 }));
  await store.commit(outcomes(tasks.slice(2, 3), { mayLinger: false }));
  await store.commit(outcomes(tasks.slice(3)));
  await successor(async (next) => expect(await next.recordLeft(serverId)).toBe(1));
  expect(recorded()).toBe(4);
  await store.close();
});
