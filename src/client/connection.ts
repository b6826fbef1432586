/*
 * The connection of a client to its server: how it connects, says what it still has, notices that the server is silent
 * or gone, tries again, chooses another server, and gives up. As pure as reactor.ts, which calls it.
 */
import { counted, formatDuration } from "../base/units.ts";
import type { Lease, ServerMessage } from "../wire/message.ts";
import type { Capacity } from "../task/demand.ts";
import { type ClientEffect, note } from "./effects.ts";
import type { ClientEvent } from "./event.ts";
import { finish, leave } from "./leaving.ts";
import { longestPauseMs, pauseMs } from "./pause.ts";
import { wanted } from "./report.ts";
import { allWaiting, type ClientState, waitingCount } from "./state.ts";
import { excuseTasks } from "./stopping.ts";

/** A server that left this many beats unanswered counts as gone. */
const missedBeats = 3;
/** A client that is woken this much too late (ms) did not run meanwhile. */
const sleptMs = 1000;

/** Says on a new connection what this client still has. Everything else starts afresh. */
export function sayHello(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { since, tries } = state.connection;
  state.connection = { at: "up", welcomedAt: null, since, tries };
  state.heardAt = now;
  state.beats = { sent: 0, heard: 0 };
  state.nextBeat = now + state.heartMs;
  for (const entry of state.running.values()) entry.told = false;
  const leaseOf = ({ id, lease }: Lease): Lease => ({ id, lease });
  const waiting = allWaiting(state);
  // A task may wait for the end of an earlier run of itself. In that case only the later run is named.
  const again = new Set(waiting.map(({ id }) => id));
  const started = Array.from(state.running.values(), ({ task }) => task).filter(({ id }) => !again.has(id));
  const heldBack = Array.from(state.heldBack.values(), ({ outcome }) => outcome);
  const running = [...started, ...heldBack, ...waiting].map(leaseOf);
  const finished = [...state.unacked.values()].map(leaseOf);
  const working = state.phase.at === "joining" || state.phase.at === "working";
  const credit = working ? Math.max(0, wanted(state, now) - state.running.size - waiting.length) : 0;
  state.granted = credit;
  const { clientId, host, executors, secret, job, prints } = state.settings;
  const capacity = capacityToTell(state);
  state.named = running.length + finished.length > 0 ? state.ground : null;
  const own = {
    ...(secret === null ? {} : { secret }),
    ...(job === undefined ? {} : { job }),
    ...(prints === true ? { prints } : {}),
  };
  const hello = {
    kind: "hello",
    clientId,
    host,
    executors,
    credit,
    running,
    finished,
    ...(capacity === null ? {} : { capacity }),
    ...(state.settings.shows === true ? { shows: true } : {}),
    ...own,
    ...state.named,
  } as const;
  effects.push({ kind: "send", message: hello });
  if (!working) state.nextBeat = now;
  // Outcomes that were sent on the old connection and not acknowledged may not have arrived. Tasks that were given back
  // on it need not be given back again: the hello does not name them.
  state.outbox = [...state.unacked.values()];
  state.outboxSince = Number.NEGATIVE_INFINITY;
  state.outboxReturned = [];
}

/**
 * What the server hears of this host; null: nothing. A server in the same process has no other client to choose from,
 * so only the end matters to it.
 */
function capacityToTell({ settings: { capacity, secret }, ending: { end } }: ClientState): Capacity | null {
  if (end === null) return secret === null ? null : capacity;
  const { cores, memory, others } = capacity;
  return { cores, memory, others, until: end.at };
}

/** The connection has ended; `error` is null for an orderly end. Tries again, unless the client has said bye. */
export function loseConnection(state: ClientState, error: string | null, now: number, effects: ClientEffect[]): void {
  if (state.phase.at === "gone") return finish(state, effects);
  const { connection } = state;
  if (connection.at !== "up") return;
  note(effects, "warning", `Lost connection to server${error === null ? "" : `: ${error}`}`);
  state.granted = 0;
  if (connection.welcomedAt !== null) {
    // A connection that breaks soon after its welcome is tried again after a pause, like one that could not be made.
    const steady = now - connection.welcomedAt >= longestPauseMs;
    const retryAt = steady ? now : now + pauseMs(state.settings.clientId, connection.tries);
    state.connection = { at: "down", since: now, tries: steady ? 0 : connection.tries + 1, retryAt };
    return;
  }
  // A server that is about to end, or in trouble, accepts connections and drops them.
  const text = error ?? "it ended the connection";
  tryAgain(state, connection, { problem: "lost", text, permanent: false }, now, effects);
}

type ConnectFailed = Extract<ClientEvent, { kind: "connectFailed" }>;

/** An attempt to connect has failed. */
export function takeConnectFailed(
  state: ClientState,
  event: ConnectFailed,
  now: number,
  effects: ClientEffect[],
): void {
  if (state.connection.at === "connecting") tryAgain(state, state.connection, event, now, effects);
}

function tryAgain(
  state: ClientState,
  connection: { readonly since: number; readonly tries: number },
  { problem, text, permanent }: Omit<ConnectFailed, "kind">,
  now: number,
  effects: ClientEffect[],
): void {
  const { settings } = state;
  const forsaken = permanent || problem === "refused";
  const limitMs = !state.met ? settings.connectMs : forsaken ? settings.forsakenMs : settings.reconnectMs;
  const tries = connection.tries + 1;
  // The pause grows only after all servers have been asked.
  const retryAt = now + pauseMs(settings.clientId, Math.floor(connection.tries / settings.servers));
  if (permanent) state.hopeless.add(state.server);
  // A client that has met its server waits for that one. Whatever else answers at its address meanwhile (a server of
  // somebody else, or its own one started with the wrong settings) may be gone before the work of hours has ended.
  const hopeless = state.hopeless.size === settings.servers && !state.met;
  if (hopeless || retryAt - connection.since > limitMs) {
    // After the first welcome, users are told that a server went away. How the last attempt failed is a detail.
    const gone = { kind: "lost", text: `server disconnected, and could not be reached again (${text})` } as const;
    state.failure = state.met ? gone : { kind: problem, text };
    state.connection = { at: "down", since: connection.since, tries, retryAt: Number.POSITIVE_INFINITY };
    return leave(state, "abort", "server not reached", now, effects);
  }
  if (!state.troubles.has(problem)) {
    const left = formatDuration(Math.ceil((connection.since + limitMs - now) / 1000));
    note(effects, "warning", `Cannot reach server (${text}) - trying again for ${left}`);
    state.troubles.add(problem);
  }
  state.connection = { at: "down", since: connection.since, tries, retryAt };
  if (isFree(state, now - connection.since)) state.server = (state.server + 1) % settings.servers;
}

/**
 * Whether another server may be asked. A server can do nothing with the tasks of another, unless both have the same
 * database and the other is gone. So a client that has tasks first waits for their server to be started again.
 */
function isFree(state: ClientState, awayMs: number): boolean {
  const { running, heldBack, unacked, settings } = state;
  const tasks = running.size + waitingCount(state) + heldBack.size + unacked.size;
  return tasks === 0 || awayMs >= settings.loyalMs;
}

/** Connects when it is time, and gives up a connection on which the server is silent. */
export function keepConnection(state: ClientState, now: number, effects: ClientEffect[]): void {
  const { connection } = state;
  if (connection.at === "down" && now >= connection.retryAt && state.failure === null) {
    state.connection = { at: "connecting", since: connection.since, tries: connection.tries };
    effects.push({ kind: "connect", server: state.server });
  }
  if (connection.at === "up" && now - state.heardAt >= silenceMs(state)) {
    effects.push({ kind: "hangUp" });
    loseConnection(state, "server is silent", now, effects);
  }
}

/**
 * Notices that the client did not run for a while (it was stopped, or slept with its machine). It could hear nobody in
 * that time, so the silence does not count against any server.
 */
export function excuse(state: ClientState, now: number): void {
  const lateMs = now - state.wakeAt;
  excuseTasks(state, lateMs, now);
  if (lateMs < sleptMs) return;
  state.heardAt += lateMs;
  state.idleSince += lateMs;
  // The server may have given up this client. Tasks that were fetched ahead do not start before the server has
  // answered.
  state.sleptUntil = state.beats.sent + 1;
  state.nextBeat = now;
  if (state.connection.at !== "up") state.connection = { ...state.connection, since: state.connection.since + lateMs };
}

/** Milliseconds without a word of the server after which it counts as gone. */
export function silenceMs(state: ClientState): number {
  return state.heartMs * missedBeats;
}

type Welcome = Extract<ServerMessage, { kind: "welcome" }>;

/** Whether the tasks here are of another store or run than the server. */
function isElsewhere({ named }: ClientState, { store, run }: Welcome): boolean {
  return named !== null && store !== undefined && (store !== named.store || (run !== undefined && run !== named.run));
}

/** Hangs up on a server that knows nothing of the tasks here, and goes on looking for theirs. */
function moveOn(state: ClientState, message: Welcome, now: number, effects: ClientEffect[]): void {
  const { connection, named, running, heldBack, unacked, settings } = state;
  if (connection.at !== "up") return;
  effects.push({ kind: "hangUp" });
  const key = `${message.store} ${message.run}`;
  if (state.toldElsewhere !== key) {
    state.toldElsewhere = key;
    const count = running.size + waitingCount(state) + heldBack.size + unacked.size;
    const { store, run, serverHost, serverId } = message;
    const [what, own, other] =
      store === named?.store ? ["run", named?.run ?? "all that is free", run] : ["database", named?.store, store];
    const left = formatDuration(Math.max(0, Math.ceil((connection.since + settings.reconnectMs - now) / 1000)));
    const kept = `Keeping ${counted(count, "task")} from the server there (${serverHost}: ${serverId})`;
    const why = `it has another ${what} (${other}, not ${own})`;
    note(effects, "warning", `${kept}: ${why} - looking for the right one for ${left}`);
  }
  state.troubles.add("lost");
  const text = "another server answers there";
  tryAgain(state, connection, { problem: "lost", text, permanent: false }, now, effects);
}

/**
 * How often a client beats within the time after which its server gives it up: one beat may be lost, and another late.
 */
const beatsInPatience = 3;

/** Notes that the server has welcomed the client. */
export function takeWelcome(state: ClientState, message: Welcome, now: number, effects: ClientEffect[]): void {
  if (isElsewhere(state, message)) return moveOn(state, message, now, effects);
  const { serverId, serverHost, companyMs, evictMs = Number.POSITIVE_INFINITY, store, run, fleeting } = message;
  // Nobody can come back for the tasks of a store that ends with its server.
  state.ground = store === undefined || fleeting === true ? null : run === undefined ? { store } : { store, run };
  state.toldElsewhere = null;
  state.heartMs = Math.min(state.settings.heartMs, evictMs / beatsInPatience);
  state.nextBeat = Math.min(state.nextBeat, now + state.heartMs);
  state.sleptUntil = null;
  state.companyMs = Math.min(companyMs, state.settings.bundleWaitMs ?? Number.POSITIVE_INFINITY);
  state.serverName = `${serverHost}: ${serverId}`;
  // A successor at the same address counts as the same server for users.
  const other = state.settings.servers > 1 && state.serverId !== serverId;
  if (state.met)
    note(effects, "warning", `Connected to ${other ? `another server (${state.serverName})` : "server again"}`);
  // Users who were told of trouble are told of its end.
  else note(effects, state.troubles.size > 0 ? "info" : "debug", `Connected to server (${state.serverName})`);
  state.troubles.clear();
  state.hopeless.clear();
  state.met = true;
  if (state.connection.at === "up") state.connection = { ...state.connection, welcomedAt: now };
  if (state.serverId !== serverId) effects.push({ kind: "served", serverId, serverHost });
  state.serverId = serverId;
  keep(state, message.stay === true, now);
  if (state.phase.at === "joining") {
    state.phase = { at: "working" };
    state.idleSince = now;
  }
}

/** Notes whether more tasks may come. From the moment in which none may, a client without any is idle. */
function keep(state: ClientState, isKept: boolean, now: number): void {
  if (state.isKept && !isKept) state.idleSince = Math.max(state.idleSince, now);
  state.isKept = isKept;
}

/** Tells the server at intervals that the client lives. */
export function beat(state: ClientState, now: number, effects: ClientEffect[]): void {
  if (now < state.nextBeat || state.phase.at === "gone" || state.connection.at !== "up") return;
  state.nextBeat = now + state.heartMs;
  state.beats.sent++;
  const isLeaving = state.phase.at === "leaving" && !state.dismissed;
  effects.push({ kind: "send", message: isLeaving ? { kind: "beat", leaving: true } : { kind: "beat" } });
  note(effects, "trace", () => `Heartbeat - running (${state.settings.host}: ${state.settings.clientId})`);
}

/** Notes that the server has answered a beat. */
export function takeBeat(state: ClientState, { stay }: Extract<ServerMessage, { kind: "beat" }>, now: number): void {
  keep(state, stay === true, now);
  state.beats.heard++;
  if (state.sleptUntil !== null && state.beats.heard >= state.sleptUntil) state.sleptUntil = null;
}
