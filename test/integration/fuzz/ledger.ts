/*
 * The judge of a server that hostile peers speak to: who was given each task, or had it when it came, and whose outcome
 * is recorded. It is told in the order in which things happen. Knows neither the server nor its store.
 */
import { assert } from "../../../src/base/assert.ts";

/** What happens at a server. */
export type Told =
  /** Tasks are about to be stored. */
  | { readonly kind: "added"; readonly ids: readonly string[] }
  /** A client is sent tasks. */
  | { readonly kind: "given"; readonly clientId: string; readonly ids: readonly string[] }
  /** The server believes a client that says it has these tasks. */
  | { readonly kind: "believed"; readonly clientId: string; readonly ids: readonly string[] }
  /** Outcomes are in the store. */
  | { readonly kind: "recorded"; readonly outcomes: readonly (Recorded & { readonly id: string })[] };

export interface Recorded {
  readonly clientId: string;
  readonly exitStatus: number;
}

export interface Ledger {
  /** The client that does as it should. */
  readonly honestId: string;
  /** Whether the store forgets what has ended: an id may come again then. */
  readonly forgets: boolean;
  /** Who has had each task that has not ended, or may come again. */
  readonly had: Map<string, Set<string>>;
  /** The tasks that the honest client was given last. */
  readonly ofHonest: Set<string>;
  /** The outcomes, by the id of the task. */
  readonly recorded: Map<string, Recorded>;
  /** Honest tasks of which no outcome is recorded yet. */
  readonly honest: Set<string>;
}

export function newLedger(honestId: string, forgets: boolean): Ledger {
  return { honestId, forgets, had: new Map(), ofHonest: new Set(), recorded: new Map(), honest: new Set() };
}

/** Takes a note of what happens. Throws if it must not. */
export function judge(ledger: Ledger, told: Told): void {
  const { honestId, forgets, had, ofHonest, recorded, honest } = ledger;
  switch (told.kind) {
    case "added":
      if (forgets) for (const id of told.ids) recorded.delete(id);
      return;
    case "given":
      for (const id of told.ids) {
        note(had, id, told.clientId);
        if (told.clientId === honestId) ofHonest.add(id);
        else ofHonest.delete(id);
      }
      return;
    case "believed":
      for (const id of told.ids) {
        if (had.get(id)?.has(told.clientId) === true) continue;
        assert(!ofHonest.has(id), `${id} stays with the client that has it, whatever ${told.clientId} says`);
        note(had, id, told.clientId);
      }
      return;
    case "recorded":
      for (const { id, clientId, exitStatus } of told.outcomes) {
        assert(had.get(id)?.has(clientId) === true, `${clientId}, whose outcome of ${id} is recorded, has had it`);
        assert(forgets || !recorded.has(id), `one outcome of ${id} is recorded`);
        recorded.set(id, { clientId, exitStatus });
        honest.delete(id);
        if (!forgets) had.delete(id);
        ofHonest.delete(id);
      }
  }
}

function note(had: Map<string, Set<string>>, id: string, clientId: string): void {
  const known = had.get(id);
  if (known === undefined) had.set(id, new Set([clientId]));
  else known.add(clientId);
}
