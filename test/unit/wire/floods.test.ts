import { expect, test } from "bun:test";
import { endFloods, noFloods, noteArrival } from "../../../src/wire/floods.ts";
import { stoppedClock } from "./ends.ts";

function watch(canShut = true) {
  const clock = stoppedClock();
  const turns: (() => void)[] = [];
  /** Whose attempts are dropped; "all"; "none". */
  let dropped = "none";
  const shut = (sources: readonly string[] | null): boolean => {
    if (canShut) dropped = sources === null ? "all" : sources.join(" ");
    return canShut;
  };
  const floods = noFloods({
    clock: { ...clock, defer: (action) => void turns.push(action) },
    shut,
    open: () => void (dropped = "none"),
  });
  let told = 0;
  const come = (source: string, count: number): void => {
    for (let n = 0; n < count; n++) told += noteArrival(floods, source) > 0 ? 1 : 0;
  };
  const turn = (): void => turns.splice(0).forEach((action) => action());
  return { floods, clock, come, turn, dropped: () => dropped, told: () => told };
}

test("a few connections in each turn are no flood, however many they are", () => {
  const { come, turn, dropped, clock } = watch();
  for (let n = 0; n < 100; n++) {
    come("busy", 200);
    turn();
  }
  expect([dropped(), clock.left()]).toEqual(["none", 0]);
});

test("a source that comes with too many in one turn is shut out for a while, others are not", () => {
  const { come, dropped, clock, told } = watch();
  come("honest", 10);
  come("flood", 1000);
  expect([dropped(), told()]).toEqual(["flood", 1]);
  clock.pass(249);
  expect(dropped()).toBe("flood");
  clock.pass(1);
  expect(dropped()).toBe("none");
  clock.pass(500);
  expect(clock.left()).toBe(0);
});

test("a flood that goes on is shut out for longer each time, up to two seconds", () => {
  const { come, turn, dropped, clock } = watch();
  for (const pause of [250, 500, 1000, 2000, 2000]) {
    come("flood", 300);
    turn();
    expect(dropped()).toBe("flood");
    clock.pass(pause - 1);
    expect(dropped()).toBe("flood");
    clock.pass(1);
    expect(dropped()).toBe("none");
  }
  clock.pass(4000);
  come("flood", 300);
  clock.pass(250);
  expect(dropped()).toBe("none");
});

test("a flood from several sources shuts out each, one from very many holds up everybody", () => {
  const few = watch();
  few.come("one", 300);
  few.turn();
  few.come("two", 300);
  expect(few.dropped()).toBe("one two");
  const many = watch();
  for (let n = 0; n < 256; n++) many.come(`source ${n}`, 1);
  expect(many.dropped()).toBe("all");
  many.come("source", 1000);
  expect([many.dropped(), many.told()]).toEqual(["all", 1]);
  endFloods(many.floods);
  expect(many.clock.left()).toBe(0);
});

test("where the system drops nothing, all are let in, and nobody is told otherwise", () => {
  const { come, told, clock } = watch(false);
  come("flood", 1000);
  expect([told(), clock.left()]).toEqual([0, 0]);
});
