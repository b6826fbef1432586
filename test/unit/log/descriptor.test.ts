import { describe, expect, test } from "bun:test";
import { descriptor } from "../../../src/log/descriptor.ts";

function failure(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A reader that takes at most `room` bytes a call and fails as `failures` says, call by call. */
function reader(room: number, failures: readonly (string | null)[] = []) {
  const taken: string[] = [];
  let calls = 0;
  const write = (_fd: number, bytes: Uint8Array, offset: number, length: number): number => {
    const code = failures[calls++];
    if (code) throw failure(code);
    const size = Math.min(room, length);
    taken.push(Buffer.from(bytes.subarray(offset, offset + size)).toString("latin1"));
    return size;
  };
  return { write, text: () => Buffer.from(taken.join(""), "latin1").toString(), calls: () => calls };
}

describe("descriptor", () => {
  test("a reader that takes little at a time gets everything, in order", () => {
    const slow = reader(3);
    const out = descriptor(2, slow.write);
    expect(out.write("first äöü line\n")).toBe(true);
    expect(out.write("second\n")).toBe(true);
    expect(slow.text()).toBe("first äöü line\nsecond\n");
  });
  test("a full pipe is waited for, ever more patiently", () => {
    const pauses: number[] = [];
    const full = reader(100, ["EAGAIN", "EAGAIN", "EINTR", "EAGAIN", null]);
    expect(descriptor(2, full.write, (ms) => pauses.push(ms)).write("line\n")).toBe(true);
    expect(full.text()).toBe("line\n");
    expect(pauses).toEqual([1, 2, 4]);
  });
  test("a closed pipe is not an error, and is not tried again", () => {
    const closed = reader(100, ["EPIPE"]);
    const out = descriptor(2, closed.write);
    expect(out.write("line\n")).toBe(false);
    expect(out.write("line\n")).toBe(false);
    expect(closed.calls()).toBe(1);
  });
  test("a full disk loses the line, not the log", () => {
    const disk = reader(100, ["ENOSPC", null]);
    const out = descriptor(2, disk.write);
    expect(out.write("lost\n")).toBe(false);
    expect(out.write("kept\n")).toBe(true);
    expect(disk.text()).toBe("kept\n");
  });
});
