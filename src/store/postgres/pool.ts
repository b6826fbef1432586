/*
 * Connections to PostgreSQL. Each is used by one caller at a time and opened when it is needed. Each is a driver of its
 * own that has only one connection in all its life.
 *
 * The driver's own pool is not used, because it keeps the state of a connection that broke in the middle of something.
 * It writes the rollback of a transaction into a socket that is gone, which ends the program. Its closing waits for
 * answers that never come. It tries a connection that was let in and then turned away again at once, for ever.
 */
import { connect as dial, type Socket } from "node:net";
import type postgres from "postgres";
import { assert } from "../../base/assert.ts";
import { TransientError } from "../../base/errors.ts";
import { trustRemedy, whyNotTrusted } from "./peer.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { isAnswer } from "./failure.ts";

export type Driver = postgres.Sql<Record<string, never>>;

export interface Client {
  readonly driver: Driver;
  /** The error that broke the connection; null: it works. */
  broken: unknown;
  /** The number of the use that has the connection now; null: this use may take as long as it likes. */
  turn: number | null;
}

export interface Pool {
  /**
   * Waits for a free connection, lends it to `work`, and takes it back. If `work` takes long and the server does not
   * answer others either, the connection is broken off.
   */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /**
   * Notes that the server has no room for another connection: the pool makes do with those it has for a while. Answers
   * false if there is no other to wait for.
   */
  narrow(): boolean;
  /** Closes all connections, after waiting a limited time for those in use. */
  close(): Promise<void>;
}

/** How long closing waits for what is under way, milliseconds. */
const closeMs = 5000;
/**
 * How long an answer may take before the connection is checked, milliseconds. A network may lose a connection without a
 * word, and TCP notices only after a quarter of an hour.
 */
export const silentMs = 20_000;
/** How long a full server is not asked for another connection, milliseconds. */
const fullMs = 60_000;
/** How long the driver may take to say good-bye to the server, seconds. */
const endSeconds = 1;

/** The connections of one pool, and the callers that wait for one. */
interface State {
  /** The largest number of connections, while the server has room for them. */
  readonly size: number;
  readonly open: (onClose: () => void) => Driver;
  readonly clock: Clock;
  readonly free: Client[];
  readonly lent: Set<Client>;
  readonly queue: ((client: Client) => void)[];
  /** Called when no connection is lent any more; null: nobody waits for that. */
  settled: (() => void) | null;
  /** The number of uses so far. */
  turns: number;
  /** The largest number of connections until `fullUntil`. */
  most: number;
  fullUntil: number;
  /** The next check for uses that get no answer. */
  watch: Timer | null;
  /** Whether such a check is under way. */
  asking: boolean;
}

/**
 * Makes a pool; `size` is the largest number of connections. `open` makes a driver, which calls back when its
 * connection is closed.
 */
export function newPool(size: number, open: (onClose: () => void) => Driver, clock: Clock): Pool {
  const state: State = {
    size,
    open,
    clock,
    free: [],
    lent: new Set(),
    queue: [],
    settled: null,
    turns: 0,
    most: size,
    fullUntil: 0,
    watch: null,
    asking: false,
  };
  return {
    async use(work) {
      const client = lend(state) ?? (await new Promise<Client>((resolve) => state.queue.push(resolve)));
      client.turn = ++state.turns;
      watchOver(state);
      try {
        return await work(client);
      } finally {
        giveBack(state, client);
      }
    },
    narrow() {
      const { lent, free } = state;
      // Others may have come back while this one was refused. Somebody who reads a stream may be waiting for a
      // connection themselves.
      if (free.length === 0 && (lent.size < 2 || [...lent].some(({ turn }) => turn === null))) return false;
      state.most = lent.size - 1 + free.length;
      state.fullUntil = clock.now() + fullMs;
      return true;
    },
    close: () => close(state),
  };
}

function opened({ open, free }: State): Client {
  let client: Client | null = null;
  const driver = open(() => {
    if (client === null) return;
    client.broken ??= lostError("the connection was closed");
    const place = free.indexOf(client);
    if (place < 0) return;
    free.splice(place, 1);
    void end(client, 0);
  });
  client = { driver, broken: null, turn: null };
  return client;
}

function lend(state: State): Client | null {
  const { free, lent, clock, size } = state;
  const most = clock.now() < state.fullUntil ? state.most : size;
  const client = free.pop() ?? (lent.size < most ? opened(state) : null);
  if (client !== null) lent.add(client);
  return client;
}

function watchOver(state: State): void {
  if (state.watch !== null || state.asking || state.lent.size === 0) return;
  const last = state.turns;
  state.watch = state.clock.after(silentMs, () => {
    state.watch = null;
    const again = (): void => watchOver(state);
    breakSilence(state, last).then(again, again);
  });
}

/** Breaks off the uses up to number `last`, which have taken long, if the server does not answer others either. */
async function breakSilence(state: State, last: number): Promise<void> {
  const waiting = [...state.lent].filter(({ turn }) => turn !== null && turn <= last);
  if (waiting.length === 0) return;
  state.asking = true;
  const speaks = await answers(state);
  state.asking = false;
  if (speaks) return;
  for (const client of waiting) {
    if (client.turn === null || client.turn > last) continue;
    client.broken ??= lostError("no answer", "CONNECT_TIMEOUT");
    void end(client, 0);
  }
}

/** Whether the server answers on a new connection; a refusal is an answer, too. */
async function answers(state: State): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const probe = opened(state);
  const late = state.clock.after(silentMs, () => resolve(false));
  probe.driver.unsafe("select 1").then(
    () => resolve(true),
    (error: unknown) => resolve(isAnswer(error)),
  );
  const answer = await promise;
  late.cancel();
  void end(probe, 0);
  return answer;
}

function giveBack(state: State, client: Client): void {
  const { free, lent, queue } = state;
  client.turn = null;
  lent.delete(client);
  if (lent.size === 0) {
    state.watch?.cancel();
    state.watch = null;
  }
  if (client.broken === null) free.push(client);
  else void end(client, 0);
  const other = queue.length > 0 ? lend(state) : null;
  if (other !== null) queue.shift()!(other);
  assert(lent.size > 0 || queue.length === 0, "who waits is waited for");
  if (lent.size === 0) state.settled?.();
}

/** Errors while closing are ignored: the connection is being discarded. */
async function end({ driver }: Client, timeout: number): Promise<void> {
  await driver.end({ timeout }).catch(() => undefined);
}

async function close(state: State): Promise<void> {
  const { free, lent, clock } = state;
  if (lent.size > 0) {
    const { promise, resolve } = Promise.withResolvers<void>();
    state.settled = resolve;
    const late = clock.after(closeMs, resolve);
    await promise;
    late.cancel();
  }
  for (const client of free) void end(client, endSeconds);
  for (const client of lent) void end(client, 0);
  // The good-bye is sent, but its answer is not waited for: that would take 4 ms and tell nothing.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Whether a connection is of no use any more after this error from the driver. */
export function isBreach(error: unknown): boolean {
  return !isAnswer(error) || error.severity === "FATAL" || error.severity === "PANIC";
}

function lostError(text: string, code = "CONNECTION_CLOSED"): Error {
  return Object.assign(new Error(text), { code });
}

/** Where a PostgreSQL server is reached. */
export interface ServerSocket {
  readonly host: string;
  readonly port: number;
  /** The path of its Unix socket; null: it is reached by host and port. */
  readonly path: string | null;
  /** Whose that socket has to be, see peer.ts. */
  readonly peer: string | null;
  readonly connectSeconds: number;
}

/** Makes the function by which a driver opens its only connection; a second one is refused. */
export function onlyConnection(
  { host, port, path, peer, connectSeconds }: ServerSocket,
  clock: Clock,
): () => Promise<Socket> {
  let used = false;
  return () =>
    new Promise((resolve, reject) => {
      if (used) return reject(lostError("the connection was closed"));
      used = true;
      const why = path === null ? null : whyNotTrusted(path, peer);
      // The owner may start the server again, and then it is the right one.
      if (why !== null) return reject(new TransientError(`the socket ${why} - ${trustRemedy}`));
      const socket = dial(path === null ? { host, port } : { path });
      // The driver checks that the certificate is for this host.
      Object.assign(socket, { host });
      const late = clock.after(connectSeconds * 1000, () => {
        socket.destroy();
        reject(lostError("no answer", "CONNECT_TIMEOUT"));
      });
      const failed = (error: Error): void => {
        late.cancel();
        reject(error);
      };
      socket.once("error", failed);
      socket.once("connect", () => {
        late.cancel();
        socket.off("error", failed);
        resolve(socket);
      });
    });
}
