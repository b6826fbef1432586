/*
 * Messages as text and back: one JSON object a frame. What comes in is not trusted: every field is checked here and
 * nowhere else. Knows nothing of sockets, keys, and who may say what when.
 *
 * The layout is that of message.ts, with fields that are null left out (PROTOCOL.md). The tasks of an `assign` or
 * `tasks` frame share in `same` what they have in common. PROTOCOL.md, section 10, tells how to add or change a
 * message.
 */
import { unreachable } from "../base/assert.ts";
import { keepForm, WrittenNumber } from "../task/written.ts";
import type { Assignment, ClaimedTask, NewTask, Outcome, Submission, Tags } from "../task/task.ts";
import type { HostMessage, Lease, LeaveKind, PeerMessage, Start } from "./message.ts";
import { WireProblem } from "./problem.ts";

/** The number of bytes that a frame should have, roughly. A longer message is sent in parts. */
const frameGoal = 256 * 1024;
/**
 * The largest number of executors of a client, and of tasks that it may ask for at once. It is a thousand times what
 * hosts have.
 */
export const mostCredit = 1_000_000;
const longestCompanyMs = 3_600_000;

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
    case "bye":
    case "submitter":
    case "done":
    case "welcome":
    case "submission":
    case "leave":
    case "accepted":
    case "stored":
    case "refused":
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

/** The fields that mostly are the same in all tasks of one bundle. */
const shared = [
  "group",
  "submitId",
  "submitHost",
  "cores",
  "memory",
  "timeout",
  "attempt",
  "previousId",
  "tag",
  "scheduleTime",
] as const;

type AnyTask = NewTask & Partial<Pick<ClaimedTask, "scheduleTime">> & Partial<Pick<Assignment, "lease">>;

function compact(tasks: readonly AnyTask[]): { same: Record<string, unknown>; tasks: Record<string, unknown>[] } {
  const first = tasks[0];
  if (first === undefined) return { same: {}, tasks: [] };
  const same: Record<string, unknown> = {};
  const own: (typeof shared)[number][] = [];
  for (const field of shared) {
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

/** A reader for every kind of message. It makes a message of fields, or throws a WireProblem. */
type Readers<M extends Message> = {
  readonly [Kind in M["kind"]]: (fields: Fields, kind: Kind) => Extract<M, { readonly kind: Kind }>;
};

const peerReaders: Readers<PeerMessage> = {
  hello: (fields, kind) => ({
    kind,
    clientId: name(fields, "clientId", kind),
    host: name(fields, "host", kind),
    executors: count(fields, "executors", kind, mostCredit),
    credit: count(fields, "credit", kind, mostCredit),
    running: leases(fields, "running", kind),
    finished: leases(fields, "finished", kind),
  }),
  results: (fields, kind) => ({
    kind,
    outcomes: list(fields["outcomes"], kind, "outcomes").map(readOutcome),
    credit: count(fields, "credit", kind, mostCredit),
  }),
  returned: (fields, kind) => {
    const tasks = leases(fields, "tasks", kind);
    return fields["missing"] === undefined ? { kind, tasks } : { kind, tasks, missing: names(fields, "missing", kind) };
  },
  beat: (fields, kind) =>
    fields["started"] === undefined || fields["started"] === null ? { kind } : { kind, started: starts(fields, kind) },
  bye: (fields, kind) => ({ kind, reason: string(fields, "reason", kind) }),
  submitter: (fields, kind) => ({ kind, submission: submission(record(fields["submission"], kind, "submission")) }),
  tasks: (fields, kind) => ({ kind, tasks: newTasks(fields, kind) }),
  done: (_fields, kind) => ({ kind }),
};

const hostReaders: Readers<HostMessage> = {
  welcome: (fields, kind) => ({
    kind,
    serverId: name(fields, "serverId", kind),
    serverHost: name(fields, "serverHost", kind),
    companyMs: companyMs(fields, kind),
    ...stay(fields, kind),
  }),
  submission: (fields, kind) => ({
    kind,
    id: name(fields, "id", kind),
    template: optionalString(fields, "template", kind),
    cwd: optionalString(fields, "cwd", kind),
  }),
  assign: (fields, kind) => ({ kind, tasks: assignments(fields, kind) }),
  ack: (fields, kind) => ({ kind, tasks: leases(fields, "tasks", kind) }),
  cancel: (fields, kind) => ({ kind, tasks: leases(fields, "tasks", kind) }),
  drop: (fields, kind) => ({ kind, tasks: leases(fields, "tasks", kind) }),
  beat: (fields, kind) => ({ kind, ...stay(fields, kind) }),
  leave: (fields, kind) => ({ kind, how: leaveKind(fields["how"]), reason: string(fields, "reason", kind) }),
  accepted: (fields, kind) => ({
    kind,
    serverId: name(fields, "serverId", kind),
    group: integer(fields, "group", kind),
    groupReason: string(fields, "groupReason", kind),
  }),
  stored: (fields, kind) => ({ kind, count: count(fields, "count", kind) }),
  refused: (fields, kind) => ({ kind, reason: string(fields, "reason", kind) }),
};

/** The message of a frame that a client or a submitter sent. Throws a WireProblem when it is none. */
export function decodePeer(text: string): PeerMessage {
  return decode(text, peerReaders);
}

/** The message of a frame that a server sent. Throws a WireProblem when it is none. */
export function decodeHost(text: string): HostMessage {
  return decode(text, hostReaders);
}

function decode<M extends Message>(text: string, readers: Readers<M>): M {
  const fields = parse(text);
  const kind = fields["kind"];
  if (typeof kind !== "string" || !Object.hasOwn(readers, kind)) throw unknownKind(kind);
  // The type checker cannot know that this reader is the one for this kind.
  const read = readers[kind as M["kind"]] as unknown as (fields: Fields, kind: string) => M;
  return read(fields, kind);
}

function unknownKind(kind: unknown): WireProblem {
  return new WireProblem("malformed", `a message whose kind is not known: ${brief(kind)}`);
}

/** Tags with a number that JavaScript would write in another way. */
const ownForms = /"tag":\{[^}]*?:-?\d+(?:\.\d*0|\d{16}|\.?\d*[eE][-+]?\d+)[,}]/;

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

function parse(text: string): Fields {
  let value: unknown;
  try {
    // Tags are the only numbers that have a form of their own.
    value = ownForms.test(text) ? JSON.parse(text, keepTags) : JSON.parse(text);
  } catch {
    throw new WireProblem("malformed", `a frame that is not JSON: ${brief(text)}`);
  }
  return record(value, "frame", "the frame");
}

/** Any value as text for a line of a log. The value may be long, deep, or full of control characters. */
function brief(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  if (value === undefined) return "missing";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > longestShown ? `${value.slice(0, longestShown)}...` : value);
}

const longestShown = 60;

function bad(kind: string, field: string, value: unknown, wanted: string): WireProblem {
  return new WireProblem("malformed", `message ${kind}: ${field} should be ${wanted}, and is ${brief(value)}`);
}

function record(value: unknown, kind: string, field: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad(kind, field, value, "an object");
  return value as Fields;
}

function list(value: unknown, kind: string, field: string): readonly unknown[] {
  if (!Array.isArray(value)) throw bad(kind, field, value, "a list");
  return value;
}

function string(fields: Fields, field: string, kind: string): string {
  const value = fields[field];
  if (typeof value !== "string") throw bad(kind, field, value, "a text");
  return value;
}

/** An id or a host name: short, fit for a log line and, as the id of a task, for the name of a file. */
function name(fields: Fields, field: string, kind: string): string {
  const value = fields[field];
  if (typeof value !== "string" || !isName(value)) throw bad(kind, field, value, "a name");
  return value;
}

function isName(value: string): boolean {
  if (value.length === 0 || value.length > 255) return false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    // These are control characters, blanks, slash and backslash; below, lone halves of a character.
    if (code <= 0x20 || code === 0x2f || code === 0x5c || (code >= 0x7f && code <= 0xa0)) return false;
    if (code >= 0xd800 && !value.isWellFormed()) return false;
  }
  return value !== "." && value !== "..";
}

function optionalString(fields: Fields, field: string, kind: string): string | null {
  return fields[field] === undefined || fields[field] === null ? null : string(fields, field, kind);
}

function number(fields: Fields, field: string, kind: string): number {
  const value = fields[field];
  // JSON can write numbers that are too large for a double.
  if (typeof value !== "number" || !Number.isFinite(value)) throw bad(kind, field, value, "a number");
  return value;
}

function integer(fields: Fields, field: string, kind: string): number {
  const value = fields[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw bad(kind, field, value, "a whole number");
  return value;
}

function count(fields: Fields, field: string, kind: string, most = Number.MAX_SAFE_INTEGER): number {
  const value = fields[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0 || value > most)
    throw bad(kind, field, value, `a whole number from 0 to ${most}`);
  return value;
}

function optionalNumber(fields: Fields, field: string, kind: string): number | null {
  return fields[field] === undefined || fields[field] === null ? null : number(fields, field, kind);
}

function companyMs(fields: Fields, kind: string): number {
  const value = number(fields, "companyMs", kind);
  if (value < 0 || value > longestCompanyMs) throw bad(kind, "companyMs", value, `from 0 to ${longestCompanyMs}`);
  return value;
}

/** What servers say only to clients of their own; null counts as not said, as everywhere. */
function stay(fields: Fields, kind: string): { readonly stay?: boolean } {
  const { stay: value } = fields;
  if (value === undefined || value === null) return {};
  if (typeof value !== "boolean") throw bad(kind, "stay", value, "true or false");
  return { stay: value };
}

/** An exit status. On Windows it is an unsigned number of 32 bits. */
function exitStatus(fields: Fields, kind: string): number {
  const value = integer(fields, "exitStatus", kind);
  if (Math.abs(value) >= 2 ** 32) throw bad(kind, "exitStatus", value, "a status");
  return value;
}

function leaveKind(value: unknown): LeaveKind {
  if (value !== "finish" && value !== "interrupt" && value !== "abort")
    throw bad("leave", "how", value, "a way to leave");
  return value;
}

function leases(from: Fields, field: string, kind: string): Lease[] {
  return list(from[field], kind, field).map((item) => {
    const fields = record(item, kind, "a task");
    return { id: name(fields, "id", kind), lease: count(fields, "lease", kind) };
  });
}

function names(from: Fields, field: string, kind: string): string[] {
  return list(from[field], kind, field).map((item) => name({ [field]: item }, field, kind));
}

/** The last moment that a date can have, milliseconds since 1970. */
const lastMoment = 8.64e15;

function starts(from: Fields, kind: string): Start[] {
  return list(from["started"], kind, "started").map((item) => {
    const fields = record(item, kind, "a start");
    const startTime = number(fields, "startTime", kind);
    if (startTime < 0 || startTime > lastMoment) throw bad(kind, "startTime", startTime, "a time since 1970");
    return { id: name(fields, "id", kind), lease: count(fields, "lease", kind), startTime };
  });
}

function readOutcome(item: unknown): Outcome {
  const kind = "results";
  const fields = record(item, kind, "an outcome");
  return {
    id: name(fields, "id", kind),
    lease: count(fields, "lease", kind),
    command: optionalString(fields, "command", kind),
    startTime: optionalNumber(fields, "startTime", kind),
    completionTime: number(fields, "completionTime", kind),
    exitStatus: exitStatus(fields, kind),
    outpath: optionalString(fields, "outpath", kind),
    errpath: optionalString(fields, "errpath", kind),
    csvpath: optionalString(fields, "csvpath", kind),
    coresMax: optionalNumber(fields, "coresMax", kind),
    memoryMax: optionalNumber(fields, "memoryMax", kind),
  };
}

function submission(fields: Fields): Submission {
  const kind = "submitter";
  return {
    id: name(fields, "id", kind),
    time: number(fields, "time", kind),
    host: string(fields, "host", kind),
    user: string(fields, "user", kind),
    cwd: string(fields, "cwd", kind),
    template: optionalString(fields, "template", kind),
    version: string(fields, "version", kind),
  };
}

/** The fields that all tasks of a frame have in common. Null: each task has its own value. */
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
function sameOf(value: unknown, kind: string): Same {
  const fields = record(value, kind, "same");
  const has = (field: string): boolean => fields[field] !== undefined;
  return {
    group: has("group") ? integer(fields, "group", kind) : null,
    submitId: has("submitId") ? name(fields, "submitId", kind) : null,
    submitHost: optionalString(fields, "submitHost", kind),
    cores: optionalNumber(fields, "cores", kind),
    memory: optionalNumber(fields, "memory", kind),
    timeout: optionalNumber(fields, "timeout", kind),
    attempt: has("attempt") ? count(fields, "attempt", kind) : null,
    previousId: optionalString(fields, "previousId", kind),
    tag: has("tag") ? tags(fields, kind) : null,
    scheduleTime: optionalNumber(fields, "scheduleTime", kind),
  };
}

function newTasks(fields: Fields, kind: string): NewTask[] {
  const same = sameOf(fields["same"], kind);
  return list(fields["tasks"], kind, "tasks").map((item) => newTask(record(item, kind, "a task"), same, kind));
}

function assignments(fields: Fields, kind: string): Assignment[] {
  const same = sameOf(fields["same"], kind);
  return list(fields["tasks"], kind, "tasks").map((item) => {
    const own = record(item, kind, "a task");
    return Object.assign(newTask(own, same, kind), {
      scheduleTime: same.scheduleTime ?? number(own, "scheduleTime", kind),
      lease: count(own, "lease", kind),
    });
  });
}

function newTask(own: Fields, same: Same, kind: string): NewTask {
  return {
    id: name(own, "id", kind),
    group: same.group ?? integer(own, "group", kind),
    args: string(own, "args", kind),
    submitId: same.submitId ?? name(own, "submitId", kind),
    submitTime: number(own, "submitTime", kind),
    submitHost: same.submitHost ?? string(own, "submitHost", kind),
    cores: same.cores ?? optionalNumber(own, "cores", kind),
    memory: same.memory ?? optionalNumber(own, "memory", kind),
    timeout: same.timeout ?? optionalNumber(own, "timeout", kind),
    attempt: same.attempt ?? count(own, "attempt", kind),
    previousId: same.previousId ?? optionalString(own, "previousId", kind),
    tag: same.tag ?? tags(own, kind),
  };
}

function tags(from: Fields, kind: string): Tags {
  const fields = record(from["tag"], kind, "tag");
  for (const key in fields) {
    const value = fields[key];
    if (value instanceof WrittenNumber) continue;
    if (value !== null && typeof value === "object") throw bad(kind, `tag ${brief(key)}`, value, "a plain value");
    if (typeof value === "number" && !Number.isFinite(value)) throw bad(kind, `tag ${brief(key)}`, value, "a number");
  }
  return fields as Tags;
}
