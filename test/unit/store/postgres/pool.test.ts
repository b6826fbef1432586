import { expect, test } from "bun:test";
import { systemClock } from "../../../../src/base/clock.ts";
import { type Driver, newPool } from "../../../../src/store/postgres/pool.ts";

/** A pool of connections that do nothing, and how many it has opened. */
function open(size: number) {
  const driver = { end: () => Promise.resolve() } as unknown as Driver;
  const seen = { opened: 0 };
  const pool = newPool(
    size,
    () => {
      seen.opened++;
      return driver;
    },
    systemClock,
  );
  return { pool, seen };
}

test("who is refused because the server is full makes do with a connection that was free again by then", async () => {
  const { pool, seen } = open(3);
  const other = Promise.withResolvers<void>();
  const busy = pool.use(() => other.promise);
  const narrowed = await pool.use(async () => {
    other.resolve();
    await busy;
    return pool.narrow();
  });
  expect([narrowed, seen.opened]).toEqual([true, 2]);
  await pool.close();
});

test("who has no other connection is told so", async () => {
  const { pool } = open(3);
  expect(await pool.use(async () => pool.narrow())).toBe(false);
  await pool.close();
});

test("a pool that was narrowed opens no more than it has", async () => {
  const { pool, seen } = open(3);
  const other = Promise.withResolvers<void>();
  const busy = pool.use(() => other.promise);
  await pool.use(async (client) => {
    client.broken = new Error("full");
    expect(pool.narrow()).toBe(true);
  });
  const next = pool.use(async () => seen.opened);
  other.resolve();
  await busy;
  expect(await next).toBe(2);
  await pool.close();
});
