/* Messages over the streams of the simulation: by the real session, or plainly. */
import type { ByteStream } from "../../src/wire/bytes.ts";
import type { Duplex } from "../../src/wire/duplex.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import type { Cluster } from "./cluster.ts";
import { plain } from "./plain.ts";
import type { Process } from "./world.ts";

/** The side that connects; rejects with a WireProblem. */
export async function enterSession(
  _cluster: Cluster,
  process: Process,
  stream: ByteStream,
): Promise<Duplex<PeerMessage, HostMessage>> {
  return plain(stream, process.clock.defer!);
}

/** The side that listens. */
export function admitSession(
  _cluster: Cluster,
  process: Process,
  stream: ByteStream,
  ready: (link: Duplex<HostMessage, PeerMessage>) => void,
): void {
  ready(plain(stream, process.clock.defer!));
}
