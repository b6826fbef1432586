/* What is read of programs for Windows, tried on a small one that is made here. */
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openBytes } from "../../../scripts/executable/bytes.ts";
import { programOf, type WindowsProgram } from "../../../scripts/executable/pe.ts";

/** A program with one section `.bun` of eight bytes, and changes to its headers: a word, and its place. */
function read(...changes: readonly (readonly [at: number, value: number])[]): WindowsProgram {
  const file = Buffer.alloc(0x180);
  const optional = 0x40 + 24;
  file.write("MZ", "latin1");
  file.writeUint32LE(0x40, 0x3c);
  file.write("PE\0\0", 0x40, "latin1");
  file.writeUint16LE(0x8664, 0x44);
  file.writeUint16LE(1, 0x46);
  file.writeUint16LE(160, 0x54);
  file.writeUint16LE(0x20b, optional);
  file.writeUint16LE(3, optional + 68);
  file.write(".bun", optional + 160, "latin1");
  file.writeUint32LE(8, optional + 160 + 16);
  file.writeUint32LE(0x178, optional + 160 + 20);
  for (const [at, value] of changes) file.writeUint16LE(value, at);
  const folder = mkdtempSync(join(tmpdir(), "hs-pe-"));
  try {
    writeFileSync(join(folder, "program"), file);
    using bytes = openBytes(join(folder, "program"), "r");
    return programOf(bytes);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("a program for Windows tells its processor, its sections, and whether it is signed", () => {
  expect(read()).toEqual({ machine: "x64", sections: [".bun"], isSigned: false });
  expect(read([0x44, 0xaa64]).machine).toBe("arm64");
  expect(read([0x58 + 112 + 36, 100]).isSigned).toBe(true);
});

test("what is no program for the console of Windows of 64 bits is refused", () => {
  expect(() => read([0, 0])).toThrow("it is no program for Windows");
  expect(() => read([0x40, 0])).toThrow("it is no program for Windows");
  for (const change of [
    [0x44, 0x14c],
    [0x58, 0x10b],
    [0x58 + 68, 2],
  ] as const)
    expect(() => read(change)).toThrow("it is no program for the console of Windows of 64 bits");
  expect(() => read([0x58 + 160 + 16, 9])).toThrow("its section .bun ends behind the file");
});
