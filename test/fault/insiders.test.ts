/*
 * Peers that know the key and mean no good. They may run and submit tasks, and that is what the key is for; they cannot
 * fill the server's memory, and others are served meanwhile. PROTOCOL.md, section 9, says so.
 */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { linesOf, needs, type Running, type Site, type StartOptions, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
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
  /** The most memory that the server has had so far, MB. */
  readonly peak: () => number;
}

async function open(words: readonly string[] = [], options: StartOptions = {}): Promise<Served> {
  const site = openSoundSite();
  const served = await startServer(site, ["-", "--no-db", "--no-tls", ...words], { keepOpen: true, ...options });
  const { server, port } = served;
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  let count = 0;
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
    peak() {
      const [, kB = "0"] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${server.pid}/status`, "latin1")) ?? [];
      return Number(kB) / 1024;
    },
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

const idOf = (n: number): string => `0b7c2b3e-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
/** It comes from an address of its own, so that it is not taken for one of the many that say nothing. */
const enter = (port: string, n: number, credit = 0): Promise<Insider> =>
  enterAs(port, helloOf(idOf(n), credit), "127.0.0.2");

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
