/* Signatures of programs for macOS, tried on a small file that is made here. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBytes } from "../../../scripts/executable/bytes.ts";
import { processorOf, sign, signatureOf } from "../../../scripts/executable/mach-o.ts";

const pageLength = 4096;
const contentLength = 2 * pageLength + 100;

function segment(name: string, memory: number, at: number, size: number): Buffer {
  const command = Buffer.alloc(72);
  command.writeUint32LE(0x19, 0);
  command.writeUint32LE(72, 4);
  command.write(name, 8, "latin1");
  for (const [index, value] of [memory, at, size].entries()) command.writeBigUint64LE(BigInt(value), 32 + index * 8);
  return command;
}

/** A program with code, data for the linker, and a place for a signature of `room` bytes, which holds zeros. */
function makeMachO(room: number): Buffer {
  const signature = Buffer.alloc(16);
  for (const [index, value] of [0x1d, 16, contentLength, room].entries()) signature.writeUint32LE(value, index * 4);
  const rest = contentLength - pageLength;
  const commands = [
    segment("__TEXT", pageLength, 0, pageLength),
    segment("__LINKEDIT", pageLength, pageLength, rest + room),
    signature,
  ];
  const header = Buffer.alloc(32);
  const all = Buffer.concat(commands);
  for (const [index, value] of [0xfeedfacf, 0x100000c, 0, 2, commands.length, all.length].entries())
    header.writeUint32LE(value, index * 4);
  const file = Buffer.alloc(contentLength + room, 7);
  file.fill(0, contentLength);
  file.set(header);
  file.set(all, header.length);
  return file;
}

/** Calls it with the file, and returns what the file holds afterwards. */
function change(content: Buffer, by: (file: ReturnType<typeof openBytes>) => void): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "hs-mach-o-"));
  const path = join(folder, "program");
  writeFileSync(path, content);
  try {
    using file = openBytes(path, "r+");
    by(file);
    return readFileSync(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const signed = (room: number): Buffer => change(makeMachO(room), (file) => sign(file, "hs"));

test("a program that was signed says so, whether there was too little room for the signature or too much", () => {
  for (const room of [16, 4000]) {
    const content = signed(room);
    change(content, (file) =>
      expect(signatureOf(file)).toEqual({ identifier: "hs", adHoc: true, pages: 3, faults: [] }),
    );
    expect(content).toHaveLength(contentLength + 20 + 88 + "hs\0".length + 3 * 32);
    expect(change(content, (file) => sign(file, "hs"))).toEqual(content);
  }
});

test("a signature has the hash of each page as the program is at last, and the part of the file that is code", () => {
  const content = signed(16);
  const at = contentLength + 20;
  const hashesAt = at + content.readUint32BE(at + 16);
  for (const page of [0, 1, 2]) {
    const bytes = content.subarray(page * pageLength, Math.min((page + 1) * pageLength, contentLength));
    const hash = createHash("sha256").update(bytes).digest();
    expect(content.subarray(hashesAt + page * 32, hashesAt + (page + 1) * 32)).toEqual(hash);
  }
  expect([content.readUint32BE(at + 8), content.readUint32BE(at + 12)]).toEqual([0x20400, 0x20002]);
  expect([content.readBigUint64BE(at + 64), content.readBigUint64BE(at + 72)]).toEqual([0n, BigInt(pageLength)]);
  // The last segment ends where the file does.
  expect(Number(content.readBigUint64LE(32 + 72 + 40) + content.readBigUint64LE(32 + 72 + 48))).toBe(content.length);
});

test("what was changed after it was signed is told by page", () => {
  const content = signed(16);
  content[pageLength + 1] = 0;
  change(content, (file) => expect(signatureOf(file).faults).toEqual(["1 of its 3 pages are other than it says"]));
  content[0x40] = 1;
  change(content, (file) => expect(signatureOf(file).faults).toEqual(["2 of its 3 pages are other than it says"]));
  const shorter = signed(16);
  shorter.writeUint32BE(pageLength, contentLength + 20 + 32);
  change(shorter, (file) =>
    expect(signatureOf(file).faults).toEqual([
      `it covers ${pageLength} bytes, and the program has ${contentLength}`,
      `it has 3 hashes for ${pageLength} bytes`,
      "2 of its 3 pages are other than it says",
    ]),
  );
});

test("a file that cannot be signed or checked is refused, and stays as it is", () => {
  const otherHashes = signed(16);
  otherHashes[contentLength + 20 + 37] = 1;
  const withoutPlace = makeMachO(16);
  withoutPlace[32 + 2 * 72] = 0x1e;
  const refused: readonly (readonly [Buffer, string])[] = [
    [Buffer.from("#!/bin/sh\n".repeat(10)), "it is no program for macOS of 64 bits"],
    [withoutPlace, "it has no place for a signature"],
    [Buffer.concat([makeMachO(16), Buffer.alloc(1)]), "its signature is not at its end"],
  ];
  for (const [content, reason] of refused)
    expect(change(content, (file) => expect(() => sign(file, "hs")).toThrow(reason))).toEqual(content);
  change(otherHashes, (file) => expect(() => signatureOf(file)).toThrow("of a kind that this script cannot check"));
  change(makeMachO(16), (file) => expect(() => signatureOf(file)).toThrow("has no directory of its pages"));
  change(makeMachO(16), (file) => expect(processorOf(file)).toBe("arm64"));
});
