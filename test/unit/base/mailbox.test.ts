import { expect, test } from "bun:test";
import { mailbox } from "../../../src/base/mailbox.ts";

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

test("everything pushed before a turn comes as one batch, in order, never from within push", async () => {
  const batches: number[][] = [];
  const box = mailbox<number>(
    (events) => batches.push([...events]),
    (error) => {
      throw error;
    },
  );
  box.push(1);
  box.push(2);
  expect(batches).toEqual([]);
  await turn();
  box.push(3);
  await turn();
  expect(batches).toEqual([[1, 2], [3]]);
});

test("what is pushed while a batch is consumed comes in the next", async () => {
  const batches: number[][] = [];
  const box = mailbox<number>(
    (events) => {
      batches.push([...events]);
      if (events[0] === 1) box.push(2);
    },
    () => undefined,
  );
  box.push(1);
  await turn();
  await turn();
  expect(batches).toEqual([[1], [2]]);
});

test("an error of the consumer is reported once and nothing is consumed after it", async () => {
  const errors: unknown[] = [];
  let calls = 0;
  const box = mailbox<number>(
    () => {
      calls++;
      throw new Error("broken");
    },
    (error) => errors.push(error),
  );
  box.push(1);
  await turn();
  box.push(2);
  await turn();
  expect(calls).toBe(1);
  expect(errors).toHaveLength(1);
});

test("a closed mailbox drops what waits", async () => {
  let calls = 0;
  const box = mailbox<number>(
    () => calls++,
    () => undefined,
  );
  box.push(1);
  box.close();
  await turn();
  expect(calls).toBe(0);
});
