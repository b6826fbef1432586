/* Each situation of a task, and the sentences that tell of it. */
import { describe, expect, test } from "bun:test";
import { explain, explanationText } from "../../../src/explain/explain.ts";
import type { Explanation, Facts, ServerFact } from "../../../src/explain/facts.ts";
import { describeStatus } from "../../../src/explain/status.ts";
import type { Obstacles } from "../../../src/history/obstacles.ts";
import { type Given, taskRecord } from "../print/rows.ts";

const id = "0199b3f2-7c1e-7000-8000-000000000001";
const submitId = "0199b3f2-7c1e-7000-8000-000000000000";
const other = "0199b3f2-7c1e-7000-8000-00000000000a";
const now = new Date("2026-11-22T07:17:22").getTime();

const free: Obstacles = { cwd: "/data", lower: [], lowerGroups: 0, setbacks: [], reasons: 0, before: 0 };

function serverOf(given: Partial<ServerFact> = {}): ServerFact {
  return {
    id: other,
    host: "login",
    pid: 7,
    reserves: false,
    startedAt: 0,
    beatAt: now - 4000,
    isAlive: true,
    ...given,
  };
}

/** What is told of a task with these cells, among these facts. */
function told(cells: Given, facts: Partial<Facts> = {}): Explanation {
  return explain({
    now,
    task: taskRecord({ id, ...cells }),
    earlier: [],
    later: [],
    servers: [],
    clients: new Map(),
    client: null,
    obstacles: cells.schedule_time === undefined && cells.exit_status === undefined ? free : null,
    resources: new Set(["gpus"]),
    seen: null,
    ...facts,
  });
}

const taken: Given = { schedule_time: "2026-11-22 07:07:23", server_id: other, server_host: "login" };
const given: Given = { ...taken, client_id: "c", client_host: "node1" };
const ended: Given = {
  ...given,
  start_time: "2026-11-22 07:07:24",
  completion_time: "2026-11-22 07:07:30",
  duration: 6,
};

describe("a task that waits", () => {
  const setback = { submitId, origin: { cwd: "/data", time: now - 9000 }, group: 0, failed: 2, example: other };
  test.each<readonly [string, Given, Partial<Facts>, readonly string[]]>([
    ["no server has ever been there", {}, {}, ["No server is there that could run it."]],
    [
      "its servers are dead",
      {},
      { servers: [serverOf({ isAlive: false })] },
      ["No server is alive; the last one, on login, was seen 0:00:04 ago."],
    ],
    [
      "only runs of other input are alive",
      {},
      { servers: [serverOf({ reserves: true })] },
      ["No server takes it: 1 run is alive (on login), and each runs only what it was started with."],
    ],
    [
      "its own run is alive, and others are before it",
      {},
      {
        servers: [serverOf({ id: submitId, reserves: true })],
        clients: new Map([[submitId, 1]]),
        obstacles: { ...free, before: 2 },
      },
      [
        "The server on login (process 7), the run that it was submitted by, takes it when it is its turn.",
        "2 tasks of its group were submitted before it, and wait too.",
        "1 client is connected; it runs when one has room for it.",
      ],
    ],
    [
      "a server is there, and no client",
      { cores: 4, tag: { part: 0, gpus: 2 } },
      { servers: [serverOf()] },
      [
        "The server on login (process 7) takes it when it is its turn.",
        "It is the next one of its group.",
        "No client is on record as connected, so nobody is there to run it.",
        "It needs 4 cores, 2 gpus. Which clients have that is not in the database.",
      ],
    ],
    [
      "a lower group has not ended",
      { group: 2 },
      {
        servers: [serverOf()],
        clients: new Map([[other, 3]]),
        obstacles: { ...free, lower: [{ group: 1, unfinished: 3, held: 1, example: other }], lowerGroups: 3 },
      },
      [
        "Its group (2) waits for group 1, which has 3 tasks that have not ended; 1 of them is taken by a server " +
          `(example: ${other}).`,
        "2 more groups go before it.",
        "The server on login (process 7) takes it when it is its turn.",
        "3 clients are connected; it runs when one has room for it.",
      ],
    ],
    [
      "failures hold it back",
      { group: 1 },
      { obstacles: { ...free, setbacks: [setback], reasons: 2 } },
      [
        "It is held back until these failures are dealt with: 2 tasks of group 0 failed, submitted from /data on " +
          `2026-11-22 07:17:13 (example: ${other}); more in 1 other submission.`,
        "No server is there that could run it.",
      ],
    ],
  ])("%s", (_, cells, facts, why) => {
    const found = told(cells, facts);
    expect([found.state, ...found.why]).toEqual(["waits", ...why]);
    expect(found.advice.at(-1)).toBe(`To drop it: hs update --cancel -w id==${id}`);
  });

  test("what clients have is told where a server says it", () => {
    const capacity = (cores: number, until?: number) => ({
      cores,
      memory: 2 ** 30,
      others: {},
      ...(until === undefined ? {} : { until }),
    });
    const seen = (...capacities: ReturnType<typeof capacity>[]): Partial<Facts> => ({
      servers: [serverOf()],
      seen: {
        clients: capacities.map((each) => ({ host: "n", capacity: each, standing: "present" as const })),
        total: capacities.length,
      },
    });
    const last = (cells: Given, facts: Partial<Facts>): string | undefined => told(cells, facts).why.at(-1);
    expect(last({ cores: 8 }, seen(capacity(4)))).toBe(
      "It needs 8 cores, and none of 1 client has that (cores: 4 < 8).",
    );
    expect(last({ cores: 8 }, seen(capacity(4), capacity(8)))).toBe("It needs 8 cores: 1 of 2 clients can have that.");
    expect(last({ timeout: 3600 }, seen(capacity(4, now + 60_000)))).toBe(
      "It may run 1:00:00, and none of 1 client has that (its time is up in 0:01:00).",
    );
    expect(last({}, seen(capacity(4)))).toBe("Its server has 1 client now.");
    expect(last({ memory: 1 }, seen())).toBe("It needs 1.00B of memory, and no client is connected.");
  });
});

describe("a task that a server has", () => {
  test("and no client has", () => {
    const found = told({ ...taken, attempt: 2 }, { servers: [serverOf()], clients: new Map([[other, 2]]) });
    expect([found.state, ...found.why]).toEqual([
      "taken",
      "The server on login has it, and waits for a client with room for it.",
      "It is a further attempt, so the server may also hold it for the pause of --retry-delay; only the log tells.",
      "2 clients are connected; it runs when one has room for it.",
    ]);
    expect(told(taken).why[0]).toBe(
      "A server on login had taken it, and is not on record any more: it died before a client had the task.",
    );
  });

  test("runs, with its limit, or is with a client whose server is dead", () => {
    const runs = { ...given, start_time: "2026-11-22 07:16:22", timeout: 90 };
    const found = told(runs, { servers: [serverOf()] });
    expect([found.state, ...found.why]).toEqual([
      "runs",
      "It runs on node1, since 2026-11-22 07:16:22 (0:01:00).",
      "It is stopped when it has run 0:01:30, in 0:00:30.",
    ]);
    const row = { host: "node1", serverId: other, connectedAt: 0, disconnectedAt: null, evicted: true };
    expect(told(runs, { client: row }).why.slice(2)).toEqual([
      "That client was given up, so its server is about to take the task back.",
      "Its server is not on record any more. The client goes on, and delivers the outcome when a server is back.",
    ]);
    const gone = told({ ...runs, client_id: other }, { servers: [serverOf({ isAlive: false })] });
    expect([gone.state, gone.why[0]]).toEqual([
      "taken",
      "It was on node1, in a client that is gone with its server: what it did there is lost.",
    ]);
  });
});

describe("a task that has ended", () => {
  test.each<readonly [string, Given, string, readonly string[]]>([
    ["well", { exit_status: 0 }, "succeeded", ["It ended with status 0: it succeeded."]],
    [
      "cancelled",
      { exit_status: -1, start_time: null },
      "cancelled",
      ["It was cancelled before it ran (hs update --cancel)."],
    ],
    ["badly", { exit_status: 3 }, "failed", ["It ended with status 3, which its command chose."]],
    [
      "at its limit",
      { exit_status: -4, timeout: 6 },
      "failed",
      ["It ended with status -4: it was stopped at its time limit.", "Its time limit was 0:00:06."],
    ],
    [
      "for memory",
      { exit_status: 137, memory: 2 ** 30, memory_max: 2 ** 30 },
      "failed",
      [
        "It ended with status 137: signal SIGKILL (9) ended it: something killed it: the system for lack of memory, " +
          "a batch system, or somebody.",
        "It had 1.00GB of memory, and asked for 1.00GB: probably it was killed for that.",
      ],
    ],
    [
      "unmet",
      { exit_status: -3, cores: 99 },
      "failed",
      [
        "It ended with status -3: it needs more cores, memory or other resources than any client has.",
        "It needs 99 cores.",
      ],
    ],
  ])("%s", (_, cells, state, why) => {
    const found = told({ ...ended, ...cells });
    expect([found.state, ...found.why]).toEqual([state, ...why]);
  });

  test("with its attempts, in order", () => {
    const attempt = (number: number, status: number | null) =>
      taskRecord({
        id: `attempt-${number}`,
        attempt: number,
        exit_status: status,
        schedule_time: "2026-11-22 07:07:23",
      });
    const found = told(
      { ...ended, exit_status: 1, attempt: 2 },
      { earlier: [attempt(1, 143)], later: [attempt(3, null)] },
    );
    expect(found.why[1]).toBe(
      "It was tried again, so this is no final failure; the last attempt was taken by a server (attempt-3).",
    );
    expect(found.story).toEqual([
      "It was submitted on 2026-11-22 07:07:22 on node01.",
      "Attempt 1 failed with status 143 (attempt-1).",
      "This is attempt 2.",
      `A server on login took it on 2026-11-22 07:07:23 (${other}).`,
      "The server gave it to a client on node1 (c).",
      "It started on 2026-11-22 07:07:24, 0:00:02 after it was submitted.",
      "It ended on 2026-11-22 07:07:30, after 0:00:06.",
      "Attempt 3 was taken by a server (attempt-3).",
    ]);
    expect(found.advice).toEqual([]);
  });
});

test("statuses in words", () => {
  const words = [0, 1, 124, 126, 127, 128, 139, 193, 255].map(describeStatus);
  expect(words.map((each) => each?.split(":")[0] ?? null)).toEqual([
    null,
    null,
    "what timeout(1) ends with when it stopped a program at its limit",
    "the command was found and could not be run",
    "there is no such command",
    null,
    "signal SIGSEGV (11) ended it",
    null,
    null,
  ]);
});

test("the text of an explanation leaves out what is empty", () => {
  const text = explanationText({ id: "x", state: "succeeded", why: ["a"], story: ["b", "c"], advice: [] }, "true");
  expect(text).toBe("Task x succeeded: true\nWhy\n  a\nWhat happened\n  b\n  c\n");
});
