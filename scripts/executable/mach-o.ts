/*
 * Executables for macOS: their code signature, which the system checks page by page as it reads the program. Makes one
 * that names nobody ("ad hoc"), as linkers do, and checks those that others made.
 *
 * Source: Apple's headers mach-o/loader.h and cs_blobs.h of XNU (load commands of 64 bits; SuperBlob and
 * CodeDirectory).
 */
import { createHash } from "node:crypto";
import type { Bytes } from "./bytes.ts";

/** Load commands that are read here. */
const segmentCommand = 0x19;
const signatureCommand = 0x1d;

const headerLength = 32;
const superBlobMagic = 0xfade0cc0;
const directoryMagic = 0xfade0c02;
/** The number of the directory among the parts of a signature. */
const directorySlot = 0;
const directoryVersion = 0x20400;
const directoryLength = 88;
/** Ad hoc, and made by a linker: whoever signs it with a certificate later need not be asked to replace it. */
const directoryFlags = 0x20002;
const mainProgram = 1;
const sha256 = { type: 2, length: 32 } as const;
const pageBits = 12;
const pageLength = 1 << pageBits;

interface Command {
  readonly type: number;
  /** Where it is in the file, in bytes. */
  readonly at: number;
  readonly bytes: Buffer;
}

interface Segment {
  readonly name: string;
  /** Where its command is in the file, in bytes. */
  readonly commandAt: number;
  readonly memorySize: number;
  readonly at: number;
  readonly size: number;
}

interface Layout {
  readonly text: Segment;
  /** The last segment, which holds the signature at its end. */
  readonly linkEdit: Segment;
  /** Where the signature is, in bytes, and where its command is. */
  readonly signature: { readonly at: number; readonly size: number; readonly commandAt: number };
}

/** What is signed, and how. */
export interface Signature {
  readonly identifier: string;
  readonly adHoc: boolean;
  /** How many pages have a hash. */
  readonly pages: number;
  /** What is wrong with it, empty where it is valid. */
  readonly faults: readonly string[];
}

/** Whether a file begins as a program for macOS of 64 bits does. */
export function isMachO(file: Bytes): boolean {
  return file.size >= headerLength && file.read(0, 4).readUint32LE(0) === 0xfeedfacf;
}

const processors: Readonly<Record<number, string>> = { 0x1000007: "x64", 0x100000c: "arm64" };

/** The processor that a program is for: `x64` or `arm64`. Throws where it is another. */
export function processorOf(file: Bytes): string {
  const number = file.read(4, 4).readUint32LE(0);
  const name = processors[number];
  if (name === undefined) throw new Error(`${file.path}: it is for a processor with the number ${number}`);
  return name;
}

function commandsOf(file: Bytes): readonly Command[] {
  const header = file.read(0, headerLength);
  const [count, size] = [header.readUint32LE(16), header.readUint32LE(20)];
  const all = file.read(headerLength, size);
  const commands: Command[] = [];
  for (let at = 0; commands.length < count;) {
    const length = at + 8 <= size ? all.readUint32LE(at + 4) : 0;
    if (length < 8 || at + length > size) throw new Error(`${file.path}: its load commands cannot be read`);
    const bytes = all.subarray(at, at + length);
    commands.push({ type: bytes.readUint32LE(0), at: headerLength + at, bytes });
    at += length;
  }
  return commands;
}

function segmentOf(file: Bytes, commands: readonly Command[], wanted: string): Segment {
  for (const { type, at, bytes } of commands) {
    if (type !== segmentCommand) continue;
    const name = bytes.toString("latin1", 8, 24).replace(/\0.*$/s, "");
    const [memorySize, place, size] = [32, 40, 48].map((each) => Number(bytes.readBigUint64LE(each)));
    if (name === wanted) return { name, commandAt: at, memorySize: memorySize!, at: place!, size: size! };
  }
  throw new Error(`${file.path}: it has no segment ${wanted}`);
}

/** Throws where there is no signature at the end of the file and of the last segment. */
function layoutOf(file: Bytes): Layout {
  if (!isMachO(file)) throw new Error(`${file.path}: it is no program for macOS of 64 bits`);
  const commands = commandsOf(file);
  const command = commands.find(({ type }) => type === signatureCommand);
  if (command === undefined) throw new Error(`${file.path}: it has no place for a signature`);
  const [at, size] = [command.bytes.readUint32LE(8), command.bytes.readUint32LE(12)];
  const linkEdit = segmentOf(file, commands, "__LINKEDIT");
  if (at + size !== file.size || linkEdit.at + linkEdit.size !== file.size || at < linkEdit.at)
    throw new Error(`${file.path}: its signature is not at its end`);
  return { text: segmentOf(file, commands, "__TEXT"), linkEdit, signature: { at, size, commandAt: command.at } };
}

/** The hashes of the pages of the file up to `limit` bytes. */
function hashPages(file: Bytes, limit: number): Buffer {
  const hashes: Buffer[] = [];
  const pagesAtOnce = 1024;
  for (let at = 0; at < limit; at += pagesAtOnce * pageLength) {
    const bytes = file.read(at, Math.min(pagesAtOnce * pageLength, limit - at));
    for (let from = 0; from < bytes.length; from += pageLength)
      hashes.push(
        createHash("sha256")
          .update(bytes.subarray(from, from + pageLength))
          .digest(),
      );
  }
  return Buffer.concat(hashes);
}

function directory(identifier: string, limit: number, textSize: number, hashes: Buffer): Buffer {
  const name = Buffer.from(`${identifier}\0`);
  const head = Buffer.alloc(directoryLength);
  const hashesAt = directoryLength + name.length;
  const words = [
    directoryMagic,
    hashesAt + hashes.length,
    directoryVersion,
    directoryFlags,
    hashesAt,
    directoryLength,
    0,
    hashes.length / sha256.length,
    limit,
  ];
  for (const [index, value] of words.entries()) head.writeUint32BE(value, index * 4);
  head.set([sha256.length, sha256.type, 0, pageBits], 36);
  head.writeBigUint64BE(BigInt(textSize), 72);
  head.writeBigUint64BE(BigInt(mainProgram), 80);
  return Buffer.concat([head, name, hashes]);
}

/**
 * Replaces the signature by one that is made here, which is valid and names nobody. `identifier`: what the system calls
 * the program. Throws where the file has no place for a signature at its end.
 */
export function sign(file: Bytes, identifier: string): void {
  const { text, linkEdit, signature } = layoutOf(file);
  const limit = signature.at;
  const pages = Math.ceil(limit / pageLength);
  const offset = 20;
  const size = offset + directoryLength + identifier.length + 1 + pages * sha256.length;
  // The commands are in pages that are signed, so they are changed first.
  const signatureSize = Buffer.alloc(4);
  signatureSize.writeUint32LE(size);
  file.write(signature.commandAt + 12, signatureSize);
  const segmentSize = limit + size - linkEdit.at;
  const memory = Math.max(linkEdit.memorySize, Math.ceil(segmentSize / 0x4000) * 0x4000);
  const sizes = Buffer.alloc(24);
  for (const [index, value] of [memory, linkEdit.at, segmentSize].entries())
    sizes.writeBigUint64LE(BigInt(value), index * 8);
  file.write(linkEdit.commandAt + 32, sizes);
  const head = Buffer.alloc(offset);
  for (const [index, value] of [superBlobMagic, size, 1, directorySlot, offset].entries())
    head.writeUint32BE(value, index * 4);
  file.resize(limit + size);
  file.write(limit, Buffer.concat([head, directory(identifier, limit, text.size, hashPages(file, limit))]));
}

/** The directory of a signature, without its end. Throws where there is none. */
function directoryOf(file: Bytes, signature: Buffer): Buffer {
  const count = signature.length >= 12 && signature.readUint32BE(0) === superBlobMagic ? signature.readUint32BE(8) : 0;
  for (let index = 0; index < count && 20 + index * 8 <= signature.length; index++) {
    const [slot, at] = [signature.readUint32BE(12 + index * 8), signature.readUint32BE(16 + index * 8)];
    if (slot !== directorySlot) continue;
    if (at + directoryLength <= signature.length && signature.readUint32BE(at) === directoryMagic)
      return signature.subarray(at, at + signature.readUint32BE(at + 4));
  }
  throw new Error(`${file.path}: its signature has no directory of its pages`);
}

/**
 * What the signature says, and whether the file is as it says. Throws where there is none, or one of a kind that is not
 * known here (other hashes than SHA-256, other pages than 4096 bytes).
 */
export function signatureOf(file: Bytes): Signature {
  const { signature, text } = layoutOf(file);
  const found = directoryOf(file, file.read(signature.at, signature.size));
  const number = (index: number): number => found.readUint32BE(index * 4);
  const [flags, hashesAt, nameAt, pages, limit] = [number(3), number(4), number(5), number(7), number(8)];
  const [hashLength, hashType, , bits] = found.subarray(36, 40);
  if (number(2) < directoryVersion || hashLength !== sha256.length || hashType !== sha256.type || bits !== pageBits)
    throw new Error(`${file.path}: its signature is of a kind that this script cannot check`);
  const faults: string[] = [];
  if (limit !== signature.at) faults.push(`it covers ${limit} bytes, and the program has ${signature.at}`);
  if (pages !== Math.ceil(limit / pageLength)) faults.push(`it has ${pages} hashes for ${limit} bytes`);
  if (Number(found.readBigUint64BE(72)) !== text.size) faults.push("it says another size of the code");
  const hashes = hashPages(file, Math.min(limit, signature.at));
  let wrong = 0;
  for (let page = 0; page < pages; page++) {
    const [from, to] = [page * sha256.length, (page + 1) * sha256.length];
    if (!found.subarray(hashesAt + from, hashesAt + to).equals(hashes.subarray(from, to))) wrong += 1;
  }
  if (wrong > 0) faults.push(`${wrong} of its ${pages} pages are other than it says`);
  const identifier = found.toString("latin1", nameAt, found.indexOf(0, nameAt));
  return { identifier, adHoc: (flags & 2) !== 0, pages, faults };
}
