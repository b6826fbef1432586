/*
 * Completes package-lock.json after `npm install` on a registry mirror that lacks packages of other platforms. npm
 * leaves them out of the lock then, and `npm ci` refuses the lock everywhere. What a package is for can be read off its
 * name (os-cpu-libc), and the version off the package that asks for it; the checksum stays open. Adds only; says what
 * it added.
 */

import { say } from "./say.ts";

export interface LockedPackage {
  readonly version?: string;
  readonly dev?: boolean;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

export interface Lock {
  packages: Record<string, LockedPackage>;
}

/** Packages that others in the lock may need on some platform, and that the lock does not have: name and version. */
export function missingFrom(
  lock: Lock,
): readonly { readonly name: string; readonly version: string; readonly dev: boolean }[] {
  return Object.entries(lock.packages).flatMap(([, owner]) =>
    Object.entries(owner.optionalDependencies ?? {})
      .filter(([name]) => lock.packages[`node_modules/${name}`] === undefined)
      .map(([name, version]) => ({ name, version, dev: owner.dev === true })),
  );
}

function entryFor(name: string, version: string, dev: boolean): LockedPackage {
  const [os, cpu, libc] = name
    .replace(/^.*\//, "")
    .replace(/^binding-/, "")
    .split("-");
  if (os === undefined || cpu === undefined)
    throw new Error(`no platform in the name of ${name}: add it to package-lock.json by hand`);
  const cLibrary = os === "linux" && libc !== undefined ? { libc: [libc.startsWith("musl") ? "musl" : "glibc"] } : {};
  const entry = { version, cpu: [cpu], ...(dev ? { dev } : {}), ...cLibrary, license: "MIT", optional: true, os: [os] };
  return entry;
}

if (import.meta.main) {
  const path = `${import.meta.dir}/../package-lock.json`;
  const lock = (await Bun.file(path).json()) as Lock;
  for (const { name, version, dev } of missingFrom(lock)) {
    lock.packages[`node_modules/${name}`] = entryFor(name, version, dev);
    say.success(`added ${name} ${version}`);
  }
  const sorted = Object.entries(lock.packages).toSorted(([one], [other]) => (one < other ? -1 : 1));
  lock.packages = Object.fromEntries(sorted);
  await Bun.write(path, `${JSON.stringify(lock, null, 2)}\n`);
}
