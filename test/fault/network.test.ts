/*
 * A server and two clients with a bad network between them: whatever the proxy does, every task is recorded once, none
 * runs twice (no client is gone for longer than the grace period), and the run ends by itself.
 */
import { expect, test } from "bun:test";
import { type Site, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
import { random } from "../simulation/random.ts";
import { startProxy, type Trouble } from "./proxy.ts";
import { ask } from "../e2e/tables.ts";
import { openSoundSite } from "./sound.ts";

const tasks = 400;
const outageMs = 700;

/** Both notice a silent connection after three seconds. */
const impatient = { HYPERSHELL_CLIENT_HEARTRATE: "1" };

function recorded(site: Site): { tasks: number; ended: number; good: number } {
  const counts = "select count(*) tasks, count(completion_time) ended, sum(exit_status = 0) good from task";
  return ask<{ tasks: number; ended: number; good: number }>(site.database, counts)[0]!;
}

interface Story {
  readonly plan: (connection: number) => Trouble;
  readonly words?: readonly string[];
  /** Least connections that were made, if the trouble breaks some. */
  readonly connections?: number;
  /** What a client has to say about it. */
  readonly said?: RegExp;
}

/** Beyond the handshake of TLS, and well before the last task. */
const amid = 9000;

/** Six connections in trouble of any kind at any byte, which the seed decides; those that come first are let in. */
function mixed(seed: number): (connection: number) => Trouble {
  const source = random(seed);
  const troubles = Array.from({ length: 6 }, (_, n): Trouble => {
    const at = n < 2 ? amid + source.between(0, 4000) : source.between(1, 2 * amid);
    const all: readonly Trouble[] = [
      { resetAfter: at },
      { flipAt: at },
      { stallAfter: at, only: source.chance(0.5) ? "up" : "down" },
      { resetAfter: at, delayMs: source.between(1, 60) },
      { flipAt: at, bytesPerSecond: source.between(40_000, 80_000) },
    ];
    return all[source.between(0, all.length - 1)]!;
  });
  return (n) => troubles[n] ?? {};
}

const stories: Readonly<Record<string, Story>> = {
  "delays everything": { plan: () => ({ delayMs: 40 }) },
  "lets little through": { plan: () => ({ bytesPerSecond: 60_000 }) },
  "resets in the middle of frames": {
    plan: (n) => (n < 8 ? { resetAfter: amid + n * 1111 } : {}),
    connections: 6,
  },
  "resets while hands are shaken": {
    plan: (n) => (n > 1 && n < 8 ? { resetAfter: 300 * n } : n < 2 ? { resetAfter: amid } : {}),
    connections: 6,
  },
  "swallows what clients say": { plan: (n) => (n < 2 ? { stallAfter: amid, only: "up" } : {}), connections: 3 },
  "swallows what the server says": { plan: (n) => (n < 2 ? { stallAfter: amid, only: "down" } : {}), connections: 3 },
  "swallows everything": { plan: (n) => (n < 2 ? { stallAfter: amid } : {}), connections: 3 },
  "flips bits": { plan: (n) => (n < 6 ? { flipAt: amid + 77 * n } : {}), connections: 5 },
  "flips bits, without TLS": {
    plan: (n) => (n < 6 ? { flipAt: 2000 + 77 * n, only: n % 2 === 0 ? "down" : "up" } : {}),
    words: ["--no-tls"],
    connections: 5,
    said: /frame \d+ of the server was changed, repeated or moved on its way/,
  },
  "flips bits while hands are shaken again": {
    plan: (n) => (n < 2 ? { resetAfter: amid } : n < 10 ? { flipAt: 60 + 97 * (n - 2) } : {}),
    connections: 8,
  },
  "answers nobody at first": { plan: (n) => (n < 2 ? { stallAfter: 0 } : {}), connections: 4 },
  "resets in the middle of frames, without TLS": {
    plan: (n) => (n < 8 ? { resetAfter: 2000 + n * 1111 } : {}),
    words: ["--no-tls"],
    connections: 6,
  },
  "does one thing after another (seed 1)": { plan: mixed(1), connections: 4 },
  "does one thing after another (seed 2)": { plan: mixed(2), connections: 4 },
};

function fill(site: Site): void {
  site.write("in", Array.from({ length: tasks }, (_, n) => `echo ${n} >> ran\n`).join(""));
}

function expectOnce(site: Site): void {
  expect(recorded(site)).toEqual({ tasks, ended: tasks, good: tasks });
  const ran = site.lines("ran").map(Number);
  expect(ran.toSorted((one, other) => one - other)).toEqual(Array.from({ length: tasks }, (_, n) => n));
}

for (const [name, { plan, words = [], connections = 2, said }] of Object.entries(stories)) {
  test(`a network that ${name} loses nothing and doubles nothing`, async () => {
    await using site = openSoundSite();
    fill(site);
    const { server, port } = await startServer(site, ["in", ...words], { env: impatient });
    await using proxy = startProxy(Number(port), plan);
    // Small bundles make many frames.
    const clients = [1, 2].map(() => startClient(site, `${proxy.port}`, ["-N2", "-b5", ...words], { env: impatient }));
    const ended = await server.ended;
    for (const client of clients) expect((await client.ended).status).toBe(0);
    expect([ended.status, proxy.connections() >= connections]).toEqual([0, true]);
    if (said !== undefined) expect(clients.map((client) => client.stderr()).join("")).toMatch(said);
    expectOnce(site);
  });
}

test("a network that is gone for a while loses nothing and doubles nothing", async () => {
  await using site = openSoundSite();
  fill(site);
  const { server, port } = await startServer(site, ["in"], { env: impatient });
  await using proxy = startProxy(Number(port), () => ({ delayMs: 5 }));
  const clients = [1, 2].map(() => startClient(site, `${proxy.port}`, ["-N2", "-b5"], { env: impatient }));
  for (let outage = 0; outage < 3; outage++) {
    const before = site.lines("ran").length;
    await until(() => site.lines("ran").length >= Math.min(tasks, before + 60), "the tasks do not go on");
    proxy.vanish();
    const goneAt = performance.now();
    await until(() => performance.now() - goneAt > outageMs, "time stands still");
    proxy.back();
  }
  const ended = await server.ended;
  for (const client of clients) expect((await client.ended).status).toBe(0);
  // Each time at least one of them had to come back.
  expect([ended.status, proxy.connections() >= 5]).toEqual([0, true]);
  expectOnce(site);
});
