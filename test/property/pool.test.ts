/*
 * Which tasks start when some ask for resources: never more is handed out than there is, nobody waits for nothing, and
 * everybody starts in time. What the client does is compared with a model that knows the rule as it is told to users,
 * with priorities that are counted, and exact sums.
 */
import { expect, test } from "bun:test";
import fc from "fast-check";
import type { ClientEffect } from "../../src/client/effects.ts";
import { release } from "../../src/client/pool.ts";
import { startTasks } from "../../src/client/starting.ts";
import { check, type ClientState, newState } from "../../src/client/state.ts";
import { makeAssignment } from "../make.ts";
import { settings } from "../unit/client/bench.ts";

/** What a task asks for, in hundredths of a core and a GPU; its limit and how long it runs, milliseconds. */
interface Job {
  readonly id: string;
  readonly need: readonly [cores: number, gpus: number];
  readonly limitMs: number | null;
  readonly runsMs: number;
  readonly comesAt: number;
}

interface Site {
  readonly total: readonly [cores: number, gpus: number];
  readonly executors: number;
}

/** What runs, with the time at which it reaches its limit. */
interface Runs {
  readonly job: Job;
  readonly deadline: number;
  /** The devices that it has, or has a part of. */
  readonly devices: readonly number[];
}

/** Takes tasks, and says which start. */
interface Starter {
  come(job: Job): void;
  end(job: Job): void;
  start(now: number): string[];
}

function client({ total, executors }: Site): Starter & { readonly state: ClientState } {
  const capacity = { cores: total[0] / 100, memory: 2 ** 33, others: { gpus: total[1] / 100 } };
  const state = newState({ ...settings, executors, capacity }, 0);
  state.phase = { at: "working" };
  return {
    state,
    come({ id, need, limitMs }) {
      const tag = need[1] === 0 ? { part: 0 } : { part: 0, gpus: need[1] / 100 };
      const timeout = limitMs === null ? null : limitMs / 1000;
      state.inbox.push(makeAssignment({ id, lease: 1 }, { cores: need[0] / 100, tag, timeout }));
    },
    end({ id }) {
      state.running.delete(id);
      release(state.pool, id);
    },
    start(now) {
      const effects: ClientEffect[] = [];
      startTasks(state, now, effects);
      check(state);
      return effects.flatMap((effect) => (effect.kind === "start" ? [effect.task.id] : []));
    },
  };
}

/** Somebody who waits. */
interface Waits {
  readonly job: Job;
  priority: number;
}

const asks = ({ need }: Job): boolean => need.some((amount) => amount > 0);

/** The rule, as it is told to users. It starts one task after the other, and looks at all of them each time. */
function model({ total, executors }: Site): Starter & { readonly running: readonly Runs[]; first(): Job | undefined } {
  const waiting: Waits[] = [];
  const running: Runs[] = [];
  const free = (): number[] =>
    total.map((amount, at) => amount - running.reduce((sum, { job }) => sum + job.need[at]!, 0));
  const isWithin = (need: readonly number[], room: readonly number[]): boolean =>
    need.every((amount, at) => amount <= room[at]!);

  /** The devices for a task: a part goes to the fullest that has room, whole ones are those that nobody uses. */
  function devicesFor([, amount]: Job["need"]): readonly number[] | null {
    const used = Array.from({ length: total[1] / 100 }, () => 0);
    for (const { job, devices } of running) for (const at of devices) used[at]! += Math.min(100, job.need[1]);
    if (amount >= 100) {
      const whole = [...used.keys()].filter((at) => used[at] === 0).slice(0, amount / 100);
      return whole.length * 100 === amount ? whole : null;
    }
    const some = [...used.keys()]
      .filter((at) => used[at]! + amount <= 100)
      .toSorted((a, b) => used[b]! - used[a]! || a - b);
    return amount === 0 ? [] : some.length === 0 ? null : some.slice(0, 1);
  }
  const isFree = (job: Job): boolean => isWithin(job.need, free()) && devicesFor(job.need) !== null;

  /** How long the first has to wait at most, milliseconds; null: nobody can say. */
  function opening(need: readonly number[], now: number): number | null {
    const room = free();
    const limited = running.filter(({ job, deadline }) => asks(job) && deadline !== Infinity);
    for (const { job, deadline } of limited.toSorted((a, b) => a.deadline - b.deadline)) {
      for (const [at, amount] of job.need.entries()) room[at]! += amount;
      if (isWithin(need, room)) return deadline - now;
    }
    return null;
  }

  function choose(now: number): number {
    const order = waiting.map((_, at) => at).toSorted((a, b) => waiting[b]!.priority - waiting[a]!.priority || a - b);
    let first: Job | null = null;
    for (const at of order) {
      const { job } = waiting[at]!;
      if (!asks(job)) return at;
      if (first === null) {
        if (isFree(job)) return at;
        first = job;
        continue;
      }
      const span = opening(first.need, now);
      if (span !== null && job.limitMs !== null && job.limitMs < span && isFree(job)) return at;
    }
    return -1;
  }

  return {
    running,
    first: () => waiting.toSorted((a, b) => b.priority - a.priority).find(({ job }) => asks(job))?.job,
    come: (job) => void waiting.push({ job, priority: 0 }),
    end: (job) =>
      void running.splice(
        running.findIndex((each) => each.job === job),
        1,
      ),
    start(now) {
      const started: string[] = [];
      while (running.length < executors) {
        const at = choose(now);
        if (at < 0) break;
        const [{ job } = waiting[0]!] = waiting.splice(at, 1);
        for (const each of waiting.slice(0, at)) each.priority++;
        const deadline = job.limitMs === null ? Infinity : now + job.limitMs;
        running.push({ job, deadline, devices: devicesFor(job.need)! });
        started.push(job.id);
      }
      return started;
    },
  };
}

/** By when the first of those that wait has what it asks for: when those have ended that ran when it became first. */
interface Promised {
  readonly job: Job;
  readonly before: Set<Job>;
  by: number;
}

/** Lets the jobs come and run. Answers in which order they started. */
function run(site: Site, jobs: readonly Job[]): string[] {
  const [one, other] = [client(site), model(site)];
  const order: string[] = [];
  const byId = new Map(jobs.map((job) => [job.id, job]));
  const toCome = jobs.toSorted((a, b) => a.comesAt - b.comesAt);
  const ends = new Map<Job, number>();
  const promise: { of: Promised | null } = { of: null };
  while (toCome.length > 0 || ends.size > 0) {
    const now = Math.min(toCome[0]?.comesAt ?? Infinity, ...ends.values());
    for (const [job, at] of ends) {
      if (at > now) continue;
      ends.delete(job);
      one.end(job);
      other.end(job);
      const { of } = promise;
      if (of?.before.delete(job) === true && job.limitMs === null) of.by = Math.max(of.by, now);
    }
    while (toCome.length > 0 && toCome[0]!.comesAt <= now) {
      const job = toCome.shift()!;
      one.come(job);
      other.come(job);
    }
    const started = one.start(now);
    expect(started).toEqual(other.start(now));
    for (const id of started) ends.set(byId.get(id)!, now + byId.get(id)!.runsMs);
    order.push(...started);
    for (const at of [0, 1] as const) {
      const sum = other.running.reduce((all, { job }) => all + job.need[at], 0);
      expect(sum).toBeLessThanOrEqual(site.total[at]);
    }
    const first = other.first();
    const { of } = promise;
    if (first === undefined) promise.of = null;
    else if (of?.job !== first) {
      const before = other.running.filter(({ job }) => asks(job));
      const by = Math.max(0, ...before.map(({ deadline }) => deadline).filter((each) => each !== Infinity));
      promise.of = { job: first, before: new Set(before.map((each) => each.job)), by };
    } else if (now >= of.by && [...of.before].every(({ limitMs }) => limitMs !== null)) {
      // Only the want of an executor keeps it waiting now, and the next that is free is its own.
      expect(other.running.length).toBe(site.executors);
    }
  }
  expect(one.state.pool.waiting + one.state.inbox.length).toBe(0);
  expect([...one.state.pool.room.others.values(), one.state.pool.room.cores]).toEqual([
    site.total[1] / 100,
    site.total[0] / 100,
  ]);
  return order;
}

const site: fc.Arbitrary<Site> = fc.record({
  total: fc.tuple(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 0, max: 3 })).map(([a, b]) => [a * 100, b * 100]),
  executors: fc.integer({ min: 1, max: 6 }),
}) as never;

const part = fc.constantFrom(0, 0, 10, 25, 30, 33, 50, 70, 100, 200);

const job = fc.record({
  cores: fc.oneof(
    fc.constant(0),
    fc.integer({ min: 1, max: 8 }).map((each) => each * 100),
    part,
  ),
  gpus: part,
  limitMs: fc.option(fc.integer({ min: 1, max: 60 }).map((each) => each * 1000)),
  runsMs: fc.integer({ min: 1, max: 60_000 }),
  comesAt: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 100_000 })),
});

test("tasks start as the rule says, within what there is, and each of them in time", () => {
  let passed = 0;
  fc.assert(
    fc.property(site, fc.array(job, { maxLength: 40 }), (place, many) => {
      const jobs = many.map(({ cores, gpus, limitMs, runsMs, comesAt }, at): Job => {
        const need = [Math.min(cores, place.total[0]), Math.min(gpus, place.total[1])] as const;
        return { id: `${at}`, need, limitMs, runsMs: Math.min(runsMs, limitMs ?? Infinity), comesAt };
      });
      const order = run(place, jobs);
      expect(order.toSorted()).toEqual(jobs.map(({ id }) => id).toSorted());
      const came = new Map(jobs.map(({ id, comesAt }) => [id, comesAt]));
      if (order.some((id, at) => at > 0 && came.get(id)! < came.get(order[at - 1]!)!)) passed++;
    }),
    { numRuns: 300 },
  );
  expect(passed).toBeGreaterThan(10);
});

test("a hundred thousand tasks of one core take their turns without a look at all that wait", () => {
  const one = client({ total: [400, 0], executors: 8 });
  const count = 100_000;
  const jobs: Job[] = Array.from({ length: count }, (_, at) => ({
    id: `${at}`,
    need: [100, 0],
    limitMs: at % 2 === 0 ? null : 60_000,
    runsMs: 1,
    comesAt: 0,
  }));
  for (const each of jobs) one.come(each);
  const before = process.cpuUsage().user;
  const effects: ClientEffect[] = [];
  let ended = 0;
  let started = 0;
  for (let now = 0; ended < count; now++) {
    effects.length = 0;
    startTasks(one.state, now, effects);
    started += effects.filter(({ kind }) => kind === "start").length;
    const [id] = one.state.running.keys();
    one.end(jobs[Number(id)]!);
    ended++;
  }
  expect(started).toBe(count);
  // It takes 0.2 seconds. A look at all that wait, at each end, would take minutes.
  expect(process.cpuUsage().user - before).toBeLessThan(5_000_000);
});
