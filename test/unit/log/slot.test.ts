import { afterAll, describe, expect, test } from "bun:test";
import { chmodSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logPath, openLog, type Role, takeSlot } from "../../../src/log/slot.ts";

const top = mkdtempSync(join(tmpdir(), "hs-slots-"));
afterAll(() => rmSync(top, { recursive: true }));
let count = 0;
const folder = (): string => {
  const path = join(top, String((count += 1)));
  mkdirSync(path);
  return path;
};
const modeOf = (path: string): string => (statSync(path).mode & 0o777).toString(8);

describe("the path of a log file", () => {
  const wish = { host: "vm", path: null, folder: "/site/log", cwd: () => "/here" };
  test.each([
    ["server", "/site/log/server-vm.log"],
    ["cluster", "/site/log/cluster-vm.log"],
    ["client", "/site/log/client-vm.log"],
    ["submit", "/site/log/submit-vm.log"],
    ["main", "/site/log/main.log"],
  ] as [Role, string][])("of the role %p", (role, path) => {
    expect(logPath({ ...wish, role })).toBe(path);
  });
  test.each([
    ["server", "/var/a.log", "/var/a.log"],
    ["client", "/var/a.log", "/var/a-client-vm.log"],
    ["client", "/var/v1.2/a", "/var/v1.2/a-client-vm"],
    ["submit", "b.txt", "/here/b.txt"],
    ["main", "../b", "/b"],
  ] as [Role, string, string][])("that the role %p was given as %p", (role, path, expected) => {
    expect(logPath({ ...wish, role, path })).toBe(expected);
  });
  test("needs a working directory only if it is relative", () => {
    const cwd = (): string => {
      throw new Error("gone");
    };
    expect(logPath({ ...wish, role: "main", path: "/x", cwd })).toBe("/x");
    expect(() => logPath({ ...wish, role: "main", path: "x", cwd })).toThrow("gone");
  });
});

describe("a slot", () => {
  const locks = (taken: (path: string) => boolean, areThere = true) => ({
    take: (path: string) => !taken(path),
    areThere: () => areThere,
  });
  test("is the first that no other process has", () => {
    const path = join(folder(), "a.log");
    const slots = (taken: readonly string[]): string =>
      takeSlot(
        path,
        "vm",
        locks((lock) => taken.some((name) => lock.endsWith(`${name}.lock`))),
      ).path;
    expect(slots([])).toBe(path);
    expect(slots(["a.log"])).toEndWith("/a-2.log");
    expect(slots(["a.log", "a-2.log", "a-4.log"])).toEndWith("/a-3.log");
  });
  test("has the number of the process after a hundred", () => {
    const asked: string[] = [];
    const { path, warning } = takeSlot(
      join(folder(), "a.log"),
      "vm",
      locks((lock) => asked.push(lock) > 0),
    );
    expect([asked.length, asked.at(-1)]).toEqual([100, expect.stringMatching(/a-100\.log\.lock$/)]);
    expect(path).toEndWith(`/a-${process.pid}.log`);
    expect(warning).toContain("100 other processes");
  });
  test("has host and process where nothing can be locked", () => {
    const { path, warning } = takeSlot(
      join(folder(), "a.log"),
      "vm",
      locks(() => true, false),
    );
    expect(path).toEndWith(`/a-vm-${process.pid}.log`);
    expect(warning).toContain("cannot be locked");
  });
  test("is held: the same process asking again gets another, and an empty lock file is beside each", () => {
    const path = join(folder(), "deeper", "a.log");
    expect([takeSlot(path, "vm").path, takeSlot(path, "vm").path]).toEqual([path, path.replace(".log", "-2.log")]);
    const names = readdirSync(join(path, ".."));
    expect(names.toSorted()).toEqual(["a-2.log.lock", "a.log.lock"]);
    expect(names.map((name) => [modeOf(join(path, "..", name)), statSync(join(path, "..", name)).size])).toEqual([
      ["600", 0],
      ["600", 0],
    ]);
  });
});

describe("a file", () => {
  test("that is new is for its user alone, whatever the mask, and one that is there stays as it is", () => {
    for (const mask of [0, 0o022, 0o377]) {
      const path = join(folder(), "a.log");
      const before = process.umask(mask);
      try {
        expect(openLog(path).size).toBe(0);
      } finally {
        process.umask(before);
      }
      expect(modeOf(path)).toBe("600");
    }
    const path = join(folder(), "a.log");
    writeFileSync(path, "text\n");
    chmodSync(path, 0o640);
    expect(openLog(path).size).toBe(5);
    expect(modeOf(path)).toBe("640");
  });
  test("that is a folder, a link or has two names is not written", () => {
    const own = folder();
    mkdirSync(join(own, "folder"));
    writeFileSync(join(own, "file"), "");
    symlinkSync("file", join(own, "link"));
    linkSync(join(own, "file"), join(own, "second"));
    for (const name of ["folder", "link", "second"]) expect(() => openLog(join(own, name))).toThrow();
    expect(() => openLog("/dev/null")).toThrow("no regular file");
  });
  test("behind a link of ours is the file that it leads to", () => {
    const own = folder();
    symlinkSync("elsewhere/b.log", join(own, "a.log"));
    expect(takeSlot(join(own, "a.log"), "vm").path).toBe(join(own, "elsewhere", "b.log"));
    symlinkSync("round", join(own, "round"));
    expect(() => takeSlot(join(own, "round"), "vm")).toThrow("too many links");
  });
});
