import { describe, expect, test } from "bun:test";
import type { Assignment, Outcome } from "../../../src/task/task.ts";
import { decodeHost, decodePeer, encode } from "../../../src/wire/codec.ts";
import { mostCredit } from "../../../src/wire/message.ts";
import type { PeerMessage } from "../../../src/wire/message.ts";
import { WireProblem } from "../../../src/wire/problem.ts";
import { makeAssignment, makeOutcome } from "../../make.ts";

const id = (n: number): string => `0b7c2b3e-0000-4000-8000-${`${n}`.padStart(12, "0")}`;
const tag = { part: 0 };

function assignment(n: number, own: Partial<Assignment> = {}): Assignment {
  const times = { submitTime: 1_700_000_000_000.125 + n, scheduleTime: 1_700_000_001_000.5 };
  const lease = { id: id(n), lease: n };
  return makeAssignment(lease, { args: `echo ${n}`, submitId: id(0), submitHost: "login1", tag, ...times, ...own });
}

function outcome(n: number, own: Partial<Outcome> = {}): Outcome {
  const times = { startTime: 1.5, completionTime: 2.5 };
  return makeOutcome({ id: id(n), lease: 1 }, { command: `echo ${n}`, ...times, ...own });
}

const bytesOf = (frame: string): number => Buffer.byteLength(frame);

describe("frames", () => {
  test("are one line of plain JSON each, whatever is in them", () => {
    const args = "line\nfeed \u2028 NUL \u0000 ü 漢 𝄞 \ud800 lone";
    const [frame = "", ...more] = encode({ kind: "assign", tasks: [assignment(1, { args })] });
    expect(more).toEqual([]);
    expect(frame).not.toContain("\n");
    expect(decodeHost(frame)).toEqual({ kind: "assign", tasks: [assignment(1, { args })] });
  });

  test("say once what all tasks share, and leave out what is null", () => {
    const [frame = ""] = encode({ kind: "assign", tasks: [assignment(1), assignment(2)] });
    expect(JSON.parse(frame)).toEqual({
      kind: "assign",
      same: {
        group: 0,
        submitId: id(0),
        submitHost: "login1",
        attempt: 1,
        tag: { part: 0 },
        scheduleTime: 1_700_000_001_000.5,
      },
      tasks: [
        { id: id(1), args: "echo 1", submitTime: 1_700_000_000_001.125, lease: 1 },
        { id: id(2), args: "echo 2", submitTime: 1_700_000_000_002.125, lease: 2 },
      ],
    });
    const [results = ""] = encode({ kind: "results", outcomes: [outcome(1)], credit: 1 });
    expect(Object.keys((JSON.parse(results) as { outcomes: [object] }).outcomes[0])).toEqual([
      "id",
      "lease",
      "command",
      "startTime",
      "completionTime",
      "exitStatus",
    ]);
  });

  test("tell tasks apart that differ in any field", () => {
    const others: readonly Partial<Assignment>[] = [
      { group: 7 },
      { submitId: id(99) },
      { submitHost: "login2" },
      { cores: 0.5 },
      { memory: 1024 },
      { timeout: 60 },
      { attempt: 2, previousId: id(98) },
      { tag: { part: 1, naked: "", flag: true, none: null } },
      { scheduleTime: 5 },
    ];
    const tasks = [assignment(1), ...others.map((own, n) => assignment(n + 2, own))];
    for (const order of [tasks, tasks.toReversed()]) {
      const frames = encode({ kind: "assign", tasks: order });
      expect(frames.map(decodeHost)).toEqual([{ kind: "assign", tasks: order }]);
    }
  });

  test("of large messages are many of about 256 KiB, in order; credit is granted once", () => {
    const outcomes = Array.from({ length: 500 }, (_, n) => outcome(n, { command: `echo ${"x".repeat(5000)}` }));
    const frames = encode({ kind: "results", outcomes, credit: 500 });
    expect(frames.length).toBeGreaterThan(9);
    expect(Math.max(...frames.map(bytesOf))).toBeLessThan(300 * 1024);
    const parts = frames.map(decodePeer) as Extract<PeerMessage, { kind: "results" }>[];
    expect(parts.flatMap((part) => part.outcomes)).toEqual(outcomes);
    expect(parts.map((part) => part.credit)).toEqual([500, ...parts.slice(1).map(() => 0)]);
  });

  test("hold one task at least, however long, and never many long tags", () => {
    const args = "x".repeat(400_000);
    const frames = encode({ kind: "assign", tasks: [1, 2, 3].map((n) => assignment(n, { args })) });
    expect(frames).toHaveLength(3);
    const long = Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`key${n}`, "v".repeat(120)]));
    const tagged = encode({
      kind: "assign",
      tasks: Array.from({ length: 100 }, (_, n) => assignment(n, { tag: { ...long } })),
    });
    expect(Math.max(...tagged.map(bytesOf))).toBeLessThan(400 * 1024);
  });

  test("with nothing in them are frames all the same", () => {
    expect(encode({ kind: "results", outcomes: [], credit: 4 }).map(decodePeer)).toEqual([
      { kind: "results", outcomes: [], credit: 4 },
    ]);
    expect(encode({ kind: "ack", tasks: [] }).map(decodeHost)).toEqual([{ kind: "ack", tasks: [] }]);
    expect(encode({ kind: "assign", tasks: [] }).map(decodeHost)).toEqual([{ kind: "assign", tasks: [] }]);
  });

  test("cut a command short that no system could have started", () => {
    const [frame = ""] = encode({
      kind: "results",
      outcomes: [outcome(1, { command: "x".repeat(40_000_000) })],
      credit: 0,
    });
    expect(bytesOf(frame)).toBeLessThan(1_100_000);
    const [read] = (decodePeer(frame) as Extract<PeerMessage, { kind: "results" }>).outcomes;
    expect(read?.command).toEndWith("xxx... (40000000 characters)");
  });

  test("give tasks that share their tags one object for them", () => {
    const [frame = ""] = encode({ kind: "assign", tasks: [assignment(1), assignment(2)] });
    const read = decodeHost(frame);
    expect(read.kind === "assign" && read.tasks[0]?.tag === read.tasks[1]?.tag).toBe(true);
  });
});

describe("peers that know less", () => {
  test("a server that does not tell where a submission came from, and one that does", () => {
    expect(decodeHost(`{"kind":"submission","id":"${id(7)}"}`)).toEqual({
      kind: "submission",
      id: id(7),
      template: null,
      cwd: null,
    });
    const told = { kind: "submission", id: id(7), template: null, cwd: "/a b" } as const;
    expect(decodeHost(encode(told)[0]!)).toEqual(told);
  });

  test("a client that lacks no directory says nothing of it; one that does says it in each part", () => {
    const tasks = Array.from({ length: 8000 }, (_, n) => ({ id: id(n), lease: n }));
    expect(encode({ kind: "returned", tasks: tasks.slice(0, 1) })).toEqual([
      `{"kind":"returned","tasks":[{"id":"${id(0)}","lease":0}]}`,
    ]);
    const parts = encode({ kind: "returned", tasks, missing: [id(7)] }).map(decodePeer);
    expect(parts.length).toBeGreaterThan(1);
    for (const part of parts) expect(part).toMatchObject({ kind: "returned", missing: [id(7)] });
  });
});

describe("a frame is refused, with message and field named, when", () => {
  const hello = { kind: "hello", clientId: id(1), host: "n1", executors: 1, credit: 1, running: [], finished: [] };
  const results = (own: object): object => ({ kind: "results", credit: 0, outcomes: [{ ...outcome(1), ...own }] });
  const same = { group: 0, submitId: id(0), submitHost: "n1", attempt: 1, tag: {} };
  const tasks = (own: object, shared: object = same): object => ({
    kind: "tasks",
    same: shared,
    tasks: [{ id: id(1), args: "true", submitTime: 1, ...own }],
  });

  const peers: readonly (readonly [what: string, frame: object, text: string])[] = [
    ["missing is no list", { kind: "returned", tasks: [], missing: "s" }, "returned: missing"],
    ["missing has no ids", { kind: "returned", tasks: [], missing: ["a/b"] }, "returned: missing should be a UUID"],
    ["a field is missing", { ...hello, host: undefined }, "hello: host should be a name, and is missing"],
    [
      "a field is of another type",
      { ...hello, executors: "1" },
      'hello: executors should be a whole number from 0 to 1000000, and is "1"',
    ],
    ["a number is negative", { ...hello, credit: -1 }, "hello: credit should be"],
    ["a number is no whole one", { ...hello, credit: 0.5 }, "hello: credit should be"],
    ["there are more executors than hosts have", { ...hello, executors: mostCredit + 1 }, "hello: executors"],
    ["a name is empty", { ...hello, host: "" }, "hello: host"],
    ["a name is long", { ...hello, host: "x".repeat(256) }, "hello: host"],
    ["an id is no UUID", { ...hello, clientId: "gpu-17" }, "hello: clientId should be a UUID in lower case, and is"],
    ["an id is no UUID of ours", { ...hello, clientId: "0B7C2B3E-0000-4000-8000-000000000001" }, "hello: clientId"],
    ["a name would forge a line of a log", { ...hello, host: "n1\nWARNING" }, "hello: host"],
    ["a name would leave a folder", { ...hello, running: [{ id: "../../x", lease: 1 }] }, "hello: id should be a UUID"],
    ["a name is half a character", { ...hello, host: "n\ud800" }, "hello: host"],
    ["a list is none", { ...hello, running: {} }, "hello: running should be a list, and is an object"],
    ["a lease is none", { ...hello, finished: [{ id: id(1) }] }, "hello: lease"],
    ["what is in a list is null", { ...hello, finished: [null] }, "hello: a task should be an object, and is null"],
    [
      "a command is no text",
      results({ command: 5 }),
      "results: command should be a text of at most 2097152 characters, and is 5",
    ],
    ["a time is not a number", results({ completionTime: null }), "results: completionTime"],
    [
      "a status is out of range",
      results({ exitStatus: 2 ** 33 }),
      "results: exitStatus should be a whole number from -2147483648 to 4294967295",
    ],
    ["a status is no whole number", results({ exitStatus: 0.5 }), "results: exitStatus"],
    ["a time has no place on a calendar", results({ completionTime: 8.64e15 }), "results: completionTime should be a"],
    ["a time is before all calendars", results({ startTime: -1e17 }), "results: startTime should be a time of the"],
    ["a path has a NUL", results({ outpath: "/a\0" }), "results: outpath should be a text of 0 to 65536 characters"],
    ["a path is long", results({ errpath: "/".repeat(70_000) }), "results: errpath should be a text"],
    ["a path has half a character", results({ csvpath: "/a\udc00" }), "results: csvpath should be a text"],
    ["an amount is negative", results({ coresMax: -1 }), "results: coresMax should be a number from 0"],
    ["a task has no command", tasks({ args: "" }), "tasks: args should be a text of 1 to"],
    ["a command has a NUL", tasks({ args: "echo \0" }), "tasks: args should be a text of 1 to"],
    ["a command is long", tasks({ args: "x".repeat(200_000) }), "tasks: args should be a text of 1 to"],
    ["a group is negative", tasks({}, { ...same, group: -1 }), "tasks: group should be a whole number from 0"],
    ["a limit is no whole number", tasks({ timeout: 1.5 }), "tasks: timeout should be a whole number from 0"],
    ["a tag has a NUL", tasks({}, { ...same, tag: { a: "\0" } }), "tasks: tag should be an object of plain"],
    ["a key of a tag is half a character", tasks({}, { ...same, tag: { "\ud800": 1 } }), "tasks: tag should be"],
    [
      "a submission came out of a clock that is not set",
      { kind: "submitter", submission: { id: id(1), time: 1e17, host: "n1", user: "u", cwd: "/", version: "1" } },
      "submitter: time should be a time of the years",
    ],
    ["a status is missing", results({ exitStatus: undefined }), "results: exitStatus"],
    [
      "tags are a list",
      tasks({}, { ...same, tag: [] }),
      "tasks: tag should be an object of plain values (texts without NUL, finite numbers), and is a list",
    ],
    [
      "a tag is an object",
      tasks({ tag: { a: {} } }, { ...same, tag: undefined }),
      "tasks: tag should be an object of plain values",
    ],
    ["a task has no group of its own or of all", tasks({}, { ...same, group: undefined }), "tasks: group"],
    ["what is the same is missing", { kind: "tasks", tasks: [] }, "tasks: same should be an object, and is missing"],
    ["a submission is null", { kind: "submitter", submission: null }, "submitter: submission"],
    ["it is of a server", { kind: "ack", tasks: [] }, 'kind is not known: "ack"'],
    ["it has no kind", {}, "kind is not known: missing"],
  ];

  for (const [what, frame, text] of peers) {
    test(what, () => {
      const read = (): PeerMessage => decodePeer(JSON.stringify(frame));
      expect(read).toThrow(WireProblem);
      expect(read).toThrow(text);
    });
  }

  test("a number is too large for any", () => {
    const frame = JSON.stringify(results({})).replace('"completionTime":2.5', '"completionTime":1e999');
    expect(() => decodePeer(frame)).toThrow(
      "completionTime should be a time of the years 1000 to 9999, and is Infinity",
    );
    const tagged = JSON.stringify(tasks({}, { ...same, tag: { a: 1 } })).replace('{"a":1}', '{"a":-1e999}');
    expect(() => decodePeer(tagged)).toThrow("tag should be an object of plain values");
  });

  test("a number of a tag has more digits than databases take", () => {
    const frame = JSON.stringify(tasks({}, { ...same, tag: { a: 1 } }));
    for (const form of ["1e-20000", "1e400", "1".repeat(300_000)])
      expect(() => decodePeer(frame.replace('{"a":1}', `{"a":${form}}`))).toThrow("tag should be an object of plain");
    for (const form of ["1.0", "-2.50", "1e+16", "12345678901234567890"])
      expect(decodePeer(frame.replace('{"a":1}', `{"a":${form}}`))).toMatchObject({
        tasks: [{ tag: { a: { text: form } } }],
      });
  });

  test("it has more values than any message of ours, however they are hidden", () => {
    const many = Array(300_000).fill("{}").join(",");
    const long = `"${'\\"\\\\'.repeat(300_000)}"`;
    expect(() => decodePeer(`{"kind":"beat","x":[${many}],"y":${long}}`)).toThrow("a frame of more than 200000 values");
    expect(() => decodePeer(`{"kind":"beat","y":${long},"x":[${many}]}`)).toThrow("a frame of more than 200000 values");
    expect(decodePeer(`{"kind":"beat","y":"${",{[".repeat(500_000)}"}`)).toEqual({ kind: "beat" });
    // None of these is looked through more than once.
    const since = performance.now();
    for (const each of ['"tag":{', ":1", `"tag":{"a":${"1".repeat(5000)}`, '"tag":{"a":1.'])
      expect(() => decodePeer(each.repeat(1_000_000 / each.length))).toThrow("not JSON");
    expect(performance.now() - since).toBeLessThan(2000);
  });

  test("a server says something else", () => {
    for (const [frame, text] of [
      [{ kind: "hello" }, 'kind is not known: "hello"'],
      [{ kind: "leave", how: "now", reason: "" }, "leave: how should be one of finish, interrupt, abort"],
      [{ kind: "welcome", serverId: id(1), serverHost: "n1", companyMs: -1 }, "welcome: companyMs"],
      [
        { kind: "welcome", serverId: id(1), serverHost: "n1", companyMs: 0, stay: 1 },
        "welcome: stay should be true or",
      ],
      [{ kind: "beat", stay: "yes" }, "beat: stay should be true or false"],
      [{ kind: "assign", same, tasks: [{ id: id(1), args: "", submitTime: 1, lease: 1 }] }, "assign: scheduleTime"],
      [{ kind: "submission", id: id(1), template: 7 }, "submission: template"],
    ] as const) {
      expect(() => decodeHost(JSON.stringify(frame))).toThrow(text);
    }
  });

  test("it is deep or long, and the text stays short", () => {
    for (const text of ["[".repeat(1_000_000), `"${"x".repeat(1_000_000)}"`, `{"kind":"${"x".repeat(1_000_000)}"}`]) {
      const read = (): PeerMessage => decodePeer(text);
      expect(read).toThrow(WireProblem);
      try {
        read();
      } catch (error) {
        expect((error as Error).message.length).toBeLessThan(150);
      }
    }
  });
});
