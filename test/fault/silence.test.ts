/*
 * The way to PostgreSQL loses everything and tells nobody, as networks and hosts do that go away: who waits for an
 * answer hears of it long before TCP gives up, and goes on when the way is back. Who waits for a server that is only
 * slow goes on waiting.
 */
import { describe, expect, test } from "bun:test";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { TransientError } from "../../src/base/errors.ts";
import { openPostgres, type PostgresConnection } from "../../src/store/postgres/connection.ts";
import { postgresTarget } from "../../src/store/postgres/settings.ts";
import { until } from "../e2e/harness.ts";
import { noPostgres } from "../systems/postgres.ts";
import { sharedPostgres } from "../systems/shared-postgres.ts";
import { startProxy } from "./proxy.ts";

/** Patience ends fifty times sooner. */
const impatient: Clock = { ...systemClock, after: (ms, action) => systemClock.after(ms / 50, action) };

const postgres = sharedPostgres();

async function connect(port: number): Promise<PostgresConnection & AsyncDisposable> {
  const { user, password, create } = postgres();
  const parameters = { sslmode: "disable" };
  const settings = { url: null, database: await create(), host: "127.0.0.1", port, user, password, schema: null };
  const target = postgresTarget({ ...settings, parameters }, {}, "nobody");
  const connection = await openPostgres({ target, clock: impatient, echo: null });
  return { ...connection, [Symbol.asyncDispose]: () => connection.close() };
}

const uses: Readonly<Record<string, (connection: PostgresConnection) => Promise<unknown>>> = {
  statement: ({ query }) => query("select $1::text", ["x".repeat(10_000)]),
  transaction: ({ transaction }) => transaction((query) => query("select $1::text", ["x".repeat(10_000)])),
};

describe.skipIf(noPostgres !== null)(`PostgreSQL says nothing${noPostgres === null ? "" : ` (${noPostgres})`}`, () => {
  for (const [name, use] of Object.entries(uses))
    test(`a ${name} that is never answered fails as passing trouble, and the next is answered`, async () => {
      let silent = true;
      await using proxy = startProxy(postgres().port, (number) =>
        number === 0 ? { stallAfter: 6000 } : silent ? { stallAfter: 0 } : {},
      );
      await using connection = await connect(proxy.port);
      for (let tries = 0; tries < 2; tries++)
        expect(await use(connection).catch((error: unknown) => error)).toBeInstanceOf(TransientError);
      silent = false;
      await use(connection);
    });

  test("a listener hears again after the database was restarted, or the network forgot the connection", async () => {
    // The first connection opens, the second listens.
    await using proxy = startProxy(postgres().port, (number) => (number === 1 ? { stallAfter: 6000 } : {}));
    await using connection = await connect(proxy.port);
    const heard: string[] = [];
    let ready = 0;
    connection.listen(
      "news",
      (payload) => heard.push(payload),
      () => ready++,
    );
    const listening = (times: number): Promise<void> =>
      until(
        () => ready === times,
        () => `listening began ${ready} times`,
      );
    const tell = (payload: string): Promise<unknown> => connection.query("select pg_notify('news', $1)", [payload]);
    const hears = (payload: string): Promise<void> =>
      until(
        () => heard.at(-1) === payload,
        () => `heard ${heard.join()}`,
      );
    await listening(1);
    await tell("one");
    await hears("one");
    // More than comes through.
    await tell("x".repeat(7000));
    await listening(2);
    await tell("two");
    await hears("two");
    await postgres().crash();
    await postgres().start();
    await listening(3);
    await until(
      () =>
        tell("three").then(
          () => true,
          () => false,
        ),
      () => "no way in",
    );
    await hears("three");
    expect(heard).toEqual(["one", "two", "three"]);
  });

  test("a statement that takes long is waited for as long as the server answers others", async () => {
    await using proxy = startProxy(postgres().port, () => ({}));
    await using connection = await connect(proxy.port);
    expect(await connection.query("select 'slow' from pg_sleep(2)")).toEqual([["slow"]]);
    expect(proxy.connections()).toBeGreaterThan(2);
  });
});
