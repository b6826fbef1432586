import { expect, test } from "bun:test";
import { mayCome, noStrangers, seat, sourceOf, type Stranger, unseat, whoGoes } from "../../../src/wire/strangers.ts";
import { stoppedClock } from "./ends.ts";

/** Random numbers that are the same in each run. */
function dice(): () => number {
  let state = 1;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

function open(places = 100) {
  const refused: string[] = [];
  const clock = { ...stoppedClock(), now: () => now };
  let now = 0;
  const onRefused = (source: string, count: number): void => void refused.push(`${source} ${count}`);
  const strangers = noStrangers<Stranger>({ clock, places, random: dice(), onRefused });
  const come = (source: string): Stranger => {
    const stranger = { source, since: now, index: 0 };
    seat(strangers, stranger);
    return stranger;
  };
  return { strangers, come, refused, clock, later: (ms: number) => void (now += ms) };
}

test("a source with many makes room, one with a single connection almost never does", () => {
  const { strangers, come } = open();
  for (let n = 0; n < 90; n++) come("flood");
  const honest = Array.from({ length: 10 }, (_, n) => come(`honest ${n}`));
  for (let n = 0; n < 1000; n++) {
    unseat(strangers, whoGoes(strangers)!);
    come("flood");
  }
  expect(honest.filter(({ source }) => strangers.bySource.has(source))).toHaveLength(10);
});

test("among those of one source the oldest goes when an honest peer would be known by now", () => {
  const { strangers, come, later } = open();
  const [first, second] = Array.from({ length: 10 }, () => come("flood"));
  later(300);
  come("flood");
  expect(whoGoes(strangers)).toBe(first!);
  unseat(strangers, first!);
  expect(whoGoes(strangers)).toBe(second!);
});

test("in a flood, which leaves none so old, chance decides", () => {
  const { strangers, come } = open();
  for (let n = 0; n < 100; n++) come("flood");
  const first = strangers.waiting.slice(0, 50);
  for (let n = 0; n < 50; n++) {
    unseat(strangers, whoGoes(strangers)!);
    come("flood");
  }
  const left = first.filter((each) => strangers.waiting[each.index] === each).length;
  expect(left).toBeGreaterThan(20);
  expect(left).toBeLessThan(45);
});

test("when all sources are different, somebody goes all the same", () => {
  const { strangers, come } = open();
  expect(whoGoes(strangers)).toBeNull();
  const only = come("one");
  expect(whoGoes(strangers)).toBe(only);
  expect([unseat(strangers, only), unseat(strangers, only)]).toEqual([true, false]);
  expect([strangers.waiting.length, strangers.bySource.size]).toEqual([0, 0]);
});

test("a source may open so many connections in a second, and is told of once", () => {
  const { strangers, refused, clock } = open();
  const count = (source: string, tries: number): number =>
    Array.from({ length: tries }, () => mayCome(strangers, source)).filter(Boolean).length;
  expect([count("flood", 20_000), count("honest", 10)]).toEqual([4096, 10]);
  clock.pass(1000);
  expect(refused).toEqual(["flood 15904"]);
  expect([count("flood", 10), clock.left()]).toEqual([10, 1]);
  clock.pass(1000);
  expect([refused.length, clock.left()]).toEqual([1, 0]);
});

test("a source is an address, or a network of IPv6", () => {
  for (const [address, source] of [
    ["10.0.0.7", "10.0.0.7"],
    ["::ffff:10.0.0.7", "10.0.0.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2"],
    ["2001:db8:1:2::6", "2001:db8:1:2"],
    ["2001:db8::6", "2001:db8:0:0"],
    ["2001:db8::1:2:3:4:5", "2001:db8:0:1"],
    ["::1", "0:0:0:0"],
    ["fe80::1%eth0", "fe80:0:0:0"],
  ] as const)
    expect(sourceOf(address)).toBe(source);
});
