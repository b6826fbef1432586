/*
 * A server without surroundings, for tests of its reactor: events go in, and what clients, the store and the log are
 * told is looked at. The state is checked after every step.
 */
import { everyFailure } from "../../../src/task/retries.ts";
import { systemClock } from "../../../src/base/clock.ts";
import { newPatience } from "../../../src/log/patience.ts";
import { check } from "../../../src/server/check.ts";
import type { ServerEffect } from "../../../src/server/effects.ts";
import type { Revoked, ServerEvent } from "../../../src/server/event.ts";
import type { IntakeOptions } from "../../../src/server/intake.ts";
import { step } from "../../../src/server/reactor.ts";
import { type Estate, newState, type ServerSettings, type ServerState } from "../../../src/server/state.ts";
import type { Claim, Recall } from "../../../src/store/store.ts";
import type { Capacity } from "../../../src/task/demand.ts";
import type { Assignment, ClaimedTask, Outcome } from "../../../src/task/task.ts";
import type { ClientMessage, Ground, HostMessage, Lease } from "../../../src/wire/message.ts";
import { makeClaimed, makeOutcome, warningLog } from "../../make.ts";

type Effect<K extends ServerEffect["kind"]> = Extract<ServerEffect, { kind: K }>;

/** What a client says of itself when it comes. */
interface Arrival extends Ground {
  readonly credit?: number;
  readonly executors?: number;
  readonly capacity?: Capacity;
  readonly running?: readonly Lease[];
  readonly finished?: readonly Lease[];
}

export function makeSettings(fields: Partial<ServerSettings> = {}): ServerSettings {
  let ids = 0;
  return {
    serverId: "server",
    serverHost: "host",
    storeId: "store",
    scope: { kind: "all" },
    retries: everyFailure(1),
    retryDelayMs: 0,
    halt: null,
    poison: 0,
    requeueStatus: null,
    eager: false,
    forever: false,
    mayGrow: false,
    resources: [],
    launchesClients: false,
    bundleSize: null,
    pollMs: 30_000,
    evictMs: 600_000,
    graceMs: 30_000,
    durable: true,
    companyMs: 0,
    firstLease: 1,
    newId: () => `new-${++ids}`,
    ...fields,
  };
}

/** A task of the submission `server`, which is that of a finite run of this server. */
export function task(id: string, fields: Partial<ClaimedTask> = {}): ClaimedTask {
  return makeClaimed(id, { submitId: "server", ...fields });
}

export function outcome(of: Lease, exitStatus = 0): Outcome {
  return makeOutcome(of, { exitStatus });
}

/** An intake that makes no pauses: `warn` gets its warnings, `tell` what the schedule is told. */
export function makeIntakeOptions(
  store: IntakeOptions["store"],
  warn: (text: string) => void,
  tell: (what: "open" | "close") => void,
): IntakeOptions {
  const log = warningLog(warn);
  return {
    store,
    scope: { kind: "all" },
    serverId: "server",
    patience: newPatience({ ...systemClock, after: (_ms, action) => systemClock.after(0, action) }, log),
    log,
    clock: systemClock,
    silenceMs: 600_000,
    refusals: { warn: log.warning, close: () => undefined },
    closing: () => false,
    onOpen: () => tell("open"),
    onClose: () => tell("close"),
  };
}

export class Bench {
  now = 0;
  readonly state: ServerState;
  /** What the last step wanted done; after `pass`: what all of its steps did. */
  effects: readonly ServerEffect[] = [];
  private recallNumber = 0;

  constructor(
    settings: Partial<ServerSettings> = {},
    { group = null, estates = [] }: { readonly group?: number | null; readonly estates?: readonly Estate[] } = {},
  ) {
    this.state = newState(makeSettings(settings), 0, estates);
    this.state.group = group;
  }

  on(...events: readonly ServerEvent[]): readonly ServerEffect[] {
    this.effects = step(this.state, events, this.now);
    check(this.state);
    return this.effects;
  }

  /** Nothing happens until then: the server is woken when it wishes to be. */
  pass(until: number): readonly ServerEffect[] {
    const all: ServerEffect[] = [];
    while (this.now < until) {
      this.now = Math.min(until, Math.max(this.state.wakeAt, this.now + 1));
      all.push(...this.on({ kind: "woken" }));
    }
    this.effects = all;
    return all;
  }

  // ---- what clients do

  /** A client with two executors says hello; answers what the store is asked for it. */
  hello(clientId: string, arrival: Arrival = {}): Effect<"register"> | undefined {
    const rest = { credit: 2, running: [], finished: [], ...arrival };
    this.on({ kind: "helloReceived", hello: { kind: "hello", clientId, host: "node", executors: 2, ...rest } });
    return this.find("register");
  }

  /**
   * A client comes, and the store knows it at once. A claim that was made because no client was there has brought
   * nothing.
   */
  register(clientId: string, credit = 2, arrival: Arrival = {}): readonly ServerEffect[] {
    const asked = this.hello(clientId, { ...arrival, credit });
    const idle = this.find("claim")?.request.limit === 0;
    const hello = this.effects.filter(({ kind }) => kind !== "claim");
    const registered = this.registered(clientId, asked?.number);
    const again = idle ? this.claimed({ kind: "none", unfinished: 0 }) : [];
    this.effects = [...hello, ...registered, ...again];
    return this.effects;
  }

  say(
    clientId: string,
    message: Exclude<ClientMessage, { kind: "hello" | "output" | "shown" }>,
  ): readonly ServerEffect[] {
    return this.on({ kind: "received", clientId, message });
  }

  results(clientId: string, outcomes: readonly Outcome[], credit = outcomes.length): readonly ServerEffect[] {
    return this.say(clientId, { kind: "results", outcomes, credit });
  }

  lose(clientId: string): readonly ServerEffect[] {
    return this.on({ kind: "disconnected", clientId, error: "reset" });
  }

  // ---- what the store answers

  registered(
    clientId: string,
    number: number | undefined,
    adopted: readonly ClaimedTask[] = [],
    revoked: readonly Revoked[] = [],
  ): readonly ServerEffect[] {
    return this.on({ kind: "registered", clientId, number: number ?? -1, adopted, submissions: [], revoked });
  }

  claimed(claim: Claim): readonly ServerEffect[] {
    return this.on({ kind: "claimed", claim, submissions: [] });
  }

  /** The store answers a claim with these tasks. */
  give(...tasks: readonly ClaimedTask[]): readonly ServerEffect[] {
    if (this.state.claim.at !== "asked") throw new Error("nobody has asked for tasks");
    return this.claimed({ kind: "claimed", group: tasks[0]?.group ?? 0, tasks });
  }

  /** The store has nothing for as long as it is asked; `unfinished` of its tasks are under way. */
  quiet(unfinished = 1): void {
    while (this.state.claim.at === "asked") this.claimed({ kind: "none", unfinished });
  }

  committed(...refused: readonly string[]): readonly ServerEffect[] {
    return this.on({ kind: "committed", report: { refused } });
  }

  /** Somebody did this to these tasks, and the store says so when it is asked. */
  recalled(kind: Recall["kind"], ...ids: readonly string[]): readonly ServerEffect[] {
    this.on({ kind: "recallsNoticed" });
    if (this.find("recalls") === undefined) throw new Error("nobody has asked for recalls");
    return this.on({ kind: "recalled", recalls: ids.map((id) => ({ number: ++this.recallNumber, id, kind })) });
  }

  // ---- what is to be done

  find<K extends ServerEffect["kind"]>(kind: K): Effect<K> | undefined {
    return this.effects.find((effect): effect is Effect<K> => effect.kind === kind);
  }

  kinds(): string[] {
    return this.effects.map(({ kind }) => kind);
  }

  /** Messages to this client, or to all of them. */
  told(clientId?: string): HostMessage[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "send" && (clientId === undefined || effect.clientId === clientId) ? [effect.message] : [],
    );
  }

  assigned(clientId: string): Assignment[] {
    return this.told(clientId).flatMap((message) => (message.kind === "assign" ? [...message.tasks] : []));
  }

  notes(level: Effect<"note">["level"]): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "note" && effect.level === level
        ? [typeof effect.text === "function" ? effect.text() : effect.text]
        : [],
    );
  }

  // ---- where tasks are

  held(clientId: string): Lease[] {
    return [...(this.state.clients.get(clientId)?.held ?? [])].map(([id, { lease }]) => ({ id, lease }));
  }

  /** The dispatch of a task that some client has; -1: none has it. */
  lease(id: string): Lease {
    return { id, lease: this.state.holders.get(id)?.held.get(id)?.lease ?? -1 };
  }

  ready(): string[] {
    return [...this.state.ready.values()].map(({ id }) => id);
  }
}
