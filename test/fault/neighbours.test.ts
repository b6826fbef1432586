import { describe, expect, test } from "bun:test";
import { conclude, openPair, someOf } from "./neighbours.ts";

/** Each database, what a server needs to find it, and how many tasks it gets. */
const databases: readonly (readonly [
  name: string,
  tasks: number,
  env: () => Promise<Readonly<Record<string, string>>>,
])[] = [["SQLite", 3000, async () => ({})]];

describe.each(databases)("two servers on one database: %s", (_, tasks, env) => {
  test("they share the tasks, and each runs once", async () => {
    await using pair = await openPair(tasks, await env());
    const { succeeded, ranTwice, share, log } = await conclude(pair);
    expect({ succeeded, ranTwice, log: succeeded === tasks ? "" : log }).toEqual({
      succeeded: tasks,
      ranTwice: [],
      log: "",
    });
    expect(Math.abs(share - 0.5)).toBeLessThan(0.25);
  }, 300_000);

  test("when one is killed its clients take what they run to the other, and nothing runs twice", async () => {
    await using pair = await openPair(tasks, await env());
    await someOf(pair, 0.3);
    pair.servers[0].kill("SIGKILL");
    const { succeeded, ranTwice, log } = await conclude(pair);
    expect({ succeeded, ranTwice, log: succeeded === tasks ? "" : log }).toEqual({
      succeeded: tasks,
      ranTwice: [],
      log: "",
    });
  }, 300_000);
});
