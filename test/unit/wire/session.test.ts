import { describe, expect, test } from "bun:test";
import type { Assignment, Outcome } from "../../../src/task/task.ts";
import type { ByteStream } from "../../../src/wire/bytes.ts";
import type { Duplex } from "../../../src/wire/duplex.ts";
import { memoryBytes } from "./memory.ts";
import { type HostMessage, type PeerMessage, submitWindow } from "../../../src/wire/message.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { admit } from "../../../src/wire/session.ts";
import { hello } from "../../conformance/duplex-notes.ts";
import { makeAssignment, makeOutcome } from "../../make.ts";
import { admitOn, enterOn, key, linkOf, problemOf, sessionPair, stoppedClock } from "./ends.ts";
import { between, type Change, rawOn } from "./raw.ts";

const nonce = "ab".repeat(32);
const greeting = `{"hypershell":1,"nonce":"${nonce}"}\n`;

/** Everything that was said, and how it ended. */
function ear<In>(link: Duplex<never, In>): { readonly got: In[]; readonly ended: Promise<string | null> } {
  const got: In[] = [];
  const { promise, resolve } = Promise.withResolvers<string | null>();
  link.open({
    message: (message) => void got.push(message),
    drain() {
      // Nobody here waits.
    },
    close: (error) => resolve(error === null ? null : `${(error as WireProblem).kind}: ${error.message}`),
  });
  return { got, ended: promise };
}

function bound(stream: ByteStream, byte: number): ByteStream {
  return { ...stream, binding: new Uint8Array(32).fill(byte) };
}

describe("the handshake", () => {
  test("two sides with the same key know each other, and no timer is left", async () => {
    const clock = stoppedClock();
    const [near, far] = memoryBytes();
    const results = await Promise.all([enterOn(near, { clock }), admitOn(far, { clock })]);
    expect(results.every((result) => "link" in result)).toBe(true);
    // The server waits for the first message.
    expect(clock.left()).toBe(1);
    linkOf(results[0]).send(hello);
    const { got } = ear(linkOf(results[1]));
    while (got.length === 0) await Promise.resolve();
    expect(clock.left()).toBe(0);
  });

  test("a wrong key is refused on both sides, and each says whose key it is", async () => {
    const [near, far] = memoryBytes();
    const [client, server] = await Promise.all([
      enterOn(near, { key: "another key, of 32 bytes or more too" }),
      admitOn(far),
    ]);
    expect(problemOf(client)).toEqual({ kind: "key", text: "the server does not accept the key" });
    expect(problemOf(server)).toEqual({
      kind: "key",
      text: "the client does not know the key, or somebody is in between",
    });
  });

  test("a short key is proved as scrypt makes it, and never as it is by a client", async () => {
    const short = { key: "x".repeat(31) };
    const [near, far] = memoryBytes();
    const [client, server] = await Promise.all([enterOn(near, short), admitOn(far, short)]);
    expect(["link" in client, "link" in server]).toEqual([true, true]);
    for (const said of ["", ',"scrypt":2', ',"scrypt":"1"']) {
      const [here, there] = memoryBytes();
      const impostor = rawOn(there);
      const entered = enterOn(here, short);
      impostor.say(`{"hypershell":1,"nonce":"${nonce}"${said}}\n`);
      expect(problemOf(await entered)).toEqual({
        kind: "version",
        text: expect.stringMatching(
          /earlier version, .* fewer than 32 characters - update it, or give both sides a lo/,
        ),
      });
      expect(impostor.heard()).not.toContain("proof");
    }
  });

  test("a proof that was given on another channel counts for nothing", async () => {
    const [near, far] = memoryBytes();
    const [client, server] = await Promise.all([enterOn(bound(near, 1)), admitOn(bound(far, 2))]);
    expect([problemOf(client).kind, problemOf(server).kind]).toEqual(["key", "key"]);
  });

  test("a proof without TLS is none with it", async () => {
    for (const both of [false, true]) {
      const [near, far] = memoryBytes();
      const [client, server] = await Promise.all([
        enterOn(both ? bound(near, 1) : near),
        admitOn(both ? far : bound(far, 1)),
      ]);
      expect([problemOf(client).kind, problemOf(server).kind]).toEqual(["key", "key"]);
    }
  });

  test("a server says nothing that depends on the key before the client has shown that it knows it", async () => {
    const [near, far] = memoryBytes();
    const scanner = rawOn(near);
    const server = admitOn(far);
    scanner.say(greeting);
    scanner.say(`{"hypershell":1,"proof":"${"00".repeat(32)}"}\n`);
    await scanner.gone;
    expect(scanner.heard()).toMatch(
      /^\{"hypershell":1,"nonce":"[0-9a-f]{64}","scrypt":1\}\n\{"hypershell":1,"error":"key"\}\n$/,
    );
    expect(problemOf(await server).kind).toBe("key");
  });

  test("a peer that says what it hears is no server", async () => {
    const [near, far] = memoryBytes();
    far.open({
      data: (bytes) => void far.write(bytes),
      drain() {
        // It is never asked to wait.
      },
      close() {
        // It does not care.
      },
    });
    expect(problemOf(await enterOn(near)).kind).toBe("key");
  });

  test("a server that only claims to know the key is refused", async () => {
    const [near, far] = memoryBytes();
    const impostor = rawOn(far);
    const client = enterOn(near);
    impostor.say(`${greeting}{"hypershell":1,"proof":"${"00".repeat(32)}"}\n`);
    expect(problemOf(await client)).toEqual({
      kind: "key",
      text: "the server does not know the key, or somebody is in between",
    });
  });

  test("different versions: each side names both", async () => {
    const [near, far] = memoryBytes();
    const newer = rawOn(near);
    const server = admitOn(far);
    newer.say(greeting.replace(":1,", ":2,"));
    expect(problemOf(await server)).toEqual({
      kind: "version",
      text:
        "the client speaks version 2 of the protocol, this program version 1 " +
        "- use the same version of hs on both sides",
    });
    await newer.gone;
    expect(newer.heard()).toBe('{"hypershell":1,"error":"version"}\n');

    const [here, there] = memoryBytes();
    const older = rawOn(there);
    const client = enterOn(here);
    older.say('{"hypershell":0,"error":"version"}\n');
    expect(problemOf(await client)).toEqual({
      kind: "version",
      text:
        "the server speaks version 0 of the protocol, this program version 1 " +
        "- use the same version of hs on both sides",
    });
  });

  test("a peer that is silent is given up in time, and told of", async () => {
    for (const said of ["", '{"hypershell":1,"non', greeting]) {
      const clock = stoppedClock();
      const [near, far] = memoryBytes();
      const mute = rawOn(near);
      const server = admitOn(far, { clock, handshakeMs: 3000 });
      mute.say(said);
      await Promise.resolve();
      clock.pass(2999);
      clock.pass(1);
      expect(problemOf(await server)).toEqual({
        kind: "silent",
        text: "the client did not show that it knows the key within 3 seconds",
      });
      await mute.gone;
    }
    const clock = stoppedClock();
    const client = enterOn(memoryBytes()[0], { clock, handshakeMs: 3000 });
    clock.pass(3000);
    expect(problemOf(await client)).toEqual({ kind: "silent", text: "the server did not answer within 3 seconds" });
  });

  test("a peer that hangs up in the midst of it is lost, not wrong", async () => {
    for (const said of ["", greeting.slice(0, 20), greeting]) {
      const [near, far] = memoryBytes();
      const caller = rawOn(near);
      const server = admitOn(far);
      caller.say(said);
      caller.hangUp();
      expect(problemOf(await server)).toEqual({ kind: "lost", text: "the client hung up before it was known" });
    }
  });

  test("a peer that there is no room for is told so", async () => {
    const [near, far] = memoryBytes();
    const { promise, resolve } = Promise.withResolvers<WireProblem>();
    const giveUp = admit(
      far,
      { key, clock: stoppedClock(), handshakeMs: 1000, nonce: () => new Uint8Array(32) },
      { ready: () => undefined, failed: resolve },
    );
    giveUp(new WireProblem("busy", "too many"));
    giveUp(new WireProblem("busy", "told once"));
    expect((await promise).message).toBe("too many");
    expect(problemOf(await enterOn(near))).toEqual({
      kind: "busy",
      text: "the server has too many connections that are not known yet",
    });
  });

  const strangers: readonly (readonly [who: string, words: string, kind: string, text: RegExp])[] = [
    ["a browser", "GET / HTTP/1.1\r\nHost: n1\r\n\r\n", "malformed", /^the client speaks HTTP$/],
    ["a client with TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls", /^the client speaks TLS, .*--no-tls/],
    ["the first byte of one", "\x16", "tls", /--no-tls/],
    ["something else", "SSH-2.0-OpenSSH_9.2\r\n", "malformed", /does not speak the protocol of hs: "SSH-2.0/],
    ["bytes that are no text", "\xff\xfe\xfd\n", "malformed", /not UTF-8/],
    ["JSON that is no greeting", '{"kind":"hello"}\n', "malformed", /does not speak the protocol/],
    ["JSON that is no object", "[1]\n", "malformed", /does not speak the protocol/],
    ["deep JSON", `${"[".repeat(4000)}\n`, "malformed", /does not speak the protocol/],
    ["a greeting without a nonce", '{"hypershell":1}\n', "malformed", /began without a nonce/],
    ["a short nonce", '{"hypershell":1,"nonce":"ab"}\n', "malformed", /began without a nonce/],
    ["a proof at once", `{"hypershell":1,"nonce":"${nonce}","proof":"${nonce}"}\n`, "malformed", /began without/],
    ["two greetings", greeting + greeting, "key", /does not know the key/],
    ["a proof that is no text", `${greeting}{"hypershell":1,"proof":1}\n`, "key", /does not know the key/],
    ["a frame before the proof", `${greeting}{"kind":"beat"}\n`, "malformed", /does not speak the protocol/],
    [
      "a line that is too long",
      `{"hypershell":1,"nonce":"${"ab".repeat(4096)}"}\n`,
      "malformed",
      /not a handshake|more than 4096/,
    ],
    ["an error of its own", '{"hypershell":1,"error":"whatever\\u0007"}\n', "malformed", /refuses: "whatever\\u0007"/],
  ];

  for (const [who, words, kind, text] of strangers) {
    test(`${who} is told off in one line`, async () => {
      for (const cut of [(bytes: number) => bytes, () => 1]) {
        const [near, far] = memoryBytes({ cut });
        const stranger = rawOn(near);
        const server = admitOn(far);
        stranger.say(words);
        const problem = problemOf(await server);
        expect(problem.kind).toBe(kind);
        expect(problem.text).toMatch(text);
        expect(problem.text).not.toMatch(/[\n\u0007]/);
        await stranger.gone;
      }
    });
  }

  test("a client without TLS recognises a server with TLS, and a server of the web", async () => {
    for (const [words, kind, text] of [
      ["\x15\x03\x01\x00\x02\x02\x16", "tls", /^the server speaks TLS, this client does not - use --no-tls on both/],
      ["HTTP/1.1 400 Bad Request\r\n\r\n", "malformed", /^the server speaks HTTP$/],
    ] as const) {
      const [near, far] = memoryBytes();
      const server = rawOn(far);
      const client = enterOn(near);
      server.say(words);
      const problem = problemOf(await client);
      expect(problem.kind).toBe(kind);
      expect(problem.text).toMatch(text);
    }
  });

  test("of what never ends no more is kept than a handshake has", async () => {
    const [near, far] = memoryBytes();
    const flood = rawOn(near);
    const server = admitOn(far);
    const chunk = new Uint8Array(1000).fill(0x61);
    let taken = 0;
    let over = false;
    void server.then(() => (over = true));
    while (!over && taken < 1_000_000) {
      flood.say(chunk);
      taken += chunk.length;
      await Promise.resolve();
    }
    expect(taken).toBeLessThan(20_000);
    expect(problemOf(await server)).toEqual({
      kind: "malformed",
      text: "the client sent 5000 bytes that are not a handshake",
    });
  });
});

describe("without TLS", () => {
  const reason = (n: number): PeerMessage => ({ kind: "bye", reason: `genuine ${n}` });

  /** What the server heard of three messages, and how it ended, when frames (0: the hello) are changed on their way. */
  async function heard(
    change: (frame: Buffer, number: number) => readonly Buffer[],
  ): Promise<readonly [string[], string | null]> {
    // Two lines of the handshake come first.
    const toServer: Change = (line, number) => (number < 2 ? [line] : change(line, number - 2));
    const { client, server, middle } = await between({ toServer });
    const [near, far] = [ear(linkOf(client)), ear(linkOf(server))];
    linkOf(client).send(hello);
    for (let n = 1; n <= 3; n++) linkOf(client).send(reason(n));
    linkOf(client).close();
    const ended = await far.ended;
    middle.cut();
    await near.ended;
    return [far.got.map((message) => (message.kind === "bye" ? message.reason : message.kind)), ended];
  }

  const changed = (number: number): RegExp =>
    new RegExp(`^malformed: frame ${number} .*was changed, repeated or moved`);

  test("what nobody touches arrives, and ends in order", async () => {
    expect(await heard((frame) => [frame])).toEqual([["hello", "genuine 1", "genuine 2", "genuine 3"], null]);
  });

  test("a bit that was flipped anywhere is found, and nothing of the frame or after it gets through", async () => {
    const length = JSON.stringify(reason(2)).length + 44;
    for (let at = 0; at < length; at++) {
      const [got, ended] = await heard((frame, number) => {
        if (number === 2) frame[at]! ^= 1;
        return [frame];
      });
      expect(got).toEqual(["hello", "genuine 1"]);
      expect(ended).toMatch(changed(2));
    }
  });

  test("a frame that comes twice is found", async () => {
    const [got, ended] = await heard((frame, number) => (number === 1 ? [frame, frame] : [frame]));
    expect(got).toEqual(["hello", "genuine 1"]);
    expect(ended).toMatch(changed(2));
  });

  test("frames that change places are found", async () => {
    let kept: Buffer | null = null;
    const [got, ended] = await heard((frame, number) => {
      if (number === 1) {
        kept = frame;
        return [];
      }
      return number === 2 && kept !== null ? [frame, kept] : [frame];
    });
    expect(got).toEqual(["hello"]);
    expect(ended).toMatch(changed(1));
  });

  test("a frame that is left out is found with the next one", async () => {
    const [got, ended] = await heard((frame, number) => (number === 1 ? [] : [frame]));
    expect(got).toEqual(["hello"]);
    expect(ended).toMatch(changed(1));
  });

  test("a frame without a MAC, or with half of one, is none", async () => {
    for (const made of [
      (frame: Buffer) => frame.subarray(44),
      (frame: Buffer) => frame.subarray(0, 20),
      () => Buffer.alloc(0),
    ]) {
      const [got, ended] = await heard((frame, number) => (number === 1 ? [made(frame)] : [frame]));
      expect(got).toEqual(["hello"]);
      expect(ended).toMatch(changed(1));
    }
  });

  test("the last frame cannot be made up: a connection that was cut does not look like one that ended", async () => {
    const [got, ended] = await heard((frame, number) => (number === 3 ? [Buffer.from('{"kind":"end"}')] : [frame]));
    expect(got).toEqual(["hello", "genuine 1", "genuine 2"]);
    expect(ended).toMatch(changed(3));
  });

  test("frames that are sent back to where they came from are refused", async () => {
    const echoes: Buffer[] = [];
    const { client, server, middle } = await between({
      toServer: (line, number) => {
        if (number >= 2) echoes.push(line);
        return [line];
      },
    });
    const [near, far] = [ear(linkOf(client)), ear(linkOf(server))];
    linkOf(client).send(hello);
    while (far.got.length === 0) await Promise.resolve();
    middle.inject("client", echoes[0]!);
    expect(await near.ended).toMatch(/^malformed: frame 0 of the server was changed/);
    expect(near.got).toEqual([]);
  });

  test("frames of another session are refused", async () => {
    const others: Buffer[] = [];
    const spy: Change = (line) => {
      others.push(line);
      return [line];
    };
    const first = await between({ toServer: spy });
    const listening = ear(linkOf(first.server));
    linkOf(first.client).send(hello);
    while (listening.got.length === 0) await Promise.resolve();
    const second = await between();
    const far = ear(linkOf(second.server));
    second.middle.inject("server", others.at(-1)!);
    expect(await far.ended).toMatch(changed(0));
    expect(far.got).toEqual([]);
  });
});

describe("the end", () => {
  test("a connection that breaks is lost on both sides, after what has arrived", async () => {
    const { client, server, middle } = await between();
    const [near, far] = [ear(linkOf(client)), ear(linkOf(server))];
    linkOf(client).send(hello);
    while (far.got.length === 0) await Promise.resolve();
    middle.cut();
    expect(await near.ended).toBe("lost: the server disconnected");
    expect(await far.ended).toBe("lost: the client disconnected");
  });

  test("half a frame is never delivered", async () => {
    const [near, far] = memoryBytes({ binding: new Uint8Array(32) });
    const [client, server] = await Promise.all([enterOn(near), admitOn(far)]);
    linkOf(client).send(hello);
    near.write(Buffer.from('{"kind":"beat"'));
    near.end();
    const listening = ear(linkOf(server));
    expect(await listening.ended).toBe("lost: the client disconnected");
    expect(listening.got).toEqual([hello]);
  });
});

describe("whoever knows the key", () => {
  const id = (n: number): string => `0b7c2b3e-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
  const outcome = (n: number): Outcome =>
    makeOutcome({ id: id(n), lease: 1 }, { command: "true", startTime: 1, completionTime: 2 });
  const task = (n: number): Assignment =>
    makeAssignment(
      { id: id(n), lease: 1 },
      { args: "true", submitId: id(0), submitTime: 1, submitHost: "n1", scheduleTime: 2 },
    );
  const submitter: PeerMessage = {
    kind: "submitter",
    submission: { id: id(0), time: 1, host: "n1", user: "me", cwd: "/", template: null, version: "1" },
  };
  const results = (...numbers: number[]): PeerMessage => ({
    kind: "results",
    outcomes: numbers.map(outcome),
    credit: 0,
  });
  const lease = (n: number) => ({ id: id(n), lease: 1 });
  const many = (count: number): PeerMessage => ({
    kind: "tasks",
    tasks: Array.from({ length: count }, (_, n) => {
      const { scheduleTime: _time, lease: _lease, ...newTask } = task(n);
      return newTask;
    }),
  });

  /** How the server's side ended; it gives what it gives after the first message. */
  async function says(messages: readonly PeerMessage[], gives: readonly HostMessage[] = []): Promise<string | null> {
    const [client, server] = await sessionPair({ binding: new Uint8Array(32) });
    const far = ear(server);
    const near = ear(client);
    const [first, ...others] = messages;
    client.send(first!);
    if (gives.length > 0) {
      while (far.got.length === 0) await Promise.resolve();
      for (const message of gives) server.send(message);
      while (near.got.length < gives.length) await Promise.resolve();
    }
    for (const message of others) client.send(message);
    client.close();
    return far.ended;
  }

  /** How the client's side ended, which asked for `credit` tasks. */
  async function answers(asked: readonly PeerMessage[], messages: readonly HostMessage[]): Promise<string | null> {
    const [client, server] = await sessionPair({ binding: new Uint8Array(32) });
    const near = ear(client);
    ear(server);
    for (const message of asked) client.send(message);
    for (const message of messages) server.send(message);
    server.close();
    return near.ended;
  }

  const wants = (credit: number): PeerMessage => ({ ...hello, credit });

  test("may report and give back what it was given, and what it said it had", async () => {
    const resuming = { ...hello, credit: 2, running: [lease(1)], finished: [lease(2)] };
    const give: HostMessage = { kind: "assign", tasks: [task(3), task(4)] };
    expect(
      await says([resuming, results(2), results(1, 3), { kind: "returned", tasks: [lease(4)] }], [give]),
    ).toBeNull();
    expect(await answers([wants(2)], [{ kind: "assign", tasks: [task(3), task(4)] }])).toBeNull();
  });

  const has: PeerMessage = { ...hello, running: [lease(1)] };
  const untrue = (own: Partial<Outcome>): PeerMessage => ({
    kind: "results",
    outcomes: [{ ...outcome(1), ...own }],
    credit: 0,
  });
  const beats = Array.from({ length: 1001 }, (): PeerMessage => ({ kind: "beat" }));
  const wrong: readonly (readonly [rule: string, messages: readonly PeerMessage[], text: RegExp])[] = [
    ["begins with hello or submitter", [{ kind: "beat" }], /first message is beat/],
    ["says hello once", [hello, hello], /client says hello out of turn/],
    ["does not change sides", [hello, submitter], /client says submitter out of turn/],
    ["does not run tasks when it submits", [submitter, results()], /submitter says results out of turn/],
    ["does not submit tasks when it runs them", [hello, { kind: "done" }], /client says done out of turn/],
    ["reports no more tasks than it has", [hello, results(1)], /more outcomes than/],
    ["reports no result of a task that it has not started", [has, untrue({ startTime: null })], /never started/],
    ["reports no result without a command", [has, untrue({ command: null, exitStatus: 127 })], /never started/],
    [
      "gives back no more tasks than it has",
      [{ ...hello, running: [lease(1)] }, results(1), { kind: "returned", tasks: [lease(1)] }],
      /more returns than/,
    ],
    ["has no more tasks under way than it may", [submitter, many(submitWindow), many(1)], /more tasks than/],
    ["beats no faster than it is answered", [hello, ...beats], /more than 1000 beats/],
    ["sends no tasks after the last", [submitter, { kind: "done" }, many(1)], /more tasks than/],
    [
      "does not ask for the moon",
      [wants(1_000_000), { kind: "results", outcomes: [], credit: 1 }],
      /asks for more than/,
    ],
  ];

  for (const [rule, messages, text] of wrong) {
    test(`as a client or submitter ${rule}`, async () => {
      expect(await says(messages)).toMatch(text);
      expect(await says(messages)).toStartWith("malformed: ");
    });
  }

  const wrongServer: readonly (readonly [rule: string, messages: readonly HostMessage[], text: RegExp])[] = [
    [
      "gives no more tasks than were asked for",
      [{ kind: "assign", tasks: [task(1), task(2)] }],
      /more tasks than were asked/,
    ],
    [
      "tells of no more submissions than it may give tasks of",
      [1, 2].map((n) => ({ kind: "submission", id: id(n), template: null, cwd: null })),
      /more submissions than tasks were asked/,
    ],
    ["does not talk to clients as to submitters", [{ kind: "stored", count: 0 }], /says stored to a client/],
  ];

  for (const [rule, messages, text] of wrongServer) {
    test(`as a server ${rule}`, async () => {
      expect(await answers([wants(1)], messages)).toMatch(text);
    });
  }

  test("as a server stores no more than was sent, and gives submitters no tasks", async () => {
    expect(await answers([submitter, many(1)], [{ kind: "stored", count: 1 }])).toBeNull();
    expect(await answers([submitter, many(1)], [{ kind: "stored", count: 2 }])).toMatch(/more tasks stored than/);
    expect(await answers([submitter], [{ kind: "beat" }])).toMatch(/says beat to a submitter/);
  });

  test("is cut off when a frame never ends", async () => {
    const [near, far] = memoryBytes({ binding: new Uint8Array(32) });
    const [client, server] = await Promise.all([enterOn(near), admitOn(far)]);
    const listening = ear(linkOf(server));
    linkOf(client).send(hello);
    const chunk = new Uint8Array(1024 * 1024).fill(0x61);
    for (let n = 0; n < 17; n++) near.write(chunk);
    expect(await listening.ended).toBe("malformed: a frame of more than 16777216 bytes");
    expect(listening.got).toEqual([hello]);
    // What a server says is smaller.
    const [here, there] = memoryBytes({ binding: new Uint8Array(32) });
    const [victim] = await Promise.all([enterOn(here), admitOn(there)]);
    for (let n = 0; n < 5; n++) there.write(chunk);
    expect(await ear(linkOf(victim)).ended).toBe("malformed: a frame of more than 4194304 bytes");
  });

  test("is cut off for a frame that is no message, and what came before it counts", async () => {
    for (const [frame, text] of [
      ["garbage", /not JSON: "garbage"/],
      ['{"kind":"fly"}', /kind is not known: "fly"/],
      ["[]", /an object/],
      ["[".repeat(1_000_000), /./],
      [`{"kind":${"[".repeat(100_000)}${"]".repeat(100_000)}}`, /./],
      ["\xff", /not UTF-8/],
    ] as const) {
      const [near, far] = memoryBytes({ binding: new Uint8Array(32) });
      const [client, server] = await Promise.all([enterOn(near), admitOn(far)]);
      const listening = ear(linkOf(server));
      linkOf(client).send(hello);
      near.write(Buffer.from(`${frame}\n{"kind":"beat"}\n`, "latin1"));
      const ended = await listening.ended;
      expect(ended).toStartWith("malformed: ");
      expect(ended).toMatch(text);
      expect(ended!.length).toBeLessThan(200);
      expect(listening.got).toEqual([hello]);
    }
  });
});
