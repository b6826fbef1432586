/* What is changed in executables for Linux, tried on small files that are made here. */
import { expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBytes } from "../../../scripts/executable/bytes.ts";
import {
  demandsOf,
  keepLimits,
  keepThroughStrip,
  machineOf,
  sectionsOf,
  survivesStrip,
} from "../../../scripts/executable/elf.ts";
import { newestOf } from "../../../scripts/executable/inspect.ts";

interface Made {
  readonly name: string;
  readonly type?: number;
  readonly flags?: number;
  /** Where it is missing: as far from its place in the file as `base`. */
  readonly address?: number;
  readonly link?: number;
  readonly bytes?: Buffer;
  /** How much of it belongs to the section; the rest lies behind it. */
  readonly size?: number;
}

const base = 0x200000;

/** A file with these sections, one after the other, then their names and their table. */
function makeElf(sections: readonly Made[]): Buffer {
  const all: readonly Made[] = [{ name: "" }, ...sections, { name: ".shstrtab" }];
  const names = Buffer.from(`${all.map(({ name }) => name).join("\0")}\0`);
  const header = Buffer.alloc(64);
  header.write("\x7fELF\x02\x01\x01", "latin1");
  header.writeUint16LE(62, 18);
  const parts: Buffer[] = [header];
  let at = header.length;
  let nameAt = 0;
  const table = all.map(({ name, type = 1, flags = 2, address, link = 0, bytes = Buffer.alloc(0), size }) => {
    const content = name === ".shstrtab" ? names : bytes;
    const entry = Buffer.alloc(64);
    entry.writeUint32LE(nameAt, 0);
    entry.writeUint32LE(type, 4);
    entry.writeBigUint64LE(BigInt(flags), 8);
    entry.writeBigUint64LE(BigInt(address ?? base + at), 16);
    entry.writeBigUint64LE(BigInt(at), 24);
    entry.writeBigUint64LE(BigInt(size ?? content.length), 32);
    entry.writeUint32LE(link, 40);
    nameAt += name.length + 1;
    at += content.length;
    parts.push(content);
    return entry;
  });
  header.writeBigUint64LE(BigInt(at), 0x28);
  header.writeUint16LE(64, 0x3a);
  header.writeUint16LE(all.length, 0x3c);
  header.writeUint16LE(all.length - 1, 0x3e);
  return Buffer.concat([...parts, ...table]);
}

/** Behind the header, and the 24 bytes before it. */
const codeAddress = base + 64 + 24;
const trailer = "\n---- Bun! ----\n";

function number(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUint64LE(BigInt(value));
  return bytes;
}

/** `.data.rel.ro` of 16 bytes, with the address of the code behind it, as Bun leaves it. */
const before = (address = codeAddress): Made => ({
  name: ".data.rel.ro",
  bytes: Buffer.concat([Buffer.alloc(16, 1), number(address)]),
  size: 16,
});
const code = (end = trailer, length = 4 + end.length): Made => ({
  name: ".bun",
  bytes: Buffer.concat([number(length), Buffer.from(`code${end}`)]),
});

/** Calls it with the file, and returns what the file holds afterwards. */
function change(content: Buffer, by: (file: ReturnType<typeof openBytes>) => void): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "hs-elf-"));
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

function sizeOf(content: Buffer, name: string): number | undefined {
  let size: number | undefined;
  change(content, (file) => (size = sectionsOf(file).find((section) => section.name === name)?.size));
  return size;
}

test("the address of the code belongs to the section before it, once, and nothing else is changed", () => {
  const file = makeElf([before(), code()]);
  expect(sizeOf(file, ".data.rel.ro")).toBe(16);
  const changed = change(file, keepThroughStrip);
  expect(sizeOf(changed, ".data.rel.ro")).toBe(24);
  const differing = [...changed.keys()].filter((at) => changed[at] !== file[at]);
  expect(differing).toHaveLength(1);
  expect(change(changed, keepThroughStrip)).toEqual(changed);
  change(file, (bytes) => expect(survivesStrip(bytes)).toBe(false));
  change(changed, (bytes) => expect(survivesStrip(bytes)).toBe(true));
});

test("a file that is not as expected is refused, and stays as it is", () => {
  const refused: readonly (readonly [Buffer, string])[] = [
    [Buffer.from("#!/bin/sh\n"), "it is no ELF file"],
    [makeElf([code()]), "the address of its code is not behind one section"],
    [makeElf([before()]), "it has 0 sections .bun"],
    [makeElf([before(), code(), code()]), "it has 2 sections .bun"],
    [makeElf([before(0x6000), code()]), "the address of its code is not behind one section"],
    [makeElf([before(), code("\n---- Bun? ----\n")]), "its section .bun does not hold"],
    [makeElf([before(), code(trailer, 5)]), "its section .bun does not hold"],
    [
      makeElf([before(), { name: ".got", address: codeAddress - 8, size: 8 }, code()]),
      "the address of its code is not behind one section",
    ],
    [makeElf([before(), code()]).subarray(0, -64), "something is said to be at"],
  ];
  for (const [content, reason] of refused) {
    const after = change(content, (file) => expect(() => keepThroughStrip(file)).toThrow(reason));
    expect(after).toEqual(content);
  }
});

test("a program that imports setrlimit gets getrlimit, and one that does not is refused", () => {
  const names = (text: string): readonly Made[] => [
    { name: ".dynsym", type: 11, link: 2 },
    { name: ".dynstr", type: 3, bytes: Buffer.from(text) },
  ];
  const changed = change(makeElf(names("\0read\0setrlimit\0write\0")), keepLimits);
  expect(changed).toEqual(makeElf(names("\0read\0getrlimit\0write\0")));
  for (const text of ["\0read\0", "\0my_setrlimit\0", "\0setrlimit64\0"])
    change(makeElf(names(text)), (file) => expect(() => keepLimits(file)).toThrow("does not import setrlimit"));
  change(makeElf([before()]), (file) => expect(() => keepLimits(file)).toThrow("it imports nothing"));
});

test("the processor of a program is known, or it is refused", () => {
  const file = makeElf([]);
  change(file, (bytes) => expect(machineOf(bytes)).toBe("x64"));
  file.writeUint16LE(183, 18);
  change(file, (bytes) => expect(machineOf(bytes)).toBe("arm64"));
  file.writeUint16LE(3, 18);
  change(file, (bytes) => expect(() => machineOf(bytes)).toThrow("a machine with the number 3"));
  file[4] = 1;
  change(file, (bytes) => expect(() => machineOf(bytes)).toThrow("no ELF file of 64 bits"));
});

function words(...values: readonly (readonly [value: number, bytes: 2 | 4])[]): Buffer {
  const all = Buffer.alloc(values.reduce((total, [, bytes]) => total + bytes, 0));
  let at = 0;
  for (const [value, bytes] of values) at = all.writeUIntLE(value, at, bytes);
  return all;
}

test("what a program asks of its system is read: the loader, libraries, versions of what it uses of them", () => {
  const names = "\0libc.so.6\0libm.so.6\0GLIBC_2.17\0GLIBC_2.2.5\0GLIBC_2.9\0";
  const at = (name: string): number => names.indexOf(`\0${name}\0`) + 1;
  const version = (name: string, next: number): Buffer => words([0, 4], [0, 4], [at(name), 4], [next, 4]);
  const library = (name: string, count: number, next: number): Buffer =>
    words([1, 2], [count, 2], [at(name), 4], [16, 4], [next, 4]);
  const needs = [library("libc.so.6", 2, 48), version("GLIBC_2.17", 16), version("GLIBC_2.2.5", 0)];
  const more = [library("libm.so.6", 1, 0), version("GLIBC_2.9", 0)];
  const needed = (name: string): readonly Buffer[] => [number(1), number(at(name))];
  const file = makeElf([
    { name: ".interp", bytes: Buffer.from("/lib64/ld.so\0") },
    {
      name: ".dynamic",
      link: 4,
      bytes: Buffer.concat([...needed("libc.so.6"), ...needed("libm.so.6"), number(0), number(0)]),
    },
    { name: ".gnu.version_r", type: 0x6ffffffe, link: 4, bytes: Buffer.concat([...needs, ...more]) },
    { name: ".dynstr", type: 3, bytes: Buffer.from(names) },
  ]);
  change(file, (bytes) =>
    expect(demandsOf(bytes)).toEqual({
      loader: "/lib64/ld.so",
      libraries: ["libc.so.6", "libm.so.6"],
      versions: ["GLIBC_2.17", "GLIBC_2.2.5", "GLIBC_2.9"],
    }),
  );
  change(makeElf([]), (bytes) => expect(demandsOf(bytes)).toEqual({ loader: null, libraries: [], versions: [] }));
  expect(newestOf(["GLIBC_2.9", "GLIBC_2.17", "GLIBC_2.2.5"])).toBe("2.17");
  expect(newestOf([])).toBeNull();
  expect(() => newestOf(["GLIBC_2.2.5", "GLIBC_2.18"])).toThrow("it needs glibc 2.18, and 2.17 is the newest");
});
