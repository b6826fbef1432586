/* A client without surroundings, for tests of its reactor: events go in, effects are looked at. */
import type { ClientEffect } from "../../../src/client/effects.ts";
import type { ClientEvent } from "../../../src/client/event.ts";
import { step } from "../../../src/client/reactor.ts";
import { check, type ClientSettings, type ClientState, newState } from "../../../src/client/state.ts";
import type { Assignment, Outcome } from "../../../src/task/task.ts";
import type { ClientMessage } from "../../../src/wire/message.ts";
import { makeAssignment, makeOutcome } from "../../make.ts";

/** Of a client as most tests have it. */
export const settings: ClientSettings = {
  clientId: "client",
  secret: "only-mine",
  host: "node",
  executors: 2,
  capacity: { cores: 8, memory: 2 ** 33, others: {} },
  ratelimit: null,
  timeoutMs: null,
  signalWaitMs: 10_000,
  idleMs: null,
  heartMs: 10_000,
  bundleSize: null,
  bundleWaitMs: null,
  servers: 1,
  loyalMs: 15_000,
  connectMs: 15_000,
  reconnectMs: 60_000,
  forsakenMs: 60_000,
  announce: true,
};

let leases = 0;
export function task(id: string, more: Partial<Assignment> = {}): Assignment {
  return makeAssignment({ id, lease: ++leases }, { submitId: "sub", ...more });
}

export function outcome(of: Assignment, exitStatus = 0, completionTime = 0): Outcome {
  return makeOutcome(of, { startTime: 0, completionTime, exitStatus });
}

export class Bench {
  now = 0;
  readonly state: ClientState;
  effects: ClientEffect[] = [];
  /** `rate`: tasks per millisecond that it is used to; at 0.02 it fetches two ahead. */
  constructor(more: Partial<ClientSettings> = {}, rate = 0.02) {
    this.state = newState({ ...settings, ...more }, 0);
    this.state.rate = rate;
    this.on({ kind: "connected" });
  }
  on(...events: ClientEvent[]): ClientEffect[] {
    this.effects = step(this.state, events, this.now);
    check(this.state);
    return this.effects;
  }
  /** Lets time pass until `at`: the client is woken whenever it wished to be. */
  pass(at: number): ClientEffect[] {
    const effects: ClientEffect[] = [];
    while (this.state.wakeAt < at) {
      this.now = this.state.wakeAt;
      effects.push(...this.on({ kind: "woken" }));
    }
    this.now = at;
    effects.push(...this.on({ kind: "woken" }));
    this.effects = effects;
    return effects;
  }
  welcome(companyMs = 0): this {
    this.on({ kind: "received", message: { kind: "welcome", serverId: "s", serverHost: "h", companyMs } });
    return this;
  }
  assign(...tasks: Assignment[]): ClientEffect[] {
    return this.on({ kind: "received", message: { kind: "assign", tasks } });
  }
  ended(of: Assignment, exitStatus = 0): ClientEffect[] {
    return this.on({ kind: "ended", outcome: outcome(of, exitStatus, this.now), isUnread: false });
  }
  ack(...of: Assignment[]): ClientEffect[] {
    return this.on({ kind: "received", message: { kind: "ack", tasks: of.map(({ id, lease }) => ({ id, lease })) } });
  }
  started(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === "start" ? [effect.task.id] : []));
  }
  signals(): string[] {
    return this.effects.flatMap((effect) => (effect.kind === "signal" ? [`${effect.id} ${effect.signal}`] : []));
  }
  sent(): ClientMessage[] {
    return this.effects.flatMap((effect) => (effect.kind === "send" ? [effect.message] : []));
  }
  notes(level: string): string[] {
    return this.effects.flatMap((effect) =>
      effect.kind === "note" && effect.level === level
        ? [typeof effect.text === "function" ? effect.text() : effect.text]
        : [],
    );
  }
  wake(): number {
    const wake = this.effects.find((effect) => effect.kind === "wake");
    return wake?.kind === "wake" ? wake.at : Number.NaN;
  }
}
