/*
 * Those who stand between a server and its clients, or in the place of one of them: relays that end TLS with a
 * certificate of their own, servers that answer with nothing, with noise or with what they hear, and connections that
 * are no clients. None of them knows the key.
 */
import { readFileSync } from "node:fs";
import { connect as connectPlain, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import type { Site } from "../e2e/harness.ts";

export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** What a server has made in its place. */
export function certificateOf(site: Site): Certificate {
  const read = (name: string): string => readFileSync(join(site.path, "site", "lib", "tls", name), "utf8");
  return { cert: read("server.crt"), key: read("server.key") };
}

export interface Impostor extends AsyncDisposable {
  readonly port: string;
  /** Connections so far. */
  readonly met: () => number;
}

/** Listens on loopback, and gives each connection to `act`. With a certificate what `act` gets is decrypted. */
export async function impersonate(certificate: Certificate | null, act: (socket: Socket) => void): Promise<Impostor> {
  const sockets = new Set<Socket>();
  let met = 0;
  const accept = (socket: Socket): void => {
    met++;
    sockets.add(socket);
    // Whoever is cheated hangs up, and that is no error of the cheat.
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
    act(socket);
  };
  const server: Server = certificate === null ? createServer(accept) : createTlsServer({ ...certificate }, accept);
  server.on("tlsClientError", () => undefined);
  const listening = Promise.withResolvers<void>();
  server.listen(0, "127.0.0.1", listening.resolve);
  await listening.promise;
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("listens on no port");
  return {
    port: `${address.port}`,
    met: () => met,
    async [Symbol.asyncDispose]() {
      const closed = Promise.withResolvers<void>();
      server.close(() => closed.resolve());
      for (const socket of sockets) socket.destroy();
      await closed.promise;
    },
  };
}

/** Passes on what it hears, both ways; `change` sees the text from here to there. */
export function relayTo(
  port: string,
  tls: boolean,
  change: (text: string) => string = (text) => text,
): (socket: Socket) => void {
  return (near) => {
    const target = { host: "127.0.0.1", port: Number(port) };
    const far = tls ? connectTls({ ...target, rejectUnauthorized: false }) : connectPlain(target);
    far.on("error", () => undefined);
    const pass = (from: Socket, to: Socket): void => {
      // Byte for byte: latin1 knows all of them.
      from.on("data", (chunk: Buffer) => void to.write(change(chunk.toString("latin1")), "latin1"));
      from.on("close", () => to.end());
    };
    pass(near, far);
    pass(far, near);
  };
}

export interface Caller extends Disposable {
  /** The other side has hung up. */
  readonly gone: () => boolean;
  readonly heard: () => string;
  readonly say: (bytes: string | Uint8Array) => void;
  /**
   * Says it over and over, as fast as it is taken, until `bytes` are said or the other side hangs up; answers how many
   * were taken.
   */
  readonly flood: (chunk: Uint8Array, bytes: number) => Promise<number>;
}

/** Calls a server on loopback. Resolves when it is connected. */
export async function call(port: string, tls: boolean): Promise<Caller> {
  const target = { host: "127.0.0.1", port: Number(port) };
  const socket: Socket = tls ? connectTls({ ...target, rejectUnauthorized: false }) : connectPlain(target);
  const connected = Promise.withResolvers<void>();
  let gone = false;
  let heard = "";
  let goOn: (() => void) | null = null;
  const end = (): void => {
    gone = true;
    goOn?.();
  };
  socket.on(tls ? "secureConnect" : "connect", connected.resolve);
  socket.on("error", (error) => {
    connected.reject(error);
    end();
  });
  socket.on("close", end);
  socket.on("end", end);
  socket.on("drain", () => goOn?.());
  socket.on("data", (chunk: Buffer) => {
    heard += chunk.toString("latin1");
  });
  await connected.promise;
  return {
    gone: () => gone,
    heard: () => heard,
    say: (bytes) => void socket.write(bytes),
    async flood(chunk, bytes) {
      let said = 0;
      while (said < bytes && !gone) {
        said += chunk.length;
        if (socket.write(chunk)) continue;
        const { promise, resolve } = Promise.withResolvers<void>();
        goOn = resolve;
        await promise;
      }
      return said;
    },
    [Symbol.dispose]: () => void socket.destroy(),
  };
}

/** Calls a server so many times at once, without TLS. Answers those who were not sent away at once, to make room. */
export async function callMany(port: string, count: number): Promise<readonly Caller[]> {
  const calls = await Promise.allSettled(Array.from({ length: count }, () => call(port, false)));
  return calls.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
}
