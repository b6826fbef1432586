/*
 * What a system tells of its processes, whichever system it is, and what all of them have in common. Which one it is
 * says processes.ts.
 */

export interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  /** 0 where the system does not tell. */
  readonly session: number;
  /** Tells it from a later process with the same number. Empty where the system does not tell. */
  readonly startedAt: string;
  /** The name of its program, cut to 15 bytes by Linux. */
  readonly name: string;
  /**
   * Its environment as it was at its start: variables, each with a NUL before and after it. Null where the mark that
   * was asked for is not in it, or where it is not shown: for instance that of another user.
   */
  readonly environment: string | null;
}

/** What is known of one process. */
export interface ProcessState {
  /** Tells it from a later process with the same number, in the same table. */
  readonly startedAt: string;
  /** Whether it has ended, and keeps its number until its parent asks how. */
  readonly isOver: boolean;
}

/** What a system tells of its processes. */
export interface Processes {
  /**
   * The table in which this process is: the boot of the machine, and the namespace in which processes are numbered.
   * Null where that is not known, or where another table than ours is shown.
   */
  table(): string | null;
  /** Null: there is none with that number, or it is not shown. */
  stateOf(pid: number): ProcessState | null;
  /** Whether the process of a row is alive, by its number and `startedAt`. */
  isStill(pid: number, startedAt: string): boolean;
  /**
   * A living process of a group that kill(2) has found; null: all have ended. `last`: one that was alive at the last
   * look, if there was one. `isRefused`: kill was not allowed to signal the group.
   */
  memberOf(group: number, last: number | null, isRefused: boolean): number | null;
  /**
   * All living processes. `mark` is a text that environments of interest have in them. Empty where the system shows no
   * processes.
   */
  all(mark: string): readonly ProcessRow[];
  /** The paths of files that programs have open, without links, as far as they are shown to this user. */
  openFiles(): ReadonlySet<string>;
}

/** Whether kill(2) finds a process of that number. */
export function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Otherwise it is there and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** The value of a variable in the environment of a row; null: it is not set. */
export function variableIn(environment: string, name: string): string | null {
  const at = environment.indexOf(`\0${name}=`);
  if (at < 0) return null;
  const from = at + name.length + 2;
  const end = environment.indexOf("\0", from);
  return environment.slice(from, end < 0 ? undefined : end);
}
