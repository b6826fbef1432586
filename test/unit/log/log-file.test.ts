import { describe, expect, test } from "bun:test";
import type { Clock } from "../../../src/base/clock.ts";
import { type Files, newLogFile } from "../../../src/log/log-file.ts";
import { type Policy, rotatedName } from "../../../src/log/rotation.ts";
import { warningLog } from "../../make.ts";

const never: Policy = { naming: "time", bytes: null, next: null };

interface Content {
  text: string;
  size: number;
  isThere: boolean;
}

/** Time that passes when it is told to. */
function watch() {
  const timers: { at: number; action: () => void }[] = [];
  const its = { now: 0 };
  const clock: Clock = {
    now: () => its.now,
    after(ms, action) {
      const timer = { at: its.now + ms, action };
      timers.push(timer);
      return { cancel: () => void timers.splice(timers.indexOf(timer), timers.includes(timer) ? 1 : 0) };
    },
  };
  /** Calls what is due until so many milliseconds have passed, and `between` before each. */
  function pass(ms: number, between: () => void): void {
    const until = its.now + ms;
    for (;;) {
      between();
      timers.sort((one, other) => one.at - other.at);
      if (timers.length === 0 || timers[0]!.at > until) break;
      const timer = timers.shift()!;
      its.now = Math.max(its.now, timer.at);
      timer.action();
    }
    its.now = until;
  }
  return { its, clock, pass };
}

/** Files in memory whose disk has so much room, and a thread that appends when it is told to. */
function disk(sleep: (ms: number) => void) {
  const files = new Map<string, Content>();
  const open: Content[] = [];
  const flying: (() => void)[] = [];
  const its = {
    files,
    room: Number.POSITIVE_INFINITY,
    /** Why nothing can be opened; null: it can. */
    refusal: null as string | null,
    names: () => [...files.keys()].toSorted(),
    move(from: string, to: string) {
      const content = files.get(from)!;
      files.delete(from);
      files.set(to, content);
    },
    land: () => flying.splice(0).forEach((append) => append()),
  };
  const take = (descriptor: number, bytes: Uint8Array): number => {
    const taken = Math.min(its.room, bytes.length);
    if (taken === 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
    its.room -= taken;
    open[descriptor]!.text += Buffer.from(bytes.subarray(0, taken)).toString();
    open[descriptor]!.size += taken;
    return taken;
  };
  const system: Files = {
    path: () => "a.log",
    open() {
      if (its.refusal !== null) throw new Error(its.refusal);
      const content = files.get("a.log") ?? { text: "", size: 0, isThere: true };
      files.set("a.log", content);
      return { descriptor: open.push(content) - 1, size: content.size, writtenAt: 0 };
    },
    close: () => undefined,
    rename(naming, at) {
      const name = rotatedName({ own: "a.log", stem: "a" }, naming, at, its.names());
      its.move("a.log", name);
      return name;
    },
    append(descriptor, bytes, done) {
      flying.push(() => {
        try {
          done(null, take(descriptor, bytes));
        } catch (thrown) {
          done(thrown, 0);
        }
      });
    },
    appendNow: take,
    look: (descriptor) => ({ size: open[descriptor]!.size, isGone: !open[descriptor]!.isThere }),
    isHere: (descriptor) => files.get("a.log") === open[descriptor],
    sleep(ms) {
      sleep(ms);
      its.land();
    },
  };
  return { its, system };
}

/** A log file on such a disk. */
function folder(policy: Partial<Policy> = {}, tells = false) {
  const { its: time, clock, pass } = watch();
  const { its: store, system } = disk((ms) => void (time.now += ms));
  const full: string[] = [];
  const warnings: string[] = [];
  const its = Object.assign(store, {
    full,
    warnings,
    text: (name: string) => store.files.get(name)?.text,
    lines: () => [...store.files.values()].flatMap(({ text }) => text.split("\n").filter((line) => line !== "")),
    remove(name: string) {
      store.files.get(name)!.isThere = false;
      store.files.delete(name);
    },
    /** Lets time pass, and appends what is on its way. */
    later: (ms = 20) => pass(ms, store.land),
  });
  const file = newLogFile({
    threshold: 0,
    render: ({ message }) => message,
    policy: { ...never, ...policy },
    files: system,
    clock,
    reasonOf: (failure) => (failure as Error).message,
    log: () =>
      warningLog((text) => {
        warnings.push(text);
        if (tells) say(text, "hypershell.core.logging");
      }),
    onFull(name) {
      full.push(name);
      if (tells) say(`Compressing ${name}`, "hypershell.core.logging");
    },
  });
  const say = (message: string, name = "hypershell.server"): void =>
    file.write({ level: "INFO", name, message, at: time.now });
  return { its, file, say };
}

describe("lines", () => {
  test("that came before the file was opened are the first in it", () => {
    const { its, file, say } = folder();
    say("early");
    file.open();
    say("late");
    its.later();
    expect(its.text("a.log")).toBe("early\nlate\n");
  });
  test("are written together, some milliseconds after the first of them", () => {
    const { its, file, say } = folder();
    file.open();
    say("one");
    its.later(10);
    say("two");
    expect(its.text("a.log")).toBe("");
    its.later(10);
    expect(its.text("a.log")).toBe("one\ntwo\n");
  });
  test("that wait or are on their way are written at the end, in their order, and later ones at once", () => {
    const { its, file, say } = folder();
    file.open();
    say("one");
    its.later(19);
    say("two");
    file.flush();
    expect(its.text("a.log")).toBe("one\ntwo\n");
    say("three");
    expect(its.text("a.log")).toBe("one\ntwo\nthree\n");
  });
  test("of somebody who never pauses are written, however many they are", () => {
    const { its, file, say } = folder();
    file.open();
    const line = "x".repeat(9999);
    for (let n = 0; n < 900; n += 1) say(line);
    file.flush();
    expect(its.text("a.log")?.length).toBe(900 * 10_000);
  });
});

describe("a file that is full", () => {
  test("by its size is exchanged before the next line, and a line is never split", () => {
    const { its, file, say } = folder({ naming: "number", bytes: 10 });
    file.open();
    for (const line of ["12345678", "9", "10", "1234567890ab", "11"]) say(line);
    its.later();
    expect(its.names().map((name) => [name, its.text(name)])).toEqual([
      ["a.1", "12345678\n9\n"],
      ["a.2", "10\n1234567890ab\n"],
      ["a.log", "11\n"],
    ]);
    expect(its.full).toEqual(["a.1", "a.2"]);
  });
  test("at the start counts what it has; bytes count, not characters", () => {
    const { its, file, say } = folder({ naming: "number", bytes: 10 });
    file.open();
    say("äöüäö");
    its.later();
    say("x");
    its.later();
    expect([its.text("a.1"), its.text("a.log")]).toEqual(["äöüäö\n", "x\n"]);
  });
  test("is not exchanged for lines about the log file itself, which would never end", () => {
    const { its, file, say } = folder({ naming: "number", bytes: 10 });
    file.open();
    for (let n = 0; n < 9; n += 1) say("Compressing", "hypershell.core.logging");
    its.later();
    expect(its.names()).toEqual(["a.log"]);
    say("a line of somebody else");
    say("x");
    its.later();
    expect(its.names()).toEqual(["a.1", "a.log"]);
  });
  test("by the time is exchanged at the first line from then on", () => {
    const { its, file, say } = folder({ naming: "day", next: (at) => Math.floor(at / 1000) * 1000 + 1000 });
    file.open();
    say("before");
    its.later(995);
    say("just before");
    its.later(5);
    say("after");
    its.later();
    expect([its.text("a.19700101"), its.text("a.log")]).toEqual(["before\njust before\n", "after\n"]);
    its.later(5000);
    expect(its.names()).toEqual(["a.19700101", "a.log"]);
    say("much later");
    its.later();
    expect(its.text("a.19700101-2")).toBe("after\n");
  });
  test("whose exchange fails is written on, and one line says so", () => {
    const { its, file, say } = folder({ naming: "number", bytes: 10 });
    file.open();
    const refuse = rename(its, "EACCES");
    for (let n = 0; n < 20; n += 1) say("0123456789");
    its.later();
    expect(its.lines()).toHaveLength(20);
    expect(its.warnings).toEqual([expect.stringContaining("Cannot begin a new log file (a.log): EACCES")]);
    refuse();
    say("on");
    its.later();
    expect(its.text("a.log")).toBe("on\n");
  });
});

/** Makes renames fail until the answer is called. */
function rename(its: { move: (from: string, to: string) => void }, reason: string): () => void {
  const { move } = its;
  its.move = () => {
    throw new Error(reason);
  };
  return () => void (its.move = move);
}

describe("a new file that was asked for", () => {
  test("begins at once, behind the lines that came before", () => {
    const { its, file, say } = folder();
    file.open();
    say("old");
    file.renew();
    say("new");
    its.later(0);
    its.later();
    expect([its.text("a.19700101-000000"), its.text("a.log")]).toEqual(["old\n", "new\n"]);
  });
  test("is not begun where nothing is written yet", () => {
    const { its, file } = folder();
    file.open();
    file.renew();
    its.later();
    expect(its.names()).toEqual(["a.log"]);
  });
  test("is the one that somebody put there: nothing is renamed", () => {
    const { its, file, say } = folder();
    file.open();
    say("old");
    its.later();
    its.move("a.log", "a.log-moved");
    say("still old");
    file.renew();
    its.later();
    say("new");
    its.later();
    expect(its.names().map((name) => [name, its.text(name)])).toEqual([
      ["a.log", "new\n"],
      ["a.log-moved", "old\nstill old\n"],
    ]);
    expect(its.full).toEqual([]);
  });
});

describe("a file that is not there any more", () => {
  test("is made anew when it was removed", () => {
    const { its, file, say } = folder();
    file.open();
    say("old");
    its.later();
    its.remove("a.log");
    say("new");
    its.later();
    expect(its.text("a.log")).toBe("new\n");
  });
  test("is made anew when it was moved and nobody says so for ten seconds", () => {
    const { its, file, say } = folder();
    file.open();
    say("old");
    its.later();
    its.move("a.log", "b");
    for (let n = 0; n < 13; n += 1) {
      its.later(1000);
      say(String(n));
    }
    its.later();
    expect(its.lines()).toHaveLength(14);
    expect(its.text("a.log")).toBe("10\n11\n12\n");
  });
});

describe("a full disk", () => {
  test("is told once, and what waited is there when it has room", () => {
    const { its, file, say } = folder();
    file.open();
    its.room = 7;
    for (const line of ["first", "second", "third"]) say(line);
    its.later(5000);
    say("fourth");
    its.later(5000);
    expect(its.text("a.log")).toBe("first\ns");
    expect(its.warnings).toEqual([
      "Cannot write the log file (a.log): ENOSPC: no space left on device, write" +
        " - the run goes on, and so does the log as soon as it can",
    ]);
    its.room = Number.POSITIVE_INFINITY;
    its.later(1000);
    say("fifth");
    its.later();
    expect(its.text("a.log")).toBe("first\nsecond\nthird\nfourth\nfifth\n");
  });
  test("for too long costs the newest lines, and the file says how many", () => {
    const { its, file, say } = folder();
    file.open();
    its.room = 0;
    const line = "x".repeat((1 << 20) - 1);
    say(line);
    its.later();
    for (let n = 0; n < 9; n += 1) say(line);
    its.room = Number.POSITIVE_INFINITY;
    its.later(60_000);
    expect(its.lines().filter((each) => each === line)).toHaveLength(9);
    expect(its.lines().at(-1)).toBe("1 line of the log is lost: no room");
  });
  test("at the end of the process does not keep it from ending", () => {
    const { its, file, say } = folder();
    file.open();
    its.room = 3;
    say("lost");
    file.flush();
    say("too");
    file.flush();
    expect(its.text("a.log")).toBe("los");
  });
});

test("a file that cannot be opened is told once and tried again", () => {
  const { its, file, say } = folder();
  its.refusal = "read-only file system";
  file.open();
  say("one");
  its.later(3000);
  expect(its.warnings).toHaveLength(1);
  its.refusal = null;
  its.later(1000);
  expect(its.text("a.log")).toBe("one\n");
});

test("random sizes, policies and troubles lose no line and mix none up", () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    let random = seed;
    const next = (below: number): number => (random = (random * 48_271) % 0x7fffffff) % below;
    const { its, file, say } = folder({ naming: "number", bytes: 20 + next(200) }, true);
    file.open();
    const leavesAt = 200 + next(100);
    for (let n = 0; n < 300; n += 1) {
      if (n === leavesAt) file.flush();
      say(`${n} ${"x".repeat(next(30))}`);
      if (next(10) === 0) its.later(next(40));
      if (next(60) === 0) file.renew();
      if (next(50) === 0) its.room = next(100);
      if (next(20) === 0) its.room = Number.POSITIVE_INFINITY;
    }
    its.room = Number.POSITIVE_INFINITY;
    its.later(next(2) * 5000);
    file.flush();
    const numbers = its
      .names()
      .toSorted((one, other) => one.length - other.length || (one < other ? -1 : 1))
      .filter((name) => name !== "a.log")
      .concat("a.log")
      .flatMap((name) => (its.text(name) ?? "").split("\n").filter((line) => /^\d/.test(line)))
      .map((line) => Number.parseInt(line, 10));
    expect([seed, numbers]).toEqual([seed, Array.from({ length: 300 }, (_, n) => n)]);
  }
});
