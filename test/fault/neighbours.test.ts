/* Two servers on one database. PostgreSQL is what several servers are for; a file on one host must do as well. */
import { afterAll, describe, expect, test } from "bun:test";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { conclude, openPair, type Pair, someOf } from "./neighbours.ts";

interface Place {
  readonly name: string;
  /** Tasks that are shared, and of a run in which a server is killed. */
  readonly tasks: readonly [shared: number, killed: number];
  /** What a server needs to find it. */
  readonly env: () => Promise<Readonly<Record<string, string>>>;
}

let postgres: Postgres | null = null;
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

const places: readonly Place[] = [
  { name: "SQLite", tasks: [3000, 3000], env: async () => ({}) },
  {
    name: "PostgreSQL",
    tasks: [20_000, 5000],
    async env() {
      postgres ??= await startPostgres();
      return postgres.env(await postgres.create());
    },
  },
];

async function verdict(pair: Pair, tasks: number) {
  const { succeeded, ranTwice, share, log } = await conclude(pair);
  const whole = succeeded === tasks && ranTwice.length === 0;
  expect({ succeeded, ranTwice, log: whole ? "" : log }).toEqual({ succeeded: tasks, ranTwice: [], log: "" });
  return share;
}

describe.each(places)("two servers on one database: $name", ({ name, tasks: [shared, killed], env }) => {
  const there = name === "SQLite" || noPostgres === null;
  const title = (rule: string): string => (there ? rule : `${rule} (${noPostgres})`);

  test.skipIf(!there)(
    title("they share the tasks fairly, and each runs once"),
    async () => {
      await using pair = await openPair(shared, await env());
      const share = await verdict(pair, shared);
      expect(Math.abs(share - 0.5)).toBeLessThan(0.2);
    },
    300_000,
  );

  test.skipIf(!there)(
    title("when one is killed its clients take what they run to the other, and nothing runs twice"),
    async () => {
      await using pair = await openPair(killed, await env());
      await someOf(pair, 0.3);
      pair.servers[0].kill("SIGKILL");
      await verdict(pair, killed);
    },
    300_000,
  );
});
