/*
 * Peers that mean no good. Those that know the key may run and submit tasks, and that is what the key is for; they
 * cannot fill the server's memory. Those that do not can connect as fast as they like. Others are served meanwhile.
 * PROTOCOL.md, section 9, says so.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { linesOf, needs, type Running, type Site, until } from "../e2e/harness.ts";
import { secured, startClient } from "../e2e/serving.ts";
import { openSoundSite } from "./sound.ts";
import { callMany, type Caller } from "./impostor.ts";
import { enterAs, helloOf, type Insider } from "./insider.ts";

interface Served extends AsyncDisposable {
  readonly site: Site;
  readonly server: Running;
  readonly client: Running;
  readonly port: string;
  /** A task goes through, from the server to an honest client. */
  readonly works: () => Promise<void>;
  /** A new peer is let in. */
  readonly admits: () => Promise<void>;
  /** The most memory that the server has had so far, MB. */
  readonly peak: () => number;
}

/** `descriptors`: how many the server may have open. */
async function open(descriptors: number | null = null): Promise<Served> {
  const site = openSoundSite();
  const limit = descriptors === null ? "" : `ulimit -n ${descriptors}; `;
  const command = `${limit}exec hs server -p 0 - --no-db --no-tls`;
  const server = site.start(["sh", "-c", command], { keepOpen: true, timeoutMs: 60_000, env: secured });
  const line = await server.line(/Server listening on .*:\d+$/);
  const port = line.slice(line.lastIndexOf(":") + 1);
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  // Peers have numbers of their own, from 1,000 on.
  let count = 1000;
  return {
    site,
    server,
    client,
    port,
    async works() {
      const word = `honest-${++count}`;
      server.type(`echo ${word}\n`);
      await client.line(new RegExp(`^${word}$`));
    },
    async admits() {
      using peer = await enter(port, ++count, 0, "127.0.0.1");
      await until(() => peer.heard() > 0, "a new peer is welcomed");
    },
    peak() {
      const [, kB = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "latin1")) ?? [];
      return Number(kB) / 1024;
    },
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

/** Starts a flood of connections from that address; resolves with their number when it is over. */
async function flood(port: string, address: string, ms: number): Promise<number> {
  const flooder = Bun.spawn([process.execPath, join(import.meta.dir, "flooder.ts"), port, address, `${ms}`]);
  return Number(await new Response(flooder.stdout).text());
}

/** Says one beat after the other until `isOver`. Answers how many, and the longest time to an answer, milliseconds. */
async function beatUntil(peer: Insider, isOver: () => boolean): Promise<{ count: number; slowest: number }> {
  let [count, slowest] = [0, 0];
  for (; !isOver(); count++) {
    const [before, since] = [peer.heard(), performance.now()];
    peer.say({ kind: "beat" });
    await until(() => peer.heard() > before, "a beat is answered");
    slowest = Math.max(slowest, performance.now() - since);
  }
  return { count, slowest };
}

test("a flood from one source keeps out nobody from another, and those who are connected are served", async () => {
  await using served = await open();
  await served.works();
  using connected = await enter(served.port, 1, 0, "127.0.0.1");
  await until(() => connected.heard() > 0, "it is welcomed");
  let isOver = false;
  const flooding = flood(served.port, "127.0.0.2", 1500).finally(() => (isOver = true));
  await until(() => /WARNING .*came at once|WARNING .*made room/.test(served.server.stderr()), "the flood is noticed");
  const beating = beatUntil(connected, () => isOver);
  let slowest = 0;
  while (!isOver) {
    const since = performance.now();
    const admitted = served.admits();
    await served.works();
    slowest = Math.max(slowest, performance.now() - since);
    await admitted;
    expect(performance.now() - since).toBeLessThan(5000);
  }
  expect(slowest).toBeLessThan(1000);
  const beats = await beating;
  expect(beats.count).toBeGreaterThan(3);
  expect(beats.slowest).toBeLessThan(1000);
  expect(await flooding).toBeGreaterThan(2000);
});

needs([], process.platform === "linux" ? null : "other systems have limits of their own")(
  "a server with few descriptors keeps some for itself, and lets in who knows the key",
  async () => {
    await using served = await open(100);
    const { port, server, works, admits } = served;
    await works();
    const strangers = await callMany(port, 300);
    await works();
    await admits();
    const [before, since] = [cpuOf(server), performance.now()];
    await until(() => performance.now() - since > 300, "time passes");
    // It waits, and does not try to accept what it has no descriptor for.
    expect(cpuOf(server) - before).toBeLessThan(150);
    for (const each of strangers) each[Symbol.dispose]();
    await works();
  },
);

/** Processor time so far, milliseconds. Source: proc(5), fields 14 and 15 of stat, in hundredths of a second. */
function cpuOf({ pid }: Running): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

const idOf = (n: number): string => `0b7c2b3e-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
/** It comes from an address of its own, so that it is not taken for one of the many that say nothing. */
const enter = (port: string, n: number, credit = 0, from = "127.0.0.2"): Promise<Insider> =>
  enterAs(port, helloOf(idOf(n), credit), from);

needs([], process.platform === "linux" ? null : "memory is read from /proc")(
  "silent connections, unread answers, half frames and a million of credit leave the server its memory and its time",
  async () => {
    await using served = await open();
    const { port, server, client, works, peak } = served;
    await works();
    const strangers: Caller[] = [];
    for (let n = 0; n < 20; n++) strangers.push(...(await callMany(port, 100)));
    await works();

    // It reads nothing, so its connection is full sooner or later: after that it is not heard any more, or cut off.
    using deaf = await enter(port, 1);
    deaf.stopReading();
    for (let n = 0; n < 5000; n++) deaf.say({ kind: "beat" });

    // With what belongs to the frame, each is below the largest frame.
    const half = Buffer.alloc(15 * 1024 * 1024, "x");
    const halves = await Promise.all(Array.from({ length: 40 }, (_, n) => enter(port, 100 + n)));
    for (const each of halves) each.raw(half);
    await until(() => halves.filter((each) => each.gone()).length >= 37, "most of the halves are given up");
    await works();

    using greedy = await enter(port, 2, 1_000_000);
    greedy.stopReading();
    server.type(`${"true\n".repeat(500)}echo among many\n`.repeat(100));
    await client.line(/^among many$/);
    expect(peak()).toBeLessThan(300);
    for (const each of [...strangers, ...halves]) each[Symbol.dispose]();
    const told = linesOf(server.stderr()).filter((line) => /WARNING .*Gave up/.test(line));
    expect(told[0]).toMatch(/Gave up the connection to 0b7c2b3e-\S+: /);
    // One for each of the first, and then how many more there were.
    expect(told.length).toBeLessThanOrEqual(21);
  },
);
