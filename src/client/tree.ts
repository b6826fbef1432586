/*
 * All processes of a task: its process group, and those that have left it (`timeout`, `setsid`, `nohup`, a daemon). A
 * task that is stopped is to end with all of them. They are found by the task's id in their environment, by its
 * session, and by who started them; what hides from all three (it emptied its environment, has a session of its own,
 * and whoever started it had ended before) is not found. Nobody looks for the processes of a task that ends by itself:
 * it may leave a daemon behind, as in a shell.
 *
 * In the session of a living shell (living-shell.ts) may be what earlier tasks have left. What names such a task is
 * none of this one's, and what names none is so if it is older than the task.
 *
 * What an hs or hsx that is part of a task has started is left to that program as long as it lives: it stops its own
 * tasks, and gives them their time.
 */
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { type ProcessRow, variableIn } from "../base/process-source.ts";
import { processes } from "../base/processes.ts";
import type { StopSignal } from "./executor.ts";
import type { Group } from "./group.ts";

export interface Tree {
  /** Sends a signal to all processes of the task that there are now. */
  signal(signal: StopSignal): void;
  /**
   * Whether any of them is left. It is answered with true too while it is too early to look again. What has escaped
   * SIGKILL, because it was being made at that moment, gets it here.
   */
  alive(): boolean;
  /**
   * Whether all that is left ignores SIGINT, as programs do that a shell has started with &. False where nobody is
   * left, or the system does not tell.
   */
  ignoresInterrupt(): boolean;
}

export interface TreeOptions {
  readonly taskId: string;
  /** The group, and session, that was made for the task; null: it had none, but a command of its template had. */
  readonly group: Group | null;
  /** Whether the leader of the group has ended. */
  readonly ended: () => boolean;
  /**
   * How long after the leader of the group the task began, milliseconds. The leader is a shell that ran other tasks
   * before, and what these have left may be in the same group and session. Null: the leader was started for the task.
   */
  readonly afterMs: number | null;
  readonly finder: Finder;
}

/** Finds the processes of all tasks of one client. */
export interface Finder {
  readonly clientId: string;
  readonly now: () => number;
  /** The last look at all processes; null: there was none. */
  last: Look | null;
}

/** What a look at all processes found. */
interface Look {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How long it took, milliseconds. */
  readonly tookMs: number;
  readonly byPid: ReadonlyMap<number, ProcessRow>;
  readonly byParent: ReadonlyMap<number, readonly ProcessRow[]>;
  readonly byGroup: ReadonlyMap<number, readonly ProcessRow[]>;
  readonly bySession: ReadonlyMap<number, readonly ProcessRow[]>;
  /** Those whose environment names a task of this client, by the task's id. */
  readonly byTask: ReadonlyMap<string, readonly ProcessRow[]>;
  /** The task that an environment names, by process id; null: one of another client. */
  readonly taskOf: ReadonlyMap<number, string | null>;
  /** Whether the turn of the event loop goes on in which it was taken: all tasks that are stopped in it share it. */
  isFresh: boolean;
}

/** The shortest pause between two looks that only wait for the end of processes, milliseconds. */
const leastPauseMs = 20;
/** The pause is at least this many times as long as a look, so that waiting leaves the processor to others. */
const leisure = 5;

/** A tick of Linux, by which the start of a process is told, milliseconds; and what rounding may be off by, ticks. */
const tickMs = 10;
const slack = 2;

const windows = process.platform === "win32";
const interruptBit = 1n << BigInt(constants.signals.SIGINT - 1);
const owner = "TASK_CLIENT_ID";

/** What finds the processes of this client's tasks. `now` answers milliseconds since 1970. */
export function newFinder(clientId: string, now: () => number): Finder {
  return { clientId, now, last: null };
}

interface State extends TreeOptions {
  /** The processes that were found, by their ids. */
  readonly known: Map<number, ProcessRow>;
  /** The signal that was sent last. */
  sent: StopSignal | null;
  /** Since when nobody was left at the looks, milliseconds since 1970; null: somebody was. */
  emptySince: number | null;
  /** Whether the number of the leader still stands for its session. */
  ownsSession: boolean;
  /** When a subshell of the task was seen to begin, in ticks of the system; null: none was. */
  since: number | null;
  /** One that heeded SIGINT at the last look. */
  heeding: ProcessRow | null;
}

/** All processes of a task. */
export function treeOf(options: TreeOptions): Tree {
  const { group } = options;
  if (windows) {
    return {
      signal: (signal) => group?.signal(signal),
      alive: () => group?.alive() === true,
      ignoresInterrupt: () => false,
    };
  }
  const state: State = {
    ...options,
    known: new Map(),
    sent: null,
    emptySince: null,
    ownsSession: group !== null,
    since: null,
    heeding: null,
  };
  return {
    signal: (signal) => send(state, signal),
    alive: () => isAlive(state),
    ignoresInterrupt: () => allIgnoreInterrupt(state),
  };
}

function send(state: State, signal: StopSignal): void {
  const { finder, group, known } = state;
  // They are collected before any of them is signalled: those whose parent has ended belong to process 1.
  const found = look(finder);
  meet(state, found);
  const isWhole = group !== null && ownsGroup(state, group, found);
  if (isWhole) group.signal(signal);
  for (const row of known.values())
    if (!(isWhole && row.group === group.leader) && !isForwarded(state, row, signal)) kill(row, signal);
  state.sent = signal;
}

/** Whether all processes of a group are of the task. */
function ownsGroup({ afterMs, known }: State, { leader }: Group, { byGroup }: Look): boolean {
  return afterMs === null || (byGroup.get(leader) ?? []).every(({ pid }) => known.has(pid));
}

/**
 * Whether the process gets this signal from another: `timeout` passes on what ends it to the group that it has made
 * for its program, and a program that hears SIGINT twice may take it for impatience.
 */
function isForwarded({ known }: State, { pid, group }: ProcessRow, signal: StopSignal): boolean {
  return signal !== "SIGKILL" && pid !== group && known.get(group)?.name === "timeout";
}

function kill({ pid }: ProcessRow, signal: StopSignal): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended meanwhile, or runs as another user: the reactor will say so.
  }
}

function isAlive(state: State): boolean {
  const { finder, group, known, sent } = state;
  const now = finder.now();
  if ((state.afterMs === null && group?.alive() === true) || isAnyLeft(known)) {
    state.emptySince = null;
    return true;
  }
  state.emptySince ??= now;
  const found = lookAgain(finder, state.emptySince);
  if (found === null) return true;
  known.clear();
  meet(state, found);
  if (known.size === 0) return false;
  state.emptySince = null;
  if (sent === "SIGKILL") for (const row of known.values()) kill(row, sent);
  return true;
}

function isAnyLeft(known: Map<number, ProcessRow>): boolean {
  for (const [pid, row] of known) {
    if (isStill(row)) return true;
    known.delete(pid);
  }
  return false;
}

/** Whether a process that was found is alive. */
function isStill({ pid, startedAt }: ProcessRow): boolean {
  return processes().isStill(pid, startedAt);
}

function allIgnoreInterrupt(state: State): boolean {
  const { finder, known } = state;
  if (process.platform !== "linux") return false;
  if (state.heeding !== null && isStill(state.heeding) && heedsInterrupt(state.heeding)) return false;
  const found = lookAgain(finder, finder.now());
  if (found === null) return false;
  meet(state, found);
  const left = [...known.values()].filter(isStill);
  state.heeding = left.find(heedsInterrupt) ?? null;
  return left.length > 0 && state.heeding === null;
}

/** Whether a process does not ignore SIGINT. Source: proc(5), SigIgn of status. */
function heedsInterrupt({ pid }: ProcessRow): boolean {
  try {
    const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return ignored === null || (BigInt(`0x${ignored[1]!}`) & interruptBit) === 0n;
  } catch {
    return false;
  }
}

// ---- looking

/** Looks at all processes, once in a turn of the event loop. */
function look(finder: Finder): Look {
  if (finder.last?.isFresh === true) return finder.last;
  const at = finder.now();
  const rows = processes().all(owner);
  const byTask = new Map<string, ProcessRow[]>();
  const taskOf = new Map<number, string | null>();
  for (const row of rows) {
    if (row.environment === null) continue;
    const isOurs = variableIn(row.environment, owner) === finder.clientId;
    const id = isOurs ? variableIn(row.environment, "TASK_ID") : null;
    // A living shell, or what it has made of itself for a task.
    if (id === "") continue;
    taskOf.set(row.pid, id);
    if (id === null) continue;
    const others = byTask.get(id);
    if (others === undefined) byTask.set(id, [row]);
    else others.push(row);
  }
  const taken: Look = {
    at,
    tookMs: finder.now() - at,
    byPid: new Map(rows.map((row) => [row.pid, row])),
    byParent: Map.groupBy(rows, ({ parent }) => parent),
    byGroup: Map.groupBy(rows, ({ group }) => group),
    bySession: Map.groupBy(rows, ({ session }) => session),
    byTask,
    taskOf,
    isFresh: true,
  };
  finder.last = taken;
  queueMicrotask(() => (taken.isFresh = false));
  return taken;
}

/** A look that was taken since then (milliseconds since 1970); null: it is too early for another. */
function lookAgain(finder: Finder, since: number): Look | null {
  const { last } = finder;
  if (last !== null) {
    if (last.at > since) return last;
    const pauseMs = Math.max(leastPauseMs, last.tookMs * leisure);
    const passedMs = finder.now() - last.at;
    // A clock that was set back must not stop the looks.
    if (passedMs >= 0 && passedMs < pauseMs) return null;
  }
  return look(finder);
}

/** Takes in all processes of the task that a look has found. */
function meet(state: State, { byPid, byParent, byGroup, bySession, byTask, taskOf }: Look): void {
  const { known, group, taskId } = state;
  const found = new Map<number, ProcessRow>();
  const waiting: ProcessRow[] = [];
  function add(row: ProcessRow): void {
    if (row.pid === process.pid || found.has(row.pid)) return;
    const named = taskOf.get(row.pid);
    // Its environment names another task: it belongs to an hs that is part of this task, or has a number that was free.
    if (named !== undefined && named !== taskId) return;
    found.set(row.pid, row);
    waiting.push(row);
  }
  if (state.ownsSession && group !== null) {
    const { leader } = group;
    const own = [...(bySession.get(leader) ?? []), ...(byGroup.get(leader) ?? [])];
    if (own.length === 0 && state.ended()) state.ownsSession = false;
    const since = sinceWhen(state, byPid.get(leader), byParent.get(leader) ?? []);
    for (const row of own) if (row.pid === leader || Number(row.startedAt) >= since) add(row);
  }
  for (const row of byTask.get(taskId) ?? []) add(row);
  for (const { pid, startedAt } of known.values()) {
    const row = byPid.get(pid);
    if (row?.startedAt === startedAt) add(row);
  }
  for (let row = waiting.pop(); row !== undefined; row = waiting.pop())
    for (const child of byParent.get(row.pid) ?? []) add(child);
  known.clear();
  for (const [pid, row] of found) if (!isBelowProgram(row, found)) known.set(pid, row);
}

/**
 * When the task began, in ticks of the system as a row has them; 0: all that is in its session is its own. The subshell
 * of a living shell tells it exactly.
 */
function sinceWhen(state: State, leader: ProcessRow | undefined, children: readonly ProcessRow[]): number {
  const { afterMs } = state;
  if (afterMs === null) return 0;
  if (children.length > 0) state.since = Math.min(...children.map(({ startedAt }) => Number(startedAt)));
  if (state.since !== null) return state.since;
  return leader === undefined ? 0 : Number(leader.startedAt) + Math.floor(afterMs / tickMs) - slack;
}

/** Whether an hs or hsx among `found` has started this process, directly or not. */
function isBelowProgram(row: ProcessRow, found: ReadonlyMap<number, ProcessRow>): boolean {
  const passed = new Set([row.pid]);
  for (let above = found.get(row.parent); above !== undefined; above = found.get(above.parent)) {
    if (above.name === "hs" || above.name === "hsx") return true;
    // Rows are read one after the other: numbers that are used again may make a circle.
    if (passed.has(above.pid)) return false;
    passed.add(above.pid);
  }
  return false;
}
