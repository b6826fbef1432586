import { expect, test } from "bun:test";
import { systemClock, type Timer } from "../../../src/base/clock.ts";
import { TransientError } from "../../../src/base/errors.ts";
import { newPatience, type Patience } from "../../../src/log/patience.ts";
import { warningLog } from "../../make.ts";

interface Bench {
  readonly patience: Patience;
  readonly said: string[];
  /** Lengths of the pauses that are being made. */
  readonly pauses: () => readonly number[];
  /** The first of them is over. */
  readonly pass: () => Promise<void>;
}

const turn = (): Promise<void> => new Promise((resume) => setImmediate(resume));

function bench(): Bench {
  const timers = new Map<Timer, { delayMs: number; action: () => void }>();
  const clock = {
    ...systemClock,
    after(delayMs: number, action: () => void): Timer {
      const timer = { cancel: () => void timers.delete(timer) };
      timers.set(timer, { delayMs, action });
      return timer;
    },
  };
  const said: string[] = [];
  const log = warningLog((text) => said.push(text));
  return {
    patience: newPatience(clock, log),
    said,
    pauses: () => [...timers.values()].map(({ delayMs }) => delayMs),
    async pass() {
      const [timer, { action }] = [...timers][0]!;
      timers.delete(timer);
      action();
      await turn();
    },
  };
}

/** Fails until it is told otherwise. */
function call(): { readonly make: () => Promise<string>; readonly mend: () => void; readonly tries: () => number } {
  let [broken, tries] = [true, 0];
  return {
    async make() {
      tries++;
      if (broken) throw new TransientError("gone");
      return "done";
    },
    mend: () => void (broken = false),
    tries: () => tries,
  };
}

test("a call that works is made once, and nothing is said", async () => {
  const { patience, said } = bench();
  expect(await patience.persist("claim", async () => 7)).toBe(7);
  expect([said, patience.inTrouble]).toEqual([[], false]);
});

test("pauses between attempts double, up to half a minute", async () => {
  const { patience, pauses, pass } = bench();
  const { make, mend } = call();
  const made = patience.persist("claim", make);
  await turn();
  const seen: number[] = [];
  for (let i = 0; i < 9; i++) {
    seen.push(...pauses());
    if (i === 8) mend();
    await pass();
  }
  expect(seen).toEqual([250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  expect(await made).toBe("done");
});

test("of several failing calls the first is told, and the last success; each success lets all try again", async () => {
  const { patience, said, pass } = bench();
  const [claim, commit, late] = [call(), call(), call()];
  const made = [patience.persist("claim", claim.make), patience.persist("commit", commit.make)];
  await turn();
  made.push(patience.persist("loader", late.make));
  await turn();
  expect(patience.inTrouble).toBe(true);
  for (const { mend } of [claim, commit, late]) mend();
  await pass();
  expect(await Promise.all(made)).toEqual(["done", "done", "done"]);
  expect(said).toEqual(["Database trouble, trying again (claim): gone", "Database is back (loader)"]);
  expect(patience.inTrouble).toBe(false);
});

test("what still fails when something else got through is the same trouble", async () => {
  const { patience, said, pass } = bench();
  const [claim, commit] = [call(), call()];
  const made = [patience.persist("claim", claim.make), patience.persist("commit", commit.make)];
  await turn();
  claim.mend();
  await pass();
  expect([await made[0], said.length, commit.tries()]).toEqual(["done", 1, 2]);
  commit.mend();
  await pass();
  expect([await made[1], said.at(-1)]).toEqual(["done", "Database is back (commit)"]);
});

test("a caller that gives up ends with its own error, also amid a pause, and ends no trouble", async () => {
  const { patience, said } = bench();
  let enough = false;
  const made = patience.persist("commit", call().make, ({ message }) =>
    enough ? new Error(`left: ${message}`) : null,
  );
  await turn();
  enough = true;
  patience.goOn();
  expect(String(await made.catch((error: unknown) => error))).toBe("Error: left: gone");
  expect([said, patience.inTrouble]).toEqual([["Database trouble, trying again (commit): gone"], false]);
});

test("an error that no waiting mends is thrown at once", async () => {
  const { patience, said } = bench();
  const made = patience.persist("commit", () => Promise.reject(new Error("broken")));
  expect(String(await made.catch((error: unknown) => error))).toBe("Error: broken");
  expect(said).toEqual([]);
});
