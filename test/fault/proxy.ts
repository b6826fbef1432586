/*
 * A TCP proxy that does what networks do: delays, throttles, stops forwarding, resets in the middle of a frame, flips
 * bits, or is not there for a while. What happens to a connection is said before it is made, by its number. Knows
 * nothing of what it carries.
 */
import type { Socket, TCPSocketListener } from "bun";
import { systemClock } from "../../src/base/clock.ts";

/** What is done to one connection. Bytes are counted in each direction by itself. */
export interface Trouble {
  /** Every chunk comes this much later, milliseconds. */
  readonly delayMs?: number;
  /** Most bytes a second. */
  readonly bytesPerSecond?: number;
  /** After this many bytes in the direction the connection is reset, with whatever was under way. */
  readonly resetAfter?: number;
  /** After this many bytes nothing comes through any more, and nobody is told. */
  readonly stallAfter?: number;
  /** One bit of this byte is flipped. */
  readonly flipAt?: number;
  /** Only one direction is in trouble; else both are. */
  readonly only?: "up" | "down";
}

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly connections: () => number;
  /** Those that are open are reset, new ones refused, until `back`. */
  readonly vanish: () => void;
  readonly back: () => void;
}

interface End {
  readonly forward: (bytes: Uint8Array) => void;
  readonly writable: () => void;
  readonly closed: () => void;
}

/** One connection through the proxy, with an end towards each side. */
interface Connection {
  readonly client: Socket<End>;
  /** null: it is not there yet. */
  server: Socket<End> | null;
  readonly trouble: Trouble;
  over: boolean;
}

function finish(connection: Connection, reset: boolean): void {
  if (connection.over) return;
  connection.over = true;
  for (const socket of [connection.client, connection.server]) {
    if (reset) socket?.terminate();
    else socket?.end();
  }
}

/** One direction of a connection. */
interface Way {
  /** Takes what comes. */
  readonly pass: (bytes: Uint8Array) => void;
  /** Sends on what waits for room. */
  readonly flush: () => void;
  readonly stalled: () => boolean;
}

function way(connection: Connection, direction: "up" | "down", to: () => Socket<End> | null): Way {
  const { trouble } = connection;
  const troubled = trouble.only === undefined || trouble.only === direction;
  const { delayMs = 0, bytesPerSecond, resetAfter, stallAfter, flipAt } = troubled ? trouble : {};
  let passed = 0;
  let stalled = false;
  /** When the last chunk that was forwarded is through. */
  let freeAt = 0;
  const waiting: Uint8Array[] = [];

  function flush(): void {
    const socket = to();
    if (socket === null) return;
    while (waiting.length > 0) {
      const [bytes] = waiting;
      const sent = Math.max(0, socket.write(bytes!));
      if (sent < bytes!.length) {
        waiting[0] = bytes!.subarray(sent);
        return;
      }
      waiting.shift();
    }
  }

  function pass(bytes: Uint8Array): void {
    if (stalled || connection.over) return;
    const from = passed;
    passed += bytes.length;
    if (flipAt !== undefined && flipAt >= from && flipAt < passed) bytes[flipAt - from]! ^= 0x10;
    if (stallAfter !== undefined && passed > stallAfter) {
      stalled = true;
      return;
    }
    const reset = resetAfter !== undefined && passed > resetAfter;
    const whole = reset ? bytes.subarray(0, Math.max(0, resetAfter - from)) : bytes;
    const now = performance.now();
    const takesMs = bytesPerSecond === undefined ? 0 : (bytes.length * 1000) / bytesPerSecond;
    freeAt = Math.max(freeAt, now) + takesMs;
    const send = (): void => {
      waiting.push(whole);
      flush();
      if (reset) finish(connection, true);
    };
    if (freeAt - now + delayMs === 0) send();
    else systemClock.after(freeAt - now + delayMs, send);
  }
  return { pass, flush, stalled: () => stalled };
}

/** The handlers of all sockets; `open` holds those that are not closed. */
function handlers(open: Set<Socket<End>>): Bun.SocketHandler<End> {
  return {
    data: (socket, bytes) => socket.data.forward(Uint8Array.from(bytes)),
    drain: (socket) => socket.data.writable(),
    end: (socket) => socket.data.closed(),
    close: (socket) => {
      open.delete(socket);
      socket.data?.closed();
    },
    error: (socket) => socket.data.closed(),
  };
}

function accept(client: Socket<End>, target: number, trouble: Trouble, open: Set<Socket<End>>): void {
  const connection: Connection = { client, server: null, trouble, over: false };
  const up = way(connection, "up", () => connection.server);
  const down = way(connection, "down", () => client);
  const end = (own: Way, back: Way): End => ({
    forward: own.pass,
    writable: back.flush,
    // Where nothing comes through, the end of the connection does not either.
    closed: () => (own.stalled() || back.stalled() ? undefined : finish(connection, false)),
  });
  client.data = end(up, down);
  open.add(client);
  Bun.connect<End>({ hostname: "127.0.0.1", port: target, socket: handlers(open), data: end(down, up) }).then(
    (socket) => {
      connection.server = socket;
      open.add(socket);
      if (connection.over) return socket.terminate();
      up.flush();
    },
    () => finish(connection, true),
  );
}

/** `plan`: the trouble of each connection, counted from 0. `up` is towards the target. */
export function startProxy(target: number, plan: (connection: number) => Trouble): Proxy {
  const open = new Set<Socket<End>>();
  let count = 0;
  const socket = { ...handlers(open), open: (client: Socket<End>) => accept(client, target, plan(count++), open) };

  const listenOn = (port: number): TCPSocketListener<End> => Bun.listen<End>({ hostname: "127.0.0.1", port, socket });
  let listener: TCPSocketListener<End> | null = listenOn(0);
  const { port } = listener;

  function vanish(): void {
    listener?.stop(true);
    listener = null;
    for (const each of open) each.terminate();
    open.clear();
  }

  return {
    port,
    connections: () => count,
    vanish,
    back() {
      listener ??= listenOn(port);
    },
    async [Symbol.asyncDispose]() {
      vanish();
    },
  };
}
