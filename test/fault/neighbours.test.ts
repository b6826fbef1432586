/* Two servers on one database. PostgreSQL is what several servers are for; a file on one host must do as well. */
import { afterAll, describe, expect, test } from "bun:test";
import { type Site, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { conclude, openPair, type Pair, someOf } from "./neighbours.ts";
import { expectSound, expectSoundIn, openSoundSite } from "./sound.ts";

/** A database for both. */
interface Shared {
  /** What a server needs to find it. */
  readonly env: Readonly<Record<string, string>>;
  /** Nothing is wrong with it at the end. */
  readonly expectSound: (site: Site) => Promise<void>;
}

interface Place {
  readonly name: string;
  /** Tasks that are shared, and of a run in which a server is killed. */
  readonly tasks: readonly [shared: number, killed: number];
  readonly open: () => Promise<Shared>;
}

let postgres: Postgres | null = null;
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
});

const places: readonly Place[] = [
  {
    name: "SQLite",
    tasks: [3000, 3000],
    open: async () => ({ env: {}, expectSound: ({ database }) => expectSound(database) }),
  },
  {
    name: "PostgreSQL",
    tasks: [20_000, 5000],
    async open() {
      postgres ??= await startPostgres();
      const database = await postgres.create();
      return { env: postgres.env(database), expectSound: () => expectSoundIn(postgres!, database) };
    },
  },
];

async function verdict(pair: Pair, tasks: number) {
  const { succeeded, ranTwice, share, log } = await conclude(pair);
  const whole = succeeded === tasks && ranTwice.length === 0;
  expect({ succeeded, ranTwice, log: whole ? "" : log }).toEqual({ succeeded: tasks, ranTwice: [], log: "" });
  return share;
}

describe.each(places)("two servers on one database: $name", ({ name, tasks: [shared, killed], open }) => {
  const there = name === "SQLite" || noPostgres === null;
  const title = (rule: string): string => (there ? rule : `${rule} (${noPostgres})`);

  test.skipIf(!there)(
    title("they share the tasks fairly, and each runs once"),
    async () => {
      const place = await open();
      await using pair = await openPair(shared, place.env);
      const share = await verdict(pair, shared);
      await place.expectSound(pair.site);
      expect(Math.abs(share - 0.5)).toBeLessThan(0.2);
    },
    300_000,
  );

  test.skipIf(!there)(
    title("when one is killed its clients take what they run to the other, and nothing runs twice"),
    async () => {
      const place = await open();
      await using pair = await openPair(killed, place.env);
      await someOf(pair, 0.3);
      pair.servers[0].kill("SIGKILL");
      await verdict(pair, killed);
      await place.expectSound(pair.site);
    },
    300_000,
  );
});

/** Ends when it runs for the second time; the first time it must be killed. Tells if both are there at once. */
const stubborn =
  "if [ -e pid ]; then if kill -0 $(cat pid); then echo >> twice; fi; " +
  "else trap '' INT TERM; echo $$ > pid; while :; do sleep 0.1; done; fi";

test("what a server leaves to its client by Ctrl-C twice is started by nobody while it still runs there", async () => {
  await using site = openSoundSite();
  const env = { HYPERSHELL_SERVER_GRACE: "3" };
  const first = await startServer(site, ["--forever", "--no-tls"], { env });
  const client = startClient(site, first.port, ["--no-tls", "-S1"], { env });
  await site.hs(["submit", "--", stubborn]);
  await until(() => site.lines("pid").length === 1, "nothing started");
  first.server.kill("SIGINT");
  await until(() => first.server.stderr().includes("going down"), "the signal has come");
  first.server.kill("SIGINT");
  expect((await first.server.ended).status).toBe(4);
  expect(first.server.stderr()).toContain("Leaving 1 task to a client that may still run");
  const second = await startServer(site, ["--restart", "--no-tls"], { env });
  const other = startClient(site, second.port, ["--no-tls"], { env });
  expect([(await second.server.ended).status, (await other.ended).status]).toEqual([0, 0]);
  expect([(await client.ended).status, site.exists("twice")]).toEqual([0, false]);
}, 60_000);
