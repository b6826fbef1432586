/*
 * The door of a server: it carries out what the reactor wants (store, connections, log, failure file) and tells it what happened.
 * All I/O of a server is here; decisions are not.
 */
import { assert, unreachable } from "../base/assert.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { exitStatus, messageOf, UserError } from "../base/errors.ts";
import { mailbox } from "../base/mailbox.ts";
import type { Logger } from "../log/logger.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import type { ServerRow, Store } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { Duplex } from "../wire/duplex.ts";
import type { HostMessage, LeaveKind, PeerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import type { ServerEffect } from "./effects.ts";
import type { Revoked, ServerEvent, Templates } from "./event.ts";
import { type Intake, type IntakeOptions, takeSubmitter } from "./intake.ts";
import { step } from "./reactor.ts";
import { type Counts, type Estate, newState, type ServerSettings, type ServerState } from "./state.ts";

export interface ServerOptions {
  readonly settings: ServerSettings;
  /** The group to start with, see Store.activeGroup; null: the lowest there is. */
  readonly group: number | null;
  /** Dead servers whose clients may come back to this one. */
  readonly estates?: readonly Estate[];
  readonly store: Store;
  /** Whether a server of that store still runs. */
  readonly isAlive: (server: ServerRow) => boolean;
  readonly clock: Clock;
  /** Time on the clock that all servers of this store share, see Store.addServer; missing: that of `clock`. */
  readonly sharedNow?: () => number;
  readonly log: Logger;
  /** Shared with whoever else in this process uses the store. */
  readonly patience?: Patience;
  /** The input line of each task that failed for good. */
  readonly onFailed: (args: string) => void;
  /** In place of the reactor: simulations look over its shoulder. */
  readonly step?: typeof step;
}

export interface ServerReport extends Counts {
  /** The group whose failures ended the run before the groups above it. */
  readonly haltedBy: number | null;
  /** Clients that were not waited for have tasks on record: the server's row must stay until somebody sees to them. */
  readonly abandoned: boolean;
}

export interface Server {
  /** Takes a new connection; its first message tells whether it is a client or a submitter. */
  attach(link: Duplex<HostMessage, PeerMessage>): void;
  /** Lines are read again after `inputQuiet`. */
  inputResumed(): void;
  inputQuiet(): void;
  inputEnded(): void;
  /** Hands out nothing more; a second call may be more urgent. */
  stop(how: LeaveKind): void;
  /**
   * A database in trouble is not waited for any longer: `finished` rejects if the next try fails. Neither are clients in other processes: they
   * count as lost.
   */
  hurry(): void;
  /** How it went, after the last outcome is recorded and the last client has left. Rejects when the store is beyond help. */
  readonly finished: Promise<ServerReport>;
}

/** What a server does at the same time, as log lines name it. */
const parts = [" (scheduler)", " (confirm)", " (receiver)", " (heartbeat)"];
/** The heartbeat row is renewed this often, milliseconds. */
export const serverBeatMs = 10_000;

/** Leases of a server that started at `time` (milliseconds) begin here: no server hands out a thousand tasks a millisecond. */
export function firstLeaseOf(time: number): number {
  return Math.floor(time * 1000);
}

function reportOf({ counts, haltedBy, abandoned }: ServerState): ServerReport {
  return { ...counts, haltedBy, abandoned };
}

export function runServer(options: ServerOptions): Server {
  const { settings, store, clock, log, sharedNow = clock.now } = options;
  const { serverId, serverHost } = settings;
  const state = newState(settings, options.group, clock.now(), options.estates);
  const links = new Map<string, Duplex<HostMessage, PeerMessage>>();
  /** All that are open, whoever is at the other end. */
  const open = new Set<Duplex<HostMessage, PeerMessage>>();
  const finished = Promise.withResolvers<ServerReport>();
  let wake: Timer | null = null;
  let wakeAt = 0;
  let over = false;

  const react = options.step ?? step;
  const box = mailbox<ServerEvent>(
    (events) => {
      for (const effect of react(state, events, clock.now())) carryOut(effect);
    },
    fail,
    clock.defer,
  );

  function fail(error: unknown): void {
    if (over) return;
    over = true;
    box.close();
    wake?.cancel();
    beat?.cancel();
    for (const link of open) link.close();
    finished.reject(error);
  }

  const patience = options.patience ?? newPatience(clock, log);
  let hurried = false;

  /** Store calls of the run. */
  function persist<T>(what: string, call: () => Promise<T>): Promise<T> {
    return patience.persist(what, call, ({ message }) => {
      if (!hurried) return null;
      const text = `What ended last is not recorded and counts as unfinished: ${message}`;
      return new UserError(exitStatus.interrupted, "server", text);
    });
  }

  async function claim(request: Extract<ServerEffect, { kind: "claim" }>["request"]): Promise<void> {
    const answer = await persist("claim", () => store.claim({ ...request, serverId, serverHost, at: clock.now() }));
    const templates = await newTemplates(answer.kind === "claimed" ? answer.tasks : []);
    box.push({ kind: "claimed", claim: answer, templates });
  }

  async function newTemplates(tasks: readonly ClaimedTask[]): Promise<Templates> {
    const found: { id: string; template: string | null }[] = [];
    let last = "";
    for (const { submitId } of tasks) {
      if (submitId === last) continue;
      last = submitId;
      if (state.templates.has(submitId) || found.some((entry) => entry.id === submitId)) continue;
      const submission = await persist("submission", () => store.submission(submitId));
      found.push({ id: submitId, template: submission?.template ?? null });
    }
    return found;
  }

  function carryOut(effect: ServerEffect): void {
    switch (effect.kind) {
      case "note":
        return log[effect.level](effect.text);
      case "send":
        links.get(effect.clientId)?.send(effect.message);
        return;
      case "disconnect": {
        const link = links.get(effect.clientId);
        links.delete(effect.clientId);
        link?.close();
        return;
      }
      case "claim":
        claim(effect.request).catch(fail);
        return;
      case "commit": {
        const order = { ...effect.commit, serverId, serverHost };
        persist("commit", () => store.commit(order)).then((report) => box.push({ kind: "committed", report }), fail);
        return;
      }
      case "recalls":
        persist("recalls", () => store.recalls(serverId)).then(
          (recalls) => box.push({ kind: "recalled", recalls }),
          fail,
        );
        return;
      case "register":
        return inOrder(() => register(effect));
      case "endClient": {
        const { clientId, evicted } = effect;
        return inOrder(() => persist("client", () => store.endClient(clientId, serverId, clock.now(), evicted)));
      }
      case "bury": {
        const { serverId: dead } = effect;
        inOrder(async () => {
          const rows = await persist("server", () => store.servers());
          const revoked = await revokedOf(rows.filter(({ id }) => id === dead));
          const reverted = await persist("server", () => store.buryServer(dead));
          box.push({ kind: "buried", serverId: dead, reverted, revoked });
        });
        return;
      }
      case "failed":
        return options.onFailed(effect.args);
      case "wake":
        return setWake(effect.at);
      case "finish":
        over = true;
        box.close();
        wake?.cancel();
        beat?.cancel();
        for (const link of open) link.close();
        for (const part of [...parts, ""]) log.debug(`Done${part}`);
        clientRows.then(() => finished.resolve(reportOf(state)), finished.reject);
        return;
      default:
        unreachable(effect);
    }
  }

  // Rows of clients are written one after the other: an end never overtakes its beginning.
  let clientRows: Promise<void> = Promise.resolve();
  function inOrder(call: () => Promise<void>): void {
    clientRows = clientRows.then(call);
    clientRows.catch(fail);
  }

  async function register(effect: Extract<ServerEffect, { kind: "register" }>): Promise<void> {
    const { clientId, host: clientHost, number, adopt: ids, brings, finished, from } = effect;
    const at = clock.now();
    // Clients of a server that has died beside this one need not wait for its burial.
    const dead = brings ? (await persist("server", () => store.servers())).filter((row) => !options.isAlive(row)) : [];
    if (ids.length === 0) {
      const client = { id: clientId, host: clientHost, serverId, serverHost, connectedAt: at };
      await persist("client", () => store.addClient(client));
      const revoked = await revokedOf(dead);
      return box.push({ kind: "registered", clientId, number, adopted: [], templates: [], revoked });
    }
    const request = {
      ids,
      finished,
      from: [...from, ...dead.map(({ id }) => id), serverId],
      scope: settings.scope,
      serverId,
      serverHost,
      clientId,
      clientHost,
      at,
    };
    const adopted = await persist("adopt", () => store.adopt(request));
    // What is taken back after this, is taken back from this server.
    const revoked = await revokedOf(dead);
    box.push({ kind: "registered", clientId, number, adopted, templates: await newTemplates(adopted), revoked });
  }

  /**
   * What was taken back from servers that could not hear of it any more. Leases grow with the time at which servers start: later ones are those of a
   * server that started later, or of a neighbour that started before and is still there.
   */
  async function revokedOf(dead: readonly ServerRow[]): Promise<Revoked[]> {
    const found: Revoked[] = [];
    if (dead.length === 0) return found;
    const rows = await persist("server", () => store.servers());
    const neighbours = rows.filter((row) => row.id !== serverId && options.isAlive(row));
    for (const { id: deadId, startedAt } of dead) {
      const later = rows.filter((row) => row.startedAt > startedAt);
      const below = firstLeaseOf(Math.min(...later.map((row) => row.startedAt), sharedNow()));
      const from = neighbours.some((row) => row.startedAt < startedAt) ? firstLeaseOf(startedAt) : 0;
      for (const { id, kind } of await persist("recalls", () => store.recalls(deadId)))
        if (kind === "reverted" || kind === "deleted" || kind === "cancelled") found.push({ id, from, below });
    }
    return found;
  }

  function setWake(at: number): void {
    // Timers are cheap but not free, and most steps move the time by little: a timer that fires too early only looks again.
    if (wake !== null && wakeAt <= at) return;
    wake?.cancel();
    wakeAt = at;
    wake = clock.after(Math.max(0, at - clock.now()), () => {
      wake = null;
      box.push({ kind: "woken" });
    });
  }

  const intakes = new Map<Duplex<HostMessage, PeerMessage>, Intake>();
  const intakeOptions: IntakeOptions = {
    store,
    scope: settings.scope,
    serverId,
    patience,
    log,
    closing: () => over || state.phase.at !== "running",
    onOpen: () => box.push({ kind: "intakeOpened" }),
    onClose: () => box.push({ kind: "intakeClosed" }),
  };

  let beat: Timer | null = null;
  function scheduleBeat(): void {
    beat = clock.after(serverBeatMs, () => {
      store
        .beatServer(serverId, clock.now())
        .then(lookAround)
        .catch((error: unknown) => {
          log.debug(() => `Heartbeat of the server not written: ${messageOf(error)}`);
        });
      scheduleBeat();
    });
  }
  scheduleBeat();

  /** Whether others take from the same store: then nothing is taken ahead. */
  async function lookAround(): Promise<void> {
    if (!store.durable || settings.scope.kind !== "all") return;
    const others = (await store.servers()).filter(
      (row) => row.id !== serverId && !row.reserves && options.isAlive(row),
    );
    if (!over) box.push({ kind: "neighbours", count: others.length });
  }
  lookAround().catch((error: unknown) => log.debug(() => `Other servers not looked for: ${messageOf(error)}`));

  for (const part of ["", ...parts]) log.debug(`Started${part}`);
  store.onInsert(() => box.push({ kind: "inserted" }));
  store.onRecall(() => box.push({ kind: "recallsNoticed" }));
  box.push({ kind: "inserted" });

  return {
    finished: finished.promise,
    attach(link) {
      if (over) return link.close();
      let clientId: string | null = null;
      open.add(link);
      link.open({
        message(message) {
          switch (message.kind) {
            case "hello": {
              clientId = message.clientId;
              const earlier = links.get(clientId);
              links.set(clientId, link);
              // It came back before its old connection was seen to be gone.
              if (earlier !== undefined && earlier !== link) earlier.close();
              return box.push({ kind: "joined", hello: message });
            }
            case "submitter":
              intakes.set(link, takeSubmitter(link, message, intakeOptions));
              return;
            case "tasks":
            case "done":
              return intakes.get(link)?.receive(message);
            default:
              assert(clientId !== null, "the session lets nothing through before the hello");
              if (links.get(clientId) === link) box.push({ kind: "received", clientId, message });
          }
        },
        drain() {
          // Credit bounds what is under way to a client; there is nothing to hold back.
        },
        close(error) {
          open.delete(link);
          if (error instanceof WireProblem && error.kind === "malformed")
            log.warning(`Connection to ${clientId ?? "a stranger"} given up: ${error.message}`);
          intakes.get(link)?.closed();
          intakes.delete(link);
          if (clientId !== null && links.get(clientId) === link) {
            links.delete(clientId);
            box.push({ kind: "disconnected", clientId, error: error?.message ?? null });
          }
        },
      });
    },
    inputResumed: () => box.push({ kind: "inputResumed" }),
    inputQuiet: () => box.push({ kind: "inputQuiet" }),
    inputEnded: () => box.push({ kind: "inputEnded" }),
    stop(how) {
      if (how === "abort" && patience.inTrouble) {
        const text = "The database must come back to record what has ended (Ctrl-C again leaves without)";
        log.warning(text);
      }
      box.push({ kind: "stopRequested", how });
    },
    hurry() {
      hurried = true;
      box.push({ kind: "hurried" });
      patience.goOn();
    },
  };
}
