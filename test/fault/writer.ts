/*
 * A process to be killed: inserts, claims and records tasks in the database named on its command line, and says on
 * stdout what the store has acknowledged, a line for each transaction.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { claimed, completion, makeCommit, makeTasks, mine, request } from "../conformance/store.ts";

const store = openSqlite({
  file: process.argv[2]!,
  pragmas: JSON.parse(process.argv[3]!) as Record<string, unknown>,
  clock: systemClock,
});
const say = (what: string, ids: readonly string[]): void => {
  writeSync(1, `${what} ${ids.join(" ")}\n`);
};

for (;;) {
  const tasks = makeTasks(40, { submitId: mine.id });
  await store.insert(tasks);
  say(
    "inserted",
    tasks.map(({ id }) => id),
  );
  const held = claimed(await store.claim(request({ limit: 30 })));
  say(
    "claimed",
    held.map(({ id }) => id),
  );
  const completed = held.slice(0, 20).map((task, i) => {
    const retry = { ...task, id: Bun.randomUUIDv7(), attempt: task.attempt + 1, previousId: task.id };
    return completion(task, i % 4 === 0 ? { exitStatus: 1, retry: { task: retry, claimed: false } } : {});
  });
  await store.commit(makeCommit({ completed, reverted: held.slice(20).map(({ id }) => id) }));
  say(
    "completed",
    completed.map(({ id }) => id),
  );
}
