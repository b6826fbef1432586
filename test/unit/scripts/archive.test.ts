/* Archives are the same for the same entries, and other programs can read them. */
import { expect, test } from "bun:test";
import { inflateRawSync } from "node:zlib";
import { type Entry, tar, zip } from "../../../scripts/executable/archive.ts";

const time = Date.UTC(2026, 10, 30, 12, 34, 56) / 1000;
const program = Buffer.from("program ".repeat(200));
const entries: readonly Entry[] = [
  { path: "hs-1/hs", isProgram: true, content: program },
  { path: "hs-1/hsx", content: "hs" },
  { path: "hs-1/LICENSE", content: Buffer.from("text\n") },
  { path: "hs-1/empty", content: Buffer.alloc(0) },
];

test("tar(1) reads a tar archive: names in order, root's, one time, modes, a link", () => {
  const archive = tar(entries, time);
  const env = { ...process.env, TZ: "UTC" };
  const listed = Bun.spawnSync(["tar", "-tvf", "-"], { stdin: archive, env }).stdout.toString();
  expect(
    listed
      .trim()
      .split("\n")
      .map((line) => line.replaceAll(/ +/g, " ")),
  ).toEqual([
    "-rw-r--r-- root/root 5 2026-11-30 12:34 hs-1/LICENSE",
    "-rw-r--r-- root/root 0 2026-11-30 12:34 hs-1/empty",
    "-rwxr-xr-x root/root 1600 2026-11-30 12:34 hs-1/hs",
    "lrwxrwxrwx root/root 0 2026-11-30 12:34 hs-1/hsx -> hs",
  ]);
  const content = Bun.spawnSync(["tar", "-xOf", "-", "hs-1/hs"], { stdin: archive }).stdout;
  expect(content).toEqual(program);
});

test("an archive does not depend on the order in which files were found", () => {
  expect(tar(entries.toReversed(), time)).toEqual(tar(entries, time));
  const files = entries.filter(({ content }) => typeof content !== "string");
  expect(zip(files.toReversed(), time)).toEqual(zip(files, time));
});

test("a zip archive has each file twice named, packed, with its sum, and its time", () => {
  const archive = zip(
    [
      { path: "a/hs.exe", isProgram: true, content: program },
      { path: "b", content: program },
    ],
    time,
  );
  const end = archive.length - 22;
  expect(archive.readUint32LE(end)).toBe(0x06054b50);
  expect(archive.readUint16LE(end + 10)).toBe(2);
  let at = archive.readUint32LE(end + 16);
  expect(at + archive.readUint32LE(end + 12)).toBe(end);
  for (const [name, mode] of [
    ["a/hs.exe", 0o100755],
    ["b", 0o100644],
  ] as const) {
    expect(archive.readUint32LE(at)).toBe(0x02014b50);
    expect(archive.readUint16LE(at + 12)).toBe((12 << 11) | (34 << 5) | 28);
    expect(archive.readUint16LE(at + 14)).toBe((46 << 9) | (11 << 5) | 30);
    expect(archive.readUint32LE(at + 16)).toBe(Bun.hash.crc32(program));
    expect(archive.readUint32LE(at + 38) >>> 16).toBe(mode);
    expect(archive.toString("latin1", at + 46, at + 46 + name.length)).toBe(name);
    const [from, size] = [archive.readUint32LE(at + 42), archive.readUint32LE(at + 20)];
    expect(archive.readUint32LE(from)).toBe(0x04034b50);
    expect(archive.subarray(from + 10, from + 30)).toEqual(archive.subarray(at + 12, at + 32));
    const packed = archive.subarray(from + 30 + name.length, from + 30 + name.length + size);
    expect(inflateRawSync(packed)).toEqual(program);
    at += 46 + name.length;
  }
  expect(at).toBe(end);
});

test("what an archive cannot hold is refused", () => {
  expect(() => tar([{ path: "x".repeat(101), content: program }], time)).toThrow("at most 100 bytes");
  expect(() => zip([{ path: "hsx", content: "hs" }], time)).toThrow("a zip archive has no links");
});
