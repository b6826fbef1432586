/*
 * Executables for Linux: what is read of them, and the two things that are changed in them after Bun has made them. A
 * file that is not as expected is refused, for another Bun may lay it out in another way.
 *
 * Source: System V ABI, chapters "Object Files" and "Program Loading" (the layout of ELF files of 64 bits).
 */
import type { Bytes } from "./bytes.ts";

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  /** Where it is in memory; 0 where it is not loaded. */
  readonly address: number;
  /** Where it is in the file, in bytes. */
  readonly at: number;
  /** In bytes. */
  readonly size: number;
  /** The number of the section that this one refers to. */
  readonly link: number;
  /** Where its entry in the table of sections is, in bytes. */
  readonly entryAt: number;
}

const noBits = 8;
const dynamicSymbols = 11;
const isLoaded = 2;

/** How long an entry of the table of sections is, and what is where in it, in bytes. */
const entry = { length: 64, type: 4, flags: 8, address: 16, at: 24, size: 32, link: 40 } as const;

const word = (bytes: Buffer, at: number): number => Number(bytes.readBigUint64LE(at));

/** Whether a file begins as an ELF file does. */
export function isElf(file: Bytes): boolean {
  return file.size >= 64 && file.read(0, 4).toString("latin1") === "\x7fELF";
}

const machines: Readonly<Record<number, string>> = { 62: "x64", 183: "arm64" };

/** The processor that an executable is for: `x64` or `arm64`. Throws where it is another, or no ELF file of 64 bits. */
export function machineOf(file: Bytes): string {
  const header = headerOf(file);
  const number = header.readUint16LE(18);
  const name = machines[number];
  if (name === undefined) throw new Error(`${file.path}: it is for a machine with the number ${number}`);
  return name;
}

function headerOf(file: Bytes): Buffer {
  if (!isElf(file)) throw new Error(`${file.path}: it is no ELF file`);
  const header = file.read(0, 64);
  const [bits, order] = [header[4], header[5]];
  if (bits !== 2 || order !== 1) throw new Error(`${file.path}: it is no ELF file of 64 bits, little end first`);
  return header;
}

/** The table of sections. Throws where there is none, or where it reaches beyond the file. */
export function sectionsOf(file: Bytes): readonly Section[] {
  const header = headerOf(file);
  const [tableAt, length, count] = [word(header, 0x28), header.readUint16LE(0x3a), header.readUint16LE(0x3c)];
  if (length !== entry.length || count === 0) throw new Error(`${file.path}: it has no table of sections`);
  const table = file.read(tableAt, count * length);
  const sections = Array.from({ length: count }, (_, index) => {
    const at = index * length;
    return {
      nameAt: table.readUint32LE(at),
      type: table.readUint32LE(at + entry.type),
      flags: word(table, at + entry.flags),
      address: word(table, at + entry.address),
      at: word(table, at + entry.at),
      size: word(table, at + entry.size),
      link: table.readUint32LE(at + entry.link),
      entryAt: tableAt + at,
    };
  });
  const names = sections[header.readUint16LE(0x3e)];
  if (names === undefined) throw new Error(`${file.path}: its sections have no names`);
  const text = file.read(names.at, names.size);
  return sections.map(({ nameAt, ...section }) => ({ name: textAt(text, nameAt), ...section }));
}

/** The text from there to the next NUL. */
function textAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return bytes.toString("latin1", at, end < 0 ? bytes.length : end);
}

/**
 * Keeps the program from raising its own limits: Bun raises the limit of open files when it starts, which every process
 * that it starts inherits, and nothing tells later what the limit was before. The program imports `setrlimit` for that
 * alone; it gets `getrlimit` in its place, which changes nothing. Where hs needs more descriptors it says so
 * (src/base/limits.ts). Throws where the program imports no such function.
 */
export function keepLimits(file: Bytes): void {
  const sections = sectionsOf(file);
  const symbols = sections.find(({ type }) => type === dynamicSymbols);
  const names = symbols === undefined ? undefined : sections[symbols.link];
  if (names === undefined) throw new Error(`${file.path}: it imports nothing`);
  const text = file.read(names.at, names.size).toString("latin1");
  const found = text.indexOf("\0setrlimit\0");
  if (found < 0) throw new Error(`${file.path}: it does not import setrlimit; see how this Bun raises limits`);
  file.write(names.at + found + 1, Buffer.from("g"));
}

/** What ends the code that Bun has put into an executable. */
const trailer = "\n---- Bun! ----\n";
const pointerLength = 8;

/**
 * Keeps the code in the program when its symbols are stripped. Bun puts it into the section `.bun`, and its address
 * into eight bytes behind another section (`.data.rel.ro`, with musl `.init_array`). These belong to no section, so
 * strip(1), eu-strip(1) and objcopy(1) leave zeros there, and what remains is Bun itself: `hs run` would be `bun run`.
 * Here that section becomes eight bytes longer; what loads the program does not look at sections. Throws where the code
 * or its address is not where it was expected. A file that is as it should be already stays as it is.
 */
export function keepThroughStrip(file: Bytes): void {
  const sections = sectionsOf(file);
  const code = codeOf(file, sections);
  // What is in the same segment is as far from its place in memory as the code is.
  const beside = sections.filter(
    ({ name, type, flags, address, at, size }) =>
      name !== code.name &&
      type !== noBits &&
      (flags & isLoaded) !== 0 &&
      size > 0 &&
      address - at === code.address - code.at,
  );
  const isAddressAt = (at: number): boolean => word(file.read(at, pointerLength), 0) === code.address;
  if (beside.some(({ at, size }) => size >= pointerLength && isAddressAt(at + size - pointerLength))) return;
  const [before, ...others] = beside.filter(
    (section) => !isFollowed(section, sections) && isAddressAt(section.at + section.size),
  );
  if (before === undefined || others.length > 0)
    throw new Error(`${file.path}: the address of its code is not behind one section, where this Bun should have it`);
  const size = Buffer.alloc(8);
  size.writeBigUint64LE(BigInt(before.size + pointerLength));
  file.write(before.entryAt + entry.size, size);
}

/** The section that holds the code. Throws where there is none, or where it does not hold what Bun puts there. */
function codeOf(file: Bytes, sections: readonly Section[]): Section {
  const found = sections.filter(({ name }) => name === ".bun");
  const [code] = found;
  if (code === undefined || found.length > 1)
    throw new Error(`${file.path}: it has ${found.length} sections .bun, and one was expected`);
  const end = file.read(code.at + code.size - trailer.length, trailer.length).toString("latin1");
  if (word(file.read(code.at, 8), 0) === code.size - 8 && end === trailer) return code;
  throw new Error(`${file.path}: its section .bun does not hold what this script knows as the code of a program`);
}

/** Whether another section has some of the eight bytes behind this one. */
function isFollowed(section: Section, sections: readonly Section[]): boolean {
  const end = section.address + section.size;
  return sections.some(
    ({ flags, address, size }) =>
      (flags & isLoaded) !== 0 && size > 0 && address < end + pointerLength && address + size > end,
  );
}
