/*
 * A server and two clients with a bad network between them: whatever the proxy does, every task is recorded once, none runs twice (no client is
 * gone for longer than the grace period), and the run ends by itself.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { openSite, type Site, until } from "../e2e/harness.ts";
import { startClient, startServer } from "../e2e/serving.ts";
import { startProxy, type Trouble } from "./proxy.ts";

const tasks = 400;
const outageMs = 700;

/** Both notice a silent connection after three seconds. */
const impatient = { HYPERSHELL_CLIENT_HEARTRATE: "1" };

function recorded(site: Site): { tasks: number; ended: number; good: number } {
  const database = new Database(site.database, { readonly: true });
  try {
    return database
      .query<{ tasks: number; ended: number; good: number }, []>(
        "select count(*) tasks, count(completion_time) ended, sum(exit_status = 0) good from task",
      )
      .get()!;
  } finally {
    database.close();
  }
}

interface Story {
  readonly plan: (connection: number) => Trouble;
  readonly words?: readonly string[];
  /** Least connections that were made, if the trouble breaks some. */
  readonly connections?: number;
}

/** Beyond the handshake of TLS, and well before the last task. */
const amid = 9000;

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
    plan: (n) => (n < 6 ? { flipAt: 2000 + 77 * n } : {}),
    words: ["--no-tls"],
    connections: 5,
  },
  "resets in the middle of frames, without TLS": {
    plan: (n) => (n < 8 ? { resetAfter: 2000 + n * 1111 } : {}),
    words: ["--no-tls"],
    connections: 6,
  },
};

function fill(site: Site): void {
  site.write("in", Array.from({ length: tasks }, (_, n) => `echo ${n} >> ran\n`).join(""));
}

function expectOnce(site: Site): void {
  expect(recorded(site)).toEqual({ tasks, ended: tasks, good: tasks });
  const ran = site.lines("ran").map(Number);
  expect(ran.toSorted((one, other) => one - other)).toEqual(Array.from({ length: tasks }, (_, n) => n));
}

for (const [name, { plan, words = [], connections = 2 }] of Object.entries(stories)) {
  test(`a network that ${name} loses nothing and doubles nothing`, async () => {
    await using site = openSite();
    fill(site);
    const { server, port } = await startServer(site, ["in", ...words], { env: impatient });
    await using proxy = startProxy(Number(port), plan);
    // Small bundles make many frames.
    const clients = [1, 2].map(() => startClient(site, `${proxy.port}`, ["-N2", "-b5", ...words], { env: impatient }));
    const ended = await server.ended;
    for (const client of clients) expect((await client.ended).status).toBe(0);
    expect([ended.status, proxy.connections() >= connections]).toEqual([0, true]);
    expectOnce(site);
  });
}

test("a network that is gone for a while loses nothing and doubles nothing", async () => {
  await using site = openSite();
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
  expect(ended.status).toBe(0);
  expectOnce(site);
});
