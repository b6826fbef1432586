/*
 * Executables for Windows: what is read of them.
 *
 * Source: Microsoft's "PE Format" (headers of PE32+ files).
 */
import type { Bytes } from "./bytes.ts";

export interface WindowsProgram {
  /** `x64` or `arm64`. */
  readonly machine: string;
  /** Names of sections. */
  readonly sections: readonly string[];
  readonly isSigned: boolean;
}

const machines: Readonly<Record<number, string>> = { 0x8664: "x64", 0xaa64: "arm64" };
const console = 3;

/** Throws where it is no program for the console of Windows of 64 bits, or where a section reaches beyond the file. */
export function programOf(file: Bytes): WindowsProgram {
  const at = file.size >= 0x40 ? file.read(0x3c, 4).readUint32LE(0) : 0;
  const isProgram = at > 0 && file.read(0, 2).toString("latin1") === "MZ";
  if (!isProgram || file.read(at, 4).toString("latin1") !== "PE\0\0")
    throw new Error(`${file.path}: it is no program for Windows`);
  const header = file.read(at + 4, 20);
  const optional = file.read(at + 24, header.readUint16LE(16));
  const machine = machines[header.readUint16LE(0)];
  if (machine === undefined || optional.readUint16LE(0) !== 0x20b || optional.readUint16LE(68) !== console)
    throw new Error(`${file.path}: it is no program for the console of Windows of 64 bits`);
  const table = file.read(at + 24 + optional.length, header.readUint16LE(2) * 40);
  const sections: string[] = [];
  for (let entry = 0; entry < table.length; entry += 40) {
    const name = table.toString("latin1", entry, entry + 8).replace(/\0+$/, "");
    const [size, place] = [table.readUint32LE(entry + 16), table.readUint32LE(entry + 20)];
    if (place + size > file.size) throw new Error(`${file.path}: its section ${name} ends behind the file`);
    sections.push(name);
  }
  // The fifth of the directories behind the header is that of certificates.
  return { machine, sections, isSigned: optional.length >= 152 && optional.readUint32LE(112 + 4 * 8 + 4) > 0 };
}
