/* The bytes of a session by hand: peers that follow no rules, and somebody in the middle who changes what passes. */
import type { ByteStream } from "../../../src/wire/bytes.ts";
import { type MemoryOptions, memoryBytes } from "./memory.ts";
import { admitOn, enterOn, type Result } from "./ends.ts";
import type { ClientEnd, ServerEnd } from "../../conformance/duplex-notes.ts";

export interface Raw {
  readonly say: (text: string | Uint8Array) => boolean;
  readonly hangUp: () => void;
  readonly heard: () => string;
  /** Resolves when the other side has ended the connection. */
  readonly gone: Promise<void>;
}

export function rawOn(stream: ByteStream): Raw {
  let heard = "";
  const { promise, resolve } = Promise.withResolvers<void>();
  stream.open({
    data(bytes) {
      heard += Buffer.from(bytes).toString("latin1");
    },
    drain() {
      // Whoever says too much here wants to.
    },
    close: () => resolve(),
  });
  return {
    say: (text) => stream.write(typeof text === "string" ? Buffer.from(text, "latin1") : text),
    hangUp: () => stream.end(),
    heard: () => heard,
    gone: promise,
  };
}

/** What becomes of a line on its way; `number` counts from 0 in this direction, the handshake included. */
export type Change = (line: Buffer, number: number) => readonly Buffer[];

const untouched: Change = (line) => [line];

export interface Middle {
  /** To the client, and to the server: whole lines. */
  readonly inject: (side: "client" | "server", line: string | Buffer) => void;
  /** Both sides see the connection break. */
  readonly cut: () => void;
}

export interface Between {
  readonly client: Result<ClientEnd>;
  readonly server: Result<ServerEnd>;
  readonly middle: Middle;
}

/** A session with somebody in the middle. */
export async function between(
  options: { readonly toServer?: Change; readonly toClient?: Change } & Pick<MemoryOptions, "binding"> = {},
): Promise<Between> {
  const [near, nearMiddle] = memoryBytes(options);
  const [farMiddle, far] = memoryBytes(options);
  relay(nearMiddle, farMiddle, options.toServer ?? untouched);
  relay(farMiddle, nearMiddle, options.toClient ?? untouched);
  const [client, server] = await Promise.all([enterOn(near), admitOn(far)]);
  const put = (to: ByteStream, line: string | Buffer): void => {
    to.write(Buffer.concat([Buffer.from(line), Buffer.from("\n")]));
  };
  return {
    client,
    server,
    middle: {
      inject: (side, line) => put(side === "client" ? nearMiddle : farMiddle, line),
      cut() {
        nearMiddle.end();
        farMiddle.end();
      },
    },
  };
}

function relay(from: ByteStream, to: ByteStream, change: Change): void {
  let rest = Buffer.alloc(0);
  let number = 0;
  from.open({
    data(bytes) {
      rest = Buffer.concat([rest, bytes]);
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10)) {
        const line = Buffer.from(rest.subarray(0, end));
        rest = Buffer.from(rest.subarray(end + 1));
        for (const each of change(line, number++)) to.write(Buffer.concat([each, Buffer.from("\n")]));
      }
    },
    drain() {
      // These relays hold back nothing.
    },
    close(error) {
      if (error === null) to.end();
      else to.destroy();
    },
  });
}
