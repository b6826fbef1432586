/*
 * Many clients in one process, over real connections, that start nothing: each task is done as soon as it arrives (or
 * after a given time). They say hello, take what their credit allows and answer. A child of bench-wire.ts and
 * bench-restart.ts; reports with one JSON object a line on stdout.
 *
 *   bench-clients.ts '{"port": 4711, "key": "...", "tls": true, "clients": 100, "executors": 192, "taskMs": 0}'
 */
import { systemClock } from "../src/base/clock.ts";
import { newId } from "../src/base/ids.ts";
import type { Assignment, Outcome } from "../src/task/task.ts";
import type { Duplex } from "../src/wire/duplex.ts";
import type { HostMessage, Lease, PeerMessage } from "../src/wire/message.ts";
import { connect } from "../src/wire/connect.ts";
import { anyCertificate } from "../test/make.ts";
import type { ClientsPlan, ClientsReport } from "./bench-server.ts";

const say = (report: ClientsReport): void => {
  process.stdout.write(`${JSON.stringify(report)}\n`);
};

const plan = JSON.parse(process.argv[2] ?? "{}") as ClientsPlan;
const { clients: count, executors, taskMs } = plan;
/** As the real client has it: executors, and as many again ahead as it would fetch under full load. */
const window = executors + 4 * executors + 2;

let registered = 0;
let open = 0;
let started = 0;
let acknowledged = 0;
let firstAssignAt = 0;
let lastAckAt = 0;
const spread = new Array<number>(count).fill(0);
const startedAt = systemClock.now();

function outcomeOf(task: Assignment, now: number): Outcome {
  const { id, lease, args } = task;
  return {
    id,
    lease,
    command: args,
    startTime: now,
    completionTime: now,
    exitStatus: 0,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
  };
}

/** A client that runs nothing, but says that it did. */
interface Peer {
  readonly index: number;
  readonly running: Map<string, Assignment>;
  readonly finished: Map<string, Outcome>;
  met: boolean;
  link: Duplex<PeerMessage, HostMessage> | null;
}

function finish(peer: Peer, tasks: readonly Assignment[]): void {
  const now = systemClock.now();
  const outcomes = tasks.map((task) => outcomeOf(task, now));
  for (const outcome of outcomes) {
    peer.running.delete(outcome.id);
    peer.finished.set(outcome.id, outcome);
  }
  peer.link?.send({ kind: "results", outcomes, credit: outcomes.length });
}

function take(peer: Peer, tasks: readonly Assignment[]): void {
  if (firstAssignAt === 0) firstAssignAt = systemClock.now();
  started += tasks.length;
  spread[peer.index]! += tasks.length;
  if (tasks.length === 1 && tasks[0]!.args.startsWith("ping"))
    say({ kind: "started", args: tasks[0]!.args, at: systemClock.now() });
  for (const task of tasks) peer.running.set(task.id, task);
  if (taskMs === 0) finish(peer, tasks);
  else systemClock.after(taskMs, () => finish(peer, tasks));
}

function receive(peer: Peer, message: HostMessage): void {
  switch (message.kind) {
    case "welcome":
      if (peer.met) return;
      peer.met = true;
      if (++registered === count) say({ kind: "registered", seconds: (systemClock.now() - startedAt) / 1000 });
      return;
    case "assign":
      return take(peer, message.tasks);
    case "ack":
      for (const { id } of message.tasks) peer.finished.delete(id);
      acknowledged += message.tasks.length;
      lastAckAt = systemClock.now();
      return;
    case "leave":
      peer.link?.send({ kind: "bye", reason: "told to leave" });
      return;
    default:
  }
}

const leaseOf = ({ id, lease }: Lease): Lease => ({ id, lease });

async function client(index: number): Promise<void> {
  const clientId = newId();
  const peer: Peer = { index, running: new Map(), finished: new Map(), met: false, link: null };
  const { running, finished } = peer;
  for (;;) {
    const ended = Promise.withResolvers<Error | null>();
    let link: Duplex<PeerMessage, HostMessage>;
    try {
      const options = { host: "127.0.0.1", port: plan.port, key: plan.key, tls: plan.tls ? anyCertificate : null };
      link = await connect({ ...options, clock: systemClock, handshakeMs: 60_000, connectMs: 60_000 });
    } catch (error) {
      // As a real client: a server that is busy, or down, is tried again.
      if ((peer.met && !plan.reconnect) || systemClock.now() - startedAt > 60_000) throw error;
      await new Promise<void>((resolve) => systemClock.after(50 + Math.random() * 100, resolve));
      continue;
    }
    peer.link = link;
    link.open({ message: (message) => receive(peer, message), drain: () => undefined, close: ended.resolve });
    link.send({
      kind: "hello",
      clientId,
      host: `node${index}`,
      executors,
      credit: Math.max(0, window - running.size),
      running: [...running.values()].map(leaseOf),
      finished: [...finished.values()].map(leaseOf),
    });
    if (finished.size > 0) link.send({ kind: "results", outcomes: [...finished.values()], credit: 0 });
    const error = await ended.promise;
    peer.link = null;
    if (error === null || !plan.reconnect) return;
  }
}

const timer = setInterval(() => {
  say({ kind: "progress", at: systemClock.now(), started });
  started = 0;
}, 50);
process.on("SIGTERM", () => process.exit(0));
const all: Promise<void>[] = [];
for (let index = 0; index < count; index++) {
  open++;
  all.push(client(index).finally(() => open--));
}
await Promise.all(all);
clearInterval(timer);
say({ kind: "done", firstAssignAt, lastAckAt, acknowledged, spread });
