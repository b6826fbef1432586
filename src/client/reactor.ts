/*
 * What a client does with its tasks: `step(state, events, now)` changes the state and answers what is to be done. Starts tasks on free
 * executors, stops those over their limit by ever harder signals, keeps outcomes until the server has recorded them, and leaves in order.
 */
import { assert, unreachable } from "../base/assert.ts";
import { formatDuration } from "../base/units.ts";
import type { Assignment, Outcome } from "../task/task.ts";
import type { Lease, LeaveKind, ServerMessage } from "../wire/message.ts";
import { type ClientEffect, note } from "./effects.ts";
import type { ClientEvent } from "./event.ts";
import { longestPauseMs, pauseMs } from "./pause.ts";
import { type ClientState, deliver, isHere } from "./state.ts";
import { interrupt, pushStopping, send } from "./stopping.ts";

/**
 * Tasks are fetched ahead for this long at the present rate, milliseconds: covers the way to the server and back. Of tasks that take longer than
 * that, none is kept from clients that could start it at once.
 */
const aheadMs = 100;
/** How often the groups of stopped tasks are looked at until nothing of them is left, milliseconds. */
const lingerMs = 20;
/** A server that answers no beat for this many beats is not there any more. */
const missedBeats = 3;
/** Who is told to go at once gives the server this long to hear what it gives back, milliseconds. */
const partingMs = 1000;
/** A client that is woken this much too late did not run meanwhile, milliseconds. */
const sleptMs = 1000;

export function step(state: ClientState, events: readonly ClientEvent[], now: number): ClientEffect[] {
  const effects: ClientEffect[] = [];
  if (isDone(state)) return effects;
  excuse(state, now);
  for (const event of events) take(state, event, now, effects);
  keepLink(state, now, effects);
  // Outcomes go out before anything new starts: a start takes the processor for a while.
  report(state, now, effects);
  startTasks(state, now, effects);
  pushStopping(state, now, effects);
  idle(state, now, effects);
  beat(state, now, effects);
  conclude(state, now, effects);
  if (isDone(state)) return effects;
  state.wakeAt = nextWake(state);
  effects.push({ kind: "wake", at: state.wakeAt });
  return effects;
}

function take(state: ClientState, event: ClientEvent, now: number, effects: ClientEffect[]): void {
  switch (event.kind) {
    case "received":
      return receive(state, event.message, now, effects);
    case "ended":
      return end(state, event.outcome, now, effects);
    case "groupSeen": {
      const lingering = state.lingering.get(event.id);
      if (lingering === undefined) return;
      if (event.alive) {
        lingering.lookAt = now + lingerMs;
        return;
      }
      state.lingering.delete(event.id);
      effects.push({ kind: "forget", id: event.id });
      return;
    }
    case "woken":
      return;
    case "stopRequested":
      return leave(state, event.how, event.reason, now, effects);
    case "killRequested":
      for (const entry of state.running.values()) send(entry, "SIGKILL", now, state, effects);
      for (const [id, entry] of state.lingering) {
        entry.stopping = "SIGKILL";
        entry.nextAt = now + state.settings.signalWaitMs;
        effects.push({ kind: "signal", id, signal: "SIGKILL" });
      }
      if (state.phase.at === "gone" || (state.phase.at === "leaving" && state.phase.how === "abort"))
        state.leaveBy = Math.min(state.leaveBy, now + partingMs);
      return;
    case "connected":
      return enter(state, now, effects);
    case "connectFailed":
      return retry(state, event, now, effects);
    case "disconnected":
      return lose(state, event.error, now, effects);
    default:
      unreachable(event);
  }
}

// ---- the connection

/** On a new connection the server hears what this client still has; everything else starts afresh. */
function enter(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { since, tries } = state.link;
  state.link = { at: "up", welcomedAt: null, since, tries };
  state.heardAt = now;
  state.beats = { sent: 0, heard: 0 };
  state.nextBeat = now + state.settings.heartMs;
  const leaseOf = ({ id, lease }: Lease): Lease => ({ id, lease });
  const waiting = [...state.inbox.values()];
  // Of a task that waits for the end of its own earlier run only the later counts.
  const again = new Set(waiting.map(({ id }) => id));
  const started = Array.from(state.running.values(), ({ task }) => task).filter(({ id }) => !again.has(id));
  const running = [...started, ...waiting].map(leaseOf);
  const finished = [...state.unacked.values()].map(leaseOf);
  const working = state.phase.at === "joining" || state.phase.at === "working";
  const credit = working ? Math.max(0, wanted(state) - state.running.size - state.inbox.length) : 0;
  state.granted = credit;
  const { clientId, host, executors } = state.settings;
  effects.push({ kind: "send", message: { kind: "hello", clientId, host, executors, credit, running, finished } });
  // What was sent on the old connection and not acknowledged may not have arrived; what was given back counts as given back by not being named.
  state.outbox = [...state.unacked.values()];
  state.outboxSince = Number.NEGATIVE_INFINITY;
  state.outboxReturned = [];
}

function lose(state: ClientState, error: string | null, now: number, effects: ClientEffect[]): void {
  if (state.phase.at === "gone") return finish(state, effects);
  const { link } = state;
  if (link.at !== "up") return;
  note(effects, "warning", `Lost connection to server${error === null ? "" : `: ${error}`}`);
  state.granted = 0;
  if (link.welcomedAt !== null) {
    // What breaks again at once is not mended by trying faster.
    const steady = now - link.welcomedAt >= longestPauseMs;
    const retryAt = steady ? now : now + pauseMs(state.settings.clientId, link.tries);
    state.link = { at: "down", since: now, tries: steady ? 0 : link.tries + 1, retryAt };
    return;
  }
  // A server that is about to end, or in trouble, takes connections and drops them.
  const text = error ?? "it ended the connection";
  tryAgain(state, link, { problem: "lost", text, permanent: false }, now, effects);
}

type ConnectFailed = Extract<ClientEvent, { kind: "connectFailed" }>;

function retry(state: ClientState, event: ConnectFailed, now: number, effects: ClientEffect[]): void {
  if (state.link.at === "connecting") tryAgain(state, state.link, event, now, effects);
}

function tryAgain(
  state: ClientState,
  link: { readonly since: number; readonly tries: number },
  { problem, text, permanent }: Omit<ConnectFailed, "kind">,
  now: number,
  effects: ClientEffect[],
): void {
  const { settings } = state;
  const forsaken = permanent || problem === "refused";
  const limitMs = !state.met ? settings.connectMs : forsaken ? settings.forsakenMs : settings.reconnectMs;
  const tries = link.tries + 1;
  // All servers are asked, then there is a pause.
  const retryAt = now + pauseMs(settings.clientId, Math.floor(link.tries / settings.servers));
  if (permanent) state.hopeless.add(state.server);
  // Who has met its server waits for that one. Whatever else answers at its address meanwhile (a server of somebody else, or its own one
  // started with the wrong settings) may be gone before the work of hours has ended.
  const hopeless = state.hopeless.size === settings.servers && !state.met;
  if (hopeless || retryAt - link.since > limitMs) {
    // After the first welcome the story is that of a server that went away; how the last attempt failed is a detail of it.
    const gone = { kind: "lost", text: `server disconnected, and could not be reached again (${text})` } as const;
    state.failure = state.met ? gone : { kind: problem, text };
    state.link = { at: "down", since: link.since, tries, retryAt: Number.POSITIVE_INFINITY };
    return leave(state, "abort", "server not reached", now, effects);
  }
  if (!state.troubles.has(problem)) {
    const left = formatDuration(Math.ceil((link.since + limitMs - now) / 1000));
    note(effects, "warning", `Cannot reach server (${text}) - trying again for ${left}`);
    state.troubles.add(problem);
  }
  state.link = { at: "down", since: link.since, tries, retryAt };
  if (isFree(state, now - link.since)) state.server = (state.server + 1) % settings.servers;
}

/**
 * Whether another server may be asked. Tasks of one server are nothing to another, unless both have the same database and the first is gone: so
 * that one may be started again meanwhile.
 */
function isFree(state: ClientState, awayMs: number): boolean {
  const { running, inbox, unacked, settings } = state;
  return running.size + inbox.length + unacked.size === 0 || awayMs >= settings.loyalMs;
}

function keepLink(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { link } = state;
  if (link.at === "down" && now >= link.retryAt && state.failure === null) {
    state.link = { at: "connecting", since: link.since, tries: link.tries };
    effects.push({ kind: "connect", server: state.server });
  }
  if (link.at === "up" && now - state.heardAt >= silenceMs(state)) {
    effects.push({ kind: "hangUp" });
    lose(state, "server is silent", now, effects);
  }
}

/** A client that was stopped, or slept with its machine, could hear nobody: that time is held against no server. */
function excuse(state: ClientState, now: number): void {
  const lateMs = now - state.wakeAt;
  if (lateMs < sleptMs) return;
  state.heardAt += lateMs;
  state.idleSince += lateMs;
  // It may have been given up meanwhile: what was fetched ahead is not started before the server has answered.
  state.sleptUntil = state.beats.sent + 1;
  state.nextBeat = now;
  if (state.link.at !== "up") state.link = { ...state.link, since: state.link.since + lateMs };
}

function silenceMs(state: ClientState): number {
  return state.settings.heartMs * missedBeats;
}

function receive(state: ClientState, message: ServerMessage, now: number, effects: ClientEffect[]): void {
  state.heardAt = now;
  switch (message.kind) {
    case "welcome": {
      const { serverId, serverHost } = message;
      state.sleptUntil = null;
      state.companyMs = Math.min(message.companyMs, state.settings.bundleWaitMs ?? Number.POSITIVE_INFINITY);
      state.serverName = `${serverHost}: ${serverId}`;
      // At one address it is the same server to everybody, or its successor.
      const other = state.settings.servers > 1 && state.serverId !== serverId;
      if (state.met)
        note(effects, "warning", `Connected to ${other ? `another server (${state.serverName})` : "server again"}`);
      // Who was told of trouble is told of its end.
      else note(effects, state.troubles.size > 0 ? "info" : "debug", `Connected to server (${state.serverName})`);
      state.troubles.clear();
      state.hopeless.clear();
      state.met = true;
      if (state.link.at === "up") state.link = { ...state.link, welcomedAt: now };
      if (state.serverId !== serverId) effects.push({ kind: "served", serverId, serverHost });
      state.serverId = serverId;
      if (state.phase.at === "joining") {
        state.phase = { at: "working" };
        state.idleSince = now;
      }
      return;
    }
    case "beat":
      state.beats.heard++;
      if (state.sleptUntil !== null && state.beats.heard >= state.sleptUntil) state.sleptUntil = null;
      return;
    case "drop":
      return drop(state, message.tasks, now, effects);
    case "submission":
      state.templates.set(message.id, message.template);
      return;
    case "assign":
      state.granted -= message.tasks.length;
      assert(state.granted >= 0, "the session refuses assignments beyond the credit");
      note(effects, "debug", () => `Received ${message.tasks.length} tasks (${state.serverName})`);
      if (state.phase.at !== "working") return giveBack(state, message.tasks);
      // The pace is that of work, not of waiting for it.
      if (state.running.size === 0 && state.inbox.length === 0) {
        state.rateAt = now;
        state.finished = 0;
      }
      for (const task of message.tasks) {
        forgetOutcome(state, task.id);
        state.inbox.push(task);
      }
      return;
    case "ack":
      for (const { id, lease } of message.tasks) {
        if (state.unacked.get(id)?.lease === lease) state.unacked.delete(id);
      }
      return;
    case "cancel":
      return cancel(state, message.tasks, now, effects);
    case "leave":
      note(effects, "debug", "Disconnect received");
      state.dismissed = true;
      return leave(state, message.how, message.reason, now, effects);
    default:
      unreachable(message);
  }
}

/** A task is to be run anew: what came of it here before, and was not acknowledged, is of no interest any more. */
function forgetOutcome(state: ClientState, id: string): void {
  if (state.unacked.delete(id)) state.outbox = state.outbox.filter((outcome) => outcome.id !== id);
}

/** What has not begun is given back; what runs is stopped, and its outcome told. */
function cancel(state: ClientState, tasks: readonly Lease[], now: number, effects: ClientEffect[]): void {
  const waiting = new Set<string>();
  for (const { id, lease } of tasks) {
    const entry = state.running.get(id);
    // It may wait for the end of an earlier run of the same task.
    if (entry?.task.lease !== lease) waiting.add(`${id} ${lease}`);
    else {
      note(effects, "warning", `Stopping task that was cancelled (${id})`);
      interrupt(state, entry, now, effects);
    }
  }
  if (waiting.size === 0) return;
  for (const task of state.inbox.drain()) {
    if (!waiting.has(`${task.id} ${task.lease}`)) {
      state.inbox.push(task);
      continue;
    }
    state.outboxReturned.push({ id: task.id, lease: task.lease });
    state.owesCredit = true;
  }
}

/** Tasks that are somebody else's by now. */
function drop(state: ClientState, tasks: readonly Lease[], now: number, effects: ClientEffect[]): void {
  const waiting = new Set<string>();
  for (const { id, lease } of tasks) {
    const entry = state.running.get(id);
    if (entry?.task.lease !== lease) waiting.add(`${id} ${lease}`);
    else {
      note(effects, "warning", `Stopping task that is not this client's any more (${id})`);
      entry.returned = true;
      interrupt(state, entry, now, effects);
    }
  }
  if (waiting.size === 0) return;
  for (const task of state.inbox.drain()) {
    if (waiting.has(`${task.id} ${task.lease}`)) state.owesCredit = true;
    else state.inbox.push(task);
  }
}

// ---- running

function startTasks(state: ClientState, now: number, effects: ClientEffect[]): void {
  if (state.phase.at !== "working" || state.sleptUntil !== null) return;
  const { executors, timeoutMs, announce } = state.settings;
  const waiting: Assignment[] = [];
  while (state.running.size < executors - state.lostExecutors) {
    const task = state.inbox.shift();
    if (task === undefined) break;
    if (isHere(state, task.id)) {
      waiting.push(task);
      continue;
    }
    const own = task.timeout === null || task.timeout === 0 ? Number.POSITIVE_INFINITY : task.timeout * 1000;
    const limit = Math.min(own, timeoutMs ?? Number.POSITIVE_INFINITY);
    state.running.set(task.id, {
      task,
      startedAt: now,
      deadline: now + limit,
      interruptAt: Number.POSITIVE_INFINITY,
      stopping: null,
      stoppedAt: Number.POSITIVE_INFINITY,
      nextAt: Number.POSITIVE_INFINITY,
      returned: false,
    });
    if (announce) note(effects, "info", () => `Running task (${task.id})`);
    effects.push({ kind: "start", task, template: state.templates.get(task.submitId) ?? null });
  }
  for (const task of waiting.toReversed()) state.inbox.unshift(task);
}

function end(state: ClientState, outcome: Outcome, now: number, effects: ClientEffect[]): void {
  const entry = state.running.get(outcome.id);
  if (entry === undefined) {
    assert(state.abandoned.delete(outcome.id), "a task that ends was running");
    state.lostExecutors--;
    // Its outcome was reported long ago, without credit for another: there was nothing to run it.
    state.owesCredit = true;
    effects.push({ kind: "forget", id: outcome.id });
    return;
  }
  // A group that may be left without its leader is seen off; a task that ended by itself may leave a daemon behind, as in a shell.
  const linger = entry.stopping !== null;
  state.running.delete(outcome.id);
  state.idleSince = now;
  if (linger) {
    effects.push({ kind: "signal", id: outcome.id, signal: entry.stopping === "SIGKILL" ? "SIGKILL" : "SIGTERM" });
    const stopping = entry.stopping === "SIGKILL" ? "SIGKILL" : "SIGTERM";
    state.lingering.set(outcome.id, { stopping, nextAt: now + state.settings.signalWaitMs, lookAt: now });
  } else {
    effects.push({ kind: "forget", id: outcome.id });
  }
  // What ended by itself before its signal was not cut off. After it even status 0 may mean "stopped, as you wished".
  const again = entry.returned && [...state.inbox.values()].some(({ id }) => id === outcome.id);
  if (again || (entry.returned && outcome.completionTime >= entry.stoppedAt)) {
    state.outboxReturned.push({ id: outcome.id, lease: outcome.lease });
    state.owesCredit = true;
    return;
  }
  const { startTime, completionTime } = outcome;
  note(
    effects,
    "debug",
    () =>
      `Completed task (${outcome.id}) elapsed: ${formatDuration((completionTime - (startTime ?? completionTime)) / 1000)}`,
  );
  deliver(state, outcome, now);
}

/** How fast tasks end; once a step, so that what ended together counts together. */
function measurePace(state: ClientState, now: number): void {
  const span = now - state.rateAt;
  // The first round of short tasks already tells their pace.
  const first = state.rate === 0 && state.finished >= state.settings.executors && span > 0;
  if (state.finished === 0 || !(span >= aheadMs || first)) return;
  state.rate = state.finished / span;
  state.finished = 0;
  state.rateAt = now;
}

/** How many tasks this client wants to have in all, on the way or waiting or running. */
function wanted(state: ClientState): number {
  const free = Math.max(0, state.settings.executors - state.lostExecutors);
  const ahead = Math.min(Math.floor(state.rate * aheadMs), 4 * free + 2);
  return free + ahead;
}

function report(state: ClientState, now: number, effects: ClientEffect[]): void {
  measurePace(state, now);
  if (state.link.at !== "up") return;
  if (state.outboxReturned.length > 0) {
    effects.push({ kind: "send", message: { kind: "returned", tasks: state.outboxReturned } });
    state.outboxReturned = [];
  }
  const owes = state.owesCredit && state.phase.at === "working";
  if (state.outbox.length === 0 ? !owes : awaitsCompany(state, now)) return;
  let credit = 0;
  if (state.phase.at === "working") {
    credit = Math.max(0, wanted(state) - state.granted - state.inbox.length - state.running.size);
    state.granted += credit;
  }
  state.owesCredit = false;
  const size = state.settings.bundleSize ?? Math.max(1, state.outbox.length);
  for (let from = 0; from === 0 || from < state.outbox.length; from += size) {
    const outcomes = state.outbox.slice(from, from + size);
    effects.push({ kind: "send", message: { kind: "results", outcomes, credit: from === 0 ? credit : 0 } });
  }
  state.outbox = [];
}

/** While there is enough to start without asking, outcomes may wait for others to share their frame. */
function awaitsCompany(state: ClientState, now: number): boolean {
  return (
    state.phase.at === "working" &&
    state.inbox.length > state.outbox.length &&
    now - state.outboxSince < state.companyMs
  );
}

// ---- leaving

const urgency: Record<LeaveKind, number> = { finish: 0, interrupt: 1, abort: 2 };

function leave(state: ClientState, how: LeaveKind, reason: string, now: number, effects: ClientEffect[]): void {
  const { phase } = state;
  if (phase.at === "gone" || phase.at === "done") return;
  if (phase.at === "leaving" && urgency[how] <= urgency[phase.how]) return;
  state.phase = { at: "leaving", how, reason };
  giveBack(state, state.inbox.drain());
  if (how === "finish") return;
  for (const entry of state.running.values()) {
    if (how === "abort") entry.returned = true;
    interrupt(state, entry, now, effects);
  }
}

function giveBack(state: ClientState, tasks: readonly Assignment[]): void {
  for (const { id, lease } of tasks) state.outboxReturned.push({ id, lease });
}

function idle(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { idleMs } = state.settings;
  if (idleMs === null || state.phase.at !== "working") return;
  if (state.running.size > 0 || state.inbox.length > 0 || now - state.idleSince < idleMs) return;
  note(effects, "debug", () => `Timeout reached (${formatDuration((now - state.idleSince) / 1000)})`);
  leave(state, "finish", "idle timeout", now, effects);
}

function beat(state: ClientState, now: number, effects: ClientEffect[]): void {
  if (now < state.nextBeat || state.phase.at === "gone" || state.link.at !== "up") return;
  state.nextBeat = now + state.settings.heartMs;
  state.beats.sent++;
  effects.push({ kind: "send", message: { kind: "beat" } });
  note(effects, "trace", () => `Heartbeat - running (${state.settings.host}: ${state.settings.clientId})`);
}

function conclude(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { phase } = state;
  if (!isEmpty(state)) return;
  if (now >= state.leaveBy) return finish(state, effects);
  if (phase.at !== "leaving") return;
  if (state.link.at !== "up") {
    // Outcomes are worth waiting for the server, unless somebody is in a hurry.
    const inHand = state.unacked.size > 0 && phase.how !== "abort";
    if (inHand && state.failure === null) return;
    return finish(state, effects);
  }
  // `report` ran before what was given back in this very step: the rest goes out now.
  if (state.outboxReturned.length > 0) {
    effects.push({ kind: "send", message: { kind: "returned", tasks: state.outboxReturned } });
    state.outboxReturned = [];
  }
  if (state.outbox.length > 0 || state.unacked.size > 0) return;
  effects.push({ kind: "send", message: { kind: "bye", reason: phase.reason } });
  note(effects, "trace", () => `Heartbeat - final (${state.settings.host}: ${state.settings.clientId})`);
  state.phase = { at: "gone" };
}

/** It leaves, and nothing runs any more. */
function isEmpty({ phase, running, lingering }: ClientState): boolean {
  return (phase.at === "leaving" || phase.at === "gone") && running.size === 0 && lingering.size === 0;
}

function finish(state: ClientState, effects: ClientEffect[]): void {
  const { size } = state.unacked;
  if (size > 0)
    note(effects, "warning", `The server has not confirmed ${size} tasks that ended here, they may be run again`);
  state.phase = { at: "done" };
  effects.push({ kind: "finish" });
}

// ---- time

function nextWake(state: ClientState): number {
  let at = isEmpty(state) ? state.leaveBy : Number.POSITIVE_INFINITY;
  if (state.link.at === "down") at = Math.min(at, state.link.retryAt);
  else if (state.link.at === "up")
    at = Math.min(
      at,
      state.heardAt + silenceMs(state),
      state.phase.at === "gone" ? Number.POSITIVE_INFINITY : state.nextBeat,
    );
  for (const entry of state.running.values())
    at = Math.min(at, entry.stopping === null ? Math.min(entry.deadline, entry.interruptAt) : entry.nextAt);
  for (const entry of state.lingering.values()) at = Math.min(at, entry.nextAt, entry.lookAt);
  if (state.outbox.length > 0 && state.link.at === "up") at = Math.min(at, state.outboxSince + state.companyMs);
  const { idleMs } = state.settings;
  const nothing = state.running.size === 0 && state.inbox.length === 0;
  if (idleMs !== null && state.phase.at === "working" && nothing) at = Math.min(at, state.idleSince + idleMs);
  return at;
}

function isDone(state: ClientState): boolean {
  return state.phase.at === "done";
}
