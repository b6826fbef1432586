/*
 * The door of a client: it carries out what the reactor wants (processes, the connection, log), and tells it what
 * happened. It knows neither the store nor what the executor does with a task.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { type Mailbox, mailbox } from "../base/mailbox.ts";
import { counted, formatDuration } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { HostLink } from "../wire/link.ts";
import type { Outcome } from "../task/task.ts";
import type { OutputQuery } from "../view/view.ts";
import type { ClientMessage, Ground, LeaveKind, ServerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import { isForClient } from "../wire/rules.ts";
import type { End } from "./allocation.ts";
import type { ClientEffect } from "./effects.ts";
import type { ClientEvent } from "./event.ts";
import type { Ends, Executor, Running } from "./executor.ts";
import { unconfirmed } from "./leaving.ts";
import type { Outgoing } from "./outgoing.ts";
import { step } from "./reactor.ts";
import type { Shown } from "./shown.ts";
import { type ClientFailure, type ClientSettings, type ClientState, newState } from "./state.ts";

type Show = Extract<ServerMessage, { kind: "show" }>;
type StartEffect = Extract<ClientEffect, { kind: "start" }>;

/** What a client leaves that ends before its server has confirmed everything. */
export interface Left {
  readonly clientId: string;
  readonly host: string;
  /** See ClientSettings.secret. */
  readonly secret: string | null;
  /** What the outcomes are of. */
  readonly ground: Ground;
  readonly outcomes: readonly Outcome[];
}

export interface ClientOptions {
  /** Makes a new connection to that server (counted from 0) with each call. Rejects with a WireProblem. */
  readonly connect: (server: number) => Promise<HostLink>;
  readonly settings: ClientSettings;
  readonly executor: Executor;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Whether what has ended last may not be recorded soon; asked where the server is in this process and has a database.
   * Nothing starts then before it is, so that a crash repeats at most one task per executor.
   */
  readonly isStuck?: () => boolean;
  /** Outcomes of an earlier client of this name, which this one is to deliver. */
  readonly resumes?: Pick<Left, "ground" | "outcomes">;
  /** Keeps what the client leaves, and answers where. Throws when it cannot be kept. */
  readonly keep?: (left: Left) => string;
  /** Answers what a task has printed, for somebody who looks; `isOver`: it has ended. Absent: that is not shown. */
  readonly show?: (query: OutputQuery, isOver: boolean) => Shown;
  /** The way of what tasks print to a server that prints it; absent: there is none. */
  readonly outgoing?: Outgoing;
  /** Takes the place of the reactor's `step`, so that simulations can watch it. */
  readonly step?: typeof step;
}

export interface Client {
  /** Tells when the time of this host is up, in place of what was known of it; null: nothing is known of an end. */
  endsAt(end: End | null): void;
  /** Lets the client leave after this long without a task, counted from now, milliseconds; null: never. */
  limitIdle(idleMs: number | null): void;
  /**
   * Leaves. `finish` lets running tasks end, `interrupt` stops and reports them, `abort` stops them and gives them
   * back.
   */
  stop(how: LeaveKind, reason: string): void;
  /** Sends SIGKILL to everything that is left. */
  kill(): void;
  /** How many tasks run now. */
  running(): number;
  /** The server that the client is connected to or asked last, counted from 0. */
  server(): number;
  /** How many outcomes the server has not confirmed. */
  unconfirmed(): number;
  /** Whether the server sent the client away. */
  dismissed(): boolean;
  /**
   * Resolves with null when everything is reported and the connection is closed, and with the failure when the server
   * is out of reach. Rejects on a bug.
   */
  readonly finished: Promise<ClientFailure | null>;
}

/** The state of a client at work. */
interface Door {
  readonly options: ClientOptions;
  readonly state: ClientState;
  readonly box: Mailbox<ClientEvent>;
  /** The started tasks that the reactor has not forgotten, by id. */
  readonly tasks: Map<string, Running>;
  /** Tasks that the reactor wants started; see `afterReaction`. */
  toStart: StartEffect[];
  /** The connection; null: there is none, or it was given up. */
  link: HostLink | null;
  /** The timer of the last `wake` effect that was heeded; null: none runs. */
  wake: { readonly timer: Timer; readonly at: number } | null;
  /** Whether the client has finished or failed: events are ignored from then on. */
  over: boolean;
  readonly finished: PromiseWithResolvers<ClientFailure | null>;
  /** The functions below are made once, because they are needed for every task. */
  readonly ends: Ends;
  readonly startNow: () => void;
  readonly startLater: () => void;
}

/** Starts a client, which runs until `finished` settles. */
export function runClient(options: ClientOptions): Client {
  const door = openDoor(options);
  const { box, state } = door;
  logStarted(options);
  connect(door, state.server).catch((error: unknown) => fail(door, error));
  return {
    finished: door.finished.promise,
    stop: (how, reason) => box.push({ kind: "stopRequested", how, reason }),
    limitIdle: (idleMs) => box.push({ kind: "idleLimited", idleMs }),
    endsAt(end) {
      if (end !== null) options.executor.endsAt(end.at);
      box.push({ kind: "endLearned", end });
    },
    running: () => state.running.size,
    server: () => state.server,
    unconfirmed: () => state.unacked.size,
    dismissed: () => state.dismissed,
    kill: () => box.push({ kind: "killRequested" }),
  };
}

function openDoor(options: ClientOptions): Door {
  const { settings, clock } = options;
  const state = newState(settings, clock.now());
  if (options.resumes !== undefined) {
    state.ground = options.resumes.ground;
    for (const outcome of options.resumes.outcomes) state.unacked.set(outcome.id, outcome);
  }
  const react = options.step ?? step;
  const defer = clock.defer ?? setImmediate;
  const box = mailbox<ClientEvent>(
    (events) => {
      startTasks(door);
      for (const effect of react(state, events, clock.now())) carryOut(door, effect);
      afterReaction(door);
    },
    (error) => fail(door, error),
    defer,
  );
  const door: Door = {
    options,
    state,
    box,
    tasks: new Map(),
    toStart: [],
    link: null,
    wake: null,
    over: false,
    finished: Promise.withResolvers(),
    ends: {
      held: (id, isWaiting) => box.push({ kind: "held", id, isWaiting }),
      overMemory: (id, used, allowed, isKilled) => box.push({ kind: "overMemory", id, used, allowed, isKilled }),
      ended: (outcome, isUnread) => box.push({ kind: "ended", outcome, isUnread }),
      unplaced: (id, reason) => box.push({ kind: "unplaced", id, reason }),
    },
    startNow: () => startTasks(door),
    startLater: () => defer(door.startNow),
  };
  return door;
}

/**
 * Starts the tasks of this turn, at once or after the server's turn. A start keeps this thread for a third of a
 * millisecond. Where outcomes may wait for company, so little depends on each of them that tasks start at once. Where
 * they may not (a local run with a database), the server has its turn first: the outcome that freed the executor is
 * then recorded before the next task begins, and a crash leaves at most one unrecorded task per executor. The order is:
 *
 *   this turn            the outcome is sent, and a microtask queued by the pipe
 *   microtasks           the pipe delivers, the server defers its turn; `startLater` defers the starts behind it
 *   the server's turn    the outcome is recorded
 *   `startNow`           the next tasks start (or in the client's next turn, if that comes first)
 */
function afterReaction(door: Door): void {
  if (door.state.companyMs > 0) startTasks(door);
  else if (door.toStart.length > 0) queueMicrotask(door.startLater);
}

function startTasks(door: Door): void {
  if (door.toStart.length === 0) return;
  const { tasks, ends, toStart } = door;
  const { executor, isStuck } = door.options;
  door.toStart = [];
  if (isStuck !== undefined && door.state.unacked.size > 0 && isStuck()) {
    for (const { task } of toStart.toReversed()) door.box.push({ kind: "postponed", id: task.id });
    return;
  }
  for (const { task, origin, devices } of toStart) tasks.set(task.id, executor.start(task, origin, ends, devices));
}

/** Ends the client after a bug: nothing of it may be left running. */
function fail(door: Door, error: unknown): void {
  close(door);
  for (const running of door.tasks.values()) running.signal("SIGKILL");
  door.link?.close();
  door.finished.reject(error);
}

function close(door: Door): void {
  door.over = true;
  door.box.close();
  door.wake?.timer.cancel();
}

// ---- the connection

async function connect(door: Door, server: number): Promise<void> {
  const { box, options } = door;
  let link: HostLink;
  try {
    link = await options.connect(server);
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    box.push({ kind: "connectFailed", problem: error.kind, text: error.message, permanent: error.permanent });
    return;
  }
  if (door.over) return link.close();
  door.link = link;
  options.outgoing?.connected(link);
  box.push({ kind: "connected" });
  listenTo(door, link);
}

/** Passes on what a connection brings, as long as it is the latest. What an earlier one still brings is ignored. */
function listenTo(door: Door, link: HostLink): void {
  const { box } = door;
  link.open({
    message(message) {
      assert(isForClient(message), "a client is not answered as a submitter");
      if (message.kind === "show") return show(door, link, message);
      if (door.link !== link) return;
      door.options.outgoing?.heard(message);
      if (message.kind !== "taken") box.push({ kind: "received", message });
    },
    drain() {
      // What a client has to say is bounded by the tasks that it runs, so there is nothing to resume.
    },
    close(error) {
      if (door.link !== link) return;
      door.link = null;
      door.options.outgoing?.connected(null);
      box.push({ kind: "disconnected", error: error?.message ?? null });
    },
  });
}

/** Answers a server that asks what a task has printed. */
function show({ options, tasks }: Door, link: HostLink, { ask, id, stream, from, most }: Show): void {
  const piece = options.show?.({ id, stream, from, most }, !tasks.has(id)) ?? unknown;
  link.send({ kind: "shown", ask, ...piece });
}

const unknown = { text: "", next: 0, more: false, over: true, refused: "This client shows no output" } as const;

function hangUp(door: Door): void {
  const { link } = door;
  // The link is removed first, so that its end is not taken for a loss.
  door.link = null;
  door.options.outgoing?.connected(null);
  link?.close();
}

// ---- effects

function carryOut(door: Door, effect: ClientEffect): void {
  const { log, executor } = door.options;
  switch (effect.kind) {
    case "start":
      door.toStart.push(effect);
      return;
    case "send":
      return send(door, effect.message);
    case "connect":
      connect(door, effect.server).catch((error: unknown) => fail(door, error));
      return;
    case "hangUp":
      return hangUp(door);
    case "served":
      return executor.servedBy(effect.serverId, effect.serverHost);
    case "forget":
      door.tasks.delete(effect.id);
      return;
    case "wake":
      return setWake(door, effect.at);
    case "note":
      return log[effect.level](effect.text);
    case "signal": {
      const running = door.tasks.get(effect.id);
      log.debug(() => `Sending ${effect.signal} (${effect.id}: ${running?.pid ?? "not started"})`);
      running?.signal(effect.signal);
      return;
    }
    case "gaveUp": {
      const pid = door.tasks.get(effect.id)?.pid ?? "not started";
      return log.critical(`Process ignored SIGKILL (${effect.id}: ${pid})`);
    }
    case "lookAtRest": {
      const running = door.tasks.get(effect.id);
      assert(running !== undefined, "a task whose group matters is not forgotten");
      const alive = running.alive();
      const ignoreInterrupt = alive && running.ignoresInterrupt();
      door.box.push({ kind: "restSeen", id: effect.id, alive, ignoreInterrupt });
      return;
    }
    case "keep":
      return keep(door, effect);
    case "finish":
      return finish(door);
    default:
      unreachable(effect);
  }
}

function send({ link, options: { outgoing } }: Door, message: ClientMessage): void {
  if (link === null) return;
  if (outgoing !== undefined && message.kind === "results") return outgoing.results(message);
  if (message.kind === "returned") outgoing?.returned(message.tasks);
  link.send(message);
}

function keep({ options }: Door, { ground, outcomes }: Extract<ClientEffect, { kind: "keep" }>): void {
  const { clientId, host, secret } = options.settings;
  let what = "may be run again";
  try {
    const path = options.keep?.({ clientId, host, secret, ground, outcomes });
    if (path !== undefined) what = `are kept in ${path}, for the next 'hs client' here to deliver`;
  } catch (error) {
    what = `cannot be kept (${messageOf(error)}) and may be run again`;
  }
  options.log.warning(`${unconfirmed(outcomes.length)}: their outcomes ${what}`);
}

function finish(door: Door): void {
  close(door);
  door.link?.close();
  logDone(door.options);
  door.finished.resolve(door.state.failure);
}

function setWake(door: Door, at: number): void {
  // A timer that fires too early only looks again; setting one for every step would cost more.
  if (door.wake !== null && door.wake.at <= at) return;
  door.wake?.timer.cancel();
  door.wake = null;
  if (at === Number.POSITIVE_INFINITY) return;
  const { clock } = door.options;
  const timer = clock.after(Math.max(0, at - clock.now()), () => {
    door.wake = null;
    door.box.push({ kind: "woken" });
  });
  door.wake = { timer, at };
}

// ---- log

function logStarted({ settings, log }: ClientOptions): void {
  const { executors, idleMs } = settings;
  const patience = idleMs === null ? "no timeout" : `${formatDuration(idleMs / 1000)} timeout`;
  log.debug(`Started (${counted(executors, "executor")})`);
  for (const part of [`scheduler: ${patience}`, "collector", "heartbeat"]) log.debug(`Started (${part})`);
  if (log.enabled("DEBUG")) for (let n = 1; n <= executors; n++) log.debug(`Started (executor-${n})`);
}

function logDone({ settings, log }: ClientOptions): void {
  if (log.enabled("DEBUG")) for (let n = 1; n <= settings.executors; n++) log.debug(`Done (executor-${n})`);
  for (const part of [" (scheduler)", " (collector)", " (heartbeat)", ""]) log.debug(`Done${part}`);
}
