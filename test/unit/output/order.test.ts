import { afterAll, expect, test } from "bun:test";
import fc from "fast-check";
import { tmpdir } from "node:os";
import { newId } from "../../../src/base/ids.ts";
import { newOrder } from "../../../src/output/order.ts";
import { newSpool } from "../../../src/output/spool.ts";

const spool = newSpool({ folder: tmpdir() });
afterAll(() => spool.close());

const ids = Array.from({ length: 40 }, newId);

/** What becomes of one task: its attempts, or nothing ("gone"), and how many of its attempts are seen. */
type Fate = { readonly attempts: number; readonly isGone: boolean };

test("whatever ends when, the last attempt of each task comes in the order of the input", () => {
  const fate: fc.Arbitrary<Fate> = fc.record({ attempts: fc.integer({ min: 1, max: 3 }), isGone: fc.boolean() });
  const runs = fc.array(fate, { minLength: 1, maxLength: 40 }).chain((fates) =>
    // Each number is the place of a task, once for each of its attempts.
    fc.record({
      fates: fc.constant(fates),
      ends: fc.shuffledSubarray(
        fates.flatMap(({ attempts }, place) => Array.from({ length: attempts }, () => place)),
        { minLength: fates.reduce((sum, { attempts }) => sum + attempts, 0) },
      ),
      cut: fc.integer({ min: 1, max: 10 }),
    }),
  );
  fc.assert(
    fc.property(runs, fc.boolean(), ({ fates, ends, cut }, isAsked) => {
      const order = newOrder<string>(spool.openFile, isAsked);
      for (let from = 0; from < fates.length; from += cut)
        order.expect(ids.slice(from, Math.min(from + cut, fates.length)));
      const now = new Map(fates.map((_, place) => [place, { id: ids[place]!, attempt: 1 }]));
      const out: string[] = [];
      const isOpen = new Set(fates.keys());
      for (const place of ends) {
        const { attempts, isGone } = fates[place]!;
        const { id, attempt } = now.get(place)!;
        if (attempt === attempts && isGone) order.skip(id);
        else {
          const next = attempt < attempts ? newId() : null;
          const isFirst = attempt === 1;
          expect(order.put(id, `${place}.${attempt}`, next)).toBe(isFirst ? null : `${place}.${attempt - 1}`);
          if (next !== null) now.set(place, { id: next, attempt: attempt + 1 });
        }
        if (attempt === attempts) isOpen.delete(place);
        out.push(...order.due());
        // Nothing waits but for the first that is open.
        const first = Math.min(...isOpen, fates.length);
        const [awaited = null] = order.awaited(1);
        if (order.waiting > 0) expect(awaited).toBe(now.get(first)!.id);
      }
      const expected = fates.flatMap(({ attempts, isGone }, place) => {
        const last = isGone ? attempts - 1 : attempts;
        return last === 0 ? [] : [`${place}.${last}`];
      });
      expect(out).toEqual(expected);
      expect([order.waiting, order.awaited(9), order.rest()]).toEqual([0, [], []]);
      order.close();
    }),
    { numRuns: 60 },
  );
});

test("at the end what is left comes in order, whatever is missing, and what nobody named comes last", () => {
  const order = newOrder<string>(spool.openFile, false);
  const [a, b, c, d] = ids as [string, string, string, string];
  order.expect([a, b, c]);
  order.put(c, "c", null);
  order.put(d, "d", null);
  order.put(a, "a1", newId());
  order.put(b, null, null);
  expect(order.due()).toEqual([]);
  expect(order.rest()).toEqual(["a1", "c", "d"]);
  order.close();
});

test("a task is awaited until its turn, by the id of any of its attempts", () => {
  const order = newOrder<string>(spool.openFile, true);
  const [a, b, next] = ids as [string, string, string];
  order.expect([a]);
  expect([order.awaits(a), order.awaits(b)]).toEqual([true, false]);
  order.put(a, "1", next);
  expect(order.awaits(next)).toBe(true);
  order.put(next, "2", null);
  expect(order.due()).toEqual(["2"]);
  expect([order.awaits(a), order.awaits(next)]).toEqual([false, false]);
  order.close();
});
