/* The rules of output and of questions; those of everything else are tried over whole sessions, in session.test.ts. */
import { expect, test } from "bun:test";
import { decodePeer, encode } from "../../../src/wire/codec.ts";
import {
  type HostMessage,
  mostActed,
  mostAsks,
  mostOutput,
  outputWindow,
  type PeerMessage,
} from "../../../src/wire/message.ts";
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

const shown: PeerMessage = { kind: "shown", ask: 1, text: "", next: 0, more: false, over: false };
const show: HostMessage = { kind: "show", ask: 1, id, stream: "stdout", from: 0, most: 1 };
const look: PeerMessage = { kind: "look", ask: 1, most: 1, filter: "" };
const failed: HostMessage = { kind: "failed", ask: 1, reason: "" };

test("a client answers no more than it was asked, and is asked no more than it can bear", () => {
  const server = peerRules({ unstored: 0 });
  server.received(hello, 100);
  server.sent(show);
  server.received(shown, 100);
  expect(() => server.received(shown, 100)).toThrow("more answers than questions");
  const client = hostRules();
  client.sent(hello);
  for (let n = 0; n < mostAsks; n++) client.received(show, 100);
  client.sent(shown);
  client.received(show, 100);
  expect(() => client.received(show, 100)).toThrow("questions without an answer");
});

test("a watcher asks first who it is, then few questions at a time, and only those of watchers", () => {
  const watcher = () => {
    const rules = peerRules({ unstored: 0 });
    rules.received({ kind: "watcher" }, 100);
    return rules;
  };
  expect(() => peerRules({ unstored: 0 }).received(look, 100)).toThrow("the first message is look");
  expect(() => watcher().received({ kind: "watcher" }, 100)).toThrow("a watcher says watcher out of turn");
  expect(() => watcher().received({ kind: "beat" }, 100)).toThrow("a watcher says beat out of turn");
  const ids = Array.from({ length: mostActed + 1 }, () => id);
  expect(() => watcher().received({ kind: "act", ask: 1, action: "cancel", ids }, 100)).toThrow(
    "tasks to change at once",
  );
  const rules = watcher();
  for (let n = 0; n < mostAsks; n++) rules.received(look, 100);
  rules.sent(failed);
  rules.received(look, 100);
  expect(() => rules.received(look, 100)).toThrow("questions without an answer");
});

test("a server answers a watcher what it was asked, and nothing of others", () => {
  const rules = hostRules();
  rules.sent({ kind: "watcher" });
  rules.received({ kind: "watched", serverId: id, serverHost: "n1" }, 100);
  expect(() => rules.received({ kind: "beat" }, 100)).toThrow("the server says beat to a watcher");
  rules.sent(look);
  rules.received(failed, 100);
  expect(() => rules.received(failed, 100)).toThrow("more answers than questions");
});
