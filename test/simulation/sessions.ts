/* Real sessions over the streams of the simulation. */
import type { ByteStream } from "../../src/wire/bytes.ts";
import type { Duplex } from "../../src/wire/duplex.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import { admit, enter, type SessionOptions } from "../../src/wire/session.ts";
import type { Cluster } from "./cluster.ts";
import type { Process, World } from "./world.ts";

const handshakeMs = 10_000;

/** The side that connects; rejects with a WireProblem. */
export function enterSession(
  { world }: Cluster,
  process: Process,
  stream: ByteStream,
): Promise<Duplex<PeerMessage, HostMessage>> {
  return new Promise((ready, failed) => enter(stream, optionsOf(world, process), { ready, failed }));
}

/** The side that listens. */
export function admitSession(
  { world }: Cluster,
  process: Process,
  stream: ByteStream,
  ready: (link: Duplex<HostMessage, PeerMessage>) => void,
): void {
  const failed = (problem: Error): void => world.trace(() => `${process.name} ---- turned away: ${problem.message}`);
  admit(stream, optionsOf(world, process), { ready, failed });
}

function optionsOf({ rng, at, now }: World, { enter: inside, onEnd }: Process): SessionOptions {
  // A handshake that nobody waits for any more ends with its process, or by this timer.
  const clock = {
    after(delayMs: number, action: () => void) {
      const cancel = at(now() + delayMs, () => inside(action));
      onEnd(cancel);
      return { cancel };
    },
  };
  const nonce = (): Uint8Array => Uint8Array.from({ length: 32 }, () => rng.between(0, 255));
  return { key: "a key that both sides know, and long", clock, nonce, handshakeMs };
}
