import { describe, expect, test } from "bun:test";
import { writeAll } from "../../../src/base/write.ts";
import { columnsOf } from "../../../src/print/output.ts";

function failing(code: string): Error {
  return Object.assign(new Error(code), { code, syscall: "write" });
}

describe("an output", () => {
  test("writes everything to a reader that takes little at a time, and waits for one that takes nothing", () => {
    const taken: number[] = [];
    const pauses: number[] = [];
    let full = 0;
    writeAll(
      1,
      Buffer.from("0123456789"),
      (_, bytes, offset, length) => {
        full += 1;
        if (full % 3 === 0) throw failing("EAGAIN");
        const count = Math.min(3, length);
        taken.push(...bytes.subarray(offset, offset + count));
        return count;
      },
      (ms) => void pauses.push(ms),
    );
    expect(Buffer.from(taken).toString()).toBe("0123456789");
    expect(pauses).toEqual([1]);
  });

  test("goes on after an interrupted call", () => {
    let calls = 0;
    writeAll(
      1,
      Buffer.from("abc"),
      () => {
        calls += 1;
        if (calls === 1) throw failing("EINTR");
        return 3;
      },
      () => {},
    );
    expect(calls).toBe(2);
  });

  test.each(["EPIPE", "ENOSPC"])("throws %p for the program to end by", (code) => {
    const write = (): never => {
      throw failing(code);
    };
    expect(() => writeAll(1, Buffer.from("x"), write, () => {})).toThrow(code);
  });

  test("is laid out for COLUMNS, else the terminal, else 80", () => {
    expect(columnsOf("120", 100)).toBe(120);
    expect(columnsOf(undefined, 100)).toBe(100);
    expect(columnsOf("", undefined)).toBe(80);
    expect(columnsOf("0", undefined)).toBe(80);
    expect(columnsOf("wide", 0)).toBe(80);
  });
});
