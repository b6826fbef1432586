/*
 * Whether an executable is what is published for a target, as far as its structure tells, and how it is run on this
 * machine, where that is possible.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Bytes, openBytes } from "./bytes.ts";
import { demandsOf, machineOf, survivesStrip } from "./elf.ts";
import { processorOf, signatureOf } from "./mach-o.ts";
import { programOf } from "./pe.ts";

export const targets = [
  "linux-x64",
  "linux-arm64",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
  "windows-x64",
];

const processorIn = (target: string): string => (target.includes("arm64") ? "arm64" : "x64");

/** The newest version of glibc that an executable may ask for: Red Hat 7 and its like have it. */
const newestGlibc = [2, 17] as const;

const loaders: Readonly<Record<string, string>> = {
  "linux-x64": "/lib64/ld-linux-x86-64.so.2",
  "linux-arm64": "/lib/ld-linux-aarch64.so.1",
  "linux-x64-musl": "/lib/ld-musl-x86_64.so.1",
  "linux-arm64-musl": "/lib/ld-musl-aarch64.so.1",
};

/** Where Debian has the libraries of another processor (package libc6-arm64-cross). */
const foreignRoot = "/usr/aarch64-linux-gnu";

function expected(file: Bytes, what: string, found: string | null, wanted: string): void {
  if (found !== wanted) throw new Error(`${file.path}: its ${what} is ${found ?? "missing"}, and should be ${wanted}`);
}

/** The newest of the versions of glibc, `2.17`; null: none. Throws where one is newer than an executable may need. */
export function newestOf(versions: readonly string[]): string | null {
  const numbers = versions.flatMap((version) => {
    const [, major, minor = "0"] = /^GLIBC_(\d+)\.(\d+)/.exec(version) ?? [];
    return major === undefined ? [] : [[Number(major), Number(minor)] as const];
  });
  const [newest] = numbers.toSorted(([a, b], [c, d]) => c - a || d - b);
  if (newest === undefined) return null;
  const [major, minor] = newest;
  if (major > newestGlibc[0] || (major === newestGlibc[0] && minor > newestGlibc[1]))
    throw new Error(`it needs glibc ${major}.${minor}, and ${newestGlibc.join(".")} is the newest that it may need`);
  return `${major}.${minor}`;
}

function inspectLinux(file: Bytes, target: string): string {
  expected(file, "processor", machineOf(file), processorIn(target));
  const { loader, libraries, versions } = demandsOf(file);
  expected(file, "loader", loader, loaders[target]!);
  if (!survivesStrip(file)) throw new Error(`${file.path}: strip(1) would take its code away`);
  const glibc = newestOf(versions);
  return glibc === null ? `needs ${libraries.join(", ")}` : `needs glibc ${glibc}`;
}

function inspectMac(file: Bytes, target: string): string {
  expected(file, "processor", processorOf(file), processorIn(target));
  const { adHoc, pages, faults } = signatureOf(file);
  if (faults.length > 0) throw new Error(`${file.path}: its signature is not valid: ${faults.join("; ")}`);
  return `${pages} signed pages${adHoc ? ", signed ad hoc" : ""}`;
}

function inspectWindows(file: Bytes, target: string): string {
  const { machine, sections, isSigned } = programOf(file);
  expected(file, "processor", machine, processorIn(target));
  if (!sections.includes(".bun")) throw new Error(`${file.path}: it has no section with our code`);
  return isSigned ? "signed" : "not signed";
}

/** What is to be said of the structure of an executable for a target. Throws where it is not as it should be. */
export function inspect(path: string, target: string): string {
  using file = openBytes(path, "r");
  if (target.startsWith("linux-")) return inspectLinux(file, target);
  return target.startsWith("darwin-") ? inspectMac(file, target) : inspectWindows(file, target);
}

/** The words that start a program for a target on this machine, before its own path; null: it cannot be run here. */
export function starterOf(target: string): readonly string[] | null {
  const [system] = target.split("-");
  const isOurs = process.platform === system && process.arch === processorIn(target);
  if (system !== "linux") return isOurs ? [] : null;
  const loader = loaders[target]!;
  if (isOurs) return existsSync(loader) ? [] : null;
  const emulator = Bun.which("qemu-aarch64-static") ?? Bun.which("qemu-aarch64");
  if (process.platform !== "linux" || processorIn(target) !== "arm64" || emulator === null) return null;
  const root = [foreignRoot, "/"].find((each) => existsSync(join(each, loader)));
  return root === undefined ? null : [emulator, "-L", root];
}
