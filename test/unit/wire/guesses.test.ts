import { expect, test } from "bun:test";
import { type Check, noGuesses, takeTurn } from "../../../src/wire/guesses.ts";

/** A source of proofs under a clock that is moved by hand. */
function openGuesses(random = () => 0) {
  const timers: { at: number; action: () => void; isOff: boolean }[] = [];
  let now = 0;
  const clock = {
    after(ms: number, action: () => void) {
      const timer = { at: now + ms, action, isOff: false };
      timers.push(timer);
      return { cancel: () => void (timer.isOff = true) };
    },
  };
  const guesses = noGuesses({ clock, random });
  const checked: { name: string; at: number }[] = [];
  const left = () => timers.filter(({ isOff }) => !isOff);
  return {
    checked,
    left: () => left().length,
    sources: guesses.sources,
    say(name: string, result: ReturnType<Check>, from = "10.0.0.1") {
      takeTurn(guesses, from, () => {
        if (result !== "gone") checked.push({ name, at: now });
        return result;
      });
    },
    pass(ms: number) {
      const end = now + ms;
      for (;;) {
        const next = left().sort((one, other) => one.at - other.at)[0];
        if (next === undefined || next.at > end) break;
        next.isOff = true;
        now = next.at;
        next.action();
      }
      now = end;
    },
  };
}

test("after twenty wrong proofs each is checked later than the one before, up to two a second", () => {
  const { say, pass, checked } = openGuesses();
  for (let n = 0; n < 30; n++) say(`${n}`, "wrong");
  expect(checked.length).toBe(21);
  pass(60_000);
  const times = checked.slice(20).map(({ at }) => at);
  expect(times).toEqual([0, 10, 30, 70, 150, 310, 630, 1130, 1630, 2130]);
});

test("of many that wait a tenth is checked at once, and never more than five", () => {
  const { say, pass, checked } = openGuesses();
  for (let n = 0; n < 121; n++) say(`${n}`, "wrong");
  pass(500);
  const before = checked.length;
  for (let n = 0; n < 100; n++) say(`${n}`, "wrong");
  pass(1000);
  expect(checked.length - before).toBe(10);
});

test("a right proof waits with the wrong ones of its source, and for no others; chance lets it in", () => {
  let seed = 1;
  const chance = () => (seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647;
  let came = 0;
  for (let trial = 0; trial < 100; trial++) {
    const { say, pass, checked } = openGuesses(chance);
    for (let n = 0; n < 27; n++) say("wrong", "wrong");
    pass(2000);
    say("wrong", "wrong");
    // Somebody guesses on fifty connections, and opens another for each that was refused.
    for (let n = 0; n < 50; n++) say("wrong", "wrong");
    say("right", "right");
    say("elsewhere", "right", "10.0.0.2");
    expect(checked.at(-1)?.name).toBe("elsewhere");
    for (let tick = 0; tick < 18; tick++) {
      pass(500);
      for (let n = 0; n < 5; n++) say("wrong", "wrong");
    }
    if (checked.some(({ name }) => name === "right")) came += 1;
  }
  expect(came).toBeGreaterThan(70);
  expect(came).toBeLessThan(100);
});

test("a right proof makes nobody wait, and who has gone takes no turn", () => {
  const { say, pass, checked } = openGuesses();
  for (let n = 0; n < 27; n++) say("wrong", "wrong");
  const before = checked.length;
  for (const result of ["gone", "right", "right", "gone"] as const) say(result, result);
  pass(10_000);
  expect(checked.slice(before).filter(({ name }) => name === "right").length).toBe(2);
  say("now", "right");
  expect(checked.at(-1)?.name).toBe("now");
});

test("wrong proofs are forgotten in time, and no timer is left of them", () => {
  const { say, pass, checked, left, sources } = openGuesses();
  for (let n = 0; n < 60; n++) say("wrong", "wrong");
  pass(1_000_000);
  expect([left(), sources.size, checked.length]).toEqual([0, 0, 60]);
  for (let n = 0; n < 10_050; n++) say("wrong", "wrong", `10.0.${n}.1`);
  expect(sources.size).toBe(10_000);
});
