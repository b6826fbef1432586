import { expect, test } from "bun:test";
import type { Clock } from "../../../src/base/clock.ts";
import type { View, ViewSource } from "../../../src/view/view.ts";
import { newLive } from "../../../src/web/live.ts";
import { madeUp } from "./view.ts";

function virtualClock(): Clock & { pass(ms: number): Promise<void> } {
  let at = 0;
  let waiting: { at: number; action: () => void }[] = [];
  return {
    now: () => at,
    after(delayMs, action) {
      const entry = { at: at + delayMs, action };
      waiting.push(entry);
      return { cancel: () => (waiting = waiting.filter((each) => each !== entry)) };
    },
    async pass(ms) {
      at += ms;
      const due = waiting.filter((each) => each.at <= at);
      waiting = waiting.filter((each) => each.at > at);
      for (const { action } of due) action();
      for (let turn = 0; turn < 20; turn++) await Promise.resolve();
    },
  };
}

function counting(look: (filter: string) => View = () => madeUp()): ViewSource & { readonly looks: string[] } {
  const looks: string[] = [];
  return {
    looks,
    async look({ filter }) {
      looks.push(filter);
      return look(filter);
    },
    output: () => Promise.reject(new Error("none")),
    act: () => Promise.resolve(0),
    close: () => Promise.resolve(),
  };
}

const textOf = async (reader: { read(): Promise<{ value?: Uint8Array | undefined }> }): Promise<string> =>
  new TextDecoder().decode((await reader.read()).value);

test("fifty viewers cost one look a second, and none is made when all have gone", async () => {
  const clock = virtualClock();
  const source = counting();
  const live = newLive({ source, clock, most: 50 });
  const readers = Array.from({ length: 50 }, () => live.join("")!.getReader());
  await clock.pass(0);
  expect(live.join("")).toBeNull();
  for (let second = 0; second < 3; second++) {
    await clock.pass(1000);
    expect((await Promise.all(readers.map(textOf))).every((text) => text.includes('"total":10'))).toBe(true);
    await Promise.all(readers.map(textOf));
  }
  expect(source.looks.length).toBe(4);
  for (const reader of readers) await reader.cancel();
  expect(live.viewers()).toBe(0);
  await clock.pass(1000);
  await clock.pass(1000);
  expect(source.looks.length).toBe(4);
});

test("one that reads slowly misses looks, and one that reads nothing is forgotten", async () => {
  const clock = virtualClock();
  let total = 0;
  const source = counting(() => madeUp({ counts: { ...madeUp().counts, total: ++total } }));
  const live = newLive({ source, clock, most: 2 });
  const slow = live.join("")!.getReader();
  expect(await textOf(slow)).toContain('"total":1,');
  for (let second = 0; second < 9; second++) await clock.pass(1000);
  await textOf(slow);
  expect(await textOf(slow)).toContain('"total":10,');
  for (let second = 0; second < 40; second++) await clock.pass(1000);
  expect(live.viewers()).toBe(0);
});

test("filters take turns", async () => {
  const clock = virtualClock();
  const source = counting();
  const live = newLive({ source, clock, most: 9 });
  for (const filter of ["a", "b"]) void live.join(filter)!.getReader().read();
  for (let second = 0; second < 4; second++) await clock.pass(1000);
  expect(source.looks.slice(0, 4)).toEqual(["a", "b", "a", "b"]);
});

test("trouble of the source and the end are told", async () => {
  const clock = virtualClock();
  const live = newLive({
    source: counting(() => {
      throw new Error("the database is locked");
    }),
    clock,
    most: 9,
  });
  const reader = live.join("")!.getReader();
  expect(await textOf(reader)).toBe('event: trouble\ndata: {"text":"the database is locked"}\n\n');
  live.close("The run has ended");
  expect(await textOf(reader)).toBe('event: end\ndata: {"why":"The run has ended"}\n\n');
  expect((await reader.read()).done).toBe(true);
});
