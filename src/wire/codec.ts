/*
 * Messages as text and back: one JSON object per frame. What comes in is not trusted: every field is checked here and nowhere else. Knows
 * nothing of sockets and keys.
 *
 * Layout (PROTOCOL.md): as in message.ts, fields that are null left out. The tasks of an `assign` or `tasks` frame share what they have in
 * common in `same`. To change a message: message.ts, the writer and the reader here, PROTOCOL.md, and the version if an older program would
 * misunderstand it.
 */
import type { Assignment, ClaimedTask, NewTask, Outcome, Submission, Tags } from "../task/task.ts";
import type { HostMessage, Lease, LeaveKind, PeerMessage } from "./message.ts";
import { WireProblem } from "./problem.ts";

/** About as many bytes as a frame should have; a message with more is sent in parts. */
const frameGoal = 256 * 1024;

type Message = PeerMessage | HostMessage;

/** The frames of a message, without line ends. Mostly one. */
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
    case "ack":
    case "returned":
    case "cancel":
    case "drop":
      return inParts(message.tasks, leaseSize, (tasks) => JSON.stringify({ kind: message.kind, tasks }));
    default:
      return [JSON.stringify(message)];
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

const taskSize = (task: NewTask): number => 160 + task.args.length;
const outcomeSize = (outcome: Outcome): number => 200 + (outcome.command?.length ?? 0);
const leaseSize = (): number => 80;

/** Fields that tasks of one bundle mostly share; the others are their own. */
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
      const row: Record<string, unknown> = { id: task.id, args: task.args, submitTime: task.submitTime };
      if (task.lease !== undefined) row["lease"] = task.lease;
      for (const field of own) row[field] = task[field];
      return row;
    }),
  };
}

function withoutNulls(outcome: Outcome): Record<string, unknown> {
  const row: Record<string, unknown> = { ...outcome };
  for (const key in row) if (row[key] === null) delete row[key];
  return row;
}

// ---- reading

type Fields = Readonly<Record<string, unknown>>;

/** A frame of a client or submitter. Throws WireProblem. */
export function decodePeer(text: string): PeerMessage {
  const fields = parse(text);
  const kind = fields["kind"];
  switch (kind) {
    case "hello":
      return {
        kind,
        clientId: name(fields, "clientId", kind),
        host: name(fields, "host", kind),
        executors: count(fields, "executors", kind),
        credit: count(fields, "credit", kind),
        running: leases(fields["running"], kind),
        finished: leases(fields["finished"], kind),
      };
    case "results":
      return {
        kind,
        outcomes: list(fields["outcomes"], kind, "outcomes").map(outcome),
        credit: count(fields, "credit", kind),
      };
    case "returned":
      return { kind, tasks: leases(fields["tasks"], kind) };
    case "beat":
      return { kind };
    case "bye":
      return { kind, reason: string(fields, "reason", kind) };
    case "submitter":
      return { kind, submission: submission(record(fields["submission"], kind, "submission")) };
    case "tasks": {
      const same = record(fields["same"], kind, "same");
      return { kind, tasks: list(fields["tasks"], kind, "tasks").map((row) => newTask(row, same, kind)) };
    }
    case "done":
      return { kind };
    default:
      throw unknownKind(kind);
  }
}

/** A frame of a server. Throws WireProblem. */
export function decodeHost(text: string): HostMessage {
  const fields = parse(text);
  const kind = fields["kind"];
  switch (kind) {
    case "welcome":
      return {
        kind,
        serverId: name(fields, "serverId", kind),
        serverHost: name(fields, "serverHost", kind),
        companyMs: number(fields, "companyMs", kind),
      };
    case "submission":
      return { kind, id: name(fields, "id", kind), template: optionalString(fields, "template", kind) };
    case "assign": {
      const same = record(fields["same"], kind, "same");
      return { kind, tasks: list(fields["tasks"], kind, "tasks").map((row) => assignment(row, same, kind)) };
    }
    case "ack":
    case "cancel":
    case "drop":
      return { kind, tasks: leases(fields["tasks"], kind) };
    case "beat":
      return { kind };
    case "leave":
      return { kind, how: leaveKind(fields["how"]), reason: string(fields, "reason", kind) };
    case "accepted":
      return {
        kind,
        serverId: name(fields, "serverId", kind),
        group: count(fields, "group", kind),
        groupReason: string(fields, "groupReason", kind),
      };
    case "stored":
      return { kind, count: count(fields, "count", kind) };
    case "refused":
      return { kind, reason: string(fields, "reason", kind) };
    default:
      throw unknownKind(kind);
  }
}

function unknownKind(kind: unknown): WireProblem {
  return new WireProblem("malformed", `a message of unknown kind: ${brief(kind)}`);
}

function parse(text: string): Fields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WireProblem("malformed", `a frame that is no JSON: ${brief(text)}`);
  }
  return record(value, "frame", "the frame");
}

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

function bad(kind: string, field: string, value: unknown, wanted: string): WireProblem {
  return new WireProblem("malformed", `message ${kind}: ${field} is not ${wanted}: ${brief(value)}`);
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

/** Ids and host names: short, and fit for a log line. */
function name(fields: Fields, field: string, kind: string): string {
  const value = fields[field];
  if (typeof value !== "string" || !isName(value)) throw bad(kind, field, value, "a name");
  return value;
}

function isName(value: string): boolean {
  if (value.length === 0 || value.length > 255) return false;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) < 0x21) return false;
  return true;
}

function optionalString(fields: Fields, field: string, kind: string): string | null {
  return fields[field] === undefined || fields[field] === null ? null : string(fields, field, kind);
}

function number(fields: Fields, field: string, kind: string): number {
  const value = fields[field];
  if (typeof value !== "number") throw bad(kind, field, value, "a number");
  return value;
}

function integer(fields: Fields, field: string, kind: string): number {
  const value = fields[field];
  if (typeof value !== "number" || !Number.isSafeInteger(value)) throw bad(kind, field, value, "a whole number");
  return value;
}

function count(fields: Fields, field: string, kind: string): number {
  const value = integer(fields, field, kind);
  if (value < 0) throw bad(kind, field, value, "a number from 0 on");
  return value;
}

function optionalNumber(fields: Fields, field: string, kind: string): number | null {
  return fields[field] === undefined || fields[field] === null ? null : number(fields, field, kind);
}

function leaveKind(value: unknown): LeaveKind {
  if (value !== "finish" && value !== "interrupt" && value !== "abort")
    throw bad("leave", "how", value, "a way to leave");
  return value;
}

function leases(value: unknown, kind: string): Lease[] {
  return list(value, kind, "tasks").map((row) => {
    const fields = record(row, kind, "a task");
    return { id: name(fields, "id", kind), lease: count(fields, "lease", kind) };
  });
}

function outcome(row: unknown): Outcome {
  const kind = "results";
  const fields = record(row, kind, "an outcome");
  return {
    id: name(fields, "id", kind),
    lease: count(fields, "lease", kind),
    command: optionalString(fields, "command", kind),
    startTime: optionalNumber(fields, "startTime", kind),
    completionTime: number(fields, "completionTime", kind),
    exitStatus: integer(fields, "exitStatus", kind),
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

/** Tags that were read once in a frame are one object: tasks of one input share them, and compare as equal. */
function newTask(row: unknown, same: Fields, kind: string): NewTask {
  const own = record(row, kind, "a task");
  const from = (field: string): Fields => (own[field] === undefined ? same : own);
  return {
    id: name(own, "id", kind),
    group: count(from("group"), "group", kind),
    args: string(own, "args", kind),
    submitId: name(from("submitId"), "submitId", kind),
    submitTime: number(own, "submitTime", kind),
    submitHost: string(from("submitHost"), "submitHost", kind),
    cores: optionalNumber(from("cores"), "cores", kind),
    memory: optionalNumber(from("memory"), "memory", kind),
    timeout: optionalNumber(from("timeout"), "timeout", kind),
    attempt: count(from("attempt"), "attempt", kind),
    previousId: optionalString(from("previousId"), "previousId", kind),
    tag: tags(from("tag")["tag"], kind),
  };
}

function assignment(row: unknown, same: Fields, kind: string): Assignment {
  const own = record(row, kind, "a task");
  const scheduled = own["scheduleTime"] === undefined ? same : own;
  return {
    ...newTask(row, same, kind),
    scheduleTime: number(scheduled, "scheduleTime", kind),
    lease: count(own, "lease", kind),
  };
}

let lastTags: object | null = null;

function tags(value: unknown, kind: string): Tags {
  if (value === lastTags && lastTags !== null) return value as Tags;
  const fields = record(value, kind, "tag");
  for (const key in fields) {
    const each = fields[key];
    if (each !== null && typeof each === "object") throw bad(kind, `tag ${key}`, each, "a plain value");
  }
  lastTags = fields;
  return fields as Tags;
}
