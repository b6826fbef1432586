/* Devices: who has which, and that parts are packed. */
import { expect, test } from "bun:test";
import { newDevices } from "../../../src/client/devices.ts";
import { random } from "../../simulation/random.ts";

test("halves share a device, and whole devices stay free for who wants them", () => {
  const devices = newDevices(2);
  expect(devices.take("a", 0.5)).toEqual([0]);
  expect(devices.take("b", 0.5)).toEqual([0]);
  expect(devices.take("c", 1)).toEqual([1]);
  expect([devices.fits(0.1), devices.fits(1)]).toEqual([false, false]);
  devices.release("b");
  expect([devices.fits(0.5), devices.fits(0.6), devices.fits(1)]).toEqual([true, false, false]);
});

test("two free halves are no device", () => {
  const devices = newDevices(2);
  for (const id of ["a", "b", "c", "d"]) devices.take(id, 0.5);
  devices.release("a");
  devices.release("c");
  expect([devices.fits(0.5), devices.fits(1)]).toEqual([true, false]);
  devices.release("b");
  expect(devices.take("e", 1)).toEqual([0]);
});

test("several whole devices", () => {
  const devices = newDevices(4);
  devices.take("part", 0.25);
  expect([devices.fits(3), devices.fits(4)]).toEqual([true, false]);
  expect(devices.take("many", 3)).toEqual([1, 2, 3]);
  devices.release("part");
  devices.release("many");
  expect(devices.fits(4)).toBe(true);
});

test.each([1.5, 0, -1, Number.NaN, 5, 2 ** 40])("%p of four never fits", (amount) => {
  expect(newDevices(4).fits(amount)).toBe(false);
});

test("thirds and tenths add up to a device, again and again", () => {
  const devices = newDevices(1);
  for (const parts of [3, 10, 7]) {
    for (let round = 0; round < 50; round++) {
      const ids = Array.from({ length: parts }, (_, at) => `${round} ${at}`);
      for (const id of ids) devices.take(id, Number((1 / parts).toFixed(7)));
      expect(devices.fits(0.01)).toBe(false);
      for (const id of ids) devices.release(id);
    }
  }
  expect(devices.fits(1)).toBe(true);
});

test("by chance: no device is used more than once over, and a whole one by one task", () => {
  const rng = random(7);
  const devices = newDevices(3);
  const held = new Map<string, { readonly positions: readonly number[]; readonly amount: number }>();
  for (let turn = 0; turn < 3000; turn++) {
    const amount = [0.1, 0.25, 0.5, 0.9, 1, 2][Math.floor(rng.next() * 6)]!;
    if (devices.fits(amount)) held.set(`${turn}`, { positions: devices.take(`${turn}`, amount), amount });
    for (const id of held.keys()) {
      if (!rng.chance(0.6)) continue;
      devices.release(id);
      held.delete(id);
    }
    for (let at = 0; at < 3; at++) {
      const users = [...held.values()].filter(({ positions }) => positions.includes(at));
      const sum = users.reduce((total, each) => total + Math.min(1, each.amount), 0);
      expect(sum).toBeLessThan(1.00001);
    }
  }
});
