/*
 * Time, processes and their deaths, for the simulation: one queue of things to happen, in the order of a virtual clock.
 * Between two of them every promise that can go on does so, so that what happens follows from the seed alone. Knows
 * neither servers nor clients.
 */
import { drainMicrotasks } from "bun:jsc";
import type { Clock } from "../../src/base/clock.ts";
import type { Logger } from "../../src/log/logger.ts";
import { makeLog } from "../make.ts";
import { type Random, random } from "./random.ts";

/** Virtual time begins here: not at 0, which a forgotten time might equal by chance. */
export const epoch = 1_000_000_000;

export interface World {
  readonly rng: Random;
  now(): number;
  /**
   * `action` happens at `time`, or now if that is over, after what was to happen then already. The answer takes it
   * back.
   */
  at(time: number, action: () => void): () => void;
  process(name: string): Process;
  /** Part of what a replay must repeat. */
  mark(what: string): void;
  /** A line for people, made only if somebody reads it. */
  trace(line: () => string): void;
  /** Something is wrong: the run ends with this error. */
  blame(error: unknown): void;
  /**
   * Lets everything happen until nothing is left. Throws what was blamed; `limit` may look at each moment before it
   * comes.
   */
  run(limit: (now: number, steps: number) => void): void;
  /** Of all marks so far. */
  digest(): string;
}

/**
 * A process of the operating system. What it has set going happens to it only while it is alive, and not while it is
 * stopped.
 */
export interface Process {
  readonly name: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly at: "running" | "stopped" | "ended";
  /** Timers that it set and that are neither over nor cancelled. */
  readonly timers: number;
  /** How often it was stopped. */
  readonly stops: number;
  /** Does this in the process: at once, when it goes on, or never. */
  enter(action: () => void): void;
  /** SIGSTOP and SIGCONT. */
  stop(): void;
  goOn(): void;
  /** It is no more, whether by kill -9 or by itself. `onEnd` hears of it. */
  end(how: string): void;
  onEnd(action: (how: string) => void): void;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  action: (() => void) | null;
}

export function newWorld(seed: number, trace: ((line: string) => void) | null): World {
  const heap: Entry[] = [];
  let now = epoch;
  let order = 0;
  let blamed: { readonly error: unknown } | null = null;
  let hash = 0x811c9dc5;

  function before(left: Entry, right: Entry): boolean {
    return left.at < right.at || (left.at === right.at && left.order < right.order);
  }

  function push(entry: Entry): void {
    let place = heap.length;
    heap.push(entry);
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (!before(entry, heap[above]!)) break;
      heap[place] = heap[above]!;
      place = above;
    }
    heap[place] = entry;
  }

  function pop(): Entry | undefined {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1]!, heap[below]!)) below++;
      if (!before(heap[below]!, last)) break;
      heap[place] = heap[below]!;
      place = below;
    }
    heap[place] = last;
    return first;
  }

  function mark(what: string): void {
    for (let i = 0; i < what.length; i++) hash = Math.imul(hash ^ what.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ (now - epoch), 0x01000193);
  }

  const self: World = {
    rng: random(seed),
    now: () => now,
    at(time, action) {
      const entry: Entry = { at: Math.max(time, now), order: order++, action };
      push(entry);
      return () => {
        entry.action = null;
      };
    },
    process: (name) => newProcess(self, name, trace !== null),
    mark,
    trace(line) {
      if (trace !== null) trace(`${((now - epoch) / 1000).toFixed(3).padStart(9)} ${line()}`);
    },
    blame(error) {
      blamed ??= { error };
    },
    run(limit) {
      for (let steps = 1; ; steps++) {
        const next = pop();
        if (next === undefined) return;
        // What was taken back does not move the time.
        if (next.action === null) continue;
        limit(next.at, steps);
        now = next.at;
        next.action();
        drainMicrotasks();
        if (blamed !== null) throw blamed.error;
      }
    },
    digest: () => (hash >>> 0).toString(16),
  };
  return self;
}

/** What a process is made of. */
interface Life {
  readonly world: World;
  readonly name: string;
  at: Process["at"];
  /** What came while it was stopped. */
  backlog: (() => void)[];
  /** Each takes one of its timers back. */
  readonly timers: Set<() => void>;
}

function enter(life: Life, action: () => void): void {
  if (life.at === "ended") return;
  // What came while it was stopped comes first.
  if (life.at === "stopped" || life.backlog.length > 0) life.backlog.push(action);
  else action();
}

/** One after the other, as in an event loop: each with what follows from it. */
function catchUp(life: Life): void {
  if (life.at !== "running") return;
  const action = life.backlog[0];
  if (action === undefined) return;
  action();
  life.backlog.shift();
  if (life.backlog.length > 0) life.world.at(life.world.now(), () => catchUp(life));
}

function setTimer(life: Life, delayMs: number, action: () => void): { cancel(): void } {
  const { world, timers } = life;
  let set = true;
  const cancel = (): void => {
    set = false;
    takeBack();
    timers.delete(cancel);
  };
  // As real ones, timers are never early: not even by the last bit of a sum.
  const due = delayMs > 0 ? Math.floor((world.now() + delayMs) * 1024 + 1) / 1024 : world.now();
  const takeBack = world.at(due, () =>
    enter(life, () => {
      if (!set) return;
      set = false;
      timers.delete(cancel);
      action();
    }),
  );
  timers.add(cancel);
  return { cancel };
}

function clockOf(life: Life): Clock {
  const { world } = life;
  return {
    now: world.now,
    after: (delayMs, action) => setTimer(life, delayMs, action),
    defer(action) {
      // While it catches up, a turn may come between what was waiting, or after all of it.
      const between = life.backlog.length > 0 && life.at === "running" && world.rng.chance(0.5);
      world.at(world.now(), () => (between && life.at === "running" ? action() : enter(life, action)));
    },
  };
}

function newProcess(world: World, name: string, traced: boolean): Process {
  const life: Life = { world, name, at: "running", backlog: [], timers: new Set() };
  const endings: ((how: string) => void)[] = [];
  let stops = 0;
  function become(at: Process["at"], what: string): void {
    life.at = at;
    if (at === "ended") life.backlog = [];
    world.mark(`${name} ${what}`);
    world.trace(() => `${name} ---- ${what}`);
  }
  return {
    name,
    get at() {
      return life.at;
    },
    get timers() {
      return life.timers.size;
    },
    get stops() {
      return stops;
    },
    clock: clockOf(life),
    log: makeLog(
      (level, text) => world.trace(() => `${name} ${level} ${text}`),
      () => traced,
    ),
    enter: (action) => enter(life, action),
    stop() {
      if (life.at !== "running") return;
      stops++;
      become("stopped", "stopped");
    },
    goOn() {
      if (life.at !== "stopped") return;
      become("running", "goes on");
      world.at(world.now(), () => catchUp(life));
    },
    end(how) {
      if (life.at === "ended") return;
      become("ended", how);
      for (const cancel of life.timers) cancel();
      for (const action of endings) action(how);
    },
    onEnd: (action) => void endings.push(action),
  };
}
