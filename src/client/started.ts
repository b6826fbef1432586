/*
 * A task from its start to its end, as the executor has it (process.ts), and the directory that it runs in. Owns how
 * what is left of it is signalled and seen; decides nothing.
 */
import type { Job } from "../base/windows.ts";
import type { Assignment } from "../task/task.ts";
import type { Own } from "./environment.ts";
import type { Ends, Running, StopSignal } from "./executor.ts";
import { type Group, groupOf, groupOfJob } from "./group.ts";
import type { Watch } from "./monitor.ts";
import type { Outlet } from "./outlet.ts";
import type { Spawner } from "./spawn.ts";
import type { Expansion } from "./templates.ts";
import { type Finder, type Tree, treeOf } from "./tree.ts";

/** A directory in which tasks run, and what depends on it. */
export interface Place {
  readonly cwd: string;
  readonly spawner: Spawner;
  readonly expand: Expansion;
}

/** A task from its start to its end. */
export interface Task extends Running {
  readonly assignment: Assignment;
  readonly place: Place;
  readonly ends: Ends;
  /** Variables that it alone has. */
  readonly own: Own | null;
  pid: number | null;
  command: string | null;
  startTime: number | null;
  outpath: string | null;
  errpath: string | null;
  /** The way of its output to whoever prints it; null: it writes where all tasks do. */
  outlet: Outlet | null;
  /** Tells its outcome, which waits for room for its output; null: nothing waits. */
  tell: (() => void) | null;
  /** Whether it was executed without a shell. */
  direct: boolean;
  /** The living shell that runs it; null: none does. */
  living: Bun.Subprocess | null;
  /** Whether a living shell could not begin it. */
  isRefused: boolean;
  /** The signal that was sent last. */
  signalled: StopSignal | null;
  /** Whether its process was ended by a signal. */
  isKilled: boolean;
  /** Whether its outcome has been reported, or is about to be. */
  over: boolean;
  /** A signal that came before there was a process; null: none did. */
  stopped: StopSignal | null;
  /** Stops what goes on before there is a process: a command of the template, or the wait for room. */
  interrupt: ((signal: StopSignal) => void) | null;
  /** Whether it had to wait for room to start. */
  isHeld: boolean;
  /** What measures it; null: nothing does. */
  watch: Watch | null;
  /** All its processes, on Windows; null elsewhere. */
  job: Job | null;
  /** Whether a process of its group is left. To ask costs little, but what has left the group is not seen. */
  groupAlive(): boolean;
}

/** How long after the shell that leads its session a task began, milliseconds; null: that was started for it. */
function afterMs({ living, place, startTime }: Task): number | null {
  return living === null ? null : startTime! - place.spawner.shells!.startedAt(living);
}

function groupOfTask(task: Task, leader: number): Group {
  return task.job === null ? groupOf(leader, () => task.over) : groupOfJob(leader, task.job);
}

/** A task that is about to start in this place. `own`: variables that it alone has; null: none. */
export function newTask(assignment: Assignment, place: Place, ends: Ends, own: Own | null, finder: Finder): Task {
  let group: Group | null = null;
  let tree: Tree | null = null;
  const ended = (): boolean => task.over;
  const groupThere = (): Group | null => (task.pid === null ? null : (group ??= groupOfTask(task, task.pid)));
  const treeThere = (): Tree =>
    (tree ??= treeOf({ taskId: assignment.id, group: groupThere(), ended, afterMs: afterMs(task), finder }));
  const task: Task = {
    assignment,
    place,
    ends,
    own,
    pid: null,
    command: null,
    startTime: null,
    outpath: null,
    errpath: null,
    outlet: null,
    tell: null,
    direct: false,
    living: null,
    isRefused: false,
    signalled: null,
    isKilled: false,
    over: false,
    stopped: null,
    interrupt: null,
    isHeld: false,
    watch: null,
    job: null,
    signal(signal) {
      // Whoever stops a task does not wait for the reader of its output.
      task.tell?.();
      if (task.pid !== null || task.over) {
        task.signalled = signal;
        if (task.living !== null) task.place.spawner.shells!.retire(task.living);
        treeThere().signal(signal);
      } else {
        task.stopped ??= signal;
        task.interrupt?.(signal);
      }
    },
    groupAlive: () => !task.over || groupThere()?.alive() === true,
    alive: () => !task.over || treeThere().alive(),
    ignoresInterrupt: () => tree?.ignoresInterrupt() === true,
  };
  return task;
}
