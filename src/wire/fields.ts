/*
 * What every field of every message may hold, as tables. The reader of frames (codec.ts) goes by them, and the fuzzer
 * bends each field of them, so a new field is checked and fuzzed once it has its line here; the type checker asks for
 * that line. Knows no JSON and no order of messages. PROTOCOL.md, section 4, tells the same to others.
 *
 * The limits are those of what is kept: a UUID is what PostgreSQL takes as an id, a time has a place on the calendar of
 * both databases, a whole number fits its column, a text has no NUL and no half of a character where a path or jsonb
 * cannot have one. What a server sends is taken from a database that other programs may have written, and a client
 * stores none of it, so the fields of `assign` are wider than those of `tasks`.
 */
import { isId } from "../base/ids.ts";
import type { Capacity } from "../task/demand.ts";
import { longestArgs } from "../task/line.ts";
import { largestNumber, whyNoResource } from "../task/tag.ts";
import type { Assignment, NewTask, Outcome, Submission, Tags } from "../task/task.ts";
import { WrittenNumber } from "../task/written.ts";
import {
  type ClientView,
  type Counts,
  type FailureView,
  type Histogram,
  mostPiece,
  type OutputPiece,
  type OutputQuery,
  type ServerView,
  type TaskView,
  type Throughput,
  type View,
} from "../view/view.ts";
import {
  type Ground,
  type HostMessage,
  type Lease,
  longestEvictMs,
  mostCredit,
  mostFilter,
  mostOutput,
  mostShown,
  type PeerMessage,
  type Start,
} from "./message.ts";

/** The longest that outcomes may be told to wait for others, milliseconds. */
const longestCompanyMs = 3_600_000;

/** One value: what it may be, in words and as a check. `from` and `to` are the ends of a range, for numbers. */
export interface Scalar<T = unknown> {
  readonly is: "id" | "name" | "text" | "bytes" | "whole" | "number" | "flag" | "word" | "tags" | "amounts";
  /** How a message names what the field should be: `a whole number from 0 to 5`. */
  readonly wanted: string;
  readonly fits: (value: unknown) => value is T;
  /** The least and the most of a number, or of the length of a text. */
  readonly from?: number;
  readonly to?: number;
  /** All words that a field of words may be. */
  readonly words?: readonly string[];
}

/** A list of values, or of objects with these fields. */
export interface ListOf {
  readonly is: "list";
  readonly of: Scalar | Table;
  /** How a message names one of them. */
  readonly each: string;
}

/** An object with these fields. */
export interface ObjectOf {
  readonly is: "object";
  readonly fields: Table;
}

/** A field, and what it means that it is missing or null: that it is null, that it is left out, or an error. */
export interface Field<Type extends Scalar | ListOf | ObjectOf = Scalar | ListOf | ObjectOf> {
  readonly type: Type;
  readonly missing: "null" | "out" | "wrong";
}

/** The fields of an object, by name, in the order in which they are read. */
export type Table = Readonly<Record<string, Field>>;

/** A table with a field for each property of a type. */
type TableOf<T> = { readonly [Name in keyof T]-?: Field };

// ---- the kinds of values

const inRange = (value: unknown, from: number, to: number): value is number =>
  // NaN and what is infinite are in no range.
  typeof value === "number" && value >= from && value <= to;

function whole(from: number, to: number): Scalar<number> {
  const fits = (value: unknown): value is number => inRange(value, from, to) && Number.isSafeInteger(value);
  return { is: "whole", wanted: `a whole number from ${from} to ${to}`, fits, from, to };
}

function number(from: number, to: number): Scalar<number> {
  const fits = (value: unknown): value is number => inRange(value, from, to);
  return { is: "number", wanted: `a number from ${from} to ${to}`, fits, from, to };
}

const mostWhole = Number.MAX_SAFE_INTEGER;
const count = whole(0, mostWhole);
const integer = whole(-mostWhole, mostWhole);
/** A limit of a task as a database has it; a thousand times as much is still finite. */
const finite = { ...number(-mostWhole, mostWhole), wanted: "a number of at most 2^53" };

/**
 * The first and the last moment that a time may be, milliseconds since 1970: years of four digits, wherever on earth
 * the calendar hangs.
 */
const firstMoment = Date.UTC(1000, 0, 2);
const lastMoment = Date.UTC(9999, 11, 30);
const time: Scalar<number> = { ...number(firstMoment, lastMoment), wanted: "a time of the years 1000 to 9999" };

const id: Scalar<string> = { is: "id", wanted: "a UUID in lower case", fits: isUuid };

function isUuid(value: unknown): value is string {
  return typeof value === "string" && isId(value);
}

/** A host name, or another short text that is fit for a log line and for the name of a file. */
const name: Scalar<string> = { is: "name", wanted: "a name", fits: isName };

function isName(value: unknown): value is string {
  if (typeof value !== "string" || value.length === 0 || value.length > 255) return false;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    // These are control characters, blanks, slash and backslash; below, lone halves of a character.
    if (code <= 0x20 || code === 0x2f || code === 0x5c || (code >= 0x7f && code <= 0xa0)) return false;
    if (code >= 0xd800 && !value.isWellFormed()) return false;
  }
  return value !== "." && value !== "..";
}

/** Any text that is not too long, in UTF-16 units. */
function text(to: number): Scalar<string> {
  const fits = (value: unknown): value is string => typeof value === "string" && value.length <= to;
  return { is: "text", wanted: `a text of at most ${to} characters`, fits, from: 0, to };
}

/** A text without NUL and without halves of a character, neither of which a path or a database can hold. */
function cleanText(to: number, from = 0): Scalar<string> {
  const wanted = `a text of ${from} to ${to} characters without NUL`;
  const fits = (value: unknown): value is string =>
    typeof value === "string" && value.length >= from && value.length <= to && isClean(value);
  return { is: "text", wanted, fits, from, to };
}

function isClean(value: string): boolean {
  return !value.includes("\0") && value.isWellFormed();
}

const flag: Scalar<boolean> = {
  is: "flag",
  wanted: "true or false",
  fits: (value): value is boolean => typeof value === "boolean",
};

/** Bytes in base64 (RFC 4648, section 4) with padding, at most `to` of them. */
function bytes(to: number): Scalar<string> {
  const fits = (value: unknown): value is string =>
    typeof value === "string" && value.length <= Math.ceil(to / 3) * 4 && value.length % 4 === 0 && base64.test(value);
  return { is: "bytes", wanted: `at most ${to} bytes in base64`, fits, from: 0, to };
}

const base64 = /^[A-Za-z0-9+/]*={0,2}$/;

function oneOf<Word extends string>(...words: readonly Word[]): Scalar<Word> {
  const fits = (value: unknown): value is Word => (words as readonly unknown[]).includes(value);
  return { is: "word", wanted: `one of ${words.join(", ")}`, fits, words };
}

/** A number in a form of its own that every database takes: some have no room for ten thousand digits. */
const writtenShape = /^-?\d{1,400}(?:\.\d{1,400})?(?:[eE][-+]?\d{1,3})?$/;

/** Tags: a plain value for each key. `isText` says which texts may be keys and values. */
function tags(isText: (value: string) => boolean): Scalar<Tags> {
  const isPlain = (value: unknown): boolean => {
    if (typeof value === "string") return isText(value);
    if (typeof value === "number") return Number.isFinite(value);
    return value === null || typeof value === "boolean" || (value instanceof WrittenNumber && isWritten(value));
  };
  const fits = (value: unknown): value is Tags => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const fields = value as Record<string, unknown>;
    for (const key in fields) if (!isText(key) || !isPlain(fields[key])) return false;
    return true;
  };
  return { is: "tags", wanted: "an object of plain values (texts without NUL, finite numbers)", fits };
}

function isWritten({ value, text: form }: WrittenNumber): boolean {
  return Number.isFinite(value) && writtenShape.test(form);
}

const longestTag = 65_536;
const cleanTags = tags((value) => value.length <= longestTag && isClean(value));
const anyTags = tags((value) => value.length <= longestTag);

/** The most resources that one client may have. */
const mostResources = 100;

/** An amount of each of some resources, by name. */
const amounts: Scalar<Readonly<Record<string, number>>> = {
  is: "amounts",
  wanted: `an object of at most ${mostResources} resources and their amounts`,
  fits: (value): value is Readonly<Record<string, number>> => {
    if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
    const entries = Object.entries(value);
    return (
      entries.length <= mostResources &&
      entries.every(([key, held]) => whyNoResource(key) === null && inRange(held, 0, mostWhole))
    );
  },
};

// ---- fields

const must = <Type extends Scalar | ListOf | ObjectOf>(type: Type): Field<Type> => ({ type, missing: "wrong" });
/** A field that may be null, and is when it is missing. */
const orNull = <T>(type: Scalar<T>): Field<Scalar<T>> => ({ type, missing: "null" });
/** A field that earlier programs do not send. */
const orOut = <Type extends Scalar | ListOf | ObjectOf>(type: Type): Field<Type> => ({ type, missing: "out" });

const objects = (fields: Table, each: string): ListOf => ({ is: "list", of: fields, each });

/** The longest path, and the longest name of a host or a user, in UTF-16 units. */
const longestPath = 65_536;
const longestName = 1024;
/** The longest text that only people read, and the longest command, in UTF-16 units. */
const longestText = 2 * 1024 * 1024;

const path = cleanText(longestPath);
const host = cleanText(longestName);
const reason = text(longestText);
/** An amount that was measured. */
const amount = number(0, 2 ** 63);

export const leaseFields = { id: must(id), lease: must(count) } as const satisfies TableOf<Lease>;
export const startFields = { ...leaseFields, startTime: must(time) } as const satisfies TableOf<Start>;

export const outcomeFields = {
  ...leaseFields,
  // The command may be whatever a template makes. Databases take it as far as they can.
  command: orNull(text(longestText)),
  startTime: orNull(time),
  completionTime: must(time),
  // On Windows a status is an unsigned number of 32 bits.
  exitStatus: must(whole(-(2 ** 31), 2 ** 32 - 1)),
  outpath: orNull(path),
  errpath: orNull(path),
  csvpath: orNull(path),
  coresMax: orNull(amount),
  memoryMax: orNull(amount),
} as const satisfies TableOf<Outcome>;

const submissionFields = {
  id: must(id),
  time: must(time),
  host: must(host),
  user: must(host),
  cwd: must(path),
  template: orNull(cleanText(longestText)),
  version: must(host),
} as const satisfies TableOf<Submission>;

/** Tasks as submitters send them: a server stores them. */
export const taskFields = {
  id: must(id),
  group: must(whole(0, largestNumber)),
  args: must(cleanText(longestArgs, 1)),
  submitId: must(id),
  submitTime: must(time),
  submitHost: must(host),
  cores: orNull(whole(0, largestNumber)),
  memory: orNull(count),
  timeout: orNull(whole(0, largestNumber)),
  attempt: must(whole(0, largestNumber)),
  previousId: orNull(id),
  tag: must(cleanTags),
} as const satisfies TableOf<NewTask>;

/** Tasks as servers send them. */
export const assignmentFields = {
  ...leaseFields,
  group: must(integer),
  args: must(text(longestText)),
  submitId: must(id),
  submitTime: must(time),
  submitHost: must(text(longestName)),
  cores: orNull(finite),
  memory: orNull(finite),
  timeout: orNull(finite),
  attempt: must(count),
  previousId: orNull(id),
  tag: must(anyTags),
  scheduleTime: must(time),
} as const satisfies TableOf<Assignment>;

type MessageTables<M extends PeerMessage | HostMessage> = {
  readonly [Kind in M["kind"]]: TableOf<Omit<Extract<M, { readonly kind: Kind }>, "kind">>;
};

const leases = objects(leaseFields, "a task");

const groundFields = { store: orOut(id), run: orOut(id) } as const satisfies TableOf<Ground>;

const capacityFields = {
  cores: must(number(0, mostWhole)),
  memory: must(number(0, mostWhole)),
  others: must(amounts),
  until: orOut(time),
} as const satisfies TableOf<Capacity>;

// ---- what watchers see

const queryFields = {
  id: must(id),
  stream: must(oneOf("stdout", "stderr")),
  from: must(integer),
  most: must(whole(1, mostPiece)),
} as const satisfies TableOf<OutputQuery>;

const pieceFields = {
  text: must(text(mostPiece)),
  next: must(count),
  more: must(flag),
  over: must(flag),
} as const satisfies TableOf<OutputPiece>;

const anyNumber = number(-(2 ** 63), 2 ** 63);
const numbers: ListOf = { is: "list", of: anyNumber, each: "a number" };
const longestShownText = 65_536;

const histogramFields = {
  bounds: must(numbers),
  counts: must(numbers),
  sum: must(anyNumber),
} as const satisfies TableOf<Histogram>;

const countsFields = {
  total: must(count),
  remaining: must(count),
  running: must(count),
  succeeded: must(count),
  failed: must(count),
  cancelled: must(count),
} as const satisfies TableOf<Counts>;

const serverViewFields = {
  id: must(text(longestName)),
  host: must(text(longestName)),
  pid: must(integer),
  startedAt: must(anyNumber),
  beatAt: must(anyNumber),
  isAlive: must(flag),
} as const satisfies TableOf<ServerView>;

const clientViewFields = {
  id: must(text(longestName)),
  host: must(text(longestName)),
  serverId: orNull(text(longestName)),
  executors: orNull(count),
  capacity: { type: { is: "object", fields: capacityFields }, missing: "null" },
  job: orNull(text(longestName)),
  running: must(count),
  ended: orNull(count),
  failed: orNull(count),
  standing: orNull(oneOf("present", "away", "leaving", "draining")),
  heardAt: orNull(anyNumber),
} as const satisfies TableOf<ClientView>;

const taskViewFields = {
  id: must(text(longestName)),
  text: must(text(longestShownText)),
  group: must(anyNumber),
  attempt: must(anyNumber),
  host: orNull(text(longestName)),
  clientId: orNull(text(longestName)),
  startTime: orNull(anyNumber),
} as const satisfies TableOf<TaskView>;

const failureViewFields = {
  ...taskViewFields,
  exitStatus: must(anyNumber),
  completionTime: must(anyNumber),
  duration: orNull(anyNumber),
} as const satisfies TableOf<FailureView>;

const sourceFields = {
  kind: must(oneOf("server", "database")),
  title: must(text(longestShownText)),
} as const satisfies TableOf<View["source"]>;

const throughputFields = {
  intervalMs: must(anyNumber),
  ended: must(numbers),
  failed: must(numbers),
} as const satisfies TableOf<Throughput>;

const objectOf = <Fields extends Table>(fields: Fields) => must({ is: "object", fields } as const);

const viewFields = {
  at: must(anyNumber),
  source: objectOf(sourceFields),
  counts: objectOf(countsFields),
  rate: orNull(anyNumber),
  duration: orNull(anyNumber),
  secondsLeft: orNull(anyNumber),
  throughput: objectOf(throughputFields),
  servers: must(objects(serverViewFields, "a server")),
  clients: must(objects(clientViewFields, "a client")),
  clientsTotal: must(count),
  running: must(objects(taskViewFields, "a task")),
  runningTotal: must(count),
  failures: must(objects(failureViewFields, "a failure")),
  durations: objectOf({ ...histogramFields, of: must(oneOf("all", "sample")) }),
  queueAge: orNull(anyNumber),
  storeLatency: { type: { is: "object", fields: histogramFields }, missing: "null" },
} as const satisfies TableOf<View>;

/** What clients, submitters and watchers say. */
export const peerFields = {
  hello: {
    clientId: must(id),
    host: must(name),
    executors: must(whole(0, mostCredit)),
    credit: must(whole(0, mostCredit)),
    running: must(leases),
    finished: must(leases),
    secret: orOut(name),
    job: orOut(name),
    capacity: orOut({ is: "object", fields: capacityFields }),
    prints: orOut(flag),
    shows: orOut(flag),
    ...groundFields,
  },
  results: { outcomes: must(objects(outcomeFields, "an outcome")), credit: must(whole(0, mostCredit)) },
  returned: { tasks: must(leases), missing: orOut({ is: "list", of: id, each: "a submission" }) },
  beat: { started: orOut(objects(startFields, "a start")), leaving: orOut(flag) },
  output: {
    ...leaseFields,
    stream: must(oneOf("stdout", "stderr")),
    from: must(count),
    data: must(bytes(mostOutput)),
  },
  shown: { ask: must(count), refused: orOut(reason), ...pieceFields },
  bye: { reason: must(reason) },
  submitter: { submission: must({ is: "object", fields: submissionFields }) },
  tasks: { tasks: must(objects(taskFields, "a task")) },
  done: {},
  watcher: {},
  look: { ask: must(count), most: must(whole(0, mostShown)), filter: must(text(mostFilter)) },
  read: { ask: must(count), ...queryFields },
  act: {
    ask: must(count),
    action: must(oneOf("cancel", "revert")),
    ids: must({ is: "list", of: id, each: "a task" }),
  },
} as const satisfies MessageTables<PeerMessage>;

/** What servers say. */
export const hostFields = {
  welcome: {
    serverId: must(id),
    serverHost: must(name),
    companyMs: must(number(0, longestCompanyMs)),
    stay: orOut(flag),
    evictMs: orOut(number(1000, longestEvictMs)),
    fleeting: orOut(flag),
    prints: orOut(oneOf("lines", "tasks")),
    ...groundFields,
  },
  submission: { id: must(id), template: orNull(text(longestText)), cwd: orNull(text(longestPath)) },
  assign: { tasks: must(objects(assignmentFields, "a task")) },
  ack: { tasks: must(leases) },
  cancel: { tasks: must(leases) },
  drop: { tasks: must(leases) },
  beat: { stay: orOut(flag) },
  taken: { bytes: must(count) },
  show: { ask: must(count), ...queryFields },
  leave: { how: must(oneOf("finish", "interrupt", "abort")), reason: must(reason) },
  accepted: { serverId: must(id), group: must(integer), groupReason: must(reason) },
  stored: { count: must(count) },
  refused: { reason: must(reason) },
  watched: { serverId: must(id), serverHost: must(name) },
  view: { ask: must(count), view: objectOf(viewFields) },
  piece: { ask: must(count), ...pieceFields },
  acted: { ask: must(count), count: must(count) },
  failed: { ask: must(count), reason: must(reason) },
} as const satisfies MessageTables<HostMessage>;

/** The fields that tasks of one frame may have in common, in an object `same`. */
export const sharedFields = [
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
] as const satisfies readonly (keyof Assignment)[];
