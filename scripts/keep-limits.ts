/*
 * Keeps an executable for Linux from raising its own limits: Bun raises the limit of open files when it starts, which
 * every process that it starts inherits, and nothing tells later what the limit was before. The program imports
 * `setrlimit` for that alone; it gets `getrlimit` in its place, which changes nothing. Where hs needs more descriptors
 * it says so (src/base/limits.ts). Other executables are left as they are.
 *
 *   scripts/bun scripts/keep-limits.ts FILE
 *
 * Source: System V ABI, chapters "Sections" and "Symbol Table" (the layout of ELF files of 64 bits).
 */
import { closeSync, openSync, readSync, writeSync } from "node:fs";

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: scripts/bun scripts/keep-limits.ts FILE");

const file = openSync(path, "r+");

function read(at: number, length: number): DataView {
  const bytes = Buffer.alloc(length);
  readSync(file, bytes, 0, length, at);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}

const little = true;
const dynamicSymbols = 11;

/** Where the names of imported functions are. */
function findNames(header: DataView): { readonly at: number; readonly length: number } {
  const sections = read(Number(header.getBigUint64(0x28, little)), header.getUint16(0x3c, little) * 64);
  for (let at = 0; at < sections.byteLength; at += 64) {
    if (sections.getUint32(at + 4, little) !== dynamicSymbols) continue;
    const names = sections.getUint32(at + 40, little) * 64;
    return {
      at: Number(sections.getBigUint64(names + 24, little)),
      length: Number(sections.getBigUint64(names + 32, little)),
    };
  }
  throw new Error(`${path}: it imports nothing`);
}

const header = read(0, 64);
const isElf = header.getUint32(0, false) === 0x7f454c46;
if (isElf) {
  const { at, length } = findNames(header);
  const names = Buffer.from(read(at, length).buffer).toString("latin1");
  const found = names.indexOf("\0setrlimit\0");
  if (found < 0) throw new Error(`${path}: it does not import setrlimit; see how this Bun raises limits`);
  writeSync(file, "g", at + found + 1, "latin1");
}
closeSync(file);
