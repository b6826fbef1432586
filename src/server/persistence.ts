/*
 * The store calls of a server: each effect for the store is carried out here, and answered with its event. Calls that
 * may pass are made again, until somebody is in a hurry. The reactor decides what is asked when; succession.ts tells
 * what rows of servers mean.
 */
import { unreachable } from "../base/assert.ts";
import type { Clock } from "../base/clock.ts";
import { exitStatus, UserError } from "../base/errors.ts";
import type { Patience } from "../log/patience.ts";
import type { Admission, Commit, ServerRow, Store } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { ServerEffect } from "./effects.ts";
import type { NewSubmissions, Revoked, ServerEvent, SubmissionFacts } from "./event.ts";
import type { ServerSettings } from "./state.ts";
import {
  countTakers,
  deadOf,
  formerHolders,
  type IsAlive,
  neighboursOf,
  revokedBy,
  revokedLeasesOf,
} from "./succession.ts";

type Effect<K extends ServerEffect["kind"]> = Extract<ServerEffect, { kind: K }>;

/** The effects that are for the store. */
export type StoreEffect = Effect<
  "claim" | "commit" | "recalls" | "register" | "endClient" | "bury" | "countFrom" | "attest" | "enter"
>;

export interface Persistence {
  readonly settings: Pick<ServerSettings, "serverId" | "serverHost" | "scope">;
  /** Writes the row of this server. */
  readonly enter: () => Promise<Admission>;
  readonly store: Store;
  readonly clock: Clock;
  readonly isAlive: IsAlive;
  readonly patience: Patience;
  /** The submissions that the reactor knows. */
  readonly submissions: ReadonlyMap<string, SubmissionFacts>;
  /** Whether outcomes are acknowledged only when they survive a power cut: other processes keep them until then. */
  readonly syncs: boolean;
  /** Called with the answers of the store. */
  readonly push: (event: ServerEvent) => void;
  /** Called with the error of a call that has failed for good, or that failed when somebody was in a hurry. */
  readonly fail: (error: unknown) => void;
  /** Called with how long each commit took, milliseconds. */
  readonly committed: (tookMs: number) => void;
  /** Since when a commit is under way, milliseconds since 1970; null: none is; -Infinity: one has failed for good. */
  commitSince: number | null;
  /** Whether somebody is in a hurry: a call that fails is not made again. */
  hurried: boolean;
  /**
   * The last of the calls that change rows of clients and servers. They are made one after the other, so that the end
   * of a client is never written before its beginning.
   */
  rows: Promise<void>;
}

/** Carries out an effect; the store's answer arrives as an event. */
export function carryOutInStore(its: Persistence, effect: StoreEffect): void {
  const { store, clock, push, fail } = its;
  const { serverId, serverHost } = its.settings;
  switch (effect.kind) {
    case "claim":
      claim(its, effect).catch(fail);
      return;
    case "commit":
      commit(its, { ...effect.commit, serverId, serverHost }, effect.confirms).catch(fail);
      return;
    case "recalls":
      persist(its, "recalls", () => store.recalls(serverId)).then(
        (recalls) => push({ kind: "recalled", recalls }),
        fail,
      );
      return;
    case "register":
      return inOrder(its, () => register(its, effect));
    case "endClient": {
      const { clientId, evicted, hasWorked } = effect;
      const end = (): Promise<void> =>
        hasWorked ? store.endClient(clientId, serverId, clock.now(), evicted) : store.forgetClient(clientId, serverId);
      return inOrder(its, () => persist(its, "client", end));
    }
    case "countFrom":
      countFrom(its, effect.cwd).catch(fail);
      return;
    case "bury":
      return inOrder(its, () => bury(its, effect.serverId));
    case "attest":
      persist(its, "server", () => store.beatServer(serverId, clock.now())).then(
        (isKnown) => push({ kind: isKnown ? "rowSeen" : "rowMissed" }),
        fail,
      );
      return;
    case "enter":
      persist(its, "server", its.enter).then(({ firstLease }) => push({ kind: "entered", firstLease }), fail);
      return;
    default:
      unreachable(effect);
  }
}

/**
 * Tells the reactor how many other servers take from the store: if there are any, nothing is taken ahead. Rejects when
 * the store does not answer.
 */
export async function lookAround(its: Persistence): Promise<void> {
  const { store, isAlive, push } = its;
  const { serverId, scope } = its.settings;
  // Nobody else takes what is reserved for this run, and nobody else has a store in memory.
  if (!store.durable || scope.kind !== "all") return;
  const neighbours = neighboursOf(await store.servers(), serverId, isAlive);
  push({ kind: "neighbours", count: countTakers(neighbours) });
}

function persist<T>(its: Persistence, what: string, call: () => Promise<T>): Promise<T> {
  return its.patience.persist(what, call, ({ message }) => {
    if (!its.hurried) return null;
    const text = `What ended last is not recorded and counts as unfinished: ${message}`;
    return new UserError(exitStatus.interrupted, "server", text);
  });
}

function inOrder(its: Persistence, call: () => Promise<void>): void {
  its.rows = its.rows.then(call);
  its.rows.catch(its.fail);
}

async function claim(its: Persistence, { request }: Effect<"claim">): Promise<void> {
  const { store, clock } = its;
  const { serverId, serverHost } = its.settings;
  const answer = await persist(its, "claim", () => store.claim({ ...request, serverId, serverHost, at: clock.now() }));
  const submissions = await newSubmissions(its, answer.kind === "claimed" ? answer.tasks : []);
  its.push({ kind: "claimed", claim: answer, submissions });
}

async function commit(its: Persistence, order: Commit, confirms: boolean): Promise<void> {
  const { store, push, syncs, clock } = its;
  const since = clock.now();
  its.commitSince = since;
  const report = await persist(its, "commit", () => store.commit(order)).catch((error: unknown) => {
    its.commitSince = Number.NEGATIVE_INFINITY;
    throw error;
  });
  // What has come meanwhile is in the next commit, and shares its sync.
  if (syncs && confirms) await persist(its, "commit", () => store.sync());
  its.commitSince = null;
  its.committed(clock.now() - since);
  push({ kind: "committed", report });
}

/**
 * How long a commit may take before tasks wait for it that run in this process, milliseconds. One in an SQLite file is
 * over, or has failed, before the next task starts.
 */
const promptMs = 20;

/** Whether a commit is under way that will not be over soon. */
export function isCommitStuck({ commitSince, patience, clock }: Persistence): boolean {
  return commitSince !== null && (patience.inTrouble || clock.now() - commitSince > promptMs);
}

async function countFrom(its: Persistence, cwd: string): Promise<void> {
  const { store, settings } = its;
  const sources = await persist(its, "survey", () => store.sources(settings.scope));
  const unfinished = sources.reduce((sum, source) => (source.cwd === cwd ? sum + source.unfinished : sum), 0);
  its.push({ kind: "counted", cwd, unfinished });
}

/** The submissions of tasks. The store is asked for those that the reactor does not know. */
async function newSubmissions(its: Persistence, tasks: readonly ClaimedTask[]): Promise<NewSubmissions> {
  const found: (SubmissionFacts & { readonly id: string })[] = [];
  let last = "";
  for (const { submitId } of tasks) {
    if (submitId === last) continue;
    last = submitId;
    if (found.some((entry) => entry.id === submitId)) continue;
    // The reactor may forget it before it hears of the tasks.
    const known = its.submissions.get(submitId);
    const facts = known ?? (await persist(its, "submission", () => its.store.submission(submitId)));
    found.push({ id: submitId, template: facts?.template ?? null, cwd: facts?.cwd ?? null });
  }
  return found;
}

async function register(its: Persistence, effect: Effect<"register">): Promise<void> {
  const { store, clock, isAlive, push } = its;
  const { serverId, serverHost, scope } = its.settings;
  const { clientId, host: clientHost, number, adopt: ids, brings, finished, from } = effect;
  const at = clock.now();
  const others = brings
    ? (await persist(its, "server", () => store.servers())).filter((row) => row.id !== serverId)
    : [];
  // The client of a server that has died beside this one does not have to wait until that server is buried.
  const dead = deadOf(others, isAlive);
  if (ids.length === 0) {
    const client = { id: clientId, host: clientHost, serverId, serverHost, connectedAt: at };
    await persist(its, "client", () => store.addClient(client));
    const revoked = await revokedOf(its, others);
    return push({ kind: "registered", clientId, number, adopted: [], submissions: [], revoked });
  }
  const request = {
    ids,
    finished,
    from: formerHolders(from, dead, serverId),
    scope,
    serverId,
    serverHost,
    clientId,
    clientHost,
    at,
  };
  const adopted = await persist(its, "adopt", () => store.adopt(request));
  // Another server may have recorded what is not handed over, and the client is about to be told to forget it.
  if (its.syncs && finished.length > 0) await persist(its, "adopt", () => store.sync());
  // The recalls of the others are read only now: whatever is taken back after the adoption is taken back from this
  // server, which is told of it. A server that is alive may not have heard of them when its client leaves it.
  const revoked = await revokedOf(its, others);
  push({ kind: "registered", clientId, number, adopted, submissions: await newSubmissions(its, adopted), revoked });
}

async function bury(its: Persistence, deadId: string): Promise<void> {
  const { store, push } = its;
  const servers = await persist(its, "server", () => store.servers());
  const revoked = await revokedOf(
    its,
    servers.filter(({ id }) => id === deadId),
  );
  const reverted = await persist(its, "server", () => store.buryServer(deadId));
  push({ kind: "buried", serverId: deadId, reverted, revoked });
}

/** The tasks that were taken back from these servers, which have not dealt with that, or could not. */
async function revokedOf(its: Persistence, rows: readonly ServerRow[]): Promise<readonly Revoked[]> {
  if (rows.length === 0) return [];
  const { store, isAlive } = its;
  const found: Revoked[] = [];
  let servers: readonly ServerRow[] | null = null;
  for (const row of rows) {
    const recalls = await persist(its, "recalls", () => store.recalls(row.id));
    if (recalls.length === 0) continue;
    servers ??= await persist(its, "server", () => store.servers());
    found.push(...revokedBy(recalls, revokedLeasesOf(row, its.settings.serverId, servers, isAlive)));
  }
  return found;
}
