/*
 * The door of a client: it carries out what the reactor wants (processes, the connection, log) and tells it what happened.
 * It knows neither the store nor what the executor does with a task.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { mailbox } from "../base/mailbox.ts";
import { formatDuration } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { Outcome } from "../task/task.ts";
import type { Duplex } from "../wire/duplex.ts";
import type { HostMessage, LeaveKind, PeerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import { isForClient } from "../wire/rules.ts";
import type { ClientEffect } from "./effects.ts";
import type { ClientEvent } from "./event.ts";
import type { Executor, Running } from "./executor.ts";
import { step } from "./reactor.ts";
import { type ClientFailure, type ClientSettings, newState } from "./state.ts";

type StartEffect = Extract<ClientEffect, { kind: "start" }>;

export interface ClientOptions {
  /** A connection to that server, counted from 0, each time it is called; rejects with a WireProblem. */
  readonly connect: (server: number) => Promise<Duplex<PeerMessage, HostMessage>>;
  readonly settings: ClientSettings;
  readonly executor: Executor;
  readonly clock: Clock;
  readonly log: Logger;
  /** In place of the reactor: simulations look over its shoulder. */
  readonly step?: typeof step;
}

export interface Client {
  /** Leaves: `finish` lets running tasks end, `interrupt` stops and reports them, `abort` stops them and gives them back. */
  stop(how: LeaveKind, reason: string): void;
  /** SIGKILL to all that is left. */
  kill(): void;
  /** The server that it is with, or asked last. */
  server(): number;
  /** Whether its server sent it away. */
  dismissed(): boolean;
  /** Everything is reported and the connection closed; or the server is out of reach, then why. Rejects on a bug. */
  readonly finished: Promise<ClientFailure | null>;
}

export function runClient(options: ClientOptions): Client {
  const { settings, executor, clock, log } = options;
  const state = newState(settings, clock.now());
  const tasks = new Map<string, Running>();
  const finished = Promise.withResolvers<ClientFailure | null>();
  let link: Duplex<PeerMessage, HostMessage> | null = null;
  let over = false;
  let wake: Timer | null = null;
  let wakeAt = Number.POSITIVE_INFINITY;

  const react = options.step ?? step;
  const defer = clock.defer ?? setImmediate;
  const box = mailbox<ClientEvent>(
    (events) => {
      startTasks();
      for (const effect of react(state, events, clock.now())) carryOut(effect);
      if (state.companyMs > 0) startTasks();
      else if (starts.length > 0) queueMicrotask(startSoon);
    },
    fail,
    defer,
  );

  // A start keeps this thread for a third of a millisecond. In a local run the server has its turn before it: the outcome that freed the
  // executor is recorded before the next task begins, so a crash leaves at most one unrecorded task per executor. Where outcomes may
  // wait, so little depends on each that nothing is gained.
  let starts: StartEffect[] = [];
  const startSoon = (): void => void defer(startTasks);
  function startTasks(): void {
    if (starts.length === 0) return;
    const due = starts;
    starts = [];
    for (const { task, template } of due) tasks.set(task.id, executor.start(task, template, ended));
  }

  function fail(error: unknown): void {
    over = true;
    box.close();
    wake?.cancel();
    for (const running of tasks.values()) running.signal("SIGKILL");
    link?.close();
    finished.reject(error);
  }

  async function connect(server: number): Promise<void> {
    let made: Duplex<PeerMessage, HostMessage>;
    try {
      made = await options.connect(server);
    } catch (error) {
      if (!(error instanceof WireProblem)) throw error;
      box.push({ kind: "connectFailed", problem: error.kind, text: error.message, permanent: error.permanent });
      return;
    }
    if (over) return made.close();
    link = made;
    // What still comes from an earlier connection is nobody's.
    const current = (): boolean => link === made;
    box.push({ kind: "connected" });
    made.open({
      message(message) {
        assert(isForClient(message), "a client is not answered as a submitter");
        if (current()) box.push({ kind: "received", message });
      },
      drain() {
        // What a client has to say is bounded by what it runs.
      },
      close(error) {
        if (!current()) return;
        link = null;
        box.push({ kind: "disconnected", error: error?.message ?? null });
      },
    });
  }

  const ended = (outcome: Outcome): void => box.push({ kind: "ended", outcome });

  function carryOut(effect: ClientEffect): void {
    switch (effect.kind) {
      case "start":
        starts.push(effect);
        return;
      case "send":
        link?.send(effect.message);
        return;
      case "connect":
        connect(effect.server).catch(fail);
        return;
      case "hangUp": {
        const silent = link;
        link = null;
        silent?.close();
        return;
      }
      case "served":
        return executor.servedBy(effect.serverId, effect.serverHost);
      case "forget":
        tasks.delete(effect.id);
        return;
      case "wake":
        return setWake(effect.at);
      case "note":
        return log[effect.level](effect.text);
      case "signal": {
        const running = tasks.get(effect.id);
        log.debug(() => `Sending ${effect.signal} (${effect.id}: ${running?.pid ?? "not started"})`);
        running?.signal(effect.signal);
        return;
      }
      case "gaveUp":
        return log.critical(`Process ignored SIGKILL (${effect.id}: ${tasks.get(effect.id)?.pid ?? "not started"})`);
      case "lookAtGroup": {
        const running = tasks.get(effect.id);
        assert(running !== undefined, "a task whose group matters is not forgotten");
        box.push({ kind: "groupSeen", id: effect.id, alive: running.groupAlive() });
        return;
      }
      case "finish":
        over = true;
        box.close();
        wake?.cancel();
        link?.close();
        if (log.enabled("DEBUG")) for (let n = 1; n <= settings.executors; n++) log.debug(`Done (executor-${n})`);
        for (const part of [" (scheduler)", " (collector)", " (heartbeat)", ""]) log.debug(`Done${part}`);
        finished.resolve(state.failure);
        return;
      default:
        unreachable(effect);
    }
  }

  function setWake(at: number): void {
    // A timer that fires too early only looks again; setting one for every step would cost more.
    if (wake !== null && wakeAt <= at) return;
    wake?.cancel();
    wake = null;
    wakeAt = at;
    if (at === Number.POSITIVE_INFINITY) return;
    wake = clock.after(Math.max(0, at - clock.now()), () => {
      wake = null;
      box.push({ kind: "woken" });
    });
  }

  const { executors, idleMs } = settings;
  const patience = idleMs === null ? "no timeout" : `${formatDuration(idleMs / 1000)} timeout`;
  log.debug(`Started (${executors} executors)`);
  for (const part of [`scheduler: ${patience}`, "collector", "heartbeat"]) log.debug(`Started (${part})`);
  if (log.enabled("DEBUG")) for (let n = 1; n <= executors; n++) log.debug(`Started (executor-${n})`);
  connect(state.server).catch(fail);

  return {
    finished: finished.promise,
    stop: (how, reason) => box.push({ kind: "stopRequested", how, reason }),
    server: () => state.server,
    dismissed: () => state.dismissed,
    kill: () => box.push({ kind: "killRequested" }),
  };
}
