/*
 * Connections of the driver, each used by one at a time, opened when it is needed. Each is a driver of its own with one connection in all its life: the
 * driver's own pool goes on with what it kept of a connection that broke in the middle of something. A transaction writes its rollback into a
 * socket that is gone, which ends the program; closing waits for answers that never come; who is let in and then turned away tries again at once, for ever.
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
   * Waits for a connection that nobody uses, lends it to `work`, and takes it back. If that takes long and the server says nothing to others either, the
   * connection is broken off.
   */
  use<T>(work: (client: Client) => Promise<T>): Promise<T>;
  /** The server has no room for the last of these connections: for a while the others have to do. False: there are none that come free. */
  narrow(): boolean;
  /** What is under way gets some time to end. */
  close(): Promise<void>;
}

/** What is still under way gets this long when all is closed, milliseconds. */
const closeMs = 5000;
/** A network may lose a connection without a word, and TCP tells after a quarter of an hour: this long, milliseconds, is nothing but waited for. */
export const silentMs = 20_000;
/** A server that is full is not asked for another connection for this long, milliseconds. */
const fullMs = 60_000;
/** Saying good-bye to the server, seconds. */
const endSeconds = 1;

/** `open` makes a driver, which tells when its connection is closed. */
export function newPool(size: number, open: (onClose: () => void) => Driver, clock: Clock): Pool {
  const free: Client[] = [];
  const lent = new Set<Client>();
  const queue: ((client: Client) => void)[] = [];
  let settled: (() => void) | null = null;
  let turns = 0;
  let most = size;
  let fullUntil = 0;
  let watch: Timer | null = null;
  let asking = false;

  function opened(): Client {
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

  function lend(): Client | null {
    const client = free.pop() ?? (lent.size < (clock.now() < fullUntil ? most : size) ? opened() : null);
    if (client !== null) lent.add(client);
    return client;
  }

  function watchOver(): void {
    if (watch !== null || asking || lent.size === 0) return;
    const last = turns;
    watch = clock.after(silentMs, () => {
      watch = null;
      breakSilence(last).then(watchOver, watchOver);
    });
  }

  /** Uses that began before turn `last` ended have taken long: has the server anything to say? */
  async function breakSilence(last: number): Promise<void> {
    const waiting = [...lent].filter(({ turn }) => turn !== null && turn <= last);
    if (waiting.length === 0) return;
    asking = true;
    const speaks = await answers();
    asking = false;
    if (speaks) return;
    for (const client of waiting) {
      if (client.turn === null || client.turn > last) continue;
      client.broken ??= lostError("no answer", "CONNECT_TIMEOUT");
      void end(client, 0);
    }
  }

  /** Whether somebody new gets an answer; a refusal is one. */
  async function answers(): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const probe = opened();
    const late = clock.after(silentMs, () => resolve(false));
    probe.driver.unsafe("select 1").then(
      () => resolve(true),
      (error: unknown) => resolve(isAnswer(error)),
    );
    const answer = await promise;
    late.cancel();
    void end(probe, 0);
    return answer;
  }

  function giveBack(client: Client): void {
    client.turn = null;
    lent.delete(client);
    if (lent.size === 0) {
      watch?.cancel();
      watch = null;
    }
    if (client.broken === null) free.push(client);
    else void end(client, 0);
    const other = queue.length > 0 ? lend() : null;
    if (other !== null) queue.shift()!(other);
    assert(lent.size > 0 || queue.length === 0, "who waits is waited for");
    if (lent.size === 0) settled?.();
  }

  /** Who goes has nothing to say about what is wrong with the way. */
  async function end({ driver }: Client, timeout: number): Promise<void> {
    await driver.end({ timeout }).catch(() => undefined);
  }

  return {
    async use(work) {
      const client = lend() ?? (await new Promise<Client>((resolve) => queue.push(resolve)));
      client.turn = ++turns;
      watchOver();
      try {
        return await work(client);
      } finally {
        giveBack(client);
      }
    },
    narrow() {
      // Who reads a stream may wait for others itself.
      if (lent.size < 2 || [...lent].some(({ turn }) => turn === null)) return false;
      most = lent.size - 1;
      fullUntil = clock.now() + fullMs;
      return true;
    },
    async close() {
      if (lent.size > 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        settled = resolve;
        const late = clock.after(closeMs, resolve);
        await promise;
        late.cancel();
      }
      for (const client of free) void end(client, endSeconds);
      for (const client of lent) void end(client, 0);
      // Said, not heard: the answer would take 4 ms, and there is nothing to learn from it.
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

/** Whether the connection is of no use any more, after this error of the driver's. */
export function isBreach(error: unknown): boolean {
  return !isAnswer(error) || error.severity === "FATAL" || error.severity === "PANIC";
}

function lostError(text: string, code = "CONNECTION_CLOSED"): Error {
  return Object.assign(new Error(text), { code });
}

export interface Address {
  readonly host: string;
  readonly port: number;
  /** Of its socket; null: by host and port. */
  readonly path: string | null;
  readonly connectSeconds: number;
}

/** What makes the only connection of a driver; a second one is refused. */
export function onlyConnection({ host, port, path, connectSeconds }: Address, clock: Clock): () => Promise<Socket> {
  let used = false;
  return () =>
    new Promise((resolve, reject) => {
      if (used) return reject(lostError("the connection was closed"));
      used = true;
      const socket = dial(path === null ? { host, port } : { path });
      // The name that a certificate must be for.
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
