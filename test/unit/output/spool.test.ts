import { expect, test } from "bun:test";
import { readdirSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { newSpool, type Part, type Spool } from "../../../src/output/spool.ts";
import { messageOf } from "../../../src/base/errors.ts";

const text = (letter: string, size: number): Uint8Array => Buffer.from(letter.repeat(size));

function all(spool: Spool, part: Part, piece = 7): string {
  const into = new Uint8Array(piece);
  let found = "";
  for (let at = 0; at < part.size;) {
    const some = spool.read(part, at, into);
    found += Buffer.from(into.subarray(0, some)).toString();
    at += some;
  }
  return found;
}

/** How many files without a name this process has open. */
function nameless(): number {
  return readdirSync("/proc/self/fd").length;
}

test.skipIf(process.platform !== "linux")(
  "what is little stays in memory, what is much goes to a file, and nothing is left",
  () => {
    const before = nameless();
    const spool = newSpool({ folder: tmpdir(), mostInPart: 20, mostInMemory: 50 });
    const parts = [spool.newPart(), spool.newPart(), spool.newPart(), spool.newPart()];
    for (let n = 0; n < 5; n++) spool.append(parts[0]!, text("a", 5));
    for (const [place, letter] of ["b", "c", "d"].entries()) spool.append(parts[place + 1]!, text(letter, 20));
    expect(parts.map((part) => part.file === null)).toEqual([false, true, true, false]);
    const whole = ["a".repeat(25), "b".repeat(20), "c".repeat(20), "d".repeat(20)];
    expect(parts.map((part) => all(spool, part))).toEqual(whole);
    // What waits goes into one file where there is little room.
    spool.park(parts[1]!);
    spool.park(parts[2]!);
    expect([parts[1]!.file !== null, parts[2]!.file]).toEqual([true, null]);
    expect(parts.map((part) => all(spool, part))).toEqual(whole);
    for (const part of parts) spool.drop(part);
    expect(parts.map(({ size }) => size)).toEqual([0, 0, 0, 0]);
    spool.close();
    expect(nameless()).toBe(before);
  },
);

test("a file of a task is read and closed if it is small, and its files are shared out if there are many", () => {
  const spool = newSpool({ folder: tmpdir(), mostInPart: 4, mostFiles: 1 });
  const parts = ["", "abc", "a long text", "another one"].map((letters) => {
    const file = spool.openFile();
    writeSync(file, letters);
    return spool.ofFile(file);
  });
  expect(parts.map(({ file }) => file === null)).toEqual([true, true, false, false]);
  for (const part of parts) spool.park(part);
  expect(new Set(parts.slice(2).map(({ file }) => file)).size).toBe(2);
  expect(parts.map((part) => all(spool, part, 3))).toEqual(["", "abc", "a long text", "another one"]);
  for (const part of parts) spool.drop(part);
  spool.close();
});

test("a folder that is not there is told", () => {
  const spool = newSpool({ folder: "/no/such/folder" });
  let told = "";
  try {
    spool.openFile();
  } catch (error) {
    told = messageOf(error);
  }
  expect(told).toContain("/no/such/folder");
});
