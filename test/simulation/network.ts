/*
 * A network with a few addresses, for the simulation: byte streams that take their time, arrive in pieces, and break in every way that real ones do.
 * What is sent arrives in order or not at all. Knows nothing of what the bytes mean.
 */
import type { ByteHandlers, ByteStream } from "../../src/wire/bytes.ts";
import { WireProblem } from "../../src/wire/problem.ts";
import type { Process, World } from "./world.ts";

/** An attempt to connect is given up after this long, milliseconds. */
const connectMs = 10_000;

export interface NetworkSettings {
  /** Of each piece, milliseconds, at most. */
  readonly latencyMs: number;
  /** Bytes are cut anywhere, not only where they were written. */
  readonly cuts: boolean;
  /** Bytes under way before a writer is asked to wait. */
  readonly highWater: number;
}

export interface Network {
  /** From now on connections to the address are this process'; it is told of each. */
  listen(process: Process, address: number, accept: (stream: ByteStream) => void): void;
  /** The process has closed its port: nobody answers. */
  deaf(process: Process): void;
  /** Rejects with a WireProblem. */
  connect(process: Process, address: number): Promise<ByteStream>;
  /** Nothing gets through to or from this process until then; what was sent comes through after it, as with TCP. */
  part(process: Process, until: number): void;
  /** Breaks one of the connections of this process, if it has any. */
  breakOne(process: Process): void;
  /** Streams whose process lives and that it has neither ended nor seen the end of. */
  open(): number;
}

/** What is on its way in one direction. */
type Parcel = { readonly at: number } & (
  { readonly kind: "bytes"; readonly bytes: Uint8Array } | { readonly kind: "end" } | { readonly kind: "reset" }
);

interface End {
  readonly process: Process;
  handlers: ByteHandlers | null;
  /** Neither ended by its owner nor seen to be at its end. */
  open: boolean;
  /** `close` was called. */
  closed: boolean;
  /** On the way to this end, oldest first. */
  readonly coming: Parcel[];
  comingBytes: number;
  pumping: boolean;
  /** Nothing arrives here any more, and nobody is told. */
  lost: boolean;
  /** The writer at the other end waits for `drain`. */
  waits: boolean;
  readonly connection: Connection;
}

interface Connection {
  readonly name: string;
  ends: readonly [End, End];
}

export function network(world: World, settings: NetworkSettings): Network {
  const { rng } = world;
  const { latencyMs, cuts, highWater } = settings;
  const listeners = new Map<number, { readonly process: Process; readonly accept: (stream: ByteStream) => void }>();
  const partedUntil = new Map<Process, number>();
  const connections = new Set<Connection>();
  let lastConnection = 0;

  const reachable = (process: Process): number => partedUntil.get(process) ?? 0;
  const other = (end: End): End => (end.connection.ends[0] === end ? end.connection.ends[1] : end.connection.ends[0]);

  function newConnection(left: Process, right: Process): Connection {
    const connection: Connection = { name: `connection ${++lastConnection}`, ends: [] as unknown as [End, End] };
    const end = (process: Process): End => ({
      process,
      handlers: null,
      open: true,
      closed: false,
      coming: [],
      comingBytes: 0,
      pumping: false,
      lost: false,
      waits: false,
      connection,
    });
    connection.ends = [end(left), end(right)];
    connections.add(connection);
    for (const process of [left, right]) watch(process);
    return connection;
  }

  const watched = new Set<Process>();
  /** The kernel ends what a process leaves open; a host that is down says nothing. */
  function watch(process: Process): void {
    if (watched.has(process)) return;
    watched.add(process);
    process.onEnd((how) => {
      for (const connection of connections) {
        for (const end of connection.ends) {
          if (end.process !== process || !end.open) continue;
          end.open = false;
          if (how === "host down") other(end).lost = true;
          else if (how === "killed" && rng.chance(0.3)) reset(end);
          else send(end, { kind: "end", at: 0 });
        }
        tidy(connection);
      }
    });
  }

  function tidy(connection: Connection): void {
    if (connection.ends.every((end) => end.closed || end.process.at === "ended")) connections.delete(connection);
  }

  // ---- on the way

  /** From this end to the other. */
  function send(from: End, parcel: Parcel): void {
    const to = other(from);
    if (to.lost || to.process.at === "ended") return;
    const last = to.coming.at(-1)?.at ?? 0;
    const at = Math.max(last, world.now() + rng.between(0, latencyMs));
    to.coming.push({ ...parcel, at });
    if (parcel.kind === "bytes") to.comingBytes += parcel.bytes.length;
    pump(to);
  }

  function pump(to: End): void {
    const next = to.coming[0];
    if (next === undefined || to.pumping || to.handlers === null || to.lost) return;
    to.pumping = true;
    const parted = Math.max(reachable(to.process), reachable(other(to).process));
    world.at(Math.max(next.at, parted), () => {
      to.pumping = false;
      if (to.lost) return;
      const until = Math.max(reachable(to.process), reachable(other(to).process));
      if (until > world.now()) return pump(to);
      const parcel = to.coming.shift();
      if (parcel === undefined) return;
      deliver(to, parcel);
      pump(to);
    });
  }

  function deliver(to: End, parcel: Parcel): void {
    const from = other(to);
    if (parcel.kind === "bytes") {
      to.comingBytes -= parcel.bytes.length;
      if (from.waits && to.comingBytes <= highWater / 2) {
        from.waits = false;
        from.process.enter(() => {
          if (!from.closed) from.handlers?.drain();
        });
      }
      to.process.enter(() => {
        if (!to.closed && to.open) to.handlers?.data(parcel.bytes);
      });
      return;
    }
    const error = parcel.kind === "end" ? null : new Error("read ECONNRESET");
    to.process.enter(() => finish(to, error));
  }

  /** This end has seen that the connection is over; an end in order is answered in kind. */
  function finish(end: End, error: Error | null): void {
    if (end.closed) return;
    if (end.open && error === null) send(end, { kind: "end", at: 0 });
    end.open = false;
    end.closed = true;
    end.coming.length = 0;
    end.handlers?.close(error);
    tidy(end.connection);
  }

  /** What is under way to the other end is lost. */
  function reset(end: End): void {
    const to = other(end);
    to.coming.length = 0;
    to.comingBytes = 0;
    send(end, { kind: "reset", at: 0 });
  }

  function streamOf(end: End): ByteStream {
    return {
      peer: other(end).process.name,
      binding: null,
      open(handlers) {
        end.handlers = handlers;
        pump(end);
      },
      write(bytes) {
        if (!end.open) return true;
        for (let from = 0; from < bytes.length;) {
          const most = bytes.length - from;
          const length = cuts && rng.chance(0.3) ? rng.between(1, most) : most;
          send(end, { kind: "bytes", at: 0, bytes: bytes.slice(from, from + length) });
          from += length;
        }
        if (other(end).comingBytes < highWater) return true;
        end.waits = true;
        return false;
      },
      end() {
        if (!end.open) return;
        end.open = false;
        send(end, { kind: "end", at: 0 });
      },
      destroy() {
        if (end.open) reset(end);
        end.open = false;
        end.coming.length = 0;
        world.at(world.now(), () => end.process.enter(() => finish(end, null)));
      },
    };
  }

  // ---- in which ways it breaks

  const breaks: Readonly<Record<string, (ends: readonly [End, End]) => void>> = {
    /** Both sides are told, sooner or later. */
    cut(ends) {
      for (const end of ends) {
        end.coming.length = 0;
        end.lost = true;
        world.at(world.now() + rng.between(0, 200), () =>
          end.process.enter(() => finish(end, new Error("read ECONNRESET"))),
        );
      }
    },
    /** One side is told, the other hears nothing any more. */
    "half cut"(ends) {
      const [told, untold] = rng.chance(0.5) ? ends : [ends[1], ends[0]];
      for (const end of ends) end.lost = true;
      world.at(world.now() + rng.between(0, 200), () =>
        told.process.enter(() => finish(told, new Error("read ECONNRESET"))),
      );
      // Perhaps it is told in the end: by the answer to something that it sent.
      if (!rng.chance(0.5)) return;
      world.at(world.now() + rng.between(200, 10_000), () =>
        untold.process.enter(() => finish(untold, new Error("write EPIPE"))),
      );
    },
    "black hole"(ends) {
      for (const end of ends) end.lost = true;
    },
    "one way"(ends) {
      ends[rng.between(0, 1)]!.lost = true;
    },
  };

  return {
    listen(process, address, accept) {
      listeners.set(address, { process, accept });
      watch(process);
    },
    deaf(process) {
      for (const [address, listener] of listeners) if (listener.process === process) listeners.delete(address);
    },
    connect(process, address) {
      const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
      const startedAt = world.now();
      const fail = (kind: "refused" | "silent"): void =>
        process.enter(() =>
          reject(new WireProblem(kind, kind === "refused" ? "Connection refused" : "does not answer")),
        );
      const attempt = (): void => {
        const target = listeners.get(address) ?? null;
        const parted = Math.max(reachable(process), target === null ? 0 : reachable(target.process));
        if (parted > world.now()) {
          const until = Math.min(parted, startedAt + connectMs);
          world.at(until, () => (until === parted ? attempt() : fail("silent")));
          return;
        }
        if (target === null || target.process.at === "ended") return fail("refused");
        const { ends, name } = newConnection(process, target.process);
        world.trace(() => `${name} from ${process.name} to ${target.process.name}`);
        process.enter(() => resolve(streamOf(ends[0])));
        target.process.enter(() => target.accept(streamOf(ends[1])));
      };
      world.at(startedAt + rng.between(0, latencyMs), attempt);
      return promise;
    },
    part(process, until) {
      world.mark(`${process.name} parted`);
      world.trace(() => `${process.name} ---- parted from the network for ${until - world.now()} ms`);
      partedUntil.set(process, Math.max(reachable(process), until));
    },
    breakOne(process) {
      const own = [...connections].filter(({ ends }) => ends.some((end) => end.process === process && end.open));
      const connection = own[rng.between(0, own.length - 1)];
      if (connection === undefined) return;
      const names = Object.keys(breaks);
      const name = names[rng.between(0, names.length - 1)]!;
      world.mark(name);
      world.trace(() => `${connection.name} ---- ${name}`);
      breaks[name]!(connection.ends);
    },
    open() {
      let count = 0;
      for (const { ends } of connections) for (const end of ends) if (end.open && end.process.at !== "ended") count++;
      return count;
    },
  };
}
