/*
 * The schedule: `step(state, events, now)` changes the state and answers what is to be done. It knows neither sockets nor
 * databases nor time; the door does what the effects say and reports back. Order of a step: take in the events, then hand out ready tasks,
 * ask the store for more, record what came back, see whether the run is over.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { Claim, Commit, Completion } from "../store/store.ts";
import { type Assignment, type ClaimedTask, isFailure, type NewTask, type Outcome, sentinel } from "../task/task.ts";
import type { ClientMessage, Lease, LeaveKind } from "../wire/message.ts";
import type { NoteLevel, ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import type { ClientEntry, Dispatch, ServerState, Settling } from "./state.ts";
import type { Text } from "../log/logger.ts";

/** Ready tasks are topped up to about the number of executors, within these bounds: enough not to starve, little to give back. */
const readyFloor = 64;
const readyCeiling = 4096;
/**
 * The store is told of a dispatch only after this long, for nothing but `hs list` waits for it: tasks that are over by then are spared the
 * update (a third of what a short task costs the database).
 */
const assignedDelayMs = 500;
/** First pause of an idle server between two looks at the store; doubles up to `pollMs`. */
const firstPollMs = 1000;

export function step(state: ServerState, events: readonly ServerEvent[], now: number): ServerEffect[] {
  const effects: ServerEffect[] = [];
  if (isDone(state)) return effects;
  for (const event of events) take(state, event, now, effects);
  checkClients(state, now, effects);
  dispatch(state, now, effects);
  claim(state, now, effects);
  commit(state, now, effects);
  conclude(state, effects);
  if (!isDone(state)) effects.push({ kind: "wake", at: nextWake(state, now) });
  return effects;
}

function take(state: ServerState, event: ServerEvent, now: number, effects: ServerEffect[]): void {
  switch (event.kind) {
    case "joined":
      return join(state, event.hello, now, effects);
    case "received": {
      const client = state.clients.get(event.clientId);
      // A client that was evicted and still talks: the door has closed its connection, this is the rest of it.
      if (client !== undefined) receive(state, client, event.message, now, effects);
      return;
    }
    case "disconnected":
      return disconnect(state, event.clientId, now, effects);
    case "claimed":
      for (const { id, template } of event.templates) state.templates.set(id, template);
      return takeClaim(state, event.claim, now, effects);
    case "committed":
      return settle(state, event.report.refused, now, effects);
    case "inserted":
      return lookAgain(state);
    case "inputResumed":
      if (state.input === "quiet") state.input = "open";
      return;
    case "inputQuiet":
      if (state.input === "open") state.input = "quiet";
      return lookAgain(state);
    case "inputEnded":
      state.input = "ended";
      return lookAgain(state);
    case "woken":
      return;
    case "stopRequested":
      return close(state, event.how, "stop requested", effects);
    default:
      unreachable(event);
  }
}

// ---- clients

function join(
  state: ServerState,
  hello: Extract<ClientMessage, { kind: "hello" }>,
  now: number,
  effects: ServerEffect[],
): void {
  const known = state.clients.get(hello.clientId);
  const client: ClientEntry = {
    id: hello.clientId,
    host: hello.host,
    executors: hello.executors,
    credit: hello.credit,
    held: known?.held ?? new Map(),
    known: new Set(),
    lastHeard: now,
    standing: { at: "present" },
  };
  if (known !== undefined) state.willing.delete(known);
  state.clients.set(client.id, client);
  if (client.credit > 0) state.willing.add(client);
  const again = known !== undefined;
  note(
    effects,
    again ? "warning" : "debug",
    () => `${again ? "Existing client re-registered" : "Registered client"} (${name(client)})`,
  );
  effects.push({ kind: "addClient", clientId: client.id, host: client.host });
  const { serverId, serverHost, companyMs } = state.settings;
  effects.push({ kind: "send", clientId: client.id, message: { kind: "welcome", serverId, serverHost, companyMs } });
  if (again) giveBackMissing(state, client, hello, effects);
  if (hello.finished.length > 0) takeOutcomes(state, client, hello.finished);
  lookAgain(state);
  if (state.phase.at === "closing") leave(state, client, "finish", "no more tasks", effects);
}

/** A client that came back tells what it still has; what it lost on the way is run again. */
function giveBackMissing(
  state: ServerState,
  client: ClientEntry,
  hello: Extract<ClientMessage, { kind: "hello" }>,
  effects: ServerEffect[],
): void {
  const kept = new Set<string>();
  for (const { id } of hello.running) kept.add(id);
  for (const { id } of hello.finished) kept.add(id);
  let missing = 0;
  for (const [id, held] of client.held) {
    if (kept.has(id)) continue;
    client.held.delete(id);
    state.heldCount--;
    giveBack(state, held.task);
    missing++;
  }
  if (missing > 0)
    note(effects, "warning", `Reverting ${missing} tasks that did not reach their client (${name(client)})`);
}

function receive(
  state: ServerState,
  client: ClientEntry,
  message: Exclude<ClientMessage, { kind: "hello" }>,
  now: number,
  effects: ServerEffect[],
): void {
  client.lastHeard = now;
  switch (message.kind) {
    case "results":
      takeOutcomes(state, client, message.outcomes);
      return grant(state, client, message.credit);
    case "returned":
      for (const { id, lease } of message.tasks) {
        const held = client.held.get(id);
        if (held === undefined || held.lease !== lease) continue;
        client.held.delete(id);
        state.heldCount--;
        giveBack(state, held.task);
      }
      return;
    case "beat":
      note(effects, "trace", () => `Heartbeat - running (${name(client)})`);
      return;
    case "bye":
      note(effects, "trace", () => `Client disconnected (${name(client)})`);
      return remove(state, client, false, effects);
    default:
      unreachable(message);
  }
}

function grant(state: ServerState, client: ClientEntry, credit: number): void {
  client.credit += credit;
  if (client.credit > 0 && client.standing.at === "present") state.willing.add(client);
}

function disconnect(state: ServerState, clientId: string, now: number, effects: ServerEffect[]): void {
  const client = state.clients.get(clientId);
  if (client === undefined) return;
  state.willing.delete(client);
  if (client.standing.at === "leaving" && client.held.size === 0) return remove(state, client, false, effects);
  client.standing = { at: "away", since: now };
  note(effects, "warning", () => `Lost connection to client (${name(client)})`);
}

/** Silent clients and clients that did not come back in time lose their tasks to others. */
function checkClients(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { evictMs, graceMs } = state.settings;
  if (now - state.lastCheck < Math.min(evictMs / 10, graceMs / 2)) return;
  state.lastCheck = now;
  note(effects, "debug", () => `Checking clients (${state.clients.size} connected)`);
  for (const client of state.clients.values()) {
    const gone = client.standing.at === "away" && now - client.standing.since >= graceMs;
    if (!gone && now - client.lastHeard < evictMs) continue;
    note(effects, "warning", () => `Evicting client (${name(client)})`);
    remove(state, client, true, effects);
  }
}

/** Forgets a client; what it held goes back. */
function remove(state: ServerState, client: ClientEntry, evicted: boolean, effects: ServerEffect[]): void {
  if (client.held.size > 0) {
    note(effects, "warning", () => `Reverting orphaned tasks (${name(client)})`);
    for (const held of client.held.values()) giveBack(state, held.task);
    state.heldCount -= client.held.size;
    client.held.clear();
  }
  state.willing.delete(client);
  state.clients.delete(client.id);
  effects.push({ kind: "endClient", clientId: client.id, evicted });
  effects.push({ kind: "disconnect", clientId: client.id });
}

function leave(state: ServerState, client: ClientEntry, how: LeaveKind, reason: string, effects: ServerEffect[]): void {
  client.standing = { at: "leaving" };
  state.willing.delete(client);
  note(effects, "debug", () => `Disconnect requested (${name(client)})`);
  effects.push({ kind: "send", clientId: client.id, message: { kind: "leave", how, reason } });
}

// ---- handing out

function dispatch(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.phase.at !== "running") return;
  const { bundleSize } = state.settings;
  if (state.willing.size === 0) return;
  const share = Math.max(1, Math.ceil(state.ready.length / state.willing.size));
  // A client with credit left is put back at the end of the set, so this goes round and round while there are tasks.
  for (const client of state.willing) {
    const count = Math.min(client.credit, share, bundleSize ?? share, state.ready.length);
    if (count === 0) return;
    assign(state, client, count, now, effects);
  }
}

function assign(state: ServerState, client: ClientEntry, count: number, now: number, effects: ServerEffect[]): void {
  const tasks: Assignment[] = [];
  const { assigned } = state.outbox;
  for (let i = 0; i < count; i++) {
    const task = state.ready.shift();
    assert(task !== undefined, "as many tasks are ready as were counted");
    const lease = state.nextLease++;
    if (!client.known.has(task.submitId)) {
      client.known.add(task.submitId);
      const template = state.templates.get(task.submitId) ?? null;
      effects.push({ kind: "send", clientId: client.id, message: { kind: "submission", id: task.submitId, template } });
    }
    client.held.set(task.id, { task, lease });
    tasks.push({ ...task, lease });
    assigned.set(task.id, { id: task.id, clientId: client.id, clientHost: client.host, at: now });
    note(effects, "trace", () => `Scheduled task (${task.id})`);
  }
  state.heldCount += count;
  client.credit -= count;
  // Served last, served last again: clients with credit take turns.
  state.willing.delete(client);
  if (client.credit > 0) state.willing.add(client);
  effects.push({ kind: "send", clientId: client.id, message: { kind: "assign", tasks } });
  note(effects, "debug", () => `Scheduled ${count} tasks`);
}

/** A task that will not be run by whoever had it: schedulable again, by this server or (when closing) by a later one. */
function giveBack(state: ServerState, task: ClaimedTask): void {
  state.outbox.assigned.delete(task.id);
  state.outbox.reverted.push(task.id);
}

// ---- asking for more

function lookAgain(state: ServerState): void {
  if (state.claim.at === "asked") state.claimStale = true;
  else state.claim = { at: "due" };
  state.idlePolls = 0;
}

function claim(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.phase.at !== "running" || state.claim.at === "asked") return;
  if (state.claim.at !== "due" && now < pollAt(state)) return;
  let executors = 0;
  let credit = 0;
  for (const client of state.clients.values()) {
    if (client.standing.at !== "present") continue;
    executors += client.executors;
    credit += client.credit;
  }
  const target = Math.min(Math.max(executors, readyFloor), readyCeiling);
  // Without a client nothing is taken, but the answer tells whether there is anything to do at all.
  const limit = executors === 0 ? 0 : target + credit - state.ready.length;
  if (executors > 0 && limit <= target / 2) return;
  const { scope, attempts, eager } = state.settings;
  if (state.claim.at !== "due") state.idlePolls++;
  state.claim = { at: "asked" };
  effects.push({
    kind: "claim",
    request: { scope, group: state.group, limit: Math.min(limit, readyCeiling * 4), attempts, eager },
  });
}

function takeClaim(state: ServerState, answer: Claim, now: number, effects: ServerEffect[]): void {
  assert(state.claim.at === "asked", "one claim at a time");
  // Something may have changed after the store had looked: an empty answer is then not taken at its word.
  const stale = state.claimStale;
  state.claimStale = false;
  switch (answer.kind) {
    case "claimed":
      state.claim = answer.tasks.length > 0 || stale ? { at: "due" } : { at: "blocked", since: now };
      if (answer.tasks.length > 0) state.idlePolls = 0;
      state.group ??= answer.group;
      if (state.phase.at === "running") for (const task of answer.tasks) state.ready.push(task);
      else for (const task of answer.tasks) giveBack(state, task);
      return;
    case "none":
      noteIdle(state, answer.unfinished === 0 ? "no task groups remain" : waitingOn(answer.unfinished), effects);
      state.claim = stale ? { at: "due" } : { at: "empty", since: now };
      return;
    case "waiting":
      noteIdle(state, waitingOn(answer.unfinished), effects);
      state.claim = stale ? { at: "due" } : { at: "blocked", since: now };
      return;
    case "advance":
      if (stale) state.claim = { at: "due" };
      else advance(state, answer, now, effects);
      return;
    default:
      unreachable(answer);
  }
}

function waitingOn(unfinished: number): string {
  return `waiting on ${unfinished} tasks to complete`;
}

function noteIdle(state: ServerState, reason: string, effects: ServerEffect[]): void {
  note(
    effects,
    "trace",
    () => `No tasks available for group (${reason}) - backing off ${pauseMs(state) / 1000} seconds`,
  );
}

function advance(
  state: ServerState,
  answer: Extract<Claim, { kind: "advance" }>,
  now: number,
  effects: ServerEffect[],
): void {
  const from = state.group;
  // While input is still streaming in, lines of the present group may follow.
  if (state.input === "open" && from !== null) {
    state.claim = { at: "blocked", since: now };
    return;
  }
  if (from !== null && answer.failed > 0) {
    const text = `Failed task group ${from} (at least ${answer.failed} tasks exceeding allowed retries, example: ${answer.example})`;
    if (state.settings.forever) {
      state.claim = { at: "blocked", since: now };
      if (state.toldFailure?.group === from && state.toldFailure.failed === answer.failed) return;
      state.toldFailure = { group: from, failed: answer.failed };
      return note(effects, "warning", text);
    }
    note(effects, "critical", text);
    state.haltedBy = from;
    state.claim = { at: "empty", since: now };
    return close(state, "finish", "task group failed", effects);
  }
  if (from !== null) note(effects, "info", `Completed task group ${from} - starting task group ${answer.to}`);
  state.group = answer.to;
  state.claim = { at: "due" };
}

// ---- recording

function takeOutcomes(state: ServerState, client: ClientEntry, outcomes: readonly Outcome[]): void {
  for (const outcome of outcomes) {
    const held = client.held.get(outcome.id);
    const current = held !== undefined && held.lease === outcome.lease;
    state.outbox.assigned.delete(outcome.id);
    if (current) {
      client.held.delete(outcome.id);
      state.heldCount--;
    }
    // A lease that was given up: the outcome counts if the task has none yet.
    const task = current ? held.task : recallTask(state, outcome.id);
    state.outbox.completed.push({
      clientId: client.id,
      task,
      outcome,
      completion: completionOf(state, client, task, outcome),
    });
  }
}

/** What this server knows of a task that another client runs by now, or that waits (then it need not run again). */
function recallTask(state: ServerState, id: string): ClaimedTask | null {
  for (const client of state.clients.values()) {
    const held = client.held.get(id);
    if (held !== undefined) return held.task;
  }
  let found: ClaimedTask | null = null;
  for (const task of state.ready.drain()) {
    if (task.id === id) found = task;
    else state.ready.push(task);
  }
  return found;
}

function completionOf(state: ServerState, client: ClientEntry, task: ClaimedTask | null, outcome: Outcome): Completion {
  const started = outcome.command === null ? null : outcome.startTime;
  const seconds = (ms: number) => Math.max(0, Math.round(ms) / 1000);
  return {
    id: outcome.id,
    clientId: client.id,
    clientHost: client.host,
    command: outcome.command,
    startTime: outcome.startTime,
    completionTime: outcome.completionTime,
    exitStatus: outcome.exitStatus,
    outpath: outcome.outpath,
    errpath: outcome.errpath,
    csvpath: outcome.csvpath,
    coresMax: outcome.coresMax,
    memoryMax: outcome.memoryMax,
    waited: started === null || task === null ? null : seconds(started - task.submitTime),
    duration: started === null ? null : seconds(outcome.completionTime - started),
    retry: task === null ? null : retryOf(state, task, outcome),
  };
}

function retryOf(state: ServerState, task: ClaimedTask, outcome: Outcome): Completion["retry"] {
  const { attempts, eager, newId, serverHost } = state.settings;
  if (!isFailure(outcome.exitStatus) || task.attempt >= attempts) return null;
  const next: NewTask = {
    id: newId(),
    group: task.group,
    args: task.args,
    submitId: task.submitId,
    submitTime: outcome.completionTime,
    submitHost: serverHost,
    cores: task.cores,
    memory: task.memory,
    timeout: task.timeout,
    attempt: task.attempt + 1,
    previousId: task.id,
    tag: task.tag,
  };
  return { task: next, claimed: eager && state.phase.at === "running" };
}

function commit(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.settling !== null) return;
  const { outbox } = state;
  const assigned = dueDispatches(state, now);
  if (outbox.completed.length === 0 && outbox.reverted.length === 0 && assigned.length === 0) return;
  noteConfirmed(assigned, effects);
  const { completed, reverted } = outbox;
  outbox.completed = [];
  outbox.reverted = [];
  state.settling = completed;
  state.settlingFrees = reverted.length > 0;
  const order: Omit<Commit, "serverId" | "serverHost"> = {
    at: now,
    assigned,
    completed: completed.map((entry) => entry.completion),
    reverted,
  };
  effects.push({ kind: "commit", commit: order });
}

function noteConfirmed(assigned: readonly Dispatch[], effects: ServerEffect[]): void {
  const counts = new Map<string, number>();
  for (const { clientId, clientHost } of assigned) {
    const client = `${clientHost}: ${clientId}`;
    counts.set(client, (counts.get(client) ?? 0) + 1);
  }
  for (const [client, count] of counts) note(effects, "debug", () => `Confirmed ${count} tasks (${client})`);
}

function dueDispatches(state: ServerState, now: number): Dispatch[] {
  const { assigned } = state.outbox;
  const due: Dispatch[] = [];
  for (const dispatch of assigned.values()) {
    if (now - dispatch.at < assignedDelayMs) break;
    due.push(dispatch);
    assigned.delete(dispatch.id);
  }
  return due;
}

function oldestDispatch(state: ServerState): number {
  for (const { at } of state.outbox.assigned.values()) return at;
  return Number.POSITIVE_INFINITY;
}

function settle(state: ServerState, refused: readonly string[], now: number, effects: ServerEffect[]): void {
  const settled = state.settling;
  assert(settled !== null, "one commit at a time");
  state.settling = null;
  const turnedDown = refused.length === 0 ? null : new Set(refused);
  const acks = new Map<string, Lease[]>();
  let frees = state.settlingFrees || state.claim.at === "blocked";
  for (const entry of settled) {
    const { outcome } = entry;
    const ack = { id: outcome.id, lease: outcome.lease };
    const list = acks.get(entry.clientId);
    if (list === undefined) acks.set(entry.clientId, [ack]);
    else list.push(ack);
    if (turnedDown?.has(outcome.id)) {
      note(effects, "debug", () => `Outcome dropped: task had already ended (${outcome.id})`);
      continue;
    }
    if (record(state, entry, now, effects)) frees = true;
  }
  for (const [clientId, tasks] of acks) {
    if (state.clients.has(clientId)) effects.push({ kind: "send", clientId, message: { kind: "ack", tasks } });
  }
  if (frees) lookAgain(state);
}

/** One outcome is in the store. True: a next attempt waits there. */
function record(state: ServerState, entry: Settling, now: number, effects: ServerEffect[]): boolean {
  const { outcome, completion } = entry;
  const status = outcome.exitStatus;
  note(effects, "debug", () => `Completed task (${outcome.id})`);
  if (status === 0) {
    state.counts.succeeded++;
    return false;
  }
  if (status === sentinel.cancelled) {
    state.counts.cancelled++;
    return false;
  }
  note(effects, "warning", `Non-zero exit status (${status}) for task (${outcome.id})`);
  const { retry } = completion;
  if (retry === null) {
    state.counts.failed++;
    if (entry.task !== null) effects.push({ kind: "failed", args: entry.task.args });
    return false;
  }
  state.counts.retried++;
  if (!retry.claimed) return true;
  const claimed: ClaimedTask = { ...retry.task, scheduleTime: now };
  if (state.phase.at === "running") state.ready.unshift(claimed);
  else giveBack(state, claimed);
  return false;
}

// ---- the end

function close(state: ServerState, how: LeaveKind, reason: string, effects: ServerEffect[]): void {
  if (state.phase.at === "done") return;
  const again = state.phase.at === "closing";
  state.phase = { at: "closing" };
  for (const task of state.ready.drain()) giveBack(state, task);
  if (!again) note(effects, "debug", () => `Signaling clients (${state.clients.size} connected)`);
  // Asked a second time, more urgently: clients that are leaving already are told as well.
  for (const client of state.clients.values()) leave(state, client, how, reason, effects);
}

function conclude(state: ServerState, effects: ServerEffect[]): void {
  const { outbox } = state;
  const idle =
    state.ready.length === 0 &&
    state.heldCount === 0 &&
    state.settling === null &&
    outbox.completed.length === 0 &&
    outbox.reverted.length === 0;
  if (!idle) return;
  if (state.phase.at === "running") {
    const finite = !state.settings.forever && state.input === "ended";
    if (!finite || state.claim.at !== "empty") return;
    close(state, "finish", "all tasks are done", effects);
  }
  if (state.clients.size > 0 || state.claim.at === "asked") return;
  state.phase = { at: "done" };
  effects.push({ kind: "finish" });
}

// ---- time

function pollAt(state: ServerState): number {
  const { claim } = state;
  if (claim.at !== "empty" && claim.at !== "blocked") return Number.POSITIVE_INFINITY;
  return claim.since + pauseMs(state);
}

function pauseMs({ settings, idlePolls }: ServerState): number {
  return Math.min(settings.pollMs, firstPollMs * 2 ** Math.min(idlePolls, 16));
}

function nextWake(state: ServerState, now: number): number {
  const { evictMs, graceMs } = state.settings;
  let at = state.lastCheck + Math.min(evictMs / 10, graceMs / 2);
  if (state.phase.at === "running") at = Math.min(at, pollAt(state));
  if (state.settling === null) at = Math.min(at, oldestDispatch(state) + assignedDelayMs);
  return Math.max(at, now);
}

function isDone(state: ServerState): boolean {
  return state.phase.at === "done";
}

function note(effects: ServerEffect[], level: NoteLevel, text: Text): void {
  effects.push({ kind: "note", level, text });
}

function name(client: ClientEntry): string {
  return `${client.host}: ${client.id}`;
}
