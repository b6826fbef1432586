/*
 * A network with a few addresses, for the simulation: byte streams that take their time, arrive in pieces, and break in
 * every way that real ones do. What is sent arrives in order or not at all. Knows nothing of what the bytes mean.
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
  /** Its owner hears nothing for now. */
  isDeaf: boolean;
  readonly connection: Connection;
}

interface Connection {
  readonly name: string;
  ends: readonly [End, End];
}

/** One network. */
interface Net {
  readonly world: World;
  readonly settings: NetworkSettings;
  readonly listeners: Map<number, { readonly process: Process; readonly accept: (stream: ByteStream) => void }>;
  readonly partedUntil: Map<Process, number>;
  readonly connections: Set<Connection>;
  lastConnection: number;
  /** Processes at whose end their connections are seen to. */
  readonly watched: Set<Process>;
}

const other = (end: End): End => (end.connection.ends[0] === end ? end.connection.ends[1] : end.connection.ends[0]);

/** When the process can be reached again; what is over already: it can. */
const reachable = ({ partedUntil }: Net, process: Process): number => partedUntil.get(process) ?? 0;

function newEnd(connection: Connection, process: Process): End {
  return {
    process,
    handlers: null,
    open: true,
    closed: false,
    coming: [],
    comingBytes: 0,
    pumping: false,
    lost: false,
    waits: false,
    isDeaf: false,
    connection,
  };
}

function newConnection(net: Net, left: Process, right: Process): Connection {
  const connection: Connection = { name: `connection ${++net.lastConnection}`, ends: [] as unknown as [End, End] };
  connection.ends = [newEnd(connection, left), newEnd(connection, right)];
  net.connections.add(connection);
  for (const process of [left, right]) watch(net, process);
  return connection;
}

/** The kernel ends what a process leaves open; a host that is down says nothing. */
function watch(net: Net, process: Process): void {
  if (net.watched.has(process)) return;
  net.watched.add(process);
  process.onEnd((how) => {
    for (const connection of net.connections) {
      for (const end of connection.ends) {
        if (end.process !== process || !end.open) continue;
        end.open = false;
        if (how === "host down") other(end).lost = true;
        else if (how === "killed" && net.world.rng.chance(0.3)) reset(net, end);
        else send(net, end, { kind: "end", at: 0 });
      }
      tidy(net, connection);
    }
  });
}

function tidy({ connections }: Net, connection: Connection): void {
  if (connection.ends.every((end) => end.closed || end.process.at === "ended")) connections.delete(connection);
}

// ---- on the way

/** From this end to the other. */
function send(net: Net, from: End, parcel: Parcel): void {
  const { world, settings } = net;
  const to = other(from);
  if (to.lost || to.process.at === "ended") return;
  const last = to.coming.at(-1)?.at ?? 0;
  const at = Math.max(last, world.now() + world.rng.between(0, settings.latencyMs));
  to.coming.push({ ...parcel, at });
  if (parcel.kind === "bytes") to.comingBytes += parcel.bytes.length;
  pump(net, to);
}

function pump(net: Net, to: End): void {
  const next = to.coming[0];
  if (next === undefined || to.pumping || to.handlers === null || to.isDeaf || to.lost) return;
  to.pumping = true;
  const reachableAt = (): number => Math.max(reachable(net, to.process), reachable(net, other(to).process));
  net.world.at(Math.max(next.at, reachableAt()), () => {
    to.pumping = false;
    if (to.lost || to.isDeaf) return;
    if (reachableAt() > net.world.now()) return pump(net, to);
    const parcel = to.coming.shift();
    if (parcel === undefined) return;
    deliver(net, to, parcel);
    pump(net, to);
  });
}

function deliver(net: Net, to: End, parcel: Parcel): void {
  const from = other(to);
  if (parcel.kind === "bytes") {
    to.comingBytes -= parcel.bytes.length;
    if (from.waits && to.comingBytes <= net.settings.highWater / 2) {
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
  to.process.enter(() => finish(net, to, error));
}

/** This end has seen that the connection is over; an end in order is answered in kind. */
function finish(net: Net, end: End, error: Error | null): void {
  if (end.closed) return;
  if (end.open && error === null) send(net, end, { kind: "end", at: 0 });
  end.open = false;
  end.closed = true;
  end.coming.length = 0;
  end.handlers?.close(error);
  tidy(net, end.connection);
}

/** What is under way to the other end is lost. */
function reset(net: Net, end: End): void {
  const to = other(end);
  to.coming.length = 0;
  to.comingBytes = 0;
  send(net, end, { kind: "reset", at: 0 });
}

function streamOf(net: Net, end: End): ByteStream {
  const { world, settings } = net;
  return {
    peer: other(end).process.name,
    binding: null,
    open(handlers) {
      end.handlers = handlers;
      pump(net, end);
    },
    write(bytes) {
      if (!end.open) return true;
      for (let from = 0; from < bytes.length;) {
        const most = bytes.length - from;
        const length = settings.cuts && world.rng.chance(0.3) ? world.rng.between(1, most) : most;
        send(net, end, { kind: "bytes", at: 0, bytes: bytes.slice(from, from + length) });
        from += length;
      }
      if (other(end).comingBytes < settings.highWater) return true;
      end.waits = true;
      return false;
    },
    listen(isOn) {
      end.isDeaf = !isOn;
      if (isOn) pump(net, end);
    },
    end() {
      end.isDeaf = false;
      pump(net, end);
      if (!end.open) return;
      end.open = false;
      send(net, end, { kind: "end", at: 0 });
    },
    destroy() {
      if (end.open) reset(net, end);
      end.open = false;
      end.coming.length = 0;
      world.at(world.now(), () => end.process.enter(() => finish(net, end, null)));
    },
  };
}

// ---- in which ways it breaks

const breaks: Readonly<Record<string, (net: Net, ends: readonly [End, End]) => void>> = {
  /** Both sides are told, sooner or later. */
  cut(net, ends) {
    for (const end of ends) {
      end.coming.length = 0;
      end.lost = true;
      tell(net, end, net.world.rng.between(0, 200), "read ECONNRESET");
    }
  },
  /** One side is told, the other hears nothing any more. */
  "half cut"(net, ends) {
    const { rng } = net.world;
    const [told, untold] = rng.chance(0.5) ? ends : [ends[1], ends[0]];
    for (const end of ends) end.lost = true;
    tell(net, told, rng.between(0, 200), "read ECONNRESET");
    // Perhaps it is told in the end: by the answer to something that it sent.
    if (rng.chance(0.5)) tell(net, untold, rng.between(200, 10_000), "write EPIPE");
  },
  "black hole"(_, ends) {
    for (const end of ends) end.lost = true;
  },
  "one way"({ world }, ends) {
    ends[world.rng.between(0, 1)]!.lost = true;
  },
};

/** After `delayMs` this end sees that the connection is broken. */
function tell(net: Net, end: End, delayMs: number, problem: string): void {
  net.world.at(net.world.now() + delayMs, () => end.process.enter(() => finish(net, end, new Error(problem))));
}

function connect(net: Net, process: Process, address: number): Promise<ByteStream> {
  const { world, listeners, settings } = net;
  const { promise, resolve, reject } = Promise.withResolvers<ByteStream>();
  const startedAt = world.now();
  const fail = (kind: "refused" | "silent"): void =>
    process.enter(() => reject(new WireProblem(kind, kind === "refused" ? "Connection refused" : "does not answer")));
  const attempt = (): void => {
    const target = listeners.get(address) ?? null;
    const parted = Math.max(reachable(net, process), target === null ? 0 : reachable(net, target.process));
    if (parted > world.now()) {
      const until = Math.min(parted, startedAt + connectMs);
      world.at(until, () => (until === parted ? attempt() : fail("silent")));
      return;
    }
    if (target === null || target.process.at === "ended") return fail("refused");
    const { ends, name } = newConnection(net, process, target.process);
    world.trace(() => `${name} from ${process.name} to ${target.process.name}`);
    process.enter(() => resolve(streamOf(net, ends[0])));
    target.process.enter(() => target.accept(streamOf(net, ends[1])));
  };
  world.at(startedAt + world.rng.between(0, settings.latencyMs), attempt);
  return promise;
}

function breakOne(net: Net, process: Process): void {
  const { world, connections } = net;
  const own = [...connections].filter(({ ends }) => ends.some((end) => end.process === process && end.open));
  const connection = own[world.rng.between(0, own.length - 1)];
  if (connection === undefined) return;
  const names = Object.keys(breaks);
  const name = names[world.rng.between(0, names.length - 1)]!;
  world.mark(name);
  world.trace(() => `${connection.name} ---- ${name}`);
  breaks[name]!(net, connection.ends);
}

export function network(world: World, settings: NetworkSettings): Network {
  const net: Net = {
    world,
    settings,
    listeners: new Map(),
    partedUntil: new Map(),
    connections: new Set(),
    lastConnection: 0,
    watched: new Set(),
  };
  return {
    listen(process, address, accept) {
      net.listeners.set(address, { process, accept });
      watch(net, process);
    },
    deaf(process) {
      for (const [address, listener] of net.listeners) if (listener.process === process) net.listeners.delete(address);
    },
    connect: (process, address) => connect(net, process, address),
    part(process, until) {
      world.mark(`${process.name} parted`);
      world.trace(() => `${process.name} ---- parted from the network for ${until - world.now()} ms`);
      net.partedUntil.set(process, Math.max(reachable(net, process), until));
    },
    breakOne: (process) => breakOne(net, process),
    open() {
      const ends = [...net.connections].flatMap((connection) => connection.ends);
      return ends.filter((end) => end.open && end.process.at !== "ended").length;
    },
  };
}
