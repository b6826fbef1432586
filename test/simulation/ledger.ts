/*
 * The judge of the simulation: who was given which task, where it runs, who was declared lost and whether rightly. It sees what servers and
 * clients do, not why, and throws at the moment a promise is broken.
 */
import { assert } from "../../src/base/assert.ts";
import type { ServerEffect } from "../../src/server/effects.ts";
import type { ServerEvent } from "../../src/server/event.ts";
import { check, type ServerState, type Settling } from "../../src/server/state.ts";
import type { Assignment } from "../../src/task/task.ts";
import type { Lease } from "../../src/wire/message.ts";
import type { Model } from "./model.ts";

/** One dispatch of a task to a client. */
interface Grant {
  readonly taskId: string;
  readonly lease: number;
  readonly clientId: string;
  /** Who has it on record as its client's. */
  serverId: string;
  /** Its client was declared lost, or ended: somebody else may run the task. */
  lost: boolean;
  /** Somebody wanted the task to be run anew: what comes of this run is nothing. */
  reverted: boolean;
  /** Servers that know. When all of them are gone, nobody does any more. */
  readonly known: Set<string>;
}

export interface Execution {
  readonly grant: Grant;
  /** A signal was sent to it. */
  stopped: boolean;
  over: boolean;
  unwantedSince: number | null;
}

export interface Ledger {
  /** Watches one server; to be called with each of its steps. */
  server(serverId: string, graceMs: number, evictMs: number, now: number): ServerWatch;
  start(clientId: string, task: Assignment, now: number): Execution;
  ended(execution: Execution): void;
  /** Whatever the client has (of that server; else of all) may be given to others from now on. */
  lose(clientId: string, serverId?: string): void;
  /** The client is no more, and nothing of what it had. */
  clientEnded(clientId: string): void;
  /** A person changes the task: whoever has it may lose it. */
  meddle(taskId: string, kind: string, now: number): void;
  /** This server knows that the tasks were taken back, or takes what says so with it. */
  hears(serverId: string, tasks: readonly { readonly id: string }[]): void;
  /** How many tasks people have cancelled that this server held. */
  cancelledOf(serverId: string): number;
  /** Since when nobody wants what it runs; null: somebody does, or it cannot know. */
  unwantedSince(execution: Execution): number | null;
  acknowledged(tasks: readonly Lease[]): void;
  /** All that still run. */
  running(): number;
  /** When the last task was started. */
  startedAt(): number;
  /** How often what happened that is worth simulating. */
  readonly seen: ReadonlyMap<Sight, number>;
}

/** What the faults are for: none of it would happen without them. */
export type Sight =
  | "outcome refused"
  | "task given back"
  | "client resumes with running tasks"
  | "client resumes with outcomes"
  | "task adopted"
  | "task fenced"
  | "client evicted"
  | "estate given up"
  | "task repeated"
  | "task cancelled while it ran"
  | "task reverted while it ran"
  | "task deleted while it ran";

export interface ServerWatch {
  before(events: readonly ServerEvent[], now: number): void;
  after(state: ServerState, effects: readonly ServerEffect[], now: number): void;
  /** It was told to stop: clients are not waited for as long as usual. */
  impatient(): void;
  /** It was stopped for so long, and is to hold that against nobody. */
  stopped(ms: number): void;
}

/** What a server knows about the whereabouts of a client. */
interface Presence {
  heardAt: number;
  /** How long the server was stopped since. */
  stoppedMs: number;
  /** Told to leave, with nothing in hand. */
  leavingAt: number | null;
  goneAt: number | null;
  /** What it said it runs when it came, without what it has ended since. */
  claims: readonly Lease[];
  /** Declared lost since. */
  lost: boolean;
  dropped: Set<string>;
}

const key = ({ id, lease }: Lease): string => `${id} ${lease}`;

export function ledger(model: Model): Ledger {
  const grants = new Map<string, Grant>();
  const grantsOf = new Map<string, Grant[]>();
  const executions = new Map<string, Execution[]>();
  const cancelled = new Map<string, number>();
  /** When a person last changed a task. */
  const meddled = new Map<string, number>();
  const seen = new Map<Sight, number>();
  let running = 0;
  let startedAt = 0;

  function see(sight: Sight, times = 1): void {
    if (times > 0) seen.set(sight, (seen.get(sight) ?? 0) + times);
  }

  function grant(serverId: string, clientId: string, task: Assignment): void {
    const row = model.row(task.id);
    // Of what a person does a server hears a little later.
    const meddledWith = meddled.has(task.id);
    assert(row !== undefined || meddledWith, "only stored tasks are handed out");
    // Of what another has recorded a server hears a little later.
    const ended = row !== undefined && row.ended !== null && row.endedBy === serverId;
    assert(!ended, `task ${task.id} is not handed out after its outcome was recorded`);
    assert(!grants.has(key(task)), "each dispatch of a task has a lease of its own");
    const made: Grant = {
      taskId: task.id,
      lease: task.lease,
      clientId,
      serverId,
      lost: meddledWith,
      reverted: false,
      known: new Set(),
    };
    grants.set(key(task), made);
    const others = grantsOf.get(clientId);
    if (others === undefined) grantsOf.set(clientId, [made]);
    else others.push(made);
  }

  function lose(clientId: string, serverId?: string): void {
    for (const each of grantsOf.get(clientId) ?? [])
      if (serverId === undefined || each.serverId === serverId) {
        each.lost = true;
      }
  }

  function start(clientId: string, task: Assignment, now: number): Execution {
    startedAt = now;
    const own = grants.get(key(task));
    assert(own !== undefined && own.clientId === clientId, "a client runs what it was given");
    const earlier = executions.get(task.id) ?? [];
    for (const { grant: other, stopped, over } of earlier) {
      assert(other !== own, `task ${task.id} is started once for each lease`);
      see("task repeated");
      if (other.lost || own.lost) continue;
      assert(over, `task ${task.id} runs at ${clientId} and ${other.clientId} at once, which nobody has lost`);
      assert(stopped, `task ${task.id} has run at ${other.clientId}, which nobody has lost, and runs again`);
    }
    const ended = model.row(task.id)?.ended ?? null;
    if (ended !== null && !own.lost)
      assert(
        earlier.some((other) => other.grant.lost),
        `task ${task.id} starts after its outcome was recorded, although nobody was lost`,
      );
    const execution: Execution = { grant: own, stopped: false, over: false, unwantedSince: null };
    executions.set(task.id, [...earlier, execution]);
    running++;
    return execution;
  }

  function ended(execution: Execution): void {
    if (!execution.over) running--;
    execution.over = true;
  }

  function hears(serverId: string, tasks: readonly { readonly id: string }[]): void {
    const ids = new Set(tasks.map(({ id }) => id));
    if (ids.size === 0) return;
    for (const each of grants.values()) if (each.reverted && ids.has(each.taskId)) each.known.add(serverId);
  }

  function server(serverId: string, graceMs: number, evictMs: number, begunAt: number): ServerWatch {
    const presences = new Map<string, Presence>();
    let impatient = false;
    /** Outcomes on their way to the store. */
    let settling: readonly Settling[] = [];

    function accept(refused: readonly string[]): void {
      for (const { outcome } of settling) {
        if (refused.includes(outcome.id)) continue;
        const own = grants.get(key(outcome));
        if (own === undefined) continue;
        const unheard = own.known.size > 0 && !own.known.has(serverId);
        assert(
          unheard || !own.reverted,
          `task ${outcome.id} is run anew, and what comes of its old run is not recorded`,
        );
      }
    }

    function justified(clientId: string, now: number): boolean {
      const presence = presences.get(clientId);
      if (presence === undefined || impatient) return true;
      if (presence.goneAt !== null && now - presence.goneAt >= graceMs) return true;
      // It notices that it was stopped by a timer, some of which run longer.
      if (now - presence.heardAt - presence.stoppedMs >= evictMs * 0.8) return true;
      return presence.leavingAt !== null && now - Math.max(presence.leavingAt, presence.heardAt) >= graceMs;
    }

    function carryOut(state: ServerState, effect: ServerEffect, now: number): void {
      switch (effect.kind) {
        case "send": {
          const { clientId, message } = effect;
          const presence = presences.get(clientId);
          if (message.kind === "assign") for (const task of message.tasks) grant(serverId, clientId, task);
          else if (message.kind === "drop") {
            see("task fenced", message.tasks.length);
            for (const task of message.tasks) presence?.dropped.add(key(task));
          } else if (message.kind === "leave" && presence !== undefined) presence.leavingAt = now;
          else if (message.kind === "welcome") {
            const held = state.clients.get(clientId)?.held;
            for (const claim of presence?.claims ?? []) {
              const own = held?.get(claim.id)?.lease === claim.lease;
              assert(
                own || presence?.dropped.has(key(claim)),
                `what ${clientId} runs is its own, or it is told to stop`,
              );
            }
          }
          return;
        }
        case "endClient":
          if (effect.evicted) {
            see("client evicted");
            assert(justified(effect.clientId, now), `${effect.clientId} is declared lost only when it is`);
            lose(effect.clientId, serverId);
            const presence = presences.get(effect.clientId);
            if (presence !== undefined) presence.lost = true;
          }
          return;
        case "commit":
          settling = state.settling?.outcomes ?? [];
          return see("task given back", effect.commit.reverted.length);
        case "bury": {
          see("estate given up");
          const left = model.clientsOf(effect.serverId).filter((id) => !presences.has(id));
          if (left.length > 0 && !impatient)
            assert(now - begunAt >= graceMs, "clients of a dead server are given up only after the grace period");
          return;
        }
        default:
      }
    }

    return {
      before(events, now) {
        for (const event of events) {
          if (event.kind === "recalled") hears(serverId, event.recalls);
          if (event.kind === "registered" || event.kind === "buried") hears(serverId, event.revoked);
          if (event.kind === "helloReceived") {
            const { clientId, running: claims, finished } = event.hello;
            if (claims.length > 0) see("client resumes with running tasks");
            if (finished.length > 0) see("client resumes with outcomes");
            presences.set(clientId, {
              heardAt: now,
              stoppedMs: 0,
              leavingAt: null,
              goneAt: null,
              claims,
              lost: false,
              dropped: new Set(),
            });
          } else if (event.kind === "received") {
            const presence = presences.get(event.clientId);
            if (presence === undefined) continue;
            presence.heardAt = now;
            presence.stoppedMs = 0;
            const { message } = event;
            const gone =
              message.kind === "results" ? message.outcomes : message.kind === "returned" ? message.tasks : [];
            const ids = new Set(gone.map(({ id }) => id));
            presence.claims = presence.claims.filter(({ id }) => !ids.has(id));
          } else if (event.kind === "registered") {
            see("task adopted", event.adopted.length);
            const adopted = new Set(event.adopted.map(({ id }) => id));
            for (const each of grantsOf.get(event.clientId) ?? [])
              if (adopted.has(each.taskId)) {
                each.serverId = serverId;
                // What it brought is answered when it is gone again.
                each.lost ||= presences.get(event.clientId)?.lost === true;
              }
          } else if (event.kind === "committed") {
            see("outcome refused", event.report.refused.length);
            accept(event.report.refused);
          } else if (event.kind === "disconnected") {
            const presence = presences.get(event.clientId);
            if (presence !== undefined) presence.goneAt = now;
          }
        }
      },
      after(state, effects, now) {
        check(state);
        for (const effect of effects) carryOut(state, effect, now);
      },
      impatient() {
        impatient = true;
      },
      stopped(ms) {
        for (const presence of presences.values()) presence.stoppedMs += ms;
      },
    };
  }

  return {
    server,
    start,
    ended,
    lose,
    hears,
    meddle(taskId, kind, now) {
      meddled.set(taskId, now);
      for (const execution of executions.get(taskId) ?? []) {
        if (!execution.over && kind !== "changed") see(`task ${kind} while it ran` as Sight);
        execution.unwantedSince ??= kind === "changed" ? null : now;
      }
      const holder = model.row(taskId)?.serverId ?? null;
      if (holder !== null && kind === "cancelled") cancelled.set(holder, (cancelled.get(holder) ?? 0) + 1);
      for (const each of grants.values()) {
        if (each.taskId !== taskId) continue;
        each.lost = true;
        each.reverted ||= kind === "reverted" && each.serverId === holder && model.servers.has(holder);
      }
    },
    cancelledOf: (serverId) => cancelled.get(serverId) ?? 0,
    unwantedSince: ({ unwantedSince }) => unwantedSince,
    clientEnded(clientId) {
      lose(clientId);
      for (const each of grantsOf.get(clientId) ?? []) {
        const own = executions.get(each.taskId)?.find((execution) => execution.grant === each);
        if (own !== undefined) ended(own);
      }
    },
    acknowledged(tasks) {
      for (const lease of tasks) {
        const row = model.row(lease.id);
        // Of a task that another server has taken over, with an outcome or the client that runs it, no second outcome is wanted.
        const elsewhere =
          row !== undefined && row.serverId !== null && row.serverId !== grants.get(key(lease))?.serverId;
        const recorded = (row?.ended ?? null) !== null;
        assert(recorded || elsewhere || meddled.has(lease.id), `task ${lease.id} is acknowledged when it is recorded`);
      }
    },
    running: () => running,
    startedAt: () => startedAt,
    seen,
  };
}
