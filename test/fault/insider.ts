/*
 * A peer that knows the key and follows no other rule: it says what the test says, byte for byte, and reads only when
 * it likes. Written from PROTOCOL.md alone, without TLS.
 */
import { createHmac, randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";
import { secured } from "../e2e/serving.ts";

export interface Insider extends Disposable {
  /** Sends a message as a frame of its own. Answers false while the server takes no more. */
  readonly say: (message: object) => boolean;
  /** Sends these bytes as they are. */
  readonly raw: (bytes: Uint8Array | string) => boolean;
  /** Resolves when all that was said is with the system, or the connection is gone. */
  readonly taken: () => Promise<void>;
  /** The number of bytes that the server has sent since the handshake. */
  readonly heard: () => number;
  /** Reads nothing from now on. */
  readonly stopReading: () => void;
  /** Whether the connection is gone. */
  readonly gone: () => boolean;
}

const mac = (secret: string | Uint8Array, text: string) => createHmac("sha256", secret).update(text);

/** Connects from that address of loopback, and proves the key. `role`: its first message; null: it says none. */
export async function enterAs(port: string, first: object | null, localAddress = "127.0.0.1"): Promise<Insider> {
  const key = secured.HYPERSHELL_SERVER_AUTH;
  const socket: Socket = connect({ port: Number(port), host: "127.0.0.1", localAddress });
  const nonce = randomBytes(32).toString("hex");
  let gone = false;
  let heard = 0;
  const state = { text: "", isOpen: false };
  const opened = Promise.withResolvers<Uint8Array>();
  socket.on("error", opened.reject);
  socket.on("close", () => {
    gone = true;
    opened.reject(new Error(`the server has hung up: ${state.text}`));
  });
  let session = "";
  socket.on("data", (chunk: Buffer) => {
    if (state.isOpen) heard += chunk.length;
    else state.text += chunk.toString("latin1");
    const lines = state.text.split("\n");
    if (session === "" && lines.length > 1) {
      const { nonce: theirs } = JSON.parse(lines[0]!) as { readonly nonce: string };
      session = `hypershell 1 ${nonce} ${theirs} no tls`;
      const proof = mac(key, `proof of client: ${session}`).digest("hex");
      socket.write(`{"hypershell":1,"proof":"${proof}"}\n`);
    }
    if (lines.length > 2 && !state.isOpen) {
      state.isOpen = true;
      opened.resolve(mac(key, `frames of client: ${session}`).digest());
    }
  });
  socket.write(`{"hypershell":1,"nonce":"${nonce}"}\n`);
  const frames = await opened.promise;
  let sent = 0;
  const insider: Insider = {
    say(message) {
      const json = JSON.stringify(message);
      return socket.write(`${mac(frames, `${sent++} ${json}`).digest("base64url")} ${json}\n`);
    },
    raw: (bytes) => socket.write(bytes),
    async taken() {
      const { promise, resolve } = Promise.withResolvers<void>();
      socket.once("close", () => resolve());
      if (gone || !socket.write("", () => resolve())) socket.once("drain", () => resolve());
      if (gone) resolve();
      await promise;
    },
    heard: () => heard,
    stopReading: () => void socket.pause(),
    gone: () => gone,
    [Symbol.dispose]: () => void socket.destroy(),
  };
  if (first !== null) insider.say(first);
  return insider;
}

/** What a client says first. */
export function helloOf(clientId: string, credit: number): object {
  return { kind: "hello", clientId, host: "n1", executors: 1, credit, running: [], finished: [] };
}
