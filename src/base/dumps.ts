/*
 * Core dumps, and what else tells the memory of this process. Linux makes neither of a process that is not dumpable: no
 * core, whatever `ulimit -c` says and wherever cores go, and no other program of the same user, as a task, reads its
 * memory, environment and open files in /proc. What it starts is dumpable again, and keeps the user's limit for cores:
 * a limit of our own it would inherit. Source: prctl(2), PR_SET_DUMPABLE. It costs a millisecond, once, with finding
 * the function.
 */
import { openLibc } from "./libc.ts";

/** PR_SET_DUMPABLE of Linux. */
const setDumpable = 4;

let isForbidden = false;

/** From now on nothing is told of the memory of this process. On other systems than Linux nothing changes. */
export function forbidDumps(): void {
  if (isForbidden || process.platform !== "linux") return;
  isForbidden = true;
  openLibc({ prctl: { args: ["i32", "u64", "u64", "u64", "u64"], returns: "i32" } })?.prctl(setDumpable, 0, 0, 0, 0);
}
