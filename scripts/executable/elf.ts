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
const versionNeeds = 0x6ffffffe;
/** An entry of the table of what the loader is to do. */
const neededLibrary = 1;
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
  if (survivesStrip(file)) return;
  const isAddressBehind = ({ at, size }: Section): boolean =>
    word(file.read(at + size, pointerLength), 0) === code.address;
  const [before, ...others] = besideCode(code, sections).filter(
    (section) => !isFollowed(section, sections) && isAddressBehind(section),
  );
  if (before === undefined || others.length > 0)
    throw new Error(`${file.path}: the address of its code is not behind one section, where this Bun should have it`);
  const size = Buffer.alloc(8);
  size.writeBigUint64LE(BigInt(before.size + pointerLength));
  file.write(before.entryAt + entry.size, size);
}

/**
 * Whether the address of the code belongs to a section, so that it stays when symbols are stripped. Throws where there
 * is no code.
 */
export function survivesStrip(file: Bytes): boolean {
  const sections = sectionsOf(file);
  const code = codeOf(file, sections);
  return besideCode(code, sections).some(
    ({ at, size }) =>
      size >= pointerLength && word(file.read(at + size - pointerLength, pointerLength), 0) === code.address,
  );
}

/** The sections of the same segment: they are as far from their place in memory as the code is. */
function besideCode(code: Section, sections: readonly Section[]): readonly Section[] {
  return sections.filter(
    ({ name, type, flags, address, at, size }) =>
      name !== code.name &&
      type !== noBits &&
      (flags & isLoaded) !== 0 &&
      size > 0 &&
      address - at === code.address - code.at,
  );
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

/** What a program asks of the system that loads it. */
export interface Demands {
  /** The program that loads it; null: none. */
  readonly loader: string | null;
  /** Names of libraries. */
  readonly libraries: readonly string[];
  /** Versions of what it uses of them, such as GLIBC_2.17; none where they have no versions. */
  readonly versions: readonly string[];
}

/** Throws where the file is no ELF file, or has no table of sections. */
export function demandsOf(file: Bytes): Demands {
  const sections = sectionsOf(file);
  const named = (name: string): Section | undefined => sections.find((section) => section.name === name);
  const loader = named(".interp");
  const dynamic = named(".dynamic");
  const libraries: string[] = [];
  if (dynamic !== undefined) {
    const [entries, names] = [file.read(dynamic.at, dynamic.size), namesOf(file, sections, dynamic)];
    for (let at = 0; at < entries.length; at += 16)
      if (word(entries, at) === neededLibrary) libraries.push(textAt(names, word(entries, at + 8)));
  }
  const needs = sections.find(({ type }) => type === versionNeeds);
  return {
    loader: loader === undefined ? null : textAt(file.read(loader.at, loader.size), 0),
    libraries,
    versions: needs === undefined ? [] : versionsIn(file.read(needs.at, needs.size), namesOf(file, sections, needs)),
  };
}

function namesOf(file: Bytes, sections: readonly Section[], { link }: Section): Buffer {
  const names = sections[link];
  return names === undefined ? Buffer.alloc(0) : file.read(names.at, names.size);
}

/** The names of versions in a table that has, for each library, a list of them. */
function versionsIn(table: Buffer, names: Buffer): readonly string[] {
  const found: string[] = [];
  for (let library = 0, next = -1; next !== 0; library += next) {
    const count = table.readUint16LE(library + 2);
    let at = library + table.readUint32LE(library + 8);
    for (let index = 0; index < count; index++) {
      found.push(textAt(names, table.readUint32LE(at + 8)));
      at += table.readUint32LE(at + 12);
    }
    next = table.readUint32LE(library + 12);
  }
  return found;
}
