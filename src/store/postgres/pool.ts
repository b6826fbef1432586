/*
 * Connections to PostgreSQL, each used by one at a time and opened when it is needed. Each is a driver of its own, with
 * one connection in all its life. The driver's own pool goes on with what it kept of a connection that broke in the
 * middle of something: a transaction writes its rollback into a socket that is gone, which ends the program; closing
 * waits for answers that never come; a connection that was let in and then turned away is tried again at once, for
 * ever.
 */
import { connect as dial, type Socket } from "node:net";
import type postgres from "postgres";
import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { isAnswer } from "./failure.ts";

export type Driver = postgres.Sql<Record<string, never>>;

export interface Client {
  readonly driver: Driver;
  /** What broke it; null: it works. */
  broken: unknown;
  /** Which use of the pool has it; null: it may take as long as it likes. */
  turn: number | null;
}

export interface Pool {
  /**
   * Waits for a connection that nobody uses, lends it to `work`, and takes it back. If that takes long and the server
   * says nothing to others either, the connection is broken off.
   */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /**
   * The server has no room for the last of these connections: the others have to do for a while. False: none of them
   * comes free.
   */
  narrow(): boolean;
  /** What is under way gets some time to end. */
  close(): Promise<void>;
}

/** What is still under way when all is closed gets this long to end, milliseconds. */
const closeMs = 5000;
/**
 * A network may lose a connection without a word, and TCP notices after a quarter of an hour. This long, milliseconds,
 * is waited.
 */
export const silentMs = 20_000;
/** A server that is full is not asked for another connection for this long, milliseconds. */
const fullMs = 60_000;
/** Saying good-bye to the server, seconds. */
const endSeconds = 1;

/** The connections of one pool, and who waits for one. */
interface State {
  /** Most connections, while the server has room for them. */
  readonly size: number;
  readonly open: (onClose: () => void) => Driver;
  readonly clock: Clock;
  readonly free: Client[];
  readonly lent: Set<Client>;
  readonly queue: ((client: Client) => void)[];
  /** Called when no connection is lent any more. */
  settled: (() => void) | null;
  /** Uses so far. */
  turns: number;
  /** Most connections until `fullUntil`. */
  most: number;
  fullUntil: number;
  /** The next look for uses that get no answer. */
  watch: Timer | null;
  /** Whether such a look is under way. */
  asking: boolean;
}

/** A pool of at most `size` connections. `open` makes a driver, which calls back when its connection is closed. */
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
      const { lent } = state;
      // The reader of a stream may wait for others itself.
      if (lent.size < 2 || [...lent].some(({ turn }) => turn === null)) return false;
      state.most = lent.size - 1;
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

/** Uses up to turn `last` have taken long. Breaks them off if the server says nothing to others either. */
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

/** Whether a new connection gets an answer; a refusal is one. */
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
  // The good-bye is sent, and its answer is not waited for: that would take 4 ms, and there is nothing to learn from
  // it.
  await new Promise((resolve) => setImmediate(resolve));
}

/** Whether the connection is of no use any more, after this error of the driver's. */
export function isBreach(error: unknown): boolean {
  return !isAnswer(error) || error.severity === "FATAL" || error.severity === "PANIC";
}

function lostError(text: string, code = "CONNECTION_CLOSED"): Error {
  return Object.assign(new Error(text), { code });
}

/** Where a server is reached. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** The path of its socket; null: by host and port. */
  readonly path: string | null;
  readonly connectSeconds: number;
}

/** What makes the only connection of a driver; a second one is refused. */
export function onlyConnection({ host, port, path, connectSeconds }: Endpoint, clock: Clock): () => Promise<Socket> {
  let used = false;
  return () =>
    new Promise((resolve, reject) => {
      if (used) return reject(lostError("the connection was closed"));
      used = true;
      const socket = dial(path === null ? { host, port } : { path });
      // The driver checks that the certificate is for this name.
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
