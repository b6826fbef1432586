/* Sessions for tests: over two streams in memory, with a key and random numbers of the test's own. */
import { randomBytes } from "node:crypto";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import type { Backlog } from "../../../src/wire/backlog.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { type MemoryOptions, memoryBytes } from "./memory.ts";
import type { WireProblem } from "../../../src/wire/problem.ts";
import { admit, enter, type SessionOptions } from "../../../src/wire/session.ts";
import type { ClientEnd, ServerEnd } from "../../conformance/duplex-notes.ts";

export const key = "a-key-for-these-tests-of-32-bytes";

export interface SideOptions {
  readonly key?: string;
  readonly clock?: Pick<Clock, "after">;
  readonly handshakeMs?: number;
  readonly backlog?: Backlog;
}

function sessionOptions(options: SideOptions): SessionOptions {
  return { key, clock: systemClock, handshakeMs: 5000, nonce: () => randomBytes(32), ...options };
}

/** What came of an attempt. */
export type Result<Link> = { readonly link: Link } | { readonly problem: WireProblem };

export function enterOn(stream: ByteStream, options: SideOptions = {}): Promise<Result<ClientEnd>> {
  const { promise, resolve } = Promise.withResolvers<Result<ClientEnd>>();
  enter(stream, sessionOptions(options), {
    ready: (link) => resolve({ link }),
    failed: (problem) => resolve({ problem }),
  });
  return promise;
}

export function admitOn(stream: ByteStream, options: SideOptions = {}): Promise<Result<ServerEnd>> {
  const { promise, resolve } = Promise.withResolvers<Result<ServerEnd>>();
  admit(stream, sessionOptions(options), {
    ready: (link) => resolve({ link }),
    failed: (problem) => resolve({ problem }),
  });
  return promise;
}

export function linkOf<Link>(result: Result<Link>): Link {
  if ("problem" in result) throw result.problem;
  return result.link;
}

export function problemOf(result: Result<unknown>): { readonly kind: string; readonly text: string } {
  if ("link" in result) throw new Error("the session came about");
  return { kind: result.problem.kind, text: result.problem.message };
}

/** Two ends of a session that came about. */
export async function sessionPair(
  options: MemoryOptions = {},
  change: (streams: [ByteStream, ByteStream]) => [ByteStream, ByteStream] = (streams) => streams,
): Promise<[ClientEnd, ServerEnd]> {
  const [near, far] = change(memoryBytes(options));
  const [client, server] = await Promise.all([enterOn(near), admitOn(far)]);
  return [linkOf(client), linkOf(server)];
}

/** Time passes when the test says so. */
export function stoppedClock(): Pick<Clock, "after"> & {
  readonly pass: (ms: number) => void;
  readonly left: () => number;
} {
  let now = 0;
  const timers = new Map<object, { at: number; action: () => void }>();
  return {
    after(delayMs, action) {
      const timer = { cancel: () => void timers.delete(timer) };
      timers.set(timer, { at: now + delayMs, action });
      return timer;
    },
    pass(ms) {
      now += ms;
      for (const [timer, { at, action }] of timers) {
        if (at > now) continue;
        timers.delete(timer);
        action();
      }
    },
    left: () => timers.size,
  };
}
