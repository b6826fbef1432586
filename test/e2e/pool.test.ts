/* What clients share out among tasks, and how fast they start them: backfill, limits of a client, rates, delays. */
import { expect, test } from "bun:test";
import { openSite, type Ended } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

const debug = { HYPERSHELL_LOGGING_LEVEL: "debug" };

/** The tasks of the log that did something, by the words that come before their ids. */
function told({ stderr }: Ended, words: RegExp): readonly string[] {
  return stderr.split("\n").filter((line) => words.test(line));
}

/** Lines whose tasks note when they start, and their names in the order of their starts. */
const noted = (name: string, command: string, settings: string): string =>
  `echo ${name} >> order; ${command} # HYPERSHELL: ${settings}\n`;

test("of eight tasks on 8 cores and 3 executors the fourth jumps ahead of the third", async () => {
  await using site = openSite();
  const wait = (name: string): string => `until [ -e ${name} ]; do sleep 0.02; done`;
  const lines = [
    noted("1", wait("first"), "cores:4 timeout:60"),
    noted("2", wait("second"), "cores:3 timeout:30"),
    noted("3", "true", "cores:8"),
    noted("4", "touch second; sleep 0.2; touch first", "cores:1 timeout:5"),
    ...["5", "6", "7", "8"].map((name) => noted(name, "true", "cores:8")),
  ];
  const ended = await site.hsx(["-N3", "-C8"], { stdin: lines.join(""), env: debug });
  expect(ended.status).toBe(0);
  expect(site.lines("order").slice(2)).toEqual(["4", "3", "5", "6", "7", "8"]);
  const backfills = told(ended, /Backfilling task/);
  expect(backfills).toHaveLength(1);
  expect(backfills[0]).toMatch(
    /^ {3}DEBUG \[hypershell.client\] Backfilling task \([0-9a-f-]{36}\): timeout=5 < \d+\.\d seconds$/,
  );
});

test("the limits of a client hold wherever it runs, and what is more than them fails with -3", async () => {
  for (const mode of [[], ["--launcher=env", "-H", "127.0.0.1"]]) {
    await using site = openSite();
    const asks = { one: "cores:2 memory:1GB", two: "cores:3", three: "memory:3GB" };
    const stdin = Object.entries(asks)
      .map(([name, what]) => `echo ${name} # HYPERSHELL: ${what}\n`)
      .join("");
    // A server waits so long for a client that has more.
    const env = { HYPERSHELL_SERVER_GRACE: "1" };
    const ended = await site.hsx(["-N4", "-C2", "-M", "2GB", ...mode], { stdin, env });
    expect([mode, ended.status, ended.stdout]).toEqual([mode, 7, "one\n"]);
    for (const lack of ["cores: 2 < 3", "memory: 2.00GB < 3.00GB"])
      expect(ended.stderr).toMatch(new RegExp(`Insufficient resources for task \\(.{36}\\): ${lack} .cancelled`));
    const listed = await site.hs(["list", "exit_status", "-s", "args"]);
    expect(listed.stdout).toBe("0\n-3\n-3\n");
  }
});

/** How long it takes, milliseconds. */
async function timed(run: () => Promise<Ended>): Promise<number> {
  const from = performance.now();
  expect((await run()).status).toBe(0);
  return performance.now() - from;
}

test("-R limits how many tasks a client starts in a second: here, launched, by hand, by configuration", async () => {
  await using site = openSite();
  const words = ["-N4", "-t", "true {}", ":::", "1", "2", "3", "4", "5"];
  const calls: readonly (() => Promise<Ended>)[] = [
    () => site.hsx(["-R5", ...words]),
    () => site.hsx(["-R", "5", "--launcher=env", "-H", "127.0.0.1", ...words]),
    () => site.hsx(words, { env: { HYPERSHELL_TASK_RATELIMIT: "5" } }),
    () => site.hsx(words, { env: { HYPERSHELL_TASK_RATELIMIT: "0.1", HYPERSHELL_CLIENT_RATELIMIT: "5" } }),
    async () => {
      const { server, port } = await startServer(site, ["--no-db", "-"], { stdin: "true\n".repeat(5) });
      const client = startClient(site, port, ["-R5"], { env: debug });
      expect(told(await client.ended, /Rate limit enabled: 5 tasks per second/)).toHaveLength(1);
      return server.ended;
    },
  ];
  const times = await Promise.all(calls.map(timed));
  for (const time of times) expect(time).toBeGreaterThan(800);
});

test("-R and -C take no nonsense", async () => {
  await using site = openSite();
  for (const [words, text] of [
    [["-R", "-1"], "argument -R/--ratelimit: must be 0 or more, not -1"],
    [["-C", "-1"], "argument -C/--client-cores: must be 0 or more, not -1"],
    [
      ["-M", "lots"],
      "argument -M/--client-memory: invalid size value: 'lots' (bytes, or with a unit as in 512MB or 1.5GB)",
    ],
  ] as const) {
    const { status, stderr } = await site.hsx([...words, ":::", "true"]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(text)]);
  }
});

test("-d keeps a client from its first task for a while, in every mode", async () => {
  await using site = openSite();
  const calls: readonly (() => Promise<Ended>)[] = [
    () => site.hsx(["-d", "0.7", ":::", "true"]),
    () => site.hsx(["-d0.7", "--launcher=env", "-H", "127.0.0.1", ":::", "true"]),
    async () => {
      const { server, port } = await startServer(site, ["--no-db", "-"], { stdin: "true\n" });
      const client = await startClient(site, port, ["--delay-start=0.7"], { env: debug }).ended;
      expect(told(client, /Waiting \(0\.7 seconds\)/)).toHaveLength(1);
      return server.ended;
    },
  ];
  const times = await Promise.all(calls.map(timed));
  for (const time of times) expect(time).toBeGreaterThan(650);
  const stopped = site.start(["hsx", "-d", "100", ":::", "true"], { env: debug });
  await stopped.line(/Waiting \(100 seconds\)/);
  stopped.kill("SIGTERM");
  expect((await stopped.ended).status).toBe(143);
  const random = await site.hsx(["-d", "-0.2", ":::", "true"], { env: debug });
  expect(told(random, /Waiting random \(0\.[0-2] seconds\)/)).toHaveLength(1);
});
