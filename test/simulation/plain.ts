/*
 * Messages over a byte stream in the plainest way: a line of JSON each, no handshake, no keys. Cheaper than the real session, so that more of
 * the seeds' time goes into what servers and clients do.
 */
import type { ByteStream } from "../../src/wire/bytes.ts";
import type { Duplex, DuplexHandlers } from "../../src/wire/duplex.ts";
import { WireProblem } from "../../src/wire/problem.ts";

const newline = 10;
const goodbye = "end";

export function plain<Out, In>(stream: ByteStream, soon: (action: () => void) => void): Duplex<Out, In> {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder();
  let handlers: DuplexHandlers<In> | null = null;
  let rest: number[] = [];
  let ended = false;
  let closed = false;

  function close(error: Error | null): void {
    if (closed) return;
    closed = true;
    handlers?.close(error);
  }

  function line(text: string): void {
    if (ended) return;
    if (text !== goodbye) return handlers?.message(JSON.parse(text) as In);
    ended = true;
    stream.end();
    close(null);
  }

  return {
    open(its) {
      handlers = its;
      stream.open({
        data(bytes) {
          for (const byte of bytes) {
            if (byte !== newline) {
              rest.push(byte);
              continue;
            }
            const text = decoder.decode(Uint8Array.from(rest));
            rest = [];
            line(text);
          }
        },
        drain: () => handlers?.drain(),
        close(error) {
          ended = true;
          close(new WireProblem("lost", error?.message ?? "the connection ended"));
        },
      });
    },
    send(message) {
      return ended || stream.write(encoder.encode(`${JSON.stringify(message)}\n`));
    },
    close() {
      if (ended) return;
      ended = true;
      stream.write(encoder.encode(`${goodbye}\n`));
      stream.end();
      soon(() => close(null));
    },
  };
}
