/*
 * Whether the terminal shows what is typed: a switch of its own, which stays as it is when this process ends.
 *
 * Source: POSIX, stty; SetConsoleMode of the Win32 API.
 */
import type * as ffi from "bun:ffi";

const [standardInput, echoInput] = [-10, 0x4];

/** Has the terminal of standard input show what is typed, or not. Where that cannot be said, nothing changes. */
export function showTyped(isShown: boolean): void {
  try {
    if (process.platform === "win32") showInConsole(isShown);
    else Bun.spawnSync(["stty", isShown ? "echo" : "-echo"], { stdin: "inherit", env: { PATH: process.env["PATH"] } });
  } catch {
    // There is no such program.
  }
}

function showInConsole(isShown: boolean): void {
  const { dlopen } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const { GetStdHandle, GetConsoleMode, SetConsoleMode } = dlopen("kernel32.dll", {
    GetStdHandle: { args: ["i32"], returns: "ptr" },
    GetConsoleMode: { args: ["ptr", "ptr"], returns: "i32" },
    SetConsoleMode: { args: ["ptr", "u32"], returns: "i32" },
  }).symbols;
  const handle = GetStdHandle(standardInput);
  const mode = new Uint32Array(1);
  if (GetConsoleMode(handle, mode) === 0) return;
  SetConsoleMode(handle, isShown ? mode[0]! | echoInput : mode[0]! & ~echoInput);
}
