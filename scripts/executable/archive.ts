/*
 * Archives that are the same, byte for byte, whenever and by whomever they are made: names in order, one time for all,
 * root as the owner.
 *
 * Source: POSIX, pax(1), "ustar Interchange Format"; PKWARE's APPNOTE 6.3 (zip).
 */

export interface Entry {
  /** Relative, with slashes. */
  readonly path: string;
  readonly isProgram?: boolean;
  /** What it holds; a text: the path that a symbolic link has. */
  readonly content: Uint8Array | string;
}

/** Names in order, so that it does not matter how they were found. */
export function inOrder(entries: readonly Entry[]): readonly Entry[] {
  return entries.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

const blockLength = 512;

function tarHeader(entry: Entry, size: number, time: number): Buffer {
  const isLink = typeof entry.content === "string";
  const header = Buffer.alloc(blockLength);
  const name = Buffer.from(entry.path);
  if (name.length > 100) throw new Error(`${entry.path}: a name in an archive has at most 100 bytes`);
  const octal = (value: number, at: number, length: number): void => {
    header.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  header.set(name);
  octal(isLink ? 0o777 : entry.isProgram === true ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(size, 124, 12);
  octal(time, 136, 12);
  header.write("        ", 148, "latin1");
  header.write(isLink ? "2" : "0", 156, "latin1");
  if (typeof entry.content === "string") header.write(entry.content, 157, "latin1");
  header.write("ustar\x0000", 257, "latin1");
  header.write("root", 265, "latin1");
  header.write("root", 297, "latin1");
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return header;
}

/**
 * A tar archive. `time`: when everything in it was changed, in seconds since 1970. Throws where a name has more than
 * 100 bytes.
 */
export function tar(entries: readonly Entry[], time: number): Buffer {
  const parts: Uint8Array[] = [];
  for (const entry of inOrder(entries)) {
    const content = typeof entry.content === "string" ? Buffer.alloc(0) : entry.content;
    parts.push(tarHeader(entry, content.length, time), content);
    parts.push(Buffer.alloc((blockLength - (content.length % blockLength)) % blockLength));
  }
  parts.push(Buffer.alloc(2 * blockLength));
  return Buffer.concat(parts);
}

/** The date and the time of day as MS-DOS has them, in UTC: two seconds are its smallest step, 1980 its first year. */
function dosTime(time: number): number {
  const at = new Date(time * 1000);
  const date = ((at.getUTCFullYear() - 1980) << 9) | ((at.getUTCMonth() + 1) << 5) | at.getUTCDate();
  return ((date << 16) | (at.getUTCHours() << 11) | (at.getUTCMinutes() << 5) | (at.getUTCSeconds() >> 1)) >>> 0;
}

const deflated = 8;

interface Packed {
  readonly bytes: Uint8Array;
  readonly crc: number;
}

/** Words of 16 and 32 bits, one after the other. */
function fields(...values: readonly (readonly [value: number, bytes: 2 | 4])[]): Buffer {
  const all = Buffer.alloc(values.reduce((total, [, bytes]) => total + bytes, 0));
  let at = 0;
  for (const [value, bytes] of values) at = all.writeUIntLE(value, at, bytes);
  return all;
}

/**
 * A zip archive, for Windows: a link is no part of it. `time`: when everything in it was changed, in seconds since
 * 1970, from 1980 on. The same content in several entries is packed once. Throws where an entry is a link.
 */
export function zip(entries: readonly Entry[], time: number): Buffer {
  const packed = new Map<Uint8Array, Packed>();
  const pack = (content: Uint8Array): Packed => {
    const bytes = Bun.deflateSync(new Uint8Array(content), { level: 9, library: "zlib" });
    return { bytes, crc: Bun.hash.crc32(content) };
  };
  const local: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  for (const { path, content, isProgram } of inOrder(entries)) {
    if (typeof content === "string") throw new Error(`${path}: a zip archive has no links`);
    const { bytes, crc } = packed.get(content) ?? pack(content);
    packed.set(content, { bytes, crc });
    const name = Buffer.from(path);
    const told = fields(
      [0x800, 2],
      [deflated, 2],
      [dosTime(time), 4],
      [crc, 4],
      [bytes.length, 4],
      [content.length, 4],
    );
    const head = Buffer.concat([fields([0x04034b50, 4], [20, 2]), told, fields([name.length, 2], [0, 2]), name]);
    local.push(head, bytes);
    // Made on Unix, whose mode is in the upper half of the attributes.
    const mode = (isProgram === true ? 0o100755 : 0o100644) * 0x10000;
    const place = fields([name.length, 2], [0, 2], [0, 2], [0, 2], [0, 2], [mode, 4], [at, 4]);
    central.push(fields([0x02014b50, 4], [0x0314, 2], [20, 2]), told, place, name);
    at += head.length + bytes.length;
  }
  const table = Buffer.concat(central);
  const count = entries.length;
  const end = fields([0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [table.length, 4], [at, 4], [0, 2]);
  return Buffer.concat([...local, table, end]);
}
