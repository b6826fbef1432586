/*
 * Messages as text and back: one JSON object a frame. What comes in is not trusted: every field is checked here, as
 * fields.ts says, and nowhere else. Knows nothing of sockets, keys, and who may say what when.
 *
 * The layout is that of message.ts, with fields that are null left out (PROTOCOL.md). The tasks of an `assign` or
 * `tasks` frame share in `same` what they have in common. PROTOCOL.md, section 10, tells how to add or change a
 * message.
 */
import { unreachable } from "../base/assert.ts";
import { keepForm, WrittenNumber } from "../task/written.ts";
import type { Assignment, ClaimedTask, NewTask, Outcome, Tags } from "../task/task.ts";
import {
  assignmentFields,
  type Field,
  hostFields,
  leaseFields,
  type ListOf,
  type ObjectOf,
  outcomeFields,
  peerFields,
  type Scalar,
  sharedFields,
  startFields,
  type Table,
  taskFields,
} from "./fields.ts";
import type { HostMessage, Lease, PeerMessage, Start } from "./message.ts";
import { WireProblem } from "./problem.ts";

/** The number of bytes that a frame should have, roughly. A longer message is sent in parts. */
const frameGoal = 256 * 1024;
type Message = PeerMessage | HostMessage;

/** The frames of a message, without line ends: mostly one, several for a message with a long list. */
export function encode(message: Message): string[] {
  switch (message.kind) {
    case "assign":
    case "tasks":
      return inParts(message.tasks, taskSize, (tasks) => JSON.stringify({ kind: message.kind, ...compact(tasks) }));
    case "results": {
      let { credit } = message;
      if (message.outcomes.length === 0) return [JSON.stringify(message)];
      return inParts(message.outcomes, outcomeSize, (outcomes) => {
        const text = JSON.stringify({ kind: "results", outcomes: outcomes.map(withoutNulls), credit });
        credit = 0;
        return text;
      });
    }
    case "returned": {
      const { kind, missing } = message;
      return inParts(message.tasks, leaseSize, (tasks) => JSON.stringify({ kind, tasks, missing }));
    }
    case "ack":
    case "cancel":
    case "drop":
      return inParts(message.tasks, leaseSize, (tasks) => JSON.stringify({ kind: message.kind, tasks }));
    case "hello":
    case "beat":
    case "output":
    case "bye":
    case "submitter":
    case "done":
    case "welcome":
    case "submission":
    case "taken":
    case "leave":
    case "accepted":
    case "stored":
    case "refused":
    case "show":
    case "shown":
    case "watcher":
    case "look":
    case "read":
    case "act":
    case "watched":
    case "view":
    case "piece":
    case "acted":
    case "failed":
      return [JSON.stringify(message)];
    default:
      return unreachable(message);
  }
}

function inParts<T>(items: readonly T[], sizeOf: (item: T) => number, write: (part: readonly T[]) => string): string[] {
  const frames: string[] = [];
  let from = 0;
  let size = 0;
  for (let i = 0; i < items.length; i++) {
    const own = sizeOf(items[i]!);
    if (size > 0 && size + own > frameGoal) {
      frames.push(write(items.slice(from, i)));
      from = i;
      size = 0;
    }
    size += own;
  }
  frames.push(write(from === 0 ? items : items.slice(from)));
  return frames;
}

/**
 * The sizes of a message's parts, roughly and in characters. The bytes are mostly as many, and at most six times as
 * many.
 */
const taskSize = (task: NewTask): number => 160 + task.args.length + tagSize(task.tag);
const outcomeSize = (outcome: Outcome): number => 200 + (outcome.command?.length ?? 0);
const leaseSize = (): number => 80;

function tagSize(tag: Tags): number {
  let size = 0;
  for (const key in tag) {
    const value = tag[key];
    size += key.length + 8 + (typeof value === "string" ? value.length : 0);
  }
  return size;
}

type AnyTask = NewTask & Partial<Pick<ClaimedTask, "scheduleTime">> & Partial<Pick<Assignment, "lease">>;

function compact(tasks: readonly AnyTask[]): { same: Record<string, unknown>; tasks: Record<string, unknown>[] } {
  const first = tasks[0];
  if (first === undefined) return { same: {}, tasks: [] };
  const same: Record<string, unknown> = {};
  const own: (typeof sharedFields)[number][] = [];
  for (const field of sharedFields) {
    const value = first[field];
    if (value === undefined) continue;
    if (tasks.every((task) => task[field] === value)) {
      if (value !== null) same[field] = value;
    } else own.push(field);
  }
  return {
    same,
    tasks: tasks.map((task) => {
      const fields: Record<string, unknown> = { id: task.id, args: task.args, submitTime: task.submitTime };
      if (task.lease !== undefined) fields["lease"] = task.lease;
      for (const field of own) fields[field] = task[field];
      return fields;
    }),
  };
}

/**
 * The largest number of characters in a command that is sent. No system starts a longer one, and one frame must hold
 * it.
 */
const longestCommand = 1024 * 1024;

/**
 * The fields of an outcome that are not null: JSON leaves out what is undefined. Naming each field is three times as
 * fast as copying and deleting.
 */
function withoutNulls(outcome: Outcome): Record<keyof Outcome, unknown> {
  return {
    id: outcome.id,
    lease: outcome.lease,
    command: outcome.command === null ? undefined : shortened(outcome.command),
    startTime: outcome.startTime ?? undefined,
    completionTime: outcome.completionTime,
    exitStatus: outcome.exitStatus,
    outpath: outcome.outpath ?? undefined,
    errpath: outcome.errpath ?? undefined,
    csvpath: outcome.csvpath ?? undefined,
    coresMax: outcome.coresMax ?? undefined,
    memoryMax: outcome.memoryMax ?? undefined,
  };
}

function shortened(command: string): string {
  if (command.length <= longestCommand) return command;
  return `${command.slice(0, longestCommand)}... (${command.length} characters)`;
}

// ---- reading

type Fields = Readonly<Record<string, unknown>>;

/** The message of a frame that a client or a submitter sent. Throws a WireProblem when it is none. */
export function decodePeer(text: string): PeerMessage {
  return decode(text, peerFields) as unknown as PeerMessage;
}

/** The message of a frame that a server sent. Throws a WireProblem when it is none. */
export function decodeHost(text: string): HostMessage {
  return decode(text, hostFields) as unknown as HostMessage;
}

function decode(text: string, tables: Readonly<Record<string, Table>>): Fields {
  const fields = parse(text);
  const kind = fields["kind"];
  if (typeof kind !== "string" || !Object.hasOwn(tables, kind))
    throw new WireProblem("malformed", `a message whose kind is not known: ${brief(kind)}`);
  const message: Record<string, unknown> = { kind };
  readInto(message, tables[kind]!, fields, kind);
  return message;
}

/** Reads the fields of a table. */
function readInto(into: Record<string, unknown>, table: Table, from: Fields, kind: string): void {
  for (const name in table) {
    const { type, missing } = table[name]!;
    const value = from[name];
    if ((value === undefined || value === null) && missing !== "wrong") {
      if (missing === "null") into[name] = null;
    } else if (type.is === "list") into[name] = readList(type, value, from, kind, name);
    else if (type.is === "object") into[name] = readObject(type, value, kind, name);
    else into[name] = scalar(type, value, kind, name);
  }
}

function readObject(type: ObjectOf, value: unknown, kind: string, name: string): Fields {
  const into: Record<string, unknown> = {};
  readInto(into, type.fields, record(value, kind, name), kind);
  return into;
}

/** Reads the items of a list. `message` has the list, and beside it what tasks have in common. */
function readList(type: ListOf, value: unknown, message: Fields, kind: string, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw bad(kind, name, value, "a list");
  const { of } = type;
  const items: readonly unknown[] = value;
  if (isScalar(of)) return items.map((item) => scalar(of, item, kind, name));
  const read = rows.get(of);
  if (read !== undefined) return items.map((item) => read(record(item, kind, type.each), kind));
  if (of !== assignmentFields && of !== taskFields)
    return items.map((item) => readRow(of, record(item, kind, type.each), kind));
  const same = sameOf(message["same"], of, kind);
  if (of === assignmentFields) return items.map((item) => readAssignment(record(item, kind, type.each), same, kind));
  return items.map((item) => readTask(record(item, kind, type.each), same, kind, taskFields));
}

/** Reads an object of a list that is no task: there are few of them. */
function readRow(fields: Table, from: Fields, kind: string): Fields {
  const into: Record<string, unknown> = {};
  readInto(into, fields, from, kind);
  return into;
}

function isScalar(of: Scalar | Table): of is Scalar {
  return typeof of["is"] === "string";
}

/**
 * The readers of what comes by the thousand. Naming each field is three times as fast as going through the table.
 */
const rows: ReadonlyMap<Table, (fields: Fields, kind: string) => unknown> = new Map<
  Table,
  (fields: Fields, kind: string) => unknown
>([
  [leaseFields, readLease],
  [startFields, readStart],
  [outcomeFields, readOutcome],
]);

function readLease(fields: Fields, kind: string): Lease {
  return { id: need(fields, "id", kind, leaseFields.id), lease: need(fields, "lease", kind, leaseFields.lease) };
}

function readStart(fields: Fields, kind: string): Start {
  return {
    id: need(fields, "id", kind, startFields.id),
    lease: need(fields, "lease", kind, startFields.lease),
    startTime: need(fields, "startTime", kind, startFields.startTime),
  };
}

function readOutcome(fields: Fields, kind: string): Outcome {
  const table = outcomeFields;
  return {
    id: need(fields, "id", kind, table.id),
    lease: need(fields, "lease", kind, table.lease),
    command: may(fields, "command", kind, table.command),
    startTime: may(fields, "startTime", kind, table.startTime),
    completionTime: need(fields, "completionTime", kind, table.completionTime),
    exitStatus: need(fields, "exitStatus", kind, table.exitStatus),
    outpath: may(fields, "outpath", kind, table.outpath),
    errpath: may(fields, "errpath", kind, table.errpath),
    csvpath: may(fields, "csvpath", kind, table.csvpath),
    coresMax: may(fields, "coresMax", kind, table.coresMax),
    memoryMax: may(fields, "memoryMax", kind, table.memoryMax),
  };
}

/** The fields that all tasks of a frame have in common. What is not there, each task has for itself. */
interface Same {
  readonly group: number | null;
  readonly submitId: string | null;
  readonly submitHost: string | null;
  readonly cores: number | null;
  readonly memory: number | null;
  readonly timeout: number | null;
  readonly attempt: number | null;
  readonly previousId: string | null;
  readonly tag: Tags | null;
  readonly scheduleTime: number | null;
}

/**
 * Reads `same`, once for each frame: what tasks share then costs each of them nothing, and their tags are one object.
 */
function sameOf(value: unknown, table: Table, kind: string): Same {
  const from = record(value, kind, "same");
  const same: Record<string, unknown> = {};
  for (const name of sharedFields) {
    const field = table[name];
    const own = field === undefined ? null : (from[name] ?? null);
    same[name] = own === null ? null : scalar(field!.type as Scalar, own, kind, name);
  }
  return same as unknown as Same;
}

function readAssignment(own: Fields, same: Same, kind: string): Assignment {
  const { scheduleTime, lease } = assignmentFields;
  return Object.assign(readTask(own, same, kind, assignmentFields), {
    scheduleTime: same.scheduleTime ?? need(own, "scheduleTime", kind, scheduleTime),
    lease: need(own, "lease", kind, lease),
  });
}

function readTask(own: Fields, same: Same, kind: string, table: typeof taskFields | typeof assignmentFields): NewTask {
  return {
    id: need(own, "id", kind, table.id),
    group: same.group ?? need(own, "group", kind, table.group),
    args: need(own, "args", kind, table.args),
    submitId: same.submitId ?? need(own, "submitId", kind, table.submitId),
    submitTime: need(own, "submitTime", kind, table.submitTime),
    submitHost: same.submitHost ?? need(own, "submitHost", kind, table.submitHost),
    cores: same.cores ?? may(own, "cores", kind, table.cores),
    memory: same.memory ?? may(own, "memory", kind, table.memory),
    timeout: same.timeout ?? may(own, "timeout", kind, table.timeout),
    attempt: same.attempt ?? need(own, "attempt", kind, table.attempt),
    previousId: same.previousId ?? may(own, "previousId", kind, table.previousId),
    tag: same.tag ?? need(own, "tag", kind, table.tag),
  };
}

// ---- values

/** A field that must be there. */
function need<T>(from: Fields, name: string, kind: string, { type }: Field<Scalar<T>>): T {
  const value = from[name];
  if (!type.fits(value)) throw bad(kind, name, value, type.wanted);
  return value;
}

/** A field that may be null or missing. */
function may<T>(from: Fields, name: string, kind: string, { type }: Field<Scalar<T>>): T | null {
  const value = from[name];
  if (value === undefined || value === null) return null;
  if (!type.fits(value)) throw bad(kind, name, value, type.wanted);
  return value;
}

function scalar(type: Scalar, value: unknown, kind: string, name: string): unknown {
  if (!type.fits(value)) throw bad(kind, name, value, type.wanted);
  return value;
}

function record(value: unknown, kind: string, field: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(kind, field, value, "an object");
  return value as Fields;
}

function bad(kind: string, field: string, value: unknown, wanted: string): WireProblem {
  return new WireProblem("malformed", `message ${kind}: ${field} should be ${wanted}, and is ${brief(value)}`);
}

const longestShown = 60;

/** Any value as text for a line of a log. The value may be long, deep, or full of control characters. */
function brief(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (value instanceof WrittenNumber) return brief(value.text);
  if (typeof value === "object" && value !== null) return "an object";
  if (value === undefined) return "missing";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > longestShown ? `${value.slice(0, longestShown)}...` : value);
}

// ---- JSON

/**
 * Tags with a number that JavaScript would write in another way: of many digits, with a 0 at its end, or with an
 * exponent. Whatever a peer sends is looked through once, in a time that grows with its length.
 */
const ownForms = /"tag":\{[^{}]*?:-?(?:\d{17}|\d{1,16}(?:\.\d*0[,}]|(?:\.\d*)?[eE]))/;

/** For JSON.parse: keeps the form of numbers in tags, and in nothing else. */
function keepTags(key: string, value: unknown, context?: { readonly source?: string }): unknown {
  const kept = keepForm(key, value, context);
  if (key === "tag" || typeof kept !== "object" || kept === null || kept instanceof WrittenNumber) return kept;
  const fields = kept as Record<string, unknown>;
  for (const each in fields) {
    const field = fields[each];
    if (field instanceof WrittenNumber) fields[each] = field.value;
  }
  return kept;
}

/**
 * A frame of more characters than this has one long text, or very many values. The values of a frame of 16 MiB could
 * take a gigabyte, so they are counted before they are made.
 */
const longFrame = 1024 * 1024;
/** The largest number of values in a long frame. Parts of our messages, of some 256 KiB, have fewer than 10,000. */
const mostValues = 200_000;

function parse(text: string): Fields {
  if (text.length > longFrame && hasMoreValues(text, mostValues))
    throw new WireProblem("malformed", `a frame of more than ${mostValues} values`);
  let value: unknown;
  try {
    // Tags are the only numbers that have a form of their own.
    value = ownForms.test(text) ? JSON.parse(text, keepTags) : JSON.parse(text);
  } catch {
    throw new WireProblem("malformed", `a frame that is not JSON: ${brief(text)}`);
  }
  return record(value, "frame", "the frame");
}

/** Whether a text of JSON has more than so many values, by its commas and its opening brackets and braces. */
function hasMoreValues(text: string, most: number): boolean {
  let values = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) {
      do {
        at = text.indexOf('"', at + 1);
        if (at < 0) return false;
      } while (isEscaped(text, at));
    } else if ((code === 0x2c || code === 0x5b || code === 0x7b) && ++values > most) return true;
  }
  return false;
}

/** Whether an odd number of backslashes is before this place. */
function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text.charCodeAt(from - 1) === 0x5c) from--;
  return (at - from) % 2 === 1;
}
