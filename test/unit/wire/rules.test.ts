/* The rules of output; those of everything else are tried over whole sessions, in session.test.ts. */
import { expect, test } from "bun:test";
import { decodePeer, encode } from "../../../src/wire/codec.ts";
import { type HostMessage, mostOutput, outputWindow, type PeerMessage } from "../../../src/wire/message.ts";
import { hostRules, peerRules } from "../../../src/wire/rules.ts";
import { hello } from "../../conformance/duplex-notes.ts";

const id = "0b7c2b3e-0000-4000-8000-000000000002";

function output(bytes: number, data = Buffer.alloc(bytes).toString("base64")): PeerMessage {
  return { kind: "output", id, lease: 1, stream: "stdout", from: 0, data };
}

const welcome: HostMessage = { kind: "welcome", serverId: id, serverHost: "n1", companyMs: 0, prints: "tasks" };

test("a client sends output only to a server that wants it, and no more than the server has taken", () => {
  const rules = peerRules({ unstored: 0 });
  const says = (message: PeerMessage): void => rules.received(message, 100);
  says(hello);
  expect(() => says(output(1))).toThrow("output that nobody asked for");
  const asked = peerRules({ unstored: 0 });
  asked.received(hello, 100);
  asked.sent(welcome);
  for (let left = outputWindow; left > 0; left -= mostOutput) asked.received(output(Math.min(left, mostOutput)), 100);
  asked.sent({ kind: "taken", bytes: 1 });
  asked.received(output(1), 100);
  expect(() => asked.received(output(1), 100)).toThrow("more output than a client may have under way");
});

test("a server takes no more output than was sent", () => {
  const rules = hostRules();
  rules.sent(hello);
  rules.sent(output(7));
  rules.received({ kind: "taken", bytes: 7 }, 100);
  expect(() => rules.received({ kind: "taken", bytes: 1 }, 100)).toThrow("more output taken than was sent");
});

test("output that is no base64, or too much, is refused", () => {
  for (const data of ["=", "ab", "a===", "\u0000aaa", "aaa\n", Buffer.alloc(mostOutput + 1).toString("base64")])
    expect(() => decodePeer(encode(output(0, data))[0]!)).toThrow("data should be at most 196608 bytes in base64");
  expect(decodePeer(encode(output(2))[0]!)).toEqual(output(2));
});
