/*
 * Reactors with a mistake in each, such as somebody might make: the simulation is worth something only if it finds them
 * all. Each is the right reactor with one thing done wrongly.
 */
import { step as clientStep } from "../../src/client/reactor.ts";
import type { ServerEffect } from "../../src/server/effects.ts";
import type { ServerEvent } from "../../src/server/event.ts";
import { step as serverStep } from "../../src/server/reactor.ts";
import type { Lease } from "../../src/wire/message.ts";
import type { Reactors } from "./cluster.ts";

/** The right server, with what it wants done put wrong. */
function server(change: (effects: readonly ServerEffect[]) => readonly ServerEffect[]): Partial<Reactors> {
  return { server: (state, events, now) => [...change(serverStep(state, events, now))] };
}

export const canaries: Readonly<Record<string, Partial<Reactors>>> = {
  "a server that acknowledges what is not recorded yet": {
    server(state, events, now) {
      const effects = serverStep(state, events, now);
      if (!effects.some(({ kind }) => kind === "commit")) return effects;
      for (const { clientId, outcome } of state.settling?.outcomes ?? []) {
        if (clientId === null) continue;
        const tasks: readonly Lease[] = [{ id: outcome.id, lease: outcome.lease }];
        effects.push({ kind: "send", clientId, message: { kind: "ack", tasks } });
      }
      return effects;
    },
  },

  "a server that forgets to give back what a lost client had": server((effects) =>
    effects.map((effect) =>
      effect.kind === "commit" ? { ...effect, commit: { ...effect.commit, reverted: [] } } : effect,
    ),
  ),

  "a server that does not fence what it gave to others": server((effects) =>
    effects.filter((effect) => effect.kind !== "send" || effect.message.kind !== "drop"),
  ),

  "a server that does not heed what its clients have": {
    server(state, events, now) {
      const deaf = events.map((event): ServerEvent => {
        if (event.kind !== "helloReceived") return event;
        const { capacity: _, ...hello } = event.hello;
        return { ...event, hello };
      });
      return serverStep(state, deaf, now);
    },
  },

  "a server that asks for no recalls": server((effects) => effects.filter(({ kind }) => kind !== "recalls")),

  "a server that stops nothing that is cancelled": server((effects) =>
    effects.filter((effect) => effect.kind !== "send" || effect.message.kind !== "cancel"),
  ),

  "a server that records what comes of a run that was taken back": {
    server(state, events, now) {
      for (const { id, disregarded } of state.clients.values()) {
        for (const key of disregarded) state.lost.set(key, id);
        disregarded.clear();
      }
      state.revoked.clear();
      return serverStep(state, events, now);
    },
  },

  "a server that counts what was cancelled once more when it has stopped": {
    server(state, events, now) {
      for (const event of events) {
        if (event.kind !== "received" || event.message.kind !== "results") continue;
        for (const { id } of event.message.outcomes)
          if (state.holders.get(id)?.held.get(id)?.cancelled === true) state.counts.cancelled++;
      }
      return serverStep(state, events, now);
    },
  },

  "a server that waits for no grace": {
    server(state, events, now) {
      state.graceAt = Math.min(state.graceAt, now);
      for (const client of state.clients.values()) {
        if (client.standing.at === "away") client.standing = { at: "away", since: now - state.settings.graceMs };
      }
      return serverStep(state, events, now);
    },
  },

  "a successor that gives up the clients of a dead server at once": {
    server(state, events, now) {
      state.estatesUntil = Math.min(state.estatesUntil, now);
      return serverStep(state, events, now);
    },
  },

  "a server that adopts nothing of what a client brings": server((effects) =>
    effects.map((effect) => (effect.kind === "register" ? { ...effect, adopt: [] } : effect)),
  ),

  "a server that uses a lease twice": {
    server(state, events, now) {
      state.nextLease = Math.max(state.settings.firstLease, state.nextLease - 1);
      return serverStep(state, events, now);
    },
  },

  "a server whose leases begin where those of its predecessor began": {
    server(state, events, now) {
      if (state.nextLease === state.settings.firstLease) state.nextLease = 1;
      return serverStep(state, events, now);
    },
  },

  "a server that ends while outcomes are on their way to the store": {
    server(state, events, now) {
      const effects = serverStep(state, events, now);
      const last = state.phase.at === "closing" && state.clients.size === 0 && state.holders.size === 0;
      if (!last || state.phase.at !== "closing") return effects;
      state.phase = { at: "done" };
      return [...effects, { kind: "finish" }];
    },
  },

  "a server that looks at the store no more": server((effects) =>
    effects.filter((effect) => effect.kind !== "claim" || effect.request.group === null || effect.request.limit > 0),
  ),

  "a server that does not look whether new tasks go first": {
    server(state, events, now) {
      state.isNewIn = false;
      return serverStep(
        state,
        events.map((event) => (event.kind === "inserted" && state.ready.length > 0 ? { kind: "woken" } : event)),
        now,
      );
    },
  },

  "a server and clients that do not ask whose tasks are whose": {
    server: (state, events, now) =>
      serverStep(
        state,
        events.map((event) => {
          if (event.kind !== "helloReceived") return event;
          const { store: _store, run: _run, ...hello } = event.hello;
          return { kind: "helloReceived", hello };
        }),
        now,
      ),
    client(state, events, now) {
      state.named = null;
      return clientStep(state, events, now);
    },
  },

  "a client that beats as rarely as it likes": {
    client(state, events, now) {
      state.heartMs = state.settings.heartMs;
      state.nextBeat = Math.max(state.nextBeat, state.heardAt + state.heartMs);
      return clientStep(state, events, now);
    },
  },

  "a client that forgets outcomes which it has sent": {
    client(state, events, now) {
      if (events.some(({ kind }) => kind === "disconnected")) state.unacked.clear();
      return clientStep(state, events, now);
    },
  },

  "a client that does not say what it still runs": {
    client: (state, events, now) =>
      clientStep(state, events, now).map((effect) =>
        effect.kind === "send" && effect.message.kind === "hello"
          ? { ...effect, message: { ...effect.message, running: [] } }
          : effect,
      ),
  },

  "a client that stops its tasks for nobody": {
    client: (state, events, now) => clientStep(state, events, now).filter(({ kind }) => kind !== "signal"),
  },

  "a client that reports at once what a signal to the whole job ended": {
    client(state, events, now) {
      for (const held of state.heldBack.values()) held.since = Number.NEGATIVE_INFINITY;
      return clientStep(state, events, now);
    },
  },

  "a client that gives up when its connection breaks": {
    client(state, events, now) {
      const lost = events.some(({ kind }) => kind === "disconnected");
      return clientStep(
        state,
        lost ? [...events, { kind: "stopRequested", how: "abort", reason: "lost" }] : events,
        now,
      );
    },
  },

  "a client that takes one task more than it asked for": {
    client: (state, events, now) =>
      clientStep(state, events, now).map((effect) =>
        effect.kind === "send" && effect.message.kind === "results"
          ? { ...effect, message: { ...effect.message, credit: effect.message.credit + 1 } }
          : effect,
      ),
  },
};
