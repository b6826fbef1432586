import { afterAll, describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { connect as connectPlain, createServer as createPlain } from "node:net";
import { connect as connectTls, type ConnectionOptions, createServer, type TlsOptions } from "node:tls";
import { systemClock } from "../../../src/base/clock.ts";
import { UserError } from "../../../src/base/errors.ts";
import { makeCertificate, makeKey, pairOf } from "../../../src/wire/certificate.ts";
import { type ClientTls, connect, type ConnectOptions } from "../../../src/wire/connect.ts";
import { listen, type ListenOptions, type ServerTls } from "../../../src/wire/listen.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { type ClientEnd, hello, notePair, type ServerEnd } from "../../conformance/duplex-notes.ts";
import { duplexConformance } from "../../conformance/duplex.ts";
import { needs } from "../../e2e/harness.ts";
import { anyCertificate, makeClaimed } from "../../make.ts";
import { key } from "../../unit/wire/ends.ts";

const names = { full: "n1.cluster.example", short: "n1" };
const [ownKey, otherKey] = await Promise.all([makeKey(), makeKey()]);
const [own, other] = await Promise.all([
  makeCertificate(ownKey, names, Date.now()),
  makeCertificate(otherKey, names, Date.now()),
]);
const { fingerprint } = pairOf(own, ownKey);
const serverTls: ServerTls = { cert: own, key: ownKey, minVersion: "TLSv1.2", ciphers: null };

interface Met {
  readonly port: number;
  readonly host: string;
  /** The next client that is let in. */
  readonly next: () => Promise<ServerEnd>;
  readonly problems: readonly WireProblem[];
  readonly close: () => void;
}

async function meet(options: Partial<ListenOptions> = {}): Promise<Met> {
  const come: ServerEnd[] = [];
  const waiting: ((link: ServerEnd) => void)[] = [];
  const problems: WireProblem[] = [];
  const listener = await listen({
    host: "127.0.0.1",
    port: 0,
    key,
    tls: null,
    clock: systemClock,
    handshakeMs: 5000,
    onSession(link) {
      const take = waiting.shift();
      if (take === undefined) come.push(link);
      else take(link);
    },
    onProblem: (problem) => void problems.push(problem),
    ...options,
  });
  const { host, port } = listener;
  return {
    host,
    port,
    problems,
    next() {
      const link = come.shift();
      if (link !== undefined) return Promise.resolve(link);
      const { promise, resolve } = Promise.withResolvers<ServerEnd>();
      waiting.push(resolve);
      return promise;
    },
    close: () => listener.close(),
  };
}

function visit(port: number, options: Partial<ConnectOptions> = {}): Promise<ClientEnd> {
  return connect({
    host: "127.0.0.1",
    port,
    key,
    tls: null,
    clock: systemClock,
    handshakeMs: 5000,
    connectMs: 5000,
    ...options,
  });
}

/** Kind and text of what went wrong. */
async function failure(attempt: Promise<unknown>): Promise<readonly [kind: string, text: string]> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof WireProblem) return [error.kind, error.message];
    throw error;
  }
  return ["none", "it worked"];
}

const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

async function open(options: Partial<ListenOptions> = {}): Promise<Met> {
  const met = await meet(options);
  ends.push(met.close);
  return met;
}

const plain = await open();
const secure = await open({ tls: serverTls });

for (const [title, { port, next }, tls] of [
  ["TCP", plain, null],
  ["TCP with TLS", secure, anyCertificate],
] as const) {
  duplexConformance(title, async () => {
    const [client, server] = await Promise.all([visit(port, { tls }), next()]);
    return notePair(client, server);
  });
}

const id = "0b7c2b3e-0000-4000-8000-000000000001";
const { scheduleTime: _time, ...task } = makeClaimed(id, { submitId: id, args: "x".repeat(100_000) });

const deaf = { message: () => undefined, drain: () => undefined, close: () => undefined };
const soon = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

describe("what was sent before the end arrives", () => {
  for (const [title, { port, next }, tls] of [
    ["over TCP", plain, null],
    ["over TLS", secure, anyCertificate],
  ] as const) {
    test(`${title}, also when the other side is in the midst of saying something`, async () => {
      for (let round = 0; round < 5; round++) {
        const [client, server] = await Promise.all([visit(port, { tls }), next()]);
        const reasons: string[] = [];
        const ended = Promise.withResolvers<Error | null>();
        let over = false;
        client.open({
          ...deaf,
          message: (message) => void (message.kind === "leave" && reasons.push(message.reason)),
          close(error) {
            over = true;
            ended.resolve(error);
          },
        });
        server.open(deaf);
        client.send(hello);
        const long = "x".repeat(30_000);
        for (let n = 0; n < 100; n++) server.send({ kind: "leave", how: "finish", reason: `${n} ${long}` });
        server.close();
        while (!over) {
          client.send({ kind: "bye", reason: long });
          await soon();
        }
        expect(await ended.promise).toBeNull();
        expect(reasons.map((reason) => Number(reason.split(" ")[0]))).toEqual(Array.from({ length: 100 }, (_, n) => n));
      }
    });
  }
});

test("whoever reads nothing is given up when 64 MiB wait for it", async () => {
  const [client, server] = await Promise.all([visit(plain.port), plain.next()]);
  const ended = Promise.withResolvers<Error | null>();
  client.open({ ...deaf, close: ended.resolve });
  // It stores nothing, so it reads no more than a few of the tasks.
  server.open(deaf);
  const submission = { id, time: 1, host: "n1", user: "me", cwd: "/", template: null, version: "1" };
  client.send({ kind: "submitter", submission });
  const tasks = Array.from({ length: 10 }, () => task);
  for (let n = 0; n < 90; n++) client.send({ kind: "tasks", tasks });
  expect((await ended.promise)?.message).toMatch(/^\d+ bytes wait for it, and it reads nothing$/);
  server.close();
});

describe("a server's certificate", () => {
  const chain: Partial<ClientTls> = { trust: "chain", ca: own };
  const accepted: readonly (readonly [what: string, tls: Partial<ClientTls>])[] = [
    ["any, with the proof of the key", {}],
    ["any, with a name that it has not", { servername: "elsewhere.example" }],
    ["any, as it was said to be insecure", { trust: "none" }],
    ["the one with this fingerprint", { trust: "fingerprint", fingerprint }],
    ["the one that was given, whatever its names", chain],
    ["the one that was given, with one of its names", { ...chain, servername: "n1.cluster.example" }],
    ["one of several that were given", { ...chain, ca: `${other}${own}` }],
  ];
  for (const [what, tls] of accepted) {
    test(`is accepted: ${what}`, async () => {
      const [client, server] = await Promise.all([
        visit(secure.port, { tls: { ...anyCertificate, ...tls } }),
        secure.next(),
      ]);
      server.open(deaf);
      client.close();
    });
  }

  const refused: readonly (readonly [what: string, tls: Partial<ClientTls>, text: RegExp])[] = [
    [
      "its fingerprint is another",
      { trust: "fingerprint", fingerprint: "00".repeat(32) },
      /fingerprint mismatch \(expected SHA256:00:.*, got SHA256:/,
    ],
    [
      "it is not the one that was given",
      { trust: "chain", ca: other },
      /certificate verify failed: self.signed certificate/,
    ],
    ["its name is not the one that was asked for", { ...chain, servername: "elsewhere.example" }, /elsewhere.example/],
    ["nobody whom the system trusts has signed it", { trust: "chain" }, /certificate verify failed: /],
  ];
  for (const [what, tls, text] of refused) {
    test(`is refused, and nothing is proved to it: ${what}`, async () => {
      const met = await open({ tls: serverTls });
      const [kind, said] = await failure(visit(met.port, { tls: { ...anyCertificate, ...tls } }));
      expect([kind, said]).toEqual(["certificate", expect.stringMatching(text)]);
      while (met.problems.length === 0) await soon();
      // Not "key": the session has not begun.
      expect(met.problems[0]?.kind).not.toBe("key");
    });
  }
});

test("a server's certificate of another signer is refused, also where its name would not matter", async () => {
  // Not among the names of the certificate: the one fault must not hide the other.
  const host = "127.0.0.2";
  const met = await open({ host, tls: serverTls });
  const attempt = (ca: string): ReturnType<typeof failure> =>
    failure(visit(met.port, { host, tls: { ...anyCertificate, trust: "chain", ca } }));
  expect(await attempt(own)).toEqual(["none", "it worked"]);
  expect(await attempt(other)).toEqual(["certificate", expect.stringMatching(/verify failed: self.signed/)]);
});

describe("TLS", () => {
  const answers = (): Promise<readonly [string, string]> => failure(visit(secure.port, { tls: anyCertificate }));

  /** A server of another make that has no more than this. */
  async function foreign(options: TlsOptions): Promise<number> {
    const server = createServer(
      { cert: own, key: ownKey, ...options },
      (socket) => void socket.on("error", () => socket.destroy()),
    );
    server.on("tlsClientError", () => undefined);
    const listening = Promise.withResolvers<void>();
    server.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    ends.push(() => server.close());
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("listens nowhere");
    return address.port;
  }

  /** What a client of another make gets of ours. */
  async function handshake(port: number, options: ConnectionOptions): Promise<string> {
    const { promise, resolve } = Promise.withResolvers<string>();
    const socket = connectTls({ host: "127.0.0.1", port, rejectUnauthorized: false, ...options });
    socket.on("secureConnect", () => resolve(`${socket.getProtocol()} ${socket.getCipher().name}`));
    socket.on("error", () => resolve("refused"));
    socket.on("close", () => resolve("refused"));
    const outcome = await promise;
    socket.destroy();
    return outcome;
  }

  test("has at least the version that was asked for, on either side", async () => {
    expect((await answers())[0]).toBe("none");
    const strict = await open({ tls: { ...serverTls, minVersion: "TLSv1.3" } });
    expect(await handshake(strict.port, { maxVersion: "TLSv1.2" })).toBe("refused");
    expect(await handshake(strict.port, {})).toStartWith("TLSv1.3 ");
    expect(await handshake(secure.port, { maxVersion: "TLSv1.2" })).toStartWith("TLSv1.2 ");

    const old = await foreign({ maxVersion: "TLSv1.2" });
    const [kind, text] = await failure(visit(old, { tls: { ...anyCertificate, minVersion: "TLSv1.3" } }));
    expect([kind, text]).toEqual([
      "tls",
      expect.stringMatching(/no connection with TLS .*version or cipher of TLS in common/),
    ]);
  });

  test("has one of the ciphers that were asked for, on either side", async () => {
    const [one, another] = ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"];
    const met = await open({ tls: { ...serverTls, ciphers: one } });
    const older = { maxVersion: "TLSv1.2" } as const;
    expect(await handshake(met.port, { ...older, ciphers: one })).toBe(`TLSv1.2 ${one}`);
    expect(await handshake(met.port, { ...older, ciphers: another })).toBe("refused");
    const old = await foreign({ ...older, ciphers: another });
    expect((await failure(visit(old, { tls: { ...anyCertificate, ciphers: one } })))[0]).toBe("tls");
  });

  test("on one side only: both sides say so", async () => {
    for (const [tls, asks] of [
      [serverTls, null],
      [null, anyCertificate],
    ] as const) {
      const met = await open({ tls });
      const [kind, text] = await failure(visit(met.port, { tls: asks }));
      expect([kind, text]).toEqual(["tls", expect.stringContaining("--no-tls")]);
      while (met.problems.length === 0) await soon();
      expect(met.problems.map((problem) => [problem.kind, problem.message])).toEqual([
        ["tls", expect.stringContaining("--no-tls")],
      ]);
    }
  });
});

describe("a connection that comes to nothing", () => {
  /** A port of ours where nobody listens any more. */
  async function closedPort(): Promise<number> {
    const met = await meet();
    met.close();
    return met.port;
  }

  test("is refused where nobody listens", async () => {
    for (const tls of [null, anyCertificate]) {
      const [kind, text] = await failure(visit(await closedPort(), { tls }));
      expect([kind, text]).toEqual(["refused", expect.stringMatching(/^Connection refused: there is no server at/)]);
    }
  });

  test("names the host that nobody knows", async () => {
    expect(await failure(visit(1, { host: "no-such-host.invalid" }))).toEqual([
      "unreachable",
      "Could not resolve host 'no-such-host.invalid'",
    ]);
  });

  test("waits neither for a server that does not answer nor for a name server", async () => {
    const mute = createPlain(() => undefined);
    const listening = Promise.withResolvers<void>();
    mute.listen(0, "127.0.0.1", listening.resolve);
    await listening.promise;
    ends.push(() => mute.close());
    const { port } = mute.address() as { readonly port: number };
    expect(await failure(visit(port, { tls: anyCertificate, connectMs: 50 }))).toEqual([
      "silent",
      `127.0.0.1:${port} did not answer within 0.05 seconds`,
    ]);
    expect(await failure(visit(port, { handshakeMs: 50 }))).toEqual([
      "silent",
      "the server did not answer within 0.05 seconds",
    ]);
    const resolve = (): Promise<readonly string[]> => Promise.withResolvers<readonly string[]>().promise;
    expect((await failure(visit(port, { host: "n1", connectMs: 50, resolve })))[0]).toBe("silent");
  });

  test("is told once, with whose fault it is, and leaves room", async () => {
    const met = await open({ handshakeMs: 100 });
    for (const [words, kind] of [
      ["", "silent"],
      ["GET / HTTP/1.1\r\n\r\n", "malformed"],
      ["x".repeat(100_000), "malformed"],
    ] as const) {
      const before = met.problems.length;
      const socket = connectPlain(met.port, "127.0.0.1");
      const closed = Promise.withResolvers<void>();
      socket.on("error", () => undefined);
      socket.on("close", () => closed.resolve());
      socket.write(words);
      await closed.promise;
      while (met.problems.length === before) await soon();
      expect(met.problems.slice(before).map((problem) => problem.kind)).toEqual([kind]);
    }
    // Half-closed is closed.
    const half = connectPlain({ host: "127.0.0.1", port: met.port, allowHalfOpen: true });
    half.end('{"hypershell":1,');
    const before = met.problems.length;
    while (met.problems.length === before) await soon();
    expect(met.problems.at(-1)?.kind).toBe("lost");
    half.destroy();
    const [client] = await Promise.all([visit(met.port), met.next()]);
    client.close();
  });
});

test("a client tries each address of a name, until somebody answers", async () => {
  const resolve = (): Promise<readonly string[]> => Promise.resolve(["::1", "127.0.0.2", "127.0.0.1"]);
  const [client, server] = await Promise.all([visit(plain.port, { host: "n1", resolve }), plain.next()]);
  server.open(deaf);
  client.close();
  // Whoever answers and is wrong is not passed by.
  const [kind] = await failure(visit(plain.port, { host: "n1", key: "another-key-than-that", resolve }));
  expect(kind).toBe("key");
});

const noIPv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"))
  ? null
  : "this host has no ::1";

needs([], noIPv6)("IPv6 works as IPv4 does", async () => {
  const met = await open({ host: "::1" });
  const [client, server] = await Promise.all([visit(met.port, { host: "::1" }), met.next()]);
  server.open(deaf);
  client.close();
  expect(met.host).toBe("::1");
});

describe("a server cannot listen", () => {
  const refused: readonly (readonly [why: string, options: () => Partial<ListenOptions>, text: RegExp])[] = [
    ["on a port in use", () => ({ port: plain.port }), /^Address already in use: 127.0.0.1:\d+ - .*-p$/],
    ["on an address of another host", () => ({ host: "192.0.2.1" }), /^Cannot assign requested address: .*192.0.2.1:0/],
    [
      "on a name that nobody knows",
      () => ({ host: "no-such-host.invalid" }),
      /^Could not resolve host 'no-such-host.invalid'/,
    ],
  ];
  for (const [why, options, text] of refused) {
    test(`${why}: one line, status 5`, async () => {
      let problem: unknown = null;
      try {
        const met = await meet(options());
        met.close();
      } catch (error) {
        problem = error;
      }
      expect(problem).toBeInstanceOf(UserError);
      const { status, logger, message } = problem as UserError;
      expect([status, logger, message]).toEqual([5, "server", expect.stringMatching(text)]);
    });
  }
});
