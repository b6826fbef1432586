/*
 * Folders of Windows that are closed to others. Modes mean nothing there: what is made in a folder inherits who may do
 * what with it. A folder in the user's profile is the user's alone, elsewhere it mostly is everybody's.
 *
 * Source: icacls /?; well-known SIDs of the Win32 API.
 */
import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { win32 } from "node:path";
import { systemProgram } from "./command-shell.ts";
import type { Environment } from "./variables.ts";

/** Windows itself, and its administrators. */
const trusted = ["*S-1-5-18", "*S-1-5-32-544"];

/** The words that leave a folder, and what comes into it, to one user, the system and its administrators. */
export function wordsToClose(folder: string, user: string, env: Environment): string[] {
  const grants = [user, ...trusted].map((who) => `${who}:(OI)(CI)F`);
  return [systemProgram(env, "icacls.exe"), folder, "/inheritance:r", "/grant:r", ...grants, "/q"];
}

/** Whether a folder is in the profile of a user, where nobody else may look. */
export function isInProfile(folder: string, profile: string): boolean {
  const way = win32.relative(profile, folder);
  return way !== ".." && !way.startsWith("..\\") && !win32.isAbsolute(way);
}

/** Closes a folder that was just made. Answers why others may still look into it; null: nobody else may. */
export function closeToOthers(folder: string, env: Environment = process.env): string | null {
  const program = systemProgram(env, "icacls.exe");
  // Every Windows has that program, but for Wine, whose folders are those of another system.
  if (isInProfile(folder, homedir()) || !existsSync(program)) return null;
  const how = `'${program}' could not close it`;
  try {
    const words = wordsToClose(folder, userInfo().username, env);
    const { success, exitCode } = Bun.spawnSync(words, { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
    return success ? null : `${how} (status ${exitCode})`;
  } catch {
    return `${how}: it cannot be started`;
  }
}
