import { notePair } from "../../conformance/duplex-notes.ts";
import { duplexConformance } from "../../conformance/duplex.ts";
import { sessionPair } from "./ends.ts";

const binding = new Uint8Array(32).fill(7);

duplexConformance("session over memory, with a MAC on each frame", async () => notePair(...(await sessionPair())));

duplexConformance("session over memory, bound to a channel", async () => notePair(...(await sessionPair({ binding }))));

duplexConformance("session over memory, cut into odd pieces", async () => {
  let turn = 0;
  const lengths = [1, 2, 3, 43, 44, 45, 97, 4096, 1, 65_537];
  return notePair(...(await sessionPair({ cut: () => lengths[turn++ % lengths.length]! })));
});

duplexConformance("session over memory, at the pace of the event loop", async () =>
  notePair(...(await sessionPair({ soon: setImmediate, highWater: 65_536 }))),
);
