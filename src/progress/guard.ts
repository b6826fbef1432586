/*
 * A process that gives the terminal its last row back if this one is killed and cannot. It waits for the end of a pipe
 * that nobody else holds, in a session of its own so that no signal of the terminal reaches it.
 */
import { erased } from "./row.ts";

/** `read` fails when the writer of the pipe is gone. */
const script = `read -r x || printf '%s' "$1" >&2`;

/** Starts a guard. Answers a function that ends it: the terminal is in order then. */
export function startGuard(): () => void {
  try {
    const guard = Bun.spawn(["/bin/sh", "-c", script, "sh", erased], {
      cwd: "/",
      env: { LC_ALL: "C" },
      stdin: "pipe",
      stdout: "ignore",
      stderr: "inherit",
      detached: true,
    });
    guard.unref();
    return () => guard.kill("SIGKILL");
  } catch {
    // There are no more processes, or no more memory, just now: the line does without.
    return () => undefined;
  }
}
