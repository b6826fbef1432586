/*
 * The door of a server: it carries out what the reactor wants, and tells it what happened. Its own decisions are only
 * how I/O is done. The store calls are in persistence.ts, the connections in connections.ts.
 */
import { unreachable } from "../base/assert.ts";
import { type Clock, jumpedMs, type Timer } from "../base/clock.ts";
import { FatalError, messageOf } from "../base/errors.ts";
import { type Mailbox, mailbox } from "../base/mailbox.ts";
import { counted } from "../base/units.ts";
import { lineText } from "../base/wordlist.ts";
import type { Logger } from "../log/logger.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import { warnSparingly } from "../log/sparing.ts";
import type { Admission, Store } from "../store/store.ts";
import type { NewTask } from "../task/task.ts";
import type { OutputPiece, OutputQuery, ViewQuery, ViewSource } from "../view/view.ts";
import type { Printer } from "../output/printer.ts";
import type { PeerLink } from "../wire/link.ts";
import type { LeaveKind } from "../wire/message.ts";
import { type Connections, disconnectClient, listenTo, sendTo } from "./connections.ts";
import type { ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { carryOutInStore, isCommitStuck, lookAround, type Persistence } from "./persistence.ts";
import { type Glance, glanceOf } from "./glance.ts";
import { loadOf, type ServerLoad } from "./load.ts";
import { lookAt, numbersOf, type ServerLook, type ServerNumbers } from "./look.ts";
import { step } from "./reactor.ts";
import { type Holding, newOutputs, type Outputs } from "./printing.ts";
import { askClient, newShows } from "./shows.ts";
import { newWatchers } from "./watchers.ts";
import { lastClientOf, newSights, type Sights } from "./sights.ts";
import {
  type Counts,
  type Estate,
  newState,
  runningOf,
  runOf,
  type ServerSettings,
  type ServerState,
} from "./state.ts";
import type { IsAlive } from "./succession.ts";

export interface ServerOptions {
  readonly settings: ServerSettings;
  /** Dead servers whose clients may come back to this one. */
  readonly estates?: readonly Estate[];
  readonly store: Store;
  /** Writes the row of this server again, after others took it for dead. */
  readonly enter: () => Promise<Admission>;
  /** Tells whether a server of the store still runs. */
  readonly isAlive: IsAlive;
  readonly clock: Clock;
  readonly log: Logger;
  /**
   * Patience that is shared with everybody else in this process who uses the store. If it is missing, the server has
   * its own.
   */
  readonly patience?: Patience;
  /** Whether outcomes are acknowledged only when they survive a power cut; see Persistence. */
  readonly syncs?: boolean;
  /** Called with the input line of each task that failed for good. */
  readonly onFailed: (task: NewTask, template: string | null) => void;
  /** Opens a source of views of this server for those who watch over the wire. Absent: they are shown nothing. */
  readonly view?: () => Promise<ViewSource>;
  /** What prints the output of tasks; absent: nobody does. */
  readonly printer?: Printer;
  /** Takes the place of the reactor's `step`, so that simulations can watch it. */
  readonly step?: typeof step;
}

export interface ServerReport extends Counts {
  /** How many tasks were not run because failures hold them back. */
  readonly heldBack: number;
  /** Directories of submissions that no client could enter. Their tasks are unfinished. */
  readonly missing: readonly string[];
  /**
   * Whether clients that were not waited for have tasks on record. The server's row must stay then, until another
   * server deals with them.
   */
  readonly abandoned: boolean;
}

export interface Server {
  /** Takes a new connection. Its first message tells whether a client or a submitter is at the other end. */
  attach(link: PeerLink): void;
  /** Takes the connection of the client in this process, which has the id of the server. */
  attachOwn(link: PeerLink): void;
  /** Tells that lines are read again after `inputQuiet`. */
  inputResumed(): void;
  /** Tells that no line came for a while, although more may come. */
  inputQuiet(): void;
  /** Tells that the last line was read. */
  inputEnded(): void;
  /** Whether outcomes are on their way into the store that will not be there soon. */
  isStuck(): boolean;
  /** How many tasks run now, at all clients. */
  running(): number;
  /** A few numbers, for whoever looks on. */
  glance(): Glance;
  /** How much there is to do, and who does it. */
  load(): ServerLoad;
  /** Notes from now on what can be seen of the server. A second call changes nothing. */
  watch(): void;
  /** A few numbers for a line on a terminal; rates begin with the first call, or with `watch`. */
  numbers(): ServerNumbers;
  /** What can be seen of the server; see `numbers` for when rates begin. */
  look(query: ViewQuery): ServerLook;
  /**
   * Asks the client that has a task, or had it, for a piece of what that has printed. Null: none that is connected can
   * tell. Rejects with a UserError when the client has no such output, or does not answer.
   */
  output(query: OutputQuery): Promise<OutputPiece> | null;
  /** Hands out nothing more. A second call may be more urgent. */
  stop(how: LeaveKind): void;
  /**
   * Stops waiting for a database in trouble: `finished` rejects if the next try fails. Clients in other processes are
   * not waited for either: they count as lost.
   */
  hurry(): void;
  /**
   * Resolves with a report after the last outcome is recorded and the last client has left. Rejects when a call to the
   * store has failed for good.
   */
  readonly finished: Promise<ServerReport>;
}

/** The names that log lines use for what a server does at the same time. */
const parts = [" (scheduler)", " (confirm)", " (receiver)", " (heartbeat)"];
/** The heartbeat row is renewed this often, milliseconds. */
export const serverBeatMs = 10_000;
/** A server that did not run for this long may have been taken for dead, milliseconds. */
const doubtMs = 3 * serverBeatMs;

/** The state of a server at work. */
interface Door {
  readonly options: ServerOptions;
  readonly state: ServerState;
  readonly box: Mailbox<ServerEvent>;
  readonly patience: Patience;
  readonly persistence: Persistence;
  readonly connections: Connections;
  readonly finished: PromiseWithResolvers<ServerReport>;
  /** The timer of the last `wake` effect that was heeded; null: none runs. */
  wake: { readonly timer: Timer; readonly at: number } | null;
  /** The timer of the next heartbeat. */
  beat: Timer | null;
  /** When the process was last seen to run, milliseconds, by a clock that goes on while the machine sleeps. */
  awakeAt: number;
  /** Whether the server has finished or failed: events are ignored from then on. */
  over: boolean;
}

/** Starts a server, which runs until `finished` settles. */
export function runServer(options: ServerOptions): Server {
  const { store, log } = options;
  const door = openDoor(options);
  const { box, persistence } = door;
  scheduleBeat(door);
  lookAround(persistence).catch((error: unknown) =>
    log.debug(() => `Could not look for other servers: ${messageOf(error)}`),
  );
  for (const part of ["", ...parts]) log.debug(`Started${part}`);
  store.onInsert(() => box.push({ kind: "inserted" }));
  store.onRecall(() => box.push({ kind: "recallsNoticed" }));
  box.push({ kind: "inserted" });
  return serverOf(door);
}

function openDoor(options: ServerOptions): Door {
  const { settings, store, enter, clock, log, isAlive } = options;
  const { serverId, scope } = settings;
  const react = options.step ?? step;
  const state = newState(settings, clock.now(), options.estates);
  const box = mailbox<ServerEvent>(
    (events) => {
      const all = hasSlept(door) ? [{ kind: "slept" } as const, ...events] : events;
      for (const effect of react(state, all, clock.now())) carryOut(door, effect);
    },
    (error) => fail(door, error),
    clock.defer,
  );
  const push = box.push;
  const patience = options.patience ?? newPatience(clock, log);
  const persistence: Persistence = {
    settings,
    enter,
    store,
    clock,
    isAlive,
    patience,
    submissions: state.submissions,
    syncs: options.syncs === true,
    push,
    fail: (error) => fail(door, error),
    committed: (tookMs) => state.sights?.latency.add(tookMs / 1000),
    commitSince: null,
    hurried: false,
    rows: Promise.resolve(),
  };
  const shows = newShows(clock);
  const watchers = newWatchers({ serverId, serverHost: settings.serverHost, view: options.view ?? null, clock, log });
  const sparing = warnSparingly(log, clock, {
    more: (count) => `Gave up ${counted(count, "more connection")} within a minute`,
  });
  const intakeOptions = {
    store,
    scope,
    serverId,
    patience,
    log,
    refusals: sparing,
    clock,
    silenceMs: settings.evictMs,
    closing: () => door.over || state.phase.at !== "running",
    onOpen: () => push({ kind: "intakeOpened" }),
    onClose: () => push({ kind: "intakeClosed" }),
  };
  const connections: Connections = {
    log: sparing,
    push,
    intakeOptions,
    ofClients: new Map(),
    secrets: new Map(),
    clogged: new Set(),
    intakes: new Map(),
    watchers,
    ofWatchers: new Map(),
    shows,
    outputs: outputsOf(options, state),
    open: new Set(),
  };
  const finished = Promise.withResolvers<ServerReport>();
  const ends = { wake: null, beat: null, awakeAt: awakeAt(clock), over: false };
  const door: Door = { options, state, box, patience, persistence, connections, finished, ...ends };
  return door;
}

function outputsOf({ printer, settings, log }: ServerOptions, state: ServerState): Outputs | null {
  if (printer === undefined) return null;
  return newOutputs({ printer, serverId: settings.serverId, holding: (id) => holdingOf(state, id), log });
}

/** Who has a task, and what its input is. */
function holdingOf(state: ServerState, id: string): Holding | null {
  const run = runOf(state, id);
  return run === null ? null : { clientId: run.holder.id, text: lineText(run.held.task.args) };
}

/** The time by a clock that goes on while the machine sleeps, milliseconds. */
function awakeAt(clock: Clock): number {
  return clock.now() + jumpedMs(clock);
}

/** Whether this process did not run for long. It is asked at every heartbeat, and at every turn. */
function hasSlept(door: Door): boolean {
  const since = door.awakeAt;
  door.awakeAt = awakeAt(door.options.clock);
  return door.awakeAt - since >= doubtMs;
}

function serverOf(door: Door): Server {
  const { box, patience, persistence, connections, options } = door;
  return {
    finished: door.finished.promise,
    attach(link) {
      if (door.over) link.close();
      else listenTo(connections, link);
    },
    attachOwn: (link) => listenTo(connections, link, true),
    inputResumed: () => box.push({ kind: "inputResumed" }),
    inputQuiet: () => box.push({ kind: "inputQuiet" }),
    inputEnded: () => box.push({ kind: "inputEnded" }),
    isStuck: () => isCommitStuck(persistence),
    running: () => runningOf(door.state),
    glance: () => glanceOf(door.state),
    load: () => loadOf(door.state),
    watch: () => void sightsOf(door),
    numbers: () => numbersOf(door.state, sightsOf(door), options.clock.now()),
    look: (query) => lookAt(door.state, sightsOf(door), query, options.clock.now()),
    output: (query) => outputOf(door, query),
    stop(how) {
      if (how === "abort" && patience.inTrouble) {
        const text = "The database must come back to record what has ended (a second Ctrl-C or TERM leaves without)";
        options.log.warning(text);
      }
      box.push({ kind: "stopRequested", how });
    },
    hurry() {
      persistence.hurried = true;
      box.push({ kind: "hurried" });
      patience.goOn();
    },
  };
}

function outputOf({ state, connections }: Door, query: OutputQuery): Promise<OutputPiece> | null {
  const { id } = query;
  const clientId = state.holders.get(id)?.id ?? (state.sights === null ? undefined : lastClientOf(state.sights, id));
  const { shows } = connections;
  if (clientId === undefined || !shows.able.has(clientId)) return null;
  const piece = askClient(shows, clientId, query, (message) => sendTo(connections, clientId, message));
  // The client does not know of tasks that it has and has not started.
  return piece.then((found) => ({ ...found, over: found.over && !state.holders.has(id) }));
}

/** What is noted of the server, from the first call on. */
function sightsOf({ state, options }: Door): Sights {
  return (state.sights ??= newSights(options.clock.now()));
}

function carryOut(door: Door, effect: ServerEffect): void {
  const { options, connections, persistence } = door;
  switch (effect.kind) {
    case "note":
      if (effect.level === "refusal") return connections.log.warn(effect.text);
      return options.log[effect.level](effect.text);
    case "send":
      return sendTo(connections, effect.clientId, effect.message);
    case "disconnect":
      return disconnectClient(connections, effect.clientId);
    case "claim":
    case "commit":
    case "recalls":
    case "register":
    case "endClient":
    case "bury":
    case "countFrom":
    case "attest":
    case "enter":
      return carryOutInStore(persistence, effect);
    case "recorded":
      return options.printer?.recorded(effect.run, effect.text, effect.next);
    case "failed":
      return options.onFailed(effect.task, effect.template);
    case "wake":
      return setWake(door, effect.at);
    case "finish":
      return finish(door);
    default:
      unreachable(effect);
  }
}

function setWake(door: Door, at: number): void {
  const { clock } = door.options;
  // A timer for each step would cost too much, and most steps move the time by little. A timer that fires too early
  // only looks again.
  if (door.wake !== null && door.wake.at <= at) return;
  door.wake?.timer.cancel();
  const timer = clock.after(Math.max(0, at - clock.now()), () => {
    door.wake = null;
    door.box.push({ kind: "woken" });
  });
  door.wake = { timer, at };
}

function scheduleBeat(door: Door): void {
  const { clock, store, settings, log } = door.options;
  door.beat = clock.after(serverBeatMs, () => {
    if (hasSlept(door)) door.box.push({ kind: "slept" });
    store
      .beatServer(settings.serverId, clock.now())
      .then((isKnown) => {
        if (!isKnown) door.box.push({ kind: "rowMissed" });
        return lookAround(door.persistence);
      })
      .catch((error: unknown) => {
        // A server that has nothing to do learns only here that its database was taken away.
        if (error instanceof FatalError) fail(door, error);
        else log.debug(() => `Could not write the heartbeat of the server: ${messageOf(error)}`);
      });
    scheduleBeat(door);
  });
}

/** Ends the server after the last outcome is recorded and the last client has left. */
function finish(door: Door): void {
  shut(door);
  for (const part of [...parts, ""]) door.options.log.debug(`Done${part}`);
  const { finished, state, persistence } = door;
  persistence.rows.then(() => finished.resolve(reportOf(state)), finished.reject);
}

/** Ends the server when a call to the store has failed for good, or when this program has a bug. */
function fail(door: Door, error: unknown): void {
  if (door.over) return;
  shut(door);
  door.finished.reject(error);
}

function shut(door: Door): void {
  door.over = true;
  door.box.close();
  door.wake?.timer.cancel();
  door.beat?.cancel();
  for (const link of door.connections.open) link.close();
  door.connections.log.close();
}

function reportOf({ counts, heldBack, abandoned, places }: ServerState): ServerReport {
  return { ...counts, heldBack: heldBack?.tasks ?? 0, abandoned, missing: [...places.aside] };
}
