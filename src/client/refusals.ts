/*
 * Why the system does not start a task, in words. Knows no processes.
 */
import { accessSync, constants, existsSync, statSync } from "node:fs";
import { failureCode, failureReason } from "../base/paths.ts";

/** What keeps a process from having this working directory; null: nothing. */
export function whyNotEntered(cwd: string): string | null {
  try {
    if (!statSync(cwd).isDirectory()) return "not a directory";
    accessSync(cwd, constants.X_OK);
    return null;
  } catch (error) {
    return failureReason(error);
  }
}

/** Why `shell` could not be started in `cwd` with this command, of the error that came of it. */
export function describeRefusal(
  error: unknown,
  command: string,
  { shell, cwd }: { readonly shell: string; readonly cwd: string },
): string {
  const code = failureCode(error);
  if (code === "E2BIG")
    return `the command (${command.length} characters) and its environment are more than the system takes`;
  if (code === "ERR_INVALID_ARG_VALUE") return "a command or a tag contains a zero byte";
  if (!existsSync(cwd)) return `the working directory "${cwd}" does not exist`;
  return `${failureReason(error)} (${shell} in "${cwd}")`;
}
