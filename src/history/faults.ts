/*
 * What can be wrong with a database of tasks, and what can be done about it, whichever database it is. The drivers
 * (verify.ts of each) find faults and mend them; here is which columns may stand together in a row, what two linked
 * rows must say of each other, and the statements that mend. How a fault is told to people is in cli/faults.ts.
 *
 * A fault can be mended when the rows themselves leave only one answer. Where somebody would have to guess (what was
 * the exit status? which of two results is the right one?) it is left for a person.
 */
import type { ServerRow } from "../store/store.ts";
import { clearedFields, resultFields } from "../task/field.ts";
import { column } from "./condition.ts";

/** A row that cannot be, by itself. */
type RowFault =
  | "badNumber"
  | "badTime"
  | "badTags"
  | "noStatus"
  | "noTime"
  | "neverScheduled"
  | "neverStarted"
  | "earlyResult"
  | "strayHolder"
  | "retriedOpen"
  | "retriedEnd"
  | "earlyAttempt"
  | "openArchived";

/** Attempts of one task that do not name each other. */
type LinkFault =
  | "nextGone"
  | "nextElsewhere"
  | "nextUnaware"
  | "previousGone"
  | "previousElsewhere"
  | "previousUnaware"
  | "notRetried"
  | "attemptOrder";

export type FaultKind =
  | RowFault
  | LinkFault
  /** A task is in two tables, with the same result or with another one. */
  | "twice"
  | "twiceOtherwise"
  /** What servers hold or reserve that are gone; whose clients may still run it; or of which nothing is known. */
  | "deadServer"
  | "deadServerOfClients"
  | "lostServer"
  | "noSubmission"
  | "strayRecall"
  | "badRecall"
  | "counts"
  | "clock"
  | "rotation"
  | "damaged"
  | "indices"
  | "partition"
  | "fileGone";

export interface Fault {
  readonly kind: FaultKind;
  /** The task, or another row of this id; null: it is about the whole table or file. */
  readonly id: string | null;
  /** The table, or the name of the file, that the row is in. */
  readonly place: string;
  /** The other id, place or text that the fault is about. */
  readonly other: string | null;
  /** How many tasks it is about. */
  readonly count: number;
  readonly mendable: boolean;
}

/** A fault about one task; what is left out is null, one, and not mendable. */
export function faultOf(kind: FaultKind, place: string, fields: Partial<Fault> = {}): Fault {
  return { kind, place, id: null, other: null, count: 1, mendable: false, ...fields };
}

export interface CheckOptions {
  /** SQLite: compare each index with its table as well. */
  readonly whole: boolean;
  readonly isAlive: (server: ServerRow) => boolean;
  /**
   * Whether a captured file is where the task says, on this host; null: the task ran on another one. Null in place of
   * the function: files are not looked for.
   */
  readonly hasFile: ((task: CapturedTask, path: string) => boolean | null) | null;
}

/** What is asked about a task that names captured files. */
export interface CapturedTask {
  readonly id: string;
  readonly clientHost: string | null;
}

/** What was looked at. */
export interface Checked {
  readonly tasks: number;
  readonly partitions: number;
  /** Captured files on other hosts, which nobody can look for here. */
  readonly filesElsewhere: number;
}

/** A database that is looked through from end to end, and mended. */
export interface CheckStore {
  /** For log lines. */
  readonly title: string;
  /**
   * Looks at everything as it is at one moment, whatever servers do meanwhile. `tell` gets each fault. Memory does not
   * grow with the number of tasks.
   */
  check(options: CheckOptions, tell: (fault: Fault) => void): Promise<Checked>;
  /**
   * Mends a fault that can be mended, in one transaction, unless somebody has changed its rows meanwhile. Answers
   * whether anything was written.
   */
  mend(fault: Fault, isAlive: CheckOptions["isAlive"]): Promise<boolean>;
  close(): Promise<void>;
}

/** What only an outcome writes; the time of the start is noted before. */
const outcomeFields = resultFields.filter((field) => field !== "start_time");
const noOutcome = outcomeFields.filter((field) => field !== "completion_time" && field !== "exit_status");
const anyOf = (fields: readonly (typeof clearedFields)[number][]): string =>
  fields.map((field) => `${column(field)} is not null`).join(" or ");

const hasHolder = `(server_id is not null or client_id is not null or start_time is not null or ${anyOf(noOutcome)})`;

/**
 * Which rows cannot be: conditions that both databases understand, the gravest first. What the program writes, and
 * version 2.8 did:
 * - A task that waits has nothing that a dispatch or an outcome writes.
 * - One that is held has a server and its time; perhaps a client, and the time of its start.
 * - One that has ended has a status and a time. Only what was cancelled (-1), what ran into its limit (-4, -5), or what
 *   a signal stopped before it began (128 and more) never started; a template that failed (-2) left no command.
 * - `retried` stands in failures only. It stays when the next attempt is deleted after its end.
 */
export const rowRules: readonly (readonly [kind: RowFault, condition: string])[] = [
  ["badNumber", '("group" < 0 or attempt < 1)'],
  ["noStatus", "(completion_time is not null and exit_status is null)"],
  ["noTime", "(completion_time is null and exit_status is not null)"],
  ["neverScheduled", "(completion_time is not null and schedule_time is null)"],
  ["neverStarted", "(exit_status between 0 and 127 and (start_time is null or command is null))"],
  ["earlyResult", `(completion_time is null and schedule_time is not null and (${anyOf(noOutcome)}))`],
  ["strayHolder", `(completion_time is null and schedule_time is null and ${hasHolder})`],
  ["retriedOpen", "(retried and completion_time is null)"],
  ["retriedEnd", "(retried and exit_status in (0, -1))"],
  ["earlyAttempt", "(previous_id is not null and attempt < 2)"],
];

/** The first rule in a partition. */
export const openArchived: (typeof rowRules)[number] = ["openArchived", "completion_time is null"];

/** Of these the rows of a waiting task are mended; every other combination means that somebody would have to guess. */
export function isMendableRow(kind: FaultKind, hasNext: boolean): boolean {
  return kind === "earlyResult" || kind === "strayHolder" || (kind === "retriedOpen" && !hasNext);
}

/** What links say of a row. */
export interface LinkedRow {
  readonly id: string;
  readonly place: string;
  readonly previousId: string | null;
  readonly nextId: string | null;
  readonly retried: boolean;
  readonly attempt: number;
  readonly exitStatus: number | null;
}

const isFailed = ({ exitStatus }: LinkedRow): boolean => exitStatus !== null && exitStatus !== 0 && exitStatus !== -1;

/** What is wrong between a row and the next attempt that it names; `next`: null where there is none. */
export function forwardFault(row: LinkedRow, next: LinkedRow | null, isComplete: boolean): Fault | null {
  const { id, place, nextId } = row;
  const about = { id, other: nextId };
  if (next === null) return faultOf("nextGone", place, { ...about, mendable: isComplete });
  const isNext = next.attempt === row.attempt + 1;
  if (next.previousId === null)
    return faultOf("nextUnaware", next.place, {
      id: next.id,
      other: id,
      mendable: isNext && row.retried && isFailed(row),
    });
  if (next.previousId !== id) return faultOf("nextElsewhere", place, about);
  if (!row.retried) return faultOf("notRetried", place, { ...about, mendable: isNext && isFailed(row) });
  return isNext ? null : faultOf("attemptOrder", place, about);
}

/** What is wrong between a row and the attempt before that it names, unless `forwardFault` of that one tells. */
export function backwardFault(row: LinkedRow, previous: LinkedRow | null, isComplete: boolean): Fault | null {
  const { id, place, previousId } = row;
  if (previous === null) return faultOf("previousGone", place, { id, other: previousId, mendable: isComplete });
  if (previous.nextId === id) return null;
  if (previous.nextId === null && isFailed(previous) && row.attempt === previous.attempt + 1)
    return faultOf("previousUnaware", previous.place, { id: previous.id, other: id, mendable: true });
  return faultOf("previousElsewhere", place, { id, other: previousId, mendable: true });
}

const clearAll = clearedFields.map((field) => `${column(field)} = null`).join(", ");
const clearOutcome = outcomeFields.map((field) => `${column(field)} = null`).join(", ");
const isOpen = "completion_time is null and exit_status is null";
const unlink = "update TABLE set previous_id = null where id = ?1 and previous_id = ?2";

/**
 * The statement that mends a fault of one row, in table TABLE; ?1: the id of the task, ?2: the other id. Each makes
 * sure that the row is still so. Not here: faults that take more than a row.
 */
export const mends: Readonly<Partial<Record<FaultKind, string>>> = {
  earlyResult: `update TABLE set ${clearOutcome} where id = ?1 and ${isOpen}
    and schedule_time is not null and (${anyOf(noOutcome)})`,
  strayHolder: `update TABLE set ${clearAll} where id = ?1 and ${isOpen} and schedule_time is null and ${hasHolder}`,
  retriedOpen: `update TABLE set retried = false where id = ?1 and ${isOpen} and retried and next_id is null`,
  nextGone: "update TABLE set next_id = null, retried = false where id = ?1 and next_id = ?2",
  nextUnaware: `update TABLE set previous_id = ?2 where id = ?1 and previous_id is null
    and not exists (select 1 from TABLE as other where other.previous_id = ?2)`,
  previousGone: unlink,
  previousElsewhere: unlink,
  previousUnaware: `update TABLE set next_id = ?2, retried = true where id = ?1 and next_id is null
    and completion_time is not null and exit_status not in (0, -1)
    and not exists (select 1 from TABLE as other where other.next_id = ?2)`,
  notRetried: `update TABLE set retried = true where id = ?1 and next_id = ?2 and not retried
    and completion_time is not null`,
};

/** Whether a mend has a second parameter. */
export function takesOther(sql: string): boolean {
  return sql.includes("?2");
}

/** Counts what dead servers leave behind, while rows are read; one fault for each of them comes of it. */
export interface Leftovers {
  /** By the id of a server; "" for tasks that name none. */
  readonly held: Map<string, { count: number; readonly example: string }>;
  readonly reserved: Map<string, { count: number; readonly example: string }>;
  readonly unknownSubmissions: { count: number; example: string | null };
}

/** Nothing is counted yet. */
export function noLeftovers(): Leftovers {
  return { held: new Map(), reserved: new Map(), unknownSubmissions: { count: 0, example: null } };
}

/** Counts one task, or `count` of them of which `example` is one. */
export function countLeftover(
  leftovers: Leftovers[keyof Pick<Leftovers, "held" | "reserved">],
  server: string,
  example: string,
  count = 1,
): void {
  const found = leftovers.get(server);
  if (found === undefined) leftovers.set(server, { count, example });
  else found.count += count;
}

/** The servers of a database, as they matter to its tasks. */
export interface ServerFacts {
  readonly living: readonly string[];
  readonly dead: readonly ServerRow[];
}

/** Tells what was counted. `clientsOf`: how many clients of a dead server may still run its tasks. */
export function tellLeftovers(
  { held, reserved, unknownSubmissions }: Leftovers,
  { dead }: ServerFacts,
  place: string,
  clientsOf: (serverId: string) => number,
  tell: (fault: Fault) => void,
): void {
  for (const { id } of dead) {
    const count = (held.get(id)?.count ?? 0) + (reserved.get(id)?.count ?? 0);
    if (count === 0) continue;
    const example = held.get(id)?.example ?? reserved.get(id)!.example;
    const kind = clientsOf(id) > 0 ? "deadServerOfClients" : "deadServer";
    tell(faultOf(kind, place, { id, other: example, count, mendable: kind === "deadServer" }));
  }
  const known = new Set(dead.map(({ id }) => id));
  for (const [id, { count, example }] of held)
    if (!known.has(id)) tell(faultOf("lostServer", place, { id, other: example, count, mendable: true }));
  const { count, example } = unknownSubmissions;
  if (count > 0) tell(faultOf("noSubmission", place, { id: example, count }));
}
