import { describe, expect, test } from "bun:test";
import { type Held, newScarcity } from "../../../src/client/scarcity.ts";

/** Time that passes when it is told to, and room that is made when it is told to. */
function place() {
  let now = 0;
  let due: { at: number; action: () => void } | null = null;
  const world = { room: 0, running: 0, said: [] as string[] };
  const scarcity = newScarcity({
    clock: {
      now: () => now,
      after(delayMs, action) {
        due = { at: now + delayMs, action };
        return { cancel: () => (due = null) };
      },
    },
    isAlone: () => world.running === 0,
  });
  function task(name: string): Held {
    const held = {
      again() {
        if (world.room === 0) return scarcity.hold(held);
        world.room--;
        world.running++;
        world.said.push(name);
      },
      giveUp: () => void world.said.push(`not ${name}`),
    };
    return held;
  }
  return {
    world,
    scarcity,
    task,
    async ends() {
      world.room++;
      world.running--;
      scarcity.freed();
      await Promise.resolve();
    },
    pass(ms: number) {
      const end = now + ms;
      while (due !== null && due.at <= end) {
        const { at, action } = due;
        now = at;
        due = null;
        action();
      }
      now = end;
    },
  };
}

describe("tasks that wait for room", () => {
  test("start one by one in their order, as others end", async () => {
    const { world, scarcity, task, ends } = place();
    world.running = 2;
    for (const name of ["a", "b", "c"]) scarcity.hold(task(name));
    expect(scarcity.isScarce()).toBe(true);
    await ends();
    expect(world.said).toEqual(["a"]);
    await ends();
    await ends();
    expect([world.said, scarcity.isScarce()]).toEqual([["a", "b", "c"], false]);
  });

  test("start also when somebody else makes room", () => {
    const { world, scarcity, task, pass } = place();
    world.running = 1;
    scarcity.hold(task("a"));
    pass(30_000);
    expect(world.said).toEqual([]);
    world.room = 1;
    pass(1000);
    expect(world.said).toEqual(["a"]);
  });

  test("are given up after a minute in which nothing of this client ran, and not before", () => {
    const { world, scarcity, task, pass } = place();
    world.running = 1;
    scarcity.hold(task("a"));
    scarcity.hold(task("b"));
    pass(600_000);
    world.running = 0;
    pass(59_000);
    expect(world.said).toEqual([]);
    pass(3000);
    expect([world.said, scarcity.isScarce()]).toEqual([["not a", "not b"], false]);
  });

  test("do not wait any more when they are removed", async () => {
    const { world, scarcity, task, ends } = place();
    world.running = 1;
    const [a, b] = [task("a"), task("b")];
    scarcity.hold(a);
    scarcity.hold(b);
    scarcity.remove(a);
    await ends();
    expect(world.said).toEqual(["b"]);
  });
});
