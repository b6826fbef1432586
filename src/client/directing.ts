/*
 * Joins a task to its outlet: at its start, where its process is to write, and at its end, when its outcome is told.
 * Writes for a shell that was not there. process.ts says when that is.
 */
import { closeSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { openOutlet } from "./outlet.ts";
import { openAppended } from "./outputs.ts";
import type { Sink } from "./sink.ts";
import { closeCaptured, directTo } from "./spawn.ts";
import type { Task } from "./started.ts";

/**
 * Has a task that is about to start write to the sink. `isKept`: its output stays in files as well. Throws the errors
 * of the file system.
 */
export function directOutput(task: Task, sink: Sink, isKept: boolean, clock: Clock): void {
  const { place, outpath, errpath, assignment } = task;
  // A living shell did not begin it.
  task.outlet?.drop();
  task.outlet = null;
  if (isKept && outpath === null) return;
  const { stdout, stderr } = place.spawner.shellStart;
  const captured =
    outpath === null ? null : { outpath, errpath: errpath!, stdout: stdout as number, stderr: stderr as number };
  task.outlet = openOutlet(sink, assignment, captured, clock);
  // A copy of what comes through pipes goes to the captured files.
  if (!task.outlet.isFile) closeCaptured(place.spawner);
  directTo(place.spawner, task.outlet);
}

/** Calls `tell` when what a task has printed is on its way, or as soon as somebody wants it stopped. */
export function tellAfterOutput(task: Task, tell: () => void): void {
  const { outlet } = task;
  if (outlet === null) return tell();
  let isTold = false;
  task.tell = () => {
    if (isTold) return;
    isTold = true;
    task.tell = null;
    tell();
  };
  outlet.ended(task.tell);
  if (!isTold) task.ends.held(task.assignment.id, true);
}

/**
 * Has the shell write what it writes when a program dies by a signal (`status` is 128 and its number), because only the
 * shell has the words. This takes two processes, but few programs die so. `to`: a file that is added to, or where the
 * task writes. `done` is called later, always.
 */
export function tellOfSignal(shell: string, to: string | number, status: number, done: () => void): void {
  const words = [shell, "-c", 'ulimit -c 0; "$0" -c "kill -$1 \\$\\$"; :', shell, `${status - 128}`];
  let captured: number | null = null;
  try {
    if (typeof to === "string" && to !== "inherit") captured = openAppended(to);
    const stderr = captured ?? (to as number | "inherit");
    Bun.spawn(words, { stdin: "ignore", stdout: "ignore", stderr, detached: true, onExit: done });
  } catch {
    // Only the line is lost, not the outcome.
    queueMicrotask(done);
  } finally {
    if (captured !== null) closeSync(captured);
  }
}
