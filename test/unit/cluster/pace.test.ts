import { expect, test } from "bun:test";
import type { Clock } from "../../../src/base/clock.ts";
import { TransientError } from "../../../src/base/errors.ts";
import { paced } from "../../../src/cluster/pace.ts";
import type { LineBatch } from "../../../src/submit/lines.ts";

/** Time passes at once when somebody waits for it. */
const hasty: Clock = {
  now: () => 0,
  after: (_, action) => {
    queueMicrotask(action);
    return { cancel: () => undefined };
  },
};

async function* endless(): AsyncGenerator<LineBatch> {
  for (let first = 1; ; first += 10) yield { first, lines: Array.from({ length: 10 }, () => "true") };
}

test("an endless input is read as far as there is room, and on when some of it is done", async () => {
  let read = 0;
  let done = 0;
  let most = 0;
  const stop = new AbortController();
  const unfinished = async (): Promise<number> => {
    most = Math.max(most, read - done);
    done += 7;
    if (done > 1000) stop.abort();
    return read - done;
  };
  for await (const { lines } of paced(endless(), { unfinished, clock: hasty, signal: stop.signal, limit: 100 }))
    read += lines.length;
  expect(read).toBeGreaterThan(1000);
  expect(most).toBeLessThanOrEqual(110);
});

test("a database in trouble has no room, and its troubles are not those of the input", async () => {
  let asked = 0;
  let read = 0;
  const stop = new AbortController();
  const unfinished = async (): Promise<number> => {
    asked++;
    if (asked < 5) throw new TransientError("away");
    if (asked > 5) stop.abort();
    return 0;
  };
  for await (const { lines } of paced(endless(), { unfinished, clock: hasty, signal: stop.signal, limit: 50 }))
    read += lines.length;
  expect([asked, read]).toEqual([6, 100]);
});
