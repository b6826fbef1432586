/* Groups of the kernel in a folder of ours: what is written where, in which order, and what is removed. */
import { afterAll, beforeEach, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openCgroups, ownGroup, type CgroupPorts, type Cgroups } from "../../../src/client/monitor-cgroup.ts";

const root = mkdtempSync(join(tmpdir(), "hs-cgroup-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));

let rounds = 0;
let folder = "";
let group = "";
let notes: string[] = [];
let ports: CgroupPorts;

beforeEach(() => {
  folder = join(root, `${++rounds}`);
  group = join(folder, "a.scope");
  mkdirSync(group, { recursive: true });
  notes = [];
  write("cgroup.type", "domain\n");
  write("cgroup.controllers", "cpu memory pids\n");
  write("cgroup.subtree_control", "memory\n");
  write("cgroup.procs", "");
  ports = {
    membership: () => "4:memory:/else\n0::/a.scope\n",
    mounts: () => `30 25 0:26 / ${folder} rw,nosuid shared:9 - cgroup2 cgroup2 rw\n`,
    isHandedOver: () => true,
    remove: (path) => rmSync(path, { recursive: true }),
  };
});

const write = (name: string, text: string): void => writeFileSync(join(group, name), text);
const read = (name: string): string => readFileSync(join(group, name), "utf8");
const open = (changes: Partial<CgroupPorts> = {}): Cgroups | null =>
  openCgroups(
    "client",
    { debug: (text) => notes.push(typeof text === "string" ? text : text()) },
    { ...ports, ...changes },
  );

describe("the group of this process", () => {
  const mount = (rootOf: string, at: string): string => `30 25 0:26 ${rootOf} ${at} rw - cgroup2 cgroup rw\n`;

  test("is where version 2 is mounted, also in the part of it that a container sees", () => {
    expect(ownGroup("0::/x/y\n", mount("/", "/sys/fs/cgroup"))).toEqual({
      folder: "/sys/fs/cgroup/x/y",
      mount: "/sys/fs/cgroup",
    });
    expect(ownGroup("0::/x/y\n", mount("/x", "/cg"))).toEqual({ folder: "/cg/y", mount: "/cg" });
    expect(ownGroup("0::/\n", mount("/", "/cg"))).toEqual({ folder: "/cg", mount: "/cg" });
  });

  test("is none where only version 1 has it, or what is mounted does not", () => {
    expect(ownGroup("4:memory:/x\n", mount("/", "/cg"))).toBeNull();
    expect(ownGroup("0::/x\n", "30 25 0:26 / /cg rw - cgroup cgroup rw,memory\n")).toBeNull();
    expect(ownGroup("0::/xy\n", mount("/x", "/cg"))).toBeNull();
    expect(ownGroup("0::/../x\n", mount("/", "/cg"))).toBeNull();
  });
});

describe("a task", () => {
  test("gets a group with its limit, which is removed at its end", () => {
    const groups = open()!;
    const entrance = groups.confine("t", 2 ** 27);
    expect(entrance).toBe(join(group, "hs-task-t", "cgroup.procs"));
    expect(groups.has("t")).toBe(true);
    expect(read("hs-task-t/memory.max")).toBe("134217728");
    expect(read("hs-task-t/memory.oom.group")).toBe("1");
    expect(read("hs-task-t/memory.swap.max")).toBe("0");
    expect(groups.leave("t")).toBeNull();
    expect([groups.has("t"), existsSync(join(group, "hs-task-t"))]).toEqual([false, false]);
    expect(groups.leave("t")).toBeNull();
  });

  test("that the kernel has ended is told with what it had taken", () => {
    const groups = open()!;
    for (const [peak, told] of [
      ["134000000\n", 134_000_000],
      [null, 2 ** 27],
    ] as const) {
      groups.confine("t", 2 ** 27);
      write("hs-task-t/memory.events", "low 0\nhigh 0\nmax 12\noom 1\noom_kill 3\noom_group_kill 1\n");
      if (peak !== null) write("hs-task-t/memory.peak", peak);
      expect(groups.leave("t")).toBe(told);
    }
  });

  test("is not told of when a group that it has made itself has met a limit of its own", () => {
    const groups = open()!;
    groups.confine("t", 2 ** 27);
    write("hs-task-t/memory.events", "oom 1\noom_kill 3\n");
    write("hs-task-t/memory.events.local", "oom 0\noom_kill 0\n");
    expect(groups.leave("t")).toBeNull();
  });

  test("that has left processes keeps its group until the end", () => {
    let isBusy = true;
    const remove = (path: string): void => {
      if (isBusy && path.endsWith("hs-task-t")) throw new Error("EBUSY");
      ports.remove(path);
    };
    const groups = open({ remove })!;
    groups.confine("t", 2 ** 27);
    groups.leave("t");
    expect(existsSync(join(group, "hs-task-t"))).toBe(true);
    isBusy = false;
    groups.close();
    expect(existsSync(join(group, "hs-task-t"))).toBe(false);
  });
});

describe("there are no groups", () => {
  test.each([
    ["cgroup.type", "threaded", /is of type threaded/],
    ["cgroup.controllers", "cpu pids", /has no controller of memory/],
  ])("where %s is %s", (name, text, why) => {
    write(name, text);
    expect(open()).toBeNull();
    expect(notes).toEqual([expect.stringMatching(why)]);
  });

  test("where root was not given that part of the tree", () => {
    if (process.getuid?.() !== 0) return;
    expect(open({ isHandedOver: () => false })).toBeNull();
    expect(notes[0]).toContain("was not handed over (Delegate=)");
  });

  test("where this process is in none", () => {
    expect(open({ membership: () => "" })).toBeNull();
    expect(notes[0]).toContain("there is no cgroup v2 with this process here");
  });
});

test("another client that has moved us shares its part", () => {
  mkdirSync(join(group, "hs-rest"));
  const groups = open({ membership: () => "0::/a.scope/hs-rest\n" })!;
  expect(groups.confine("t", 5)).toBe(join(group, "hs-task-t", "cgroup.procs"));
});
