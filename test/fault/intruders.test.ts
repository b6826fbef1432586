/*
 * Those who should not be let in, and what is no client or server at all. Each gets one clear line with whose fault it
 * is, the documented status where it is a program of ours, and nothing else: the server goes on with honest clients,
 * and its memory stays small.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Socket } from "node:net";
import { type Ended, linesOf, needs, type Running, type Site, type StartOptions, until } from "../e2e/harness.ts";
import { secured, startClient, startServer } from "../e2e/serving.ts";
import { enterAs } from "./insider.ts";
import { call, callMany, type Caller, certificateOf, impersonate, relayTo } from "./impostor.ts";
import { openSoundSite } from "./sound.ts";

/** A server whose tasks are typed in, and an honest client that runs them and prints what they print. */
interface Honest extends AsyncDisposable {
  readonly site: Site;
  readonly server: Running;
  readonly port: string;
  /** A task goes through, from the server to the client that was there before. */
  readonly works: () => Promise<void>;
  /** A new client is let in. */
  readonly admits: () => Promise<void>;
  /** Both end in order when the input does. */
  readonly ends: () => Promise<void>;
  /** Lines of the server about connections that came to nothing, whatever their level. */
  readonly refusals: () => readonly string[];
}

async function openHonest(words: readonly string[] = [], options: StartOptions = {}): Promise<Honest> {
  const site = openSoundSite();
  const tls = words.filter((word) => word === "--no-tls");
  const timeoutMs = 120_000;
  const env = { HYPERSHELL_LOGGING_LEVEL: "DEBUG" };
  const served = await startServer(site, ["-", "--no-db", ...words], { keepOpen: true, timeoutMs, env, ...options });
  const { server, port } = served;
  const client = startClient(site, port, ["-N4", ...tls], { timeoutMs });
  let count = 0;
  return {
    site,
    server,
    port,
    async works() {
      const word = `honest-${++count}`;
      server.type(`echo ${word}\n`);
      await client.line(new RegExp(`^${word}$`));
    },
    async admits() {
      const { status, stderr } = await startClient(site, port, ["-T1", ...tls]).ended;
      expect([status, stderr.replace(/.*TLS is disabled.*\n/, "")]).toEqual([0, ""]);
    },
    async ends() {
      server.closeStdin();
      expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
    },
    refusals: () => linesOf(server.stderr()).filter((line) => / Connection from .* refused: /.test(line)),
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

/** Resident memory, in MB. */
function memoryOf({ pid }: Running): number {
  const [, kB = "0"] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1")) ?? [];
  return Number(kB) / 1024;
}

/** One CRITICAL line, which is the last. */
function expectFailure({ status, stderr }: Ended, line: RegExp): void {
  const critical = linesOf(stderr).filter((each) => each.includes("CRITICAL"));
  expect([status, critical, linesOf(stderr).at(-1)]).toEqual([5, [expect.stringMatching(line)], critical[0]]);
}

async function gone(caller: Caller): Promise<void> {
  await until(caller.gone, () => `is still connected and heard ${caller.heard().slice(0, 200)}`);
}

/** The client gives up after its first attempt that fails. */
const impatient = { HYPERSHELL_CLIENT_CONNECT: "1" };

test("a man in the middle with a certificate of his own and no key gets neither tasks nor clients", async () => {
  await using honest = await openHonest();
  await using foreign = openSoundSite();
  // It has a key, just not this one: everything it says is well-formed.
  const env = { HYPERSHELL_SERVER_AUTH: "a-key-of-somebody-else" };
  foreign.write("tasks.in", "echo stolen\n");
  const impostor = await startServer(foreign, ["tasks.in", "--no-db"], { env });
  const end = await startClient(honest.site, impostor.port, [], { env: impatient }).ended;
  expectFailure(end, /CRITICAL \[hypershell.client\] The server .*key/);
  expect(end.stdout).toBe("");
  await impostor.server.line(/WARNING \[hypershell.server\] Connection from .* refused: .*key/);
  await honest.works();
  await honest.ends();
});

test("a man in the middle who relays the proofs over TLS of his own is refused by both sides", async () => {
  await using honest = await openHonest();
  await using impostor = await impersonate(certificateOf(honest.site), relayTo(honest.port, true));
  const end = await startClient(honest.site, impostor.port, [], { env: impatient }).ended;
  expectFailure(end, /key/);
  expect(impostor.met()).toBe(1);
  await until(
    () => honest.refusals().length === 1,
    () => `the server warns of it\n${honest.server.stderr()}`,
  );
  expect(honest.refusals()[0]).toMatch(/refused: .*key/);
  await honest.works();
  await honest.ends();
});

/** Knows the protocol: takes any proof, and answers with one that is made up. */
function bluff(socket: Socket): void {
  const answers = [{ nonce: "ab".repeat(32) }, { proof: "cd".repeat(32) }, { kind: "welcome", serverId: "x" }];
  socket.on("data", () => {
    const answer = answers.shift();
    if (answer !== undefined) socket.write(`${JSON.stringify({ hypershell: 1, ...answer })}\n`);
  });
}

test("an impostor that takes any proof, and makes up its own, is not taken for a server", async () => {
  await using honest = await openHonest();
  for (const tls of [true, false]) {
    await using impostor = await impersonate(tls ? certificateOf(honest.site) : null, bluff);
    const words = tls ? [] : ["--no-tls"];
    const end = await startClient(honest.site, impostor.port, words, { env: impatient }).ended;
    expectFailure(end, /CRITICAL \[hypershell.client\] The server does not know the key/);
  }
});

test("an impostor that says what it hears is not taken for a server", async () => {
  await using honest = await openHonest();
  for (const tls of [true, false]) {
    await using impostor = await impersonate(
      tls ? certificateOf(honest.site) : null,
      (socket) => void socket.pipe(socket),
    );
    const words = tls ? [] : ["--no-tls"];
    const end = await startClient(honest.site, impostor.port, words, { env: impatient }).ended;
    expectFailure(end, /CRITICAL \[hypershell.client\] The server /);
  }
});

test("without TLS a man in the middle can change nothing: what was changed is no frame", async () => {
  await using honest = await openHonest(["--no-tls"]);
  await using impostor = await impersonate(
    null,
    relayTo(honest.port, false, (text) => text.replaceAll("genuine", "changed")),
  );
  await using client = startClient(honest.site, impostor.port, ["-N4", "--no-tls"], { timeoutMs: 60_000 });
  await until(() => impostor.met() === 1, "the client connects");
  // Some of these go to the honest client, but not all of them.
  for (let n = 0; n < 20; n++) honest.server.type(`sleep 0.1; echo genuine-${n}\n`);
  await until(
    () => impostor.met() > 1,
    () => `the client comes back\n${client.stderr()}`,
  );
  expect(client.stdout()).not.toContain("changed");
  expect(honest.server.stderr()).not.toContain("genuine");
});

/** Those whom somebody has to help bring a warning; the others bring a line that only those see who look for it. */
const strangers: readonly (readonly [who: string, words: readonly string[], line: RegExp])[] = [
  ["a port check", [], /hung up before it was known/],
  ["a browser", ["GET / HTTP/1.1\r\nHost: here\r\n\r\n"], /DEBUG .*HTTP/],
  ["noise", ["\u0000\u0001\u0002\u00ff\u00fe garbage\n"], /./],
  ["JSON that is no greeting", ['{"kind":"hello","clientId":"x"}\n'], /./],
  ["deep JSON", [`${"[".repeat(3000)}\n`], /./],
  ["a client of another version", [`{"hypershell":999,"nonce":"${"ab".repeat(32)}"}\n`], /WARNING .*version 999/],
  ["a greeting without a nonce", ['{"hypershell":1}\n'], /./],
  ["a proof before any greeting", [`{"hypershell":1,"proof":"${"ab".repeat(32)}"}\n`], /./],
  [
    "a proof that is made up",
    [`{"hypershell":1,"nonce":"${"ab".repeat(32)}"}\n`, `{"hypershell":1,"proof":"${"00".repeat(32)}"}\n`],
    /WARNING .*key/,
  ],
  ["a line that is too long", [`{"hypershell":1,"nonce":"${"ab".repeat(9000)}"}\n`], /./],
  ["a client that sends tasks at once", [`{"hypershell":1,"nonce":"${"ab".repeat(32)}"}\n{"kind":"hello"}\n`], /./],
];

for (const tls of [true, false]) {
  test(`strangers ${tls ? "over" : "without"} TLS are told off in one line each, and the server goes on`, async () => {
    await using honest = await openHonest(tls ? [] : ["--no-tls"]);
    for (const [who, words, line] of strangers) {
      const before = honest.refusals().length;
      using caller = await call(honest.port, tls);
      for (const text of words) caller.say(Buffer.from(text, "latin1"));
      if (words.length > 0) await gone(caller);
      else caller[Symbol.dispose]();
      await until(
        () => honest.refusals().length > before,
        () => `the server warns of ${who}\n${honest.server.stderr()}`,
      );
      expect(honest.refusals().at(-1)).toMatch(line);
      const level = /WARNING/.test(line.source) ? "WARNING" : "DEBUG";
      expect(honest.refusals().at(-1)).toMatch(
        new RegExp(`${level} \\[hypershell.server\\] Connection from 127.0.0.1:\\d+ refused: `),
      );
    }
    // A port check that knows nothing of TLS, where there is some.
    using checker = await call(honest.port, false);
    checker[Symbol.dispose]();
    await until(() => honest.refusals().length === strangers.length + 1, "the server tells of the last");
    expect(honest.refusals().at(-1)).toMatch(/DEBUG .*hung up/);
    await honest.works();
    await honest.admits();
    await honest.ends();
  });
}

test("one warning in an hour tells of those who speak TLS where there is none, or none where there is", async () => {
  for (const words of [[], ["--no-tls"]]) {
    await using honest = await openHonest(words);
    const noise = words.length === 0 ? "SSH-2.0-OpenSSH_9.2\r\n" : "\u0016\u0003\u0001\u0002\u0000\u0001";
    for (let n = 0; n < 3; n++) {
      using scanner = await call(honest.port, false);
      scanner.say(Buffer.from(noise, "latin1"));
      await gone(scanner);
    }
    await until(() => honest.refusals().length === 3, "the server tells of all");
    expect(honest.refusals().filter((line) => line.includes("WARNING"))).toHaveLength(1);
    await honest.works();
    await honest.ends();
    expect(honest.server.stderr()).toMatch(/WARNING .* 2 more connections were refused within an hour because of TLS/);
  }
});

test("half a frame, and then nothing more, keeps nobody waiting", async () => {
  await using honest = await openHonest();
  using half = await call(honest.port, true);
  half.say('{"hypershell":1,"non');
  await honest.works();
  await honest.admits();
  half[Symbol.dispose]();
  await until(
    () => honest.refusals().length === 1,
    () => `the server warns of it\n${honest.server.stderr()}`,
  );
  await honest.ends();
});

needs([], process.platform === "linux" ? null : "memory is read from /proc")(
  "100 MB without a line end are cut off early, and not kept",
  async () => {
    const total = 100 * 1024 * 1024;
    const chunk = new Uint8Array(64 * 1024).fill(0x61);
    for (const words of [[], ["--no-tls"]]) {
      await using honest = await openHonest(words);
      await honest.works();
      const before = memoryOf(honest.server);
      using caller = await call(honest.port, words.length === 0);
      const taken = await caller.flood(chunk, total);
      await gone(caller);
      expect(taken).toBeLessThan(total / 4);
      expect(memoryOf(honest.server) - before).toBeLessThan(50);
      await honest.works();
      expect(honest.refusals()).toHaveLength(1);
      await honest.ends();
    }
  },
);

needs([], process.platform === "linux" ? null : "memory is read from /proc")(
  "2,000 connections that say nothing keep out no honest client, and are sent away",
  async () => {
    for (const words of [[], ["--no-tls"]]) {
      await using honest = await openHonest(words);
      await honest.works();
      const before = memoryOf(honest.server);
      const callers: Caller[] = [];
      try {
        // Plain connections, also where TLS is expected: it costs them nothing.
        for (let n = 0; n < 20; n++) callers.push(...(await callMany(honest.port, 100)));
        expect(memoryOf(honest.server) - before).toBeLessThan(100);
        await honest.works();
        await honest.admits();
        await until(
          () => callers.every((caller) => caller.gone()),
          () => {
            return `${callers.filter((caller) => !caller.gone()).length} are still there`;
          },
        );
      } finally {
        for (const caller of callers) caller[Symbol.dispose]();
      }
      await honest.works();
      expect(memoryOf(honest.server) - before).toBeLessThan(100);
      await honest.ends();
    }
  },
);

test("a client with TLS and a server without, and the other way round: both sides say so", async () => {
  for (const serverWords of [[], ["--no-tls"]]) {
    await using honest = await openHonest(serverWords);
    const words = serverWords.length === 0 ? ["--no-tls"] : [];
    const client = await startClient(honest.site, honest.port, words, { env: impatient }).ended;
    expectFailure(client, /CRITICAL \[hypershell.client\] .*TLS.*--no-tls/);
    const submit = await honest.site.hs(["submit", "-q", "-p", honest.port, ...words, "echo", "x"], { env: secured });
    expectFailure(submit, /CRITICAL \[hypershell.submit\] .*TLS.*--no-tls/);
    await until(
      () => honest.refusals().length === 2,
      () => `the server warns of both\n${honest.server.stderr()}`,
    );
    for (const line of honest.refusals()) expect(line).toMatch(/refused: .*TLS.*--no-tls/);
    await honest.works();
    await honest.ends();
  }
});

test("a wrong key is refused on both sides, for clients and submitters, with TLS and without", async () => {
  for (const words of [[], ["--no-tls"]]) {
    await using honest = await openHonest(words);
    const env = { HYPERSHELL_SERVER_AUTH: "not-the-key-of-this-server" };
    const startedAt = performance.now();
    const client = await startClient(honest.site, honest.port, words, { env }).ended;
    expectFailure(client, /CRITICAL \[hypershell.client\] .*key/);
    const submit = await honest.site.hs(["submit", "-q", "-p", honest.port, ...words, "echo", "x"], { env });
    expectFailure(submit, /CRITICAL \[hypershell.submit\] .*key/);
    // Nobody tries again with a key that is wrong.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
    await until(
      () => honest.refusals().length === 2,
      () => `the server warns of both\n${honest.server.stderr()}`,
    );
    for (const line of honest.refusals()) expect(line).toMatch(/refused: .*key/);
    await honest.works();
    await honest.ends();
  }
});

test("a port that is in use ends a server at once, with one line", async () => {
  await using honest = await openHonest();
  const end = await honest.site.hs(["server", "-p", honest.port, "--forever", "--no-db"], { env: secured });
  expectFailure(end, /CRITICAL \[hypershell.server\] Address already in use/);
  await honest.works();
  await honest.ends();
});

test("a server that never answers does not hold a client for ever", async () => {
  await using site = openSoundSite();
  await using maker = openSoundSite();
  await startServer(maker, ["--forever", "--no-db"]);
  await using mute = await impersonate(null, () => undefined);
  await using muteOverTls = await impersonate(certificateOf(maker), () => undefined);
  await using rude = await impersonate(null, (socket) => void socket.end());
  await using noisy = await impersonate(null, (socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"));
  const line = (texts: string): RegExp => new RegExp(`CRITICAL \\[hypershell.client\\] .*(?:${texts})`);
  const ends: readonly (readonly [Promise<Ended>, RegExp])[] = [
    [startClient(site, mute.port, [], { env: impatient }).ended, line("did not answer within")],
    [startClient(site, mute.port, ["--no-tls"], { env: impatient }).ended, line("did not answer within")],
    [startClient(site, muteOverTls.port, [], { env: impatient }).ended, line("did not answer within")],
    [startClient(site, rude.port, [], { env: impatient }).ended, line("hung up|--no-tls|disconnected")],
    [startClient(site, rude.port, ["--no-tls"], { env: impatient }).ended, line("hung up|disconnected")],
    [startClient(site, noisy.port, [], { env: impatient }).ended, line("--no-tls")],
    [startClient(site, noisy.port, ["--no-tls"], { env: impatient }).ended, line("does not speak the protocol of hs")],
    [
      site.hs(["submit", "-q", "-p", mute.port, "echo", "x"], { env: secured }),
      /\[hypershell.submit\] .*did not answer within/,
    ],
  ];
  for (const [end, expected] of ends) expectFailure(await end, expected);
});

test("a client that never answers is sent away, as is one that knows the key and says nothing", async () => {
  await using honest = await openHonest();
  // A finite server: without the submitter it would be at its end.
  await using finite = openSoundSite();
  const env = { HYPERSHELL_SERVER_EVICT: "11", HYPERSHELL_LOGGING_LEVEL: "DEBUG" };
  const { server, port } = await startServer(finite, ["-", "--no-db", "--no-tls"], { env, keepOpen: true });
  const submission = { id: "0b7c2b3e-0000-4000-8000-000000000001", time: 1, host: "n1", user: "me", cwd: "/" };
  using submitter = await enterAs(port, { kind: "submitter", submission: { ...submission, version: "1" } });
  using lazy = await enterAs(port, null);
  server.closeStdin();
  using mute = await call(honest.port, true);
  using muteBeforeTls = await call(honest.port, false);
  await honest.works();
  await gone(mute);
  await gone(muteBeforeTls);
  await until(
    () => honest.refusals().length === 2,
    () => `the server tells of both\n${honest.server.stderr()}`,
  );
  for (const line of honest.refusals()) expect(line).toMatch(/DEBUG .*refused: .* within \d+ seconds/);
  await honest.ends();
  expect((await server.ended).status).toBe(0);
  expect([lazy.gone(), submitter.gone()]).toEqual([true, true]);
  const warnings = linesOf(server.stderr()).filter((line) => /WARNING .*(?:Gave up|Submitter)/.test(line));
  expect(warnings.map((line) => line.replace(/.*\] /, ""))).toEqual([
    "Gave up the connection to a client that is not known yet: it has not said what it wants within 10 seconds",
    `Submitter refused (n1: ${submission.id}): the submitter has said nothing for 11 seconds`,
  ]);
});

test("whoever tries one key after the other is answered ever more slowly, and keeps nobody else out", async () => {
  await using honest = await openHonest(["--no-tls"]);
  const [greeting, proof] = [{ nonce: "ab".repeat(32) }, { proof: "00".repeat(32) }].map(
    (fields) => `${JSON.stringify({ hypershell: 1, ...fields })}\n`,
  );
  let tries = 0;
  const guess = async (): Promise<void> => {
    using caller = await call(honest.port, false);
    caller.say(`${greeting}${proof}`);
    await gone(caller);
    expect(caller.heard()).toMatch(/"error":"key"\}\n$/);
    tries += 1;
  };
  const since = performance.now();
  while (performance.now() - since < 700) await guess();
  // At first there were 20, then one after pauses of 10 ms, 20 ms and so on.
  expect(tries).toBeLessThan(30);
  const over = Promise.allSettled([guess(), guess(), guess()]);
  await honest.admits();
  await over;
  expect(honest.refusals().filter((line) => line.includes("WARNING")).length).toBeLessThan(30);
  await honest.works();
  await honest.ends();
});
