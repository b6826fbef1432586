/*
 * A simulated day of an autoscaled cluster: tasks arrive in bursts and trickles, jobs wait in a queue before they
 * become clients, some launches fail, clients leave when they are idle and are drained before their jobs end. The
 * decisions are those of src/cluster/autoscale; everything else is counted here, in steps of some seconds of a virtual
 * clock.
 */
import { addLaunch, arrive, clear, type Fleet, match, newFleet, sightOf } from "../../src/cluster/autoscale/fleet.ts";
import { decide, initialSize, type Policy, type Rules } from "../../src/cluster/autoscale/policy.ts";
import type { ServerLoad } from "../../src/server/load.ts";
import { newTally, noteWork, paceOf, type Tally } from "../../src/server/tally.ts";
import type { Outcome } from "../../src/task/task.ts";
import { type Random, random } from "./random.ts";

/** What a day came to. Times are in seconds. */
export interface Day {
  readonly tasks: number;
  /** Node hours that the tasks would take on clients that are always full. */
  readonly needed: number;
  /** Node hours from the start of each client to its end. */
  readonly used: number;
  /** The largest number of clients at once. */
  readonly most: number;
  readonly launches: number;
  readonly failed: number;
  /** Launches whose client never ran a task. */
  readonly vain: number;
  /** The longest time that a task waited for its start. */
  readonly longestWait: number;
  /** The longest time that tasks waited while nobody was there, and no launch was under way. */
  readonly longestNeglect: number;
  /** When the last task ended. */
  readonly end: number;
}

const stepMs = 5000;
const dayMs = 86_400_000;
const executors = 16;
/** How long a client stays without a task, how long its job lasts, and how long before that end it is drained. */
const [idleMs, jobMs, drainMs] = [300_000, 4 * 3_600_000, 600_000];
/** The mean time of a job in the queue, and the longest. */
const [queueMs, longestQueueMs] = [120_000, 900_000];

interface Arrival {
  readonly at: number;
  readonly tookMs: number;
}

interface Node {
  readonly name: string;
  readonly since: number;
  readonly running: Arrival[];
  /** When each of the running tasks started. */
  readonly starts: number[];
  readonly tally: Tally;
  idleSince: number;
  hasWorked: boolean;
  isDraining: boolean;
}

interface Queued {
  readonly name: string;
  readonly at: number;
  readonly fails: boolean;
}

interface World {
  readonly chance: Random;
  readonly rules: Rules;
  readonly fleet: Fleet;
  readonly arrivals: readonly Arrival[];
  /** How many have arrived, and how many of these have started. */
  arrived: number;
  started: number;
  ended: number;
  readonly queue: Queued[];
  readonly nodes: Map<string, Node>;
  nextLook: number;
  readonly sums: { used: number; most: number; failed: number; vain: number; wait: number; neglect: number };
  neglectedSince: number | null;
}

/** The tasks of a day, by time: bursts of short and of long ones, a trickle, and hours without any. */
function planOf(chance: Random): readonly Arrival[] {
  const found: Arrival[] = [];
  const spread = (mean: number): number => Math.max(50, -Math.log(1 - chance.next()) * mean);
  for (let burst = chance.between(4, 9); burst > 0; burst--) {
    const from = chance.between(0, dayMs);
    const mean = [500, 20_000, 120_000, 900_000][chance.between(0, 3)]!;
    const nodeHours = chance.between(2, 20);
    const count = Math.max(20, Math.min(20_000, Math.round((nodeHours * 3_600_000 * executors) / mean)));
    for (let left = count; left > 0; left--) found.push({ at: from + chance.between(0, 60_000), tookMs: spread(mean) });
  }
  for (let at = spread(600_000); at < dayMs; at += spread(600_000)) found.push({ at, tookMs: spread(30_000) });
  return found.toSorted((one, other) => one.at - other.at);
}

/** Runs the day of a seed with a policy. */
export function simulateDay(seed: number, policy: Policy): Day {
  const chance = random(seed);
  const rules: Rules = { policy, sizes: { init: 1, min: 0, max: 12 }, factor: 1, periodMs: 60_000 };
  const sums = { used: 0, most: 0, failed: 0, vain: 0, wait: 0, neglect: 0 };
  const world: World = {
    chance,
    rules,
    fleet: newFleet(),
    arrivals: planOf(chance),
    arrived: 0,
    started: 0,
    ended: 0,
    queue: [],
    nodes: new Map(),
    nextLook: rules.periodMs,
    sums,
    neglectedSince: null,
  };
  for (let count = initialSize(rules); count > 0; count--) launch(world, 0);
  let now = 0;
  while ((now < dayMs || world.ended < world.arrivals.length) && now < 4 * dayMs) step(world, (now += stepMs));
  const needed = world.arrivals.reduce((sum, { tookMs }) => sum + tookMs, 0) / executors;
  const hours = (ms: number): number => ms / 3_600_000;
  for (const node of world.nodes.values()) leave(world, node, now);
  return {
    tasks: world.arrivals.length,
    needed: hours(needed),
    used: hours(sums.used),
    most: sums.most,
    launches: world.fleet.launched,
    failed: sums.failed,
    vain: sums.vain,
    longestWait: sums.wait / 1000,
    longestNeglect: sums.neglect / 1000,
    end: now / 1000,
  };
}

function launch(world: World, now: number): void {
  const { fleet, queue, chance } = world;
  const made = addLaunch(fleet, `launch-${fleet.launched + 1}`, fleet.launched + 1);
  const waitMs = Math.min(longestQueueMs, -Math.log(1 - chance.next()) * queueMs);
  queue.push({ name: made.name, at: now + waitMs, fails: chance.chance(0.05) });
}

function step(world: World, now: number): void {
  while (world.arrivals[world.arrived] !== undefined && world.arrivals[world.arrived]!.at <= now) world.arrived++;
  for (const node of world.nodes.values()) work(world, node, now);
  for (const each of world.queue.splice(0)) {
    if (each.at > now) world.queue.push(each);
    else if (each.fails) endLaunch(world, each.name, 1);
    else come(world, each.name, now);
  }
  if (now >= world.nextLook) look(world, now);
  watch(world, now);
}

function come({ fleet, nodes, sums }: World, name: string, now: number): void {
  const state = { idleSince: now, hasWorked: false, isDraining: false };
  nodes.set(name, { name, since: now, running: [], starts: [], tally: newTally(), ...state });
  arrive(fleet, name);
  sums.most = Math.max(sums.most, nodes.size);
}

/** Ends what is over on a node, starts what waits, and lets the node go when it is idle or its time is up. */
function work(world: World, node: Node, now: number): void {
  const { running, starts } = node;
  for (let at = running.length - 1; at >= 0; at--) {
    const until = starts[at]! + running[at]!.tookMs;
    if (until > now) continue;
    noteWork(node.tally, { command: "", startTime: starts[at]!, completionTime: until } as Outcome);
    running.splice(at, 1);
    starts.splice(at, 1);
    world.ended++;
  }
  node.isDraining = now - node.since >= jobMs - drainMs;
  // Short tasks come one after the other within a step.
  let free = node.isDraining ? 0 : (executors - running.length) * stepMs;
  while (free > 0 && world.started < world.arrived) {
    const task = world.arrivals[world.started++]!;
    world.sums.wait = Math.max(world.sums.wait, now - task.at);
    node.hasWorked = true;
    free -= task.tookMs < stepMs ? task.tookMs : stepMs;
    running.push(task);
    starts.push(now);
  }
  if (running.length > 0) node.idleSince = now;
  const isOver = now - node.since >= jobMs;
  if (running.length === 0 && (node.isDraining || now - node.idleSince >= idleMs)) leave(world, node, now);
  else if (isOver) {
    // What does not end in time is run again.
    world.started -= running.length;
    for (const [at, task] of running.entries()) (world.arrivals as Arrival[])[world.started + at] = task;
    leave(world, node, now);
  }
}

function leave(world: World, node: Node, now: number): void {
  world.sums.used += now - node.since;
  if (!node.hasWorked) world.sums.vain++;
  world.nodes.delete(node.name);
  endLaunch(world, node.name, 0);
}

function endLaunch({ fleet, sums }: World, name: string, status: number): void {
  const launched = fleet.launches.find((each) => each.name === name);
  if (launched === undefined) return;
  launched.end = { status, lastLines: [] };
  launched.clients = [];
  if (status !== 0) sums.failed++;
}

function loadOf({ nodes }: World): ServerLoad {
  const clients = [...nodes.values()].map(({ name, running, isDraining, hasWorked }) => ({
    id: name,
    host: name,
    job: name,
    executors,
    running: Math.min(running.length, executors),
    isDraining,
    hasWorked,
  }));
  const running = clients.reduce((sum, each) => sum + each.running, 0);
  const able = clients.filter(({ isDraining }) => !isDraining);
  return {
    clients,
    running,
    held: running,
    ready: 0,
    credit: able.reduce((sum, each) => sum + executors - each.running, 0),
    heldBack: null,
    ...paceOf([...nodes.values()].map(({ tally }) => tally)),
  };
}

function look(world: World, now: number): void {
  const { fleet, rules, arrived, ended } = world;
  world.nextLook = now + rules.periodMs;
  const load = loadOf(world);
  match(fleet, load.clients);
  clear(fleet, now);
  fleet.round++;
  const left = arrived - ended;
  const sight = sightOf(fleet, load, { group: left > 0 ? 0 : null, inGroup: left, unfinished: left }, rules, now);
  if (decide(rules, sight).kind === "add") launch(world, now);
}

/** Notes for how long tasks wait while nobody is there, and nobody comes. */
function watch(world: World, now: number): void {
  const isNeglected = world.started < world.arrived && world.nodes.size === 0 && world.queue.length === 0;
  if (!isNeglected) {
    world.neglectedSince = null;
    return;
  }
  world.neglectedSince ??= now;
  world.sums.neglect = Math.max(world.sums.neglect, now - world.neglectedSince);
}
