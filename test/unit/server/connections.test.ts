import { expect, test } from "bun:test";
import { systemClock } from "../../../src/base/clock.ts";
import { type Connections, disconnectClient, listenTo } from "../../../src/server/connections.ts";
import type { ServerEvent } from "../../../src/server/event.ts";
import { newShows } from "../../../src/server/shows.ts";
import { newWatchers } from "../../../src/server/watchers.ts";
import { MemoryStore } from "../../../src/store/memory.ts";
import type { DuplexHandlers } from "../../../src/wire/duplex.ts";
import type { HostMessage, PeerMessage } from "../../../src/wire/message.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { silentLog } from "../../make.ts";
import { makeIntakeOptions } from "./bench.ts";

/** The server's connections, whose peers the test plays: what they say, and how a connection ends. */
function open() {
  const events: ServerEvent[] = [];
  const warnings: string[] = [];
  const intakeOptions = makeIntakeOptions(
    new MemoryStore(),
    (text) => warnings.push(text),
    () => undefined,
  );
  const connections: Connections = {
    log: { warn: (text) => void warnings.push(typeof text === "string" ? text : text()), close: () => undefined },
    push: (event) => events.push(event),
    intakeOptions,
    outputs: null,
    ofClients: new Map(),
    secrets: new Map(),
    clogged: new Set(),
    intakes: new Map(),
    watchers: newWatchers({ serverId: "s", serverHost: "n", view: null, clock: systemClock, log: silentLog }),
    ofWatchers: new Map(),
    shows: newShows(systemClock),
    open: new Set(),
  };
  const connect = (isOwn = false) => {
    let handlers: DuplexHandlers<PeerMessage> | null = null;
    const sent: HostMessage[] = [];
    const peer = {
      sent,
      closed: false,
      say: (message: PeerMessage): void => handlers?.message(message),
      break: (error: Error | null): void => handlers?.close(error),
      hello(clientId: string, secret?: string): void {
        const hello = {
          kind: "hello",
          clientId,
          host: "n",
          executors: 1,
          credit: 1,
          running: [],
          finished: [],
        } as const;
        peer.say(secret === undefined ? hello : { ...hello, secret });
      },
    };
    listenTo(
      connections,
      {
        open: (given) => void (handlers = given),
        send: (message) => sent.push(message) > 0,
        close() {
          peer.closed = true;
        },
      },
      isOwn,
    );
    return peer;
  };
  return { connections, connect, warnings, kinds: () => events.splice(0).map(({ kind }) => kind) };
}

test("what a client says is told under its name, and its end with the error", () => {
  const { connect, kinds, connections } = open();
  const peer = connect();
  peer.hello("a");
  peer.say({ kind: "beat" });
  peer.break(new Error("reset"));
  expect(kinds()).toEqual(["helloReceived", "received", "disconnected"]);
  expect([connections.open.size, connections.ofClients.size]).toEqual([0, 0]);
});

test("a client that is back before its old connection is seen to be gone counts on the new one only", () => {
  const { connect, kinds } = open();
  const [old, anew] = [connect(), connect()];
  old.hello("a");
  anew.hello("a");
  expect([old.closed, anew.closed]).toEqual([true, false]);
  kinds();
  old.say({ kind: "beat" });
  old.break(null);
  expect(kinds()).toEqual([]);
  anew.say({ kind: "beat" });
  expect(kinds()).toEqual(["received"]);
});

test("the end of a connection that the server closed itself is told: its client may have come back on that one", () => {
  const { connections, connect, kinds } = open();
  const [old, anew] = [connect(), connect()];
  old.hello("a");
  anew.hello("a");
  kinds();
  // This was meant for the old one.
  disconnectClient(connections, "a");
  expect(anew.closed).toBe(true);
  old.break(null);
  expect(kinds()).toEqual([]);
  anew.break(null);
  expect([kinds(), connections.ofClients.size]).toEqual([["disconnected"], 0]);
});

test("a connection that is given up for what was said on it is warned of, by the client's name if there is one", () => {
  const { connect, warnings } = open();
  const [stranger, known] = [connect(), connect()];
  known.hello("a");
  for (const peer of [stranger, known]) peer.break(new WireProblem("malformed", "no frame"));
  expect(warnings).toEqual([
    "Gave up the connection to a client that is not known yet: no frame",
    "Gave up the connection to a: no frame",
  ]);
});

test("a submitter is served by an intake of its own, and the reactor hears nothing of what it says", async () => {
  const { connect, kinds, connections } = open();
  const peer = connect();
  peer.say({
    kind: "submitter",
    submission: { id: "s", time: 0, host: "h", user: "u", cwd: "/", template: null, version: "1" },
  });
  await new Promise((resolve) => setImmediate(resolve));
  expect(peer.sent.map(({ kind }) => kind)).toEqual(["accepted"]);
  expect([kinds(), connections.intakes.size]).toEqual([[], 1]);
  peer.break(null);
  expect(connections.intakes.size).toBe(0);
});

test("nobody takes the place of a client that the server knows, connected or away, nor that of the server", () => {
  const { connect, kinds, connections, warnings } = open();
  const honest = connect();
  honest.hello("a", "only-mine");
  const turnedAway = (clientId: string, secret?: string): boolean => {
    const forger = connect();
    forger.hello(clientId, secret);
    forger.say({ kind: "bye", reason: "" });
    forger.break(null);
    return forger.closed && !honest.closed && warnings.splice(0).join().includes(`(${clientId})`);
  };
  expect([turnedAway("a"), turnedAway("a", "guessed"), turnedAway("server"), turnedAway("server", "x")]).toEqual(
    Array(4).fill(true),
  );
  honest.break(new Error("reset"));
  expect(turnedAway("a")).toBe(true);
  expect(kinds()).toEqual(["helloReceived", "disconnected"]);
  connect().hello("a", "only-mine");
  expect(kinds()).toEqual(["helloReceived"]);
  disconnectClient(connections, "a");
  connect().hello("a");
  connect().hello("a");
  connect(true).hello("server");
  expect([kinds(), warnings]).toEqual([["helloReceived", "helloReceived", "helloReceived"], []]);
});
