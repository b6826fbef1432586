/*
 * Which processes are whose: the process trees of all monitored tasks together, and what each has used. A process is of
 * a task if the task's session or group has it, if one of the task's processes has started it, or if its environment
 * names the task (that shows what has left its session and lost its parent). Once found it stays, whoever its parent is
 * later. Decides and counts only; what the system tells comes through a ProcessSource.
 *
 * A look costs a line of a list for each process of the host, and a reading for each that is of a task. Whatever else
 * runs is read once, and then skipped by its number; a part of these numbers is read again at each look, because a
 * number may have been given to another process meanwhile.
 *
 * Processor time. A process that has ended is not read any more, but if its parent waited for it, its time is with the
 * parent's from then on. So the time of a tree is that of its living processes and of the children that they waited
 * for, and what those had used whose time went to nobody: they were waited for by somebody outside, or by nobody.
 */
import { emptyReading, type ProcessSource, type Reading } from "./monitor-source.ts";

/** A process of a task, as it was read last. */
interface Member extends Reading {
  readonly pid: number;
  readonly tree: TaskTree;
  /** What the measurement under way has read of `childrenMs`. */
  freshMs: number;
}

/** All processes of one task. */
export interface TaskTree {
  readonly taskId: string;
  /** The process that was started for the task. */
  readonly leader: number;
  readonly members: Map<number, Member>;
  /** The processor time of processes that have ended and that is counted with no other, milliseconds. */
  lostMs: number;
  /** The processor time of the leader, with what it has waited for, once it has ended, milliseconds. */
  endedMs: number;
  /** All processor time so far, milliseconds. It never shrinks. */
  totalMs: number;
  /** The resident sizes of all processes together, at the last measurement, bytes. */
  memory: number;
}

/** The trees of all tasks that are monitored. */
export interface Forest {
  readonly source: ProcessSource;
  /** Of this program, which is no part of any task. */
  readonly ownPid: number;
  /** When this program was started, as a reading has it: nothing that is older is of a task. */
  readonly since: number;
  readonly byPid: Map<number, Member>;
  readonly byLeader: Map<number, TaskTree>;
  readonly byTask: Map<string, TaskTree>;
  /** Processes that are of no task: when each was started, by its number. */
  foreign: Map<number, number>;
  /** The number of looks so far. */
  looks: number;
  /** Filled by each reading. */
  readonly reading: Reading;
}

/** The numbers of foreign processes that are read again at a look: one of this many. */
const rereadOneOf = 32;

/** A forest without a tree. `ownPid`: the number of this program. */
export function newForest(source: ProcessSource, ownPid: number): Forest {
  const reading = emptyReading();
  return {
    source,
    ownPid,
    since: source.read(ownPid, reading) ? reading.startedAt : 0,
    byPid: new Map(),
    byLeader: new Map(),
    byTask: new Map(),
    foreign: new Map(),
    looks: 0,
    reading,
  };
}

/** Adds the tree of a task, whose first process is `leader`, and measures that. */
export function plant(forest: Forest, taskId: string, leader: number): TaskTree {
  const tree: TaskTree = { taskId, leader, members: new Map(), lostMs: 0, endedMs: 0, totalMs: 0, memory: 0 };
  forest.byLeader.set(leader, tree);
  forest.byTask.set(taskId, tree);
  if (forest.source.read(leader, forest.reading)) {
    enter(forest, tree, leader, forest.reading);
    tree.memory = forest.reading.memory;
  }
  return tree;
}

/** Forgets a tree. What is left of it is of no task from then on. */
export function fell(forest: Forest, tree: TaskTree): void {
  for (const pid of tree.members.keys()) forest.byPid.delete(pid);
  if (forest.byLeader.get(tree.leader) === tree) forest.byLeader.delete(tree.leader);
  if (forest.byTask.get(tree.taskId) === tree) forest.byTask.delete(tree.taskId);
}

function enter(forest: Forest, tree: TaskTree, pid: number, reading: Reading): void {
  const member: Member = { ...reading, pid, tree, freshMs: reading.childrenMs };
  tree.members.set(pid, member);
  forest.byPid.set(pid, member);
}

// ---- who is there

/** Finds the processes that are new among all that there are, and adds those of tasks to their trees. */
export function findNew(forest: Forest, pids: readonly number[]): void {
  const { byPid, foreign, source, reading, ownPid } = forest;
  const stay = new Map<number, number>();
  const found = new Map<number, Reading>();
  const turn = forest.looks++ % rereadOneOf;
  for (const pid of pids) {
    if (byPid.has(pid) || pid === ownPid) continue;
    const known = foreign.get(pid);
    if (known !== undefined && pid % rereadOneOf !== turn) stay.set(pid, known);
    else if (!source.read(pid, reading)) continue;
    else if (known === reading.startedAt) stay.set(pid, known);
    else found.set(pid, { ...reading });
  }
  forest.foreign = stay;
  const trees = new Map<number, TaskTree | null>();
  for (const [pid, row] of found) {
    const tree = treeOf(forest, pid, row, found, trees);
    if (tree === null) stay.set(pid, row.startedAt);
    else enter(forest, tree, pid, row);
  }
}

/** The tree that a new process is of; null: none. `trees` has the answers so far. */
function treeOf(
  forest: Forest,
  pid: number,
  row: Reading,
  found: ReadonlyMap<number, Reading>,
  trees: Map<number, TaskTree | null>,
): TaskTree | null {
  const known = trees.get(pid);
  if (known !== undefined) return known;
  // Rows are read one after the other: numbers that are used again may make a circle.
  trees.set(pid, null);
  const tree =
    forest.byLeader.get(row.session) ?? forest.byLeader.get(row.group) ?? treeOfParent(forest, row, found, trees);
  const named = tree ?? treeNamed(forest, pid, row);
  trees.set(pid, named);
  return named;
}

function treeOfParent(
  forest: Forest,
  { parent }: Reading,
  found: ReadonlyMap<number, Reading>,
  trees: Map<number, TaskTree | null>,
): TaskTree | null {
  const member = forest.byPid.get(parent);
  if (member !== undefined) return member.tree;
  const row = found.get(parent);
  return row === undefined ? null : treeOf(forest, parent, row, found, trees);
}

function treeNamed({ byTask, since, source }: Forest, pid: number, { startedAt }: Reading): TaskTree | null {
  if (startedAt < since) return null;
  const taskId = source.taskOf(pid);
  return taskId === null ? null : (byTask.get(taskId) ?? null);
}

// ---- what they have used

/** Reads all known processes of a tree: `memory` and `totalMs` are those of this moment then. */
export function measure(forest: Forest, tree: TaskTree): void {
  const { source, reading } = forest;
  let gone: Map<number, Member> | null = null;
  let memory = 0;
  for (const [pid, member] of tree.members) {
    if (source.read(pid, reading) && reading.startedAt === member.startedAt) {
      member.parent = reading.parent;
      member.ownMs = reading.ownMs;
      member.freshMs = reading.childrenMs;
      member.memory = reading.memory;
      memory += reading.memory;
    } else (gone ??= new Map()).set(pid, member);
  }
  tree.memory = memory;
  if (gone !== null) settle(forest, tree, gone);
  let totalMs = tree.lostMs + tree.endedMs;
  for (const member of tree.members.values()) {
    member.childrenMs = member.freshMs;
    totalMs += member.ownMs + member.childrenMs;
  }
  tree.totalMs = Math.max(tree.totalMs, totalMs);
}

/** Finds out with whom the times of processes are that have ended since the last measurement. */
function settle(forest: Forest, tree: TaskTree, gone: ReadonlyMap<number, Member>): void {
  const { countsChildren, roundedMs } = forest.source;
  const owed = new Map<Member, number>();
  for (const [pid, member] of gone) {
    tree.members.delete(pid);
    forest.byPid.delete(pid);
    const usedMs = member.ownMs + member.childrenMs;
    const heir = heirOf(tree, gone, member);
    if (heir === "leader") tree.endedMs += usedMs;
    else if (heir === null || !countsChildren) tree.lostMs += usedMs;
    // What the parent's time has grown by may be rounded down.
    else owed.set(heir, (owed.get(heir) ?? 0) + Math.max(0, usedMs - roundedMs));
  }
  for (const [heir, owedMs] of owed) inherit(forest, tree, heir, owedMs);
}

/**
 * Who has the time of a process that has ended, if its parent has waited for it: its living parent, or grandparent, and
 * so on; the leader of the tree, which has ended too; or nobody in the tree.
 */
function heirOf(tree: TaskTree, gone: ReadonlyMap<number, Member>, member: Member): Member | "leader" | null {
  let at = member;
  // Numbers that are used again may make a circle.
  for (let steps = 0; steps <= gone.size; steps++) {
    if (at.pid === tree.leader) return "leader";
    const above = gone.get(at.parent);
    if (above === undefined) return tree.members.get(at.parent) ?? null;
    at = above;
  }
  return null;
}

/** Has `heir` waited for children that used `owedMs`? What its time has not grown by is lost. */
function inherit({ source, reading }: Forest, tree: TaskTree, heir: Member, owedMs: number): void {
  // It may have been read before it waited; a process whose number is gone was waited for by now.
  if (source.read(heir.pid, reading) && reading.startedAt === heir.startedAt) {
    heir.freshMs = reading.childrenMs;
    tree.lostMs += Math.max(0, owedMs - (heir.freshMs - heir.childrenMs));
  } else heir.freshMs = Math.max(heir.freshMs, heir.childrenMs + owedMs);
}

/** Takes in what the system counted of the leader when it had ended, with the children that it had waited for. */
export function finish({ source }: Forest, tree: TaskTree, usedMs: number): void {
  tree.totalMs = Math.max(tree.totalMs, usedMs + (source.countsChildren ? tree.lostMs : 0));
}
