/*
 * Functions of the C library that Bun has no word for. They are found when they are first needed (a millisecond), and
 * only on Linux and macOS: whoever calls them does without where there are none.
 */
import type * as ffi from "bun:ffi";

const libraries: Partial<Record<NodeJS.Platform, string>> = { linux: "libc.so.6", darwin: "libSystem.B.dylib" };

/**
 * Finds functions of the C library, by their names and types as `dlopen` of bun:ffi takes them. Null: they are not to
 * be had here.
 */
export function openLibc<Functions extends Record<string, ffi.FFIFunction>>(
  functions: Functions,
): ffi.Library<Functions>["symbols"] | null {
  const name = libraries[process.platform];
  if (name === undefined) return null;
  try {
    const { dlopen } = process.getBuiltinModule("bun:ffi") as typeof ffi;
    return dlopen(name, functions).symbols;
  } catch {
    // Another C library (musl), or a system that lets no program make code while it runs.
    return null;
  }
}
