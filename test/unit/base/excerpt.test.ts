import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { excerptOf } from "../../../src/base/excerpt.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-excerpt-"));
afterAll(() => rmSync(folder, { recursive: true }));

function ask(content: string | Buffer, from: number, most: number, isWhole = true) {
  const path = join(folder, "file");
  writeFileSync(path, content);
  const descriptor = openSync(path, "r");
  try {
    return excerptOf(descriptor, from, most, isWhole);
  } finally {
    closeSync(descriptor);
  }
}

test("pieces of any size put together are the text", () => {
  const text = "aä€😀\n".repeat(20);
  for (const most of [4, 5, 6, 7, 11, 1000]) {
    let [found, next, more] = ["", 0, true];
    while (more) {
      const piece = ask(text, next, most);
      expect(piece.next).toBeGreaterThan(next);
      found += piece.text;
      ({ next, more } = piece);
    }
    expect(found).toBe(text);
  }
});

test("half a character waits for its other half while the file grows, and no longer", () => {
  const half = Buffer.from("x€").subarray(0, 3);
  expect(ask(half, 0, 100, false)).toEqual({ text: "x", next: 1, more: false });
  expect(ask(half, 0, 100)).toEqual({ text: "x\ufffd", next: 3, more: false });
});

test("a piece from the end begins with a whole character", () => {
  expect(ask("x€y", -3, 100)).toEqual({ text: "y", next: 5, more: false });
  expect(ask("short", -100, 100).text).toBe("short");
});

test("bytes that are no UTF-8 are replaced, and do not stop the reader", () => {
  expect(ask(Buffer.alloc(10, 0xff), 0, 4, false)).toEqual({ text: "\ufffd".repeat(4), next: 4, more: true });
  expect(ask(Buffer.alloc(10, 0x80), 0, 4, false).next).toBe(4);
});

test("behind the end there is nothing", () => {
  expect(ask("abc", 99, 10)).toEqual({ text: "", next: 3, more: false });
  expect(ask("", 0, 10)).toEqual({ text: "", next: 0, more: false });
});
