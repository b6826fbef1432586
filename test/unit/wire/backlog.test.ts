/* What peers that know the key try to fill a server's memory with: answers that nobody reads, half frames, tasks. */
import { describe, expect, test } from "bun:test";
import { type Begun, keepCount, newBacklog } from "../../../src/wire/backlog.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import type { HostMessage, Lease, PeerMessage } from "../../../src/wire/message.ts";
import { type ClientEnd, hello, type ServerEnd } from "../../conformance/duplex-notes.ts";
import { makeClaimed, makeOutcome } from "../../make.ts";
import { admitOn, enterOn, linkOf, type SideOptions, stoppedClock } from "./ends.ts";
import { memoryBytes, type MemoryOptions } from "./memory.ts";

interface Open {
  readonly client: ClientEnd;
  readonly server: ServerEnd;
  /** The client's stream, for those who write by hand: frames have no MAC. */
  readonly wire: ByteStream;
  /** What the server has heard, and how the session ended there. */
  readonly heard: PeerMessage[];
  readonly ended: Promise<string | null>;
}

/** A session whose server answers each message with `answer`. */
async function open(
  side: SideOptions = {},
  memory: MemoryOptions = {},
  answer: HostMessage | null = null,
): Promise<Open> {
  const [wire, far] = memoryBytes({ binding: new Uint8Array(32), ...memory });
  const ends = await Promise.all([enterOn(wire), admitOn(far, side)]);
  const [client, server] = [linkOf(ends[0]), linkOf(ends[1])];
  const heard: PeerMessage[] = [];
  const { promise: ended, resolve } = Promise.withResolvers<string | null>();
  server.open({
    message(message) {
      heard.push(message);
      if (answer !== null) server.send(answer);
    },
    drain: () => undefined,
    close: (error) => resolve(error?.message ?? null),
  });
  return { client, server, wire, heard, ended };
}

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));
const raw = (message: object): Uint8Array => Buffer.from(`${JSON.stringify(message)}\n`);

test("a peer that speaks and does not read is not heard until it reads", async () => {
  const { client, wire, heard } = await open(
    {},
    { highWater: 1000, cut: (bytes) => Math.min(bytes, 500) },
    { kind: "beat" },
  );
  const got: HostMessage[] = [];
  wire.listen(false);
  client.open({ message: (message) => void got.push(message), drain: () => undefined, close: () => undefined });
  client.send(hello);
  for (let n = 0; n < 2000; n++) wire.write(raw({ kind: "beat" }));
  await turn();
  // What was on its way when the answers became too many still counts.
  expect(heard.length).toBeLessThan(200);
  wire.listen(true);
  while (heard.length < 2001) await turn();
  expect(got).toHaveLength(2001);
});

describe("half a frame", () => {
  const beginning = '{"kind":"bye","reason":"';

  test("ends its connection when it goes on too slowly, and at the slowest pace that may be it arrives", async () => {
    const clock = stoppedClock();
    const backlog = newBacklog(clock);
    const slow = await open({ clock, backlog });
    const slower = await open({ clock, backlog });
    for (const each of [slow, slower]) each.wire.write(Buffer.concat([raw(hello), Buffer.from(beginning)]));
    await turn();
    let over: string | null = null;
    void slower.ended.then((error) => (over = error));
    for (let second = 0; second < 120; second++) {
      expect(over === null || second > 30).toBe(true);
      slow.wire.write(Buffer.alloc(8192, "x"));
      slower.wire.write(Buffer.alloc(4096, "x"));
      await turn();
      clock.pass(1000);
    }
    await turn();
    expect(over!).toMatch(/^a frame that is too slow: \d+ bytes, and no end$/);
    slow.wire.write(Buffer.from('"}\n'));
    await turn();
    expect(slow.heard.map(({ kind }) => kind)).toEqual(["hello", "bye"]);
    expect(backlog.bytes).toBe(0);
    slow.client.close();
    expect(await slow.ended).toBeNull();
    expect(clock.left()).toBe(0);
  });

  test("of many, the largest go when all together are too many", () => {
    const backlog = newBacklog(stoppedClock());
    const gone: string[] = [];
    const begin = (name: string, heldBytes: number): void => {
      const peer: Begun = {
        heldBytes,
        looks: 0,
        isPaused: false,
        late(text) {
          gone.push(`${name}: ${text}`);
          backlog.peers.delete(peer);
          backlog.bytes -= heldBytes;
        },
      };
      keepCount(backlog, peer, heldBytes);
    };
    begin("honest", 200_000);
    for (let n = 1; n <= 40; n++) begin(`hostile ${n}`, 15_000_000 + n);
    expect(gone).toHaveLength(38);
    expect(gone[0]).toBe("hostile 3: 15000003 bytes of a frame without its end, while others hold as many");
    expect(backlog.bytes).toBeLessThan(32 * 1024 * 1024);
    expect([...backlog.peers][0]!.heldBytes).toBe(200_000);
  });

  test("that comes in pieces of any size is put together as it was sent", async () => {
    for (const size of [1, 7, 300, 7000]) {
      const { wire, heard, client, ended } = await open({}, { cut: (bytes) => Math.min(bytes, size) });
      const reason = Array.from({ length: size * 9 }, (_, n) => n % 10).join("");
      wire.write(raw(hello));
      wire.write(raw({ kind: "bye", reason }));
      client.close();
      expect(await ended).toBeNull();
      expect(heard.at(-1)).toEqual({ kind: "bye", reason });
    }
  });
});

test("a client is not heard while more of its outcomes than may wait are not recorded", async () => {
  const { wire, server, heard } = await open({}, { cut: (bytes) => Math.min(bytes, 1 << 20) });
  const lease = (n: number): Lease => ({ id: `0b7c2b3e-0000-4000-8000-${`${n}`.padStart(12, "0")}`, lease: n });
  const leases = Array.from({ length: 40 }, (_, n) => lease(n + 1));
  wire.write(raw({ ...hello, finished: leases }));
  const command = "x".repeat(1_000_000);
  for (const each of leases)
    wire.write(raw({ kind: "results", outcomes: [makeOutcome(each, { command })], credit: 0 }));
  for (let n = 0; n < 10; n++) await turn();
  // 32 MiB, and what was on its way.
  const first = heard.length - 1;
  expect(first).toBeGreaterThan(32);
  expect(first).toBeLessThan(37);
  server.send({ kind: "ack", tasks: leases.slice(0, 20) });
  for (let n = 0; n < 10; n++) await turn();
  expect(heard).toHaveLength(41);
});

describe("a submitter", () => {
  const id = "0b7c2b3e-0000-4000-8000-000000000002";
  const { scheduleTime: _, ...task } = makeClaimed(id, { submitId: id, args: "x".repeat(100_000) });
  const submission = { id, time: 1, host: "n1", user: "me", cwd: "/", template: null, version: "1" };
  const tasks = (count: number): PeerMessage => ({ kind: "tasks", tasks: Array.from({ length: count }, () => task) });
  const taken = ({ heard }: Open): number =>
    heard.reduce((sum, message) => sum + (message.kind === "tasks" ? message.tasks.length : 0), 0);

  async function submit(session: Open, count: number): Promise<void> {
    session.client.open({ message: () => undefined, drain: () => undefined, close: () => undefined });
    session.client.send({ kind: "submitter", submission });
    for (let n = 0; n < count; n++) session.client.send(tasks(1));
    for (let n = 0; n < 5; n++) await turn();
  }

  test("is not heard while more of its tasks than may wait are not stored", async () => {
    const session = await open({}, { cut: (bytes) => Math.min(bytes, 65_536) });
    await submit(session, 100);
    const first = taken(session);
    // 8 MiB, and the frame that made it too many.
    expect(first).toBe(Math.ceil((8 * 1024 * 1024) / 100_250));
    session.server.send({ kind: "stored", count: 10 });
    await turn();
    expect(taken(session)).toBe(first + 10);
    for (let stored = 10; stored < 100;) {
      const more = taken(session) - stored;
      session.server.send({ kind: "stored", count: more });
      stored += more;
      await turn();
    }
    expect(taken(session)).toBe(100);
  });

  test("is heard only when nothing of it waits, while those of all submitters are too many", async () => {
    const backlog = newBacklog(stoppedClock());
    backlog.unstored = 64 * 1024 * 1024;
    const session = await open({ backlog }, { cut: (bytes) => Math.min(bytes, 65_536) });
    await submit(session, 3);
    expect(taken(session)).toBe(1);
    session.server.send({ kind: "stored", count: 1 });
    await turn();
    expect(taken(session)).toBe(2);
    session.server.close();
    await session.ended;
    // What will not be answered any more waits no longer.
    expect(backlog.unstored).toBe(64 * 1024 * 1024);
  });
});

test("a peer that knows the key and does not say what it wants is given up", async () => {
  const clock = stoppedClock();
  const { ended } = await open({ clock, handshakeMs: 3000 });
  clock.pass(2999);
  clock.pass(1);
  expect(await ended).toBe("it has not said what it wants within 3 seconds");
  expect(clock.left()).toBe(0);
});
