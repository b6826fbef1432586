/*
 * A whole cluster under a virtual clock: the real reactors of one server and several clients, links that delay and break, clients that
 * crash and are replaced, a store that takes its time. Everything follows from the seed; after every step the states are checked, and at
 * the end every task must have exactly one recorded outcome.
 */
import { assert } from "../../src/base/assert.ts";
import type { ClientEffect } from "../../src/client/effects.ts";
import type { ClientEvent } from "../../src/client/event.ts";
import * as clientReactor from "../../src/client/reactor.ts";
import * as clientState from "../../src/client/state.ts";
import type { ServerEffect } from "../../src/server/effects.ts";
import type { ServerEvent } from "../../src/server/event.ts";
import * as serverReactor from "../../src/server/reactor.ts";
import * as serverState from "../../src/server/state.ts";
import { type Assignment, isFailure, type NewTask } from "../../src/task/task.ts";
import type { ClientMessage, ServerMessage } from "../../src/wire/message.ts";
import { type Model, model } from "./model.ts";
import { type Random, random } from "./random.ts";

export interface Summary {
  readonly tasks: number;
  readonly attempts: number;
  readonly lostClients: number;
  readonly halted: boolean;
  readonly steps: number;
}

interface Execution {
  readonly clientId: string;
  readonly startedAt: number;
  endedAt: number | null;
}

interface Node {
  readonly id: string;
  readonly state: clientState.ClientState;
  inbox: ClientEvent[];
  alive: boolean;
  linked: boolean;
  wakeAt: number;
  /** Messages keep their order: none arrives before the one sent earlier. */
  toServerAt: number;
  fromServerAt: number;
  readonly ends: Map<string, () => void>;
}

const stepLimit = 200_000;

export function simulate(seed: number): Summary {
  const rng: Random = random(seed);
  const store: Model = model();
  const queue: { at: number; order: number; action: () => void }[] = [];
  const nodes = new Map<string, Node>();
  const executions = new Map<string, Execution[]>();
  const declaredLost = new Set<string>();
  let now = 0;
  let order = 0;
  let steps = 0;
  let lostClients = 0;
  let ids = 0;
  let finished = false;

  const attempts = rng.between(1, 3);
  const groups = rng.between(1, 3);
  const total = rng.between(0, 60);
  const failing = rng.chance(0.5) ? 0.2 : 0;
  const faults = rng.chance(0.7);

  function at(time: number, action: () => void): void {
    const entry = { at: Math.max(time, now), order: order++, action };
    let low = 0;
    let high = queue.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = queue[middle]!;
      if (other.at < entry.at || (other.at === entry.at && other.order < entry.order)) low = middle + 1;
      else high = middle;
    }
    queue.splice(low, 0, entry);
  }

  // ---- the server

  const server = serverState.newState(
    {
      serverId: "server",
      serverHost: "head",
      scope: { kind: "submission", id: "server" },
      attempts,
      eager: rng.chance(0.5),
      forever: false,
      bundleSize: rng.chance(0.5) ? rng.between(1, 4) : null,
      pollMs: 5000,
      evictMs: 60_000,
      graceMs: 5000,
      companyMs: rng.chance(0.5) ? 3 : 0,
      firstLease: 1,
      newId: () => `retry-${++ids}`,
    },
    null,
    0,
  );
  let serverInbox: ServerEvent[] = [];
  let serverWakeAt = Number.POSITIVE_INFINITY;

  function tellServer(event: ServerEvent): void {
    if (serverInbox.length === 0) at(now, stepServer);
    serverInbox.push(event);
  }

  function stepServer(): void {
    const events = serverInbox;
    serverInbox = [];
    if (finished) return;
    steps++;
    const effects = serverReactor.step(server, events, now);
    serverState.check(server);
    for (const effect of effects) carryOutForServer(effect);
  }

  function carryOutForServer(effect: ServerEffect): void {
    switch (effect.kind) {
      case "send": {
        const node = nodes.get(effect.clientId);
        if (node?.linked) toClient(node, effect.message);
        return;
      }
      case "disconnect":
        return drop(effect.clientId);
      case "claim":
        return at(now + rng.between(0, 20), () => {
          const claim = store.claim(effect.request);
          // The answer takes its time too; rows may be added meanwhile.
          at(now + rng.between(0, 20), () => tellServer({ kind: "claimed", claim, templates: [] }));
        });
      case "commit":
        return at(now + rng.between(0, 30), () => {
          const report = store.commit(effect.commit);
          at(now + rng.between(0, 10), () => tellServer({ kind: "committed", report }));
        });
      case "wake":
        if (effect.at >= serverWakeAt && serverWakeAt > now) return;
        serverWakeAt = effect.at;
        return at(effect.at, () => {
          serverWakeAt = Number.POSITIVE_INFINITY;
          tellServer({ kind: "woken" });
        });
      case "endClient":
        if (effect.evicted) declaredLost.add(effect.clientId);
        return;
      case "finish":
        finished = true;
        return;
      default:
    }
  }

  // ---- clients

  function addClient(): void {
    const id = `client-${++ids}`;
    const state = clientState.newState(
      {
        clientId: id,
        host: "node",
        executors: rng.between(1, 4),
        timeoutMs: rng.chance(0.2) ? 3000 : null,
        signalWaitMs: 100,
        idleMs: null,
        heartMs: 1000,
        bundleSize: rng.chance(0.3) ? rng.between(1, 3) : null,
        announce: false,
      },
      now,
    );
    const node: Node = {
      id,
      state,
      inbox: [],
      alive: true,
      linked: true,
      wakeAt: Number.POSITIVE_INFINITY,
      toServerAt: now,
      fromServerAt: now,
      ends: new Map(),
    };
    nodes.set(id, node);
    carryOutForClient(node, clientReactor.hello(state));
    if (!faults) return;
    if (rng.chance(0.4)) at(now + rng.between(10, 8000), () => crash(node));
    else if (rng.chance(0.3)) at(now + rng.between(10, 8000), () => cut(node));
  }

  function tellClient(node: Node, event: ClientEvent): void {
    if (!node.alive) return;
    if (node.inbox.length === 0) at(now, () => stepClient(node));
    node.inbox.push(event);
  }

  function stepClient(node: Node): void {
    const events = node.inbox;
    node.inbox = [];
    if (!node.alive) return;
    steps++;
    const effects = clientReactor.step(node.state, events, now);
    clientState.check(node.state);
    for (const effect of effects) carryOutForClient(node, effect);
  }

  function carryOutForClient(node: Node, effect: ClientEffect): void {
    switch (effect.kind) {
      case "send":
        if (node.linked) toServer(node, effect.message);
        return;
      case "start":
        return start(node, effect.task);
      case "signal": {
        const end = node.ends.get(effect.id);
        if (end !== undefined && (effect.signal === "SIGKILL" || rng.chance(0.7))) at(now + rng.between(0, 50), end);
        return;
      }
      case "lookAtGroup":
        return at(now, () => tellClient(node, { kind: "groupSeen", id: effect.id, alive: rng.chance(0.3) }));
      case "wake":
        if (effect.at === Number.POSITIVE_INFINITY || (effect.at >= node.wakeAt && node.wakeAt > now)) return;
        node.wakeAt = effect.at;
        return at(effect.at, () => {
          node.wakeAt = Number.POSITIVE_INFINITY;
          tellClient(node, { kind: "woken" });
        });
      case "finish":
        node.alive = false;
        return drop(node.id);
      default:
    }
  }

  function start(node: Node, task: Assignment): void {
    const runs = executions.get(task.id) ?? [];
    for (const run of runs) {
      const lost = declaredLost.has(run.clientId);
      assert(run.endedAt !== null || lost, `task ${task.id} runs in two places at once`);
    }
    const run: Execution = { clientId: node.id, startedAt: now, endedAt: null };
    executions.set(task.id, [...runs, run]);
    const status = rng.chance(failing) ? 1 : 0;
    let over = false;
    const end = (exitStatus: number) => {
      if (over || !node.alive) return;
      over = true;
      run.endedAt = now;
      node.ends.delete(task.id);
      const { id, lease, args } = task;
      const rest = { outpath: null, errpath: null, csvpath: null, coresMax: null, memoryMax: null };
      const outcome = { id, lease, command: args, startTime: run.startedAt, completionTime: now, exitStatus, ...rest };
      tellClient(node, { kind: "ended", outcome });
    };
    node.ends.set(task.id, () => end(130));
    at(now + rng.between(1, rng.chance(0.1) ? 6000 : 300), () => end(status));
  }

  function crash(node: Node): void {
    if (!node.alive || finished) return;
    lostClients++;
    node.alive = false;
    for (const runs of executions.values()) for (const run of runs) if (run.clientId === node.id) run.endedAt ??= now;
    // Sometimes the server hears of it at once, sometimes only silence tells.
    if (rng.chance(0.7)) at(now + rng.between(0, 100), () => hangUp(node));
    at(now + rng.between(0, 500), addClient);
  }

  function cut(node: Node): void {
    if (!node.alive || finished) return;
    lostClients++;
    hangUp(node);
    tellClient(node, { kind: "disconnected", error: "cut" });
    at(now + rng.between(0, 500), addClient);
  }

  /** The server notices that the connection is gone. */
  function hangUp(node: Node): void {
    if (!node.linked) return;
    node.linked = false;
    tellServer({ kind: "disconnected", clientId: node.id });
  }

  /** Orderly end of a connection by either side. */
  function drop(clientId: string): void {
    const node = nodes.get(clientId);
    if (node === undefined || !node.linked) return;
    node.linked = false;
    at(Math.max(now, node.fromServerAt), () => tellClient(node, { kind: "disconnected", error: null }));
  }

  function toServer(node: Node, message: ClientMessage): void {
    node.toServerAt = Math.max(node.toServerAt, now + rng.between(0, 40));
    at(node.toServerAt, () => {
      // A broken connection loses what was under way.
      if (!node.linked) return;
      if (message.kind === "hello") tellServer({ kind: "joined", hello: message });
      else tellServer({ kind: "received", clientId: node.id, message });
    });
  }

  function toClient(node: Node, message: ServerMessage): void {
    node.fromServerAt = Math.max(node.fromServerAt, now + rng.between(0, 40));
    at(node.fromServerAt, () => tellClient(node, { kind: "received", message }));
  }

  // ---- input

  function newTask(n: number): NewTask {
    return {
      id: `task-${n}`,
      group: rng.between(0, groups - 1),
      args: `echo ${n}`,
      submitId: "server",
      submitTime: now,
      submitHost: "head",
      cores: null,
      memory: null,
      timeout: rng.chance(0.1) ? 1 : null,
      attempt: 1,
      previousId: null,
      tag: { part: 0 },
    };
  }
  let time = 0;
  for (let n = 0; n < total;) {
    const count = Math.min(total - n, rng.between(1, 20));
    const from = n;
    at(time, () => {
      store.insert(Array.from({ length: count }, (_, i) => newTask(from + i)));
      tellServer({ kind: "inserted" });
    });
    n += count;
    time += rng.between(0, 200);
  }
  at(time, () => tellServer({ kind: "inputEnded" }));
  for (let i = rng.between(1, 3); i > 0; i--) at(rng.between(0, 200), addClient);
  tellServer({ kind: "inserted" });

  while (!finished) {
    const next = queue.shift();
    assert(next !== undefined, "the cluster does not fall asleep with work left");
    now = next.at;
    next.action();
    assert(steps < stepLimit, `the run comes to an end (${steps} steps, ${now} ms)`);
  }

  // ---- the verdict

  for (const row of store.rows) {
    assert(row.recordings <= 1, `task ${row.task.id} is recorded once`);
    if (server.haltedBy === null) assert(row.recordings === 1, `task ${row.task.id} has an outcome`);
    else if (row.task.group <= server.haltedBy)
      assert(row.recordings === 1, `task ${row.task.id} of a started group has an outcome`);
    else assert(row.recordings === 0, `task ${row.task.id} of a later group did not run`);
  }
  const finals = store.rows.filter((row) => row.exitStatus !== null && !row.retried);
  assert(server.counts.succeeded === finals.filter((row) => row.exitStatus === 0).length, "successes are counted once");
  assert(
    server.counts.failed === finals.filter((row) => isFailure(row.exitStatus ?? 0)).length,
    "failures are counted once",
  );
  return { tasks: total, attempts: store.rows.length, lostClients, halted: server.haltedBy !== null, steps };
}
