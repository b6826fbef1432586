/*
 * Frames as a hostile peer would write them, by seed. They are made from the tables of wire/fields.ts, so a new message
 * or field is among them without further work: a frame that fits its tables, and then, mostly, bent somewhere: a value
 * of another type or beyond its range, a field that is missing, there twice or unknown, a list that is long, text that
 * is no JSON. Knows no server.
 */
import {
  type Field,
  type ListOf,
  type ObjectOf,
  type Scalar,
  sharedFields,
  type Table,
} from "../../../src/wire/fields.ts";
import type { Lease } from "../../../src/wire/message.ts";
import type { Random } from "../../simulation/random.ts";

/** What a hostile peer has heard of, and names in its frames. */
export interface Known {
  readonly ids: readonly string[];
  readonly leases: readonly Lease[];
  /** How many items a list has at most. */
  readonly most: number;
}

/** JSON that may be wrong: keys may be there twice, and text may be anything. */
type Json = { raw: string } | { items: Json[] } | { fields: [key: string, value: Json][] };

const raw = (value: unknown): Json => ({ raw: JSON.stringify(value) ?? "null" });

/** Makes frames, as text without line end. `tables` are those of one side. */
export interface Frames {
  /** A frame of this kind that fits its table. Fields of `own` are as they are given. */
  fit(kind: string, own?: Readonly<Record<string, unknown>>): string;
  /** A frame of this kind that is bent in one or more places. */
  bent(kind: string, own?: Readonly<Record<string, unknown>>): string | Uint8Array;
}

export function framesOf(rng: Random, tables: Readonly<Record<string, Table>>, known: Known): Frames {
  const make = (kind: string, own: Readonly<Record<string, unknown>>): Json =>
    messageOf({ rng, known }, kind, tables[kind] ?? {}, own);
  return {
    fit: (kind, own = {}) => textOf(make(kind, own)),
    bent(kind, own = {}) {
      const message = make(kind, own);
      do bend(rng, message);
      while (rng.chance(0.2));
      const text = textOf(message);
      return rng.chance(0.05) ? noFrame(rng, text) : text;
    },
  };
}

// ---- frames that fit

interface Making {
  readonly rng: Random;
  readonly known: Known;
}

function messageOf(making: Making, kind: string, table: Table, own: Readonly<Record<string, unknown>>): Json {
  const { rng } = making;
  const fields: [string, Json][] = [["kind", raw(kind)]];
  for (const [name, field] of Object.entries(table)) {
    const json = Object.hasOwn(own, name) ? raw(own[name]) : fieldOf(making, field);
    if (json !== null) fields.push([name, json]);
  }
  // Tasks have beside them what they share.
  const tasks = fields.find(([name]) => name === "tasks");
  if (kind === "tasks" || kind === "assign") fields.push(["same", share(rng, tasks?.[1])]);
  return { fields };
}

function share(rng: Random, tasks: Json | undefined): Json {
  const shared: [string, Json][] = [];
  if (tasks === undefined || !("items" in tasks)) return { fields: shared };
  for (const name of sharedFields) {
    if (rng.chance(0.3)) continue;
    const rows = tasks.items.flatMap((item) => ("fields" in item ? [item] : []));
    const first = rows[0]?.fields.find(([key]) => key === name);
    if (first === undefined) continue;
    shared.push(first);
    for (const row of rows) row.fields = row.fields.filter(([key]) => key !== name);
  }
  return { fields: shared };
}

/** A value for a field; null: it is left out. */
function fieldOf(making: Making, { type, missing }: Field): Json | null {
  if (missing !== "wrong" && making.rng.chance(0.4)) return making.rng.chance(0.5) ? raw(null) : null;
  return valueOf(making, type);
}

function valueOf(making: Making, type: Scalar | ListOf | ObjectOf): Json {
  const { rng, known } = making;
  if (type.is === "object") return objectOf(making, type.fields);
  if (type.is !== "list") return raw(scalarOf(making, type));
  const count = rng.chance(0.8) ? rng.between(0, 3) : rng.between(4, 40);
  const { of } = type;
  const isValues = (each: Scalar | Table): each is Scalar => typeof each["is"] === "string";
  const item = (): Json => (isValues(of) ? raw(scalarOf(making, of)) : objectOf(making, of));
  return { items: Array.from({ length: Math.min(count, known.most) }, item) };
}

function objectOf(making: Making, table: Table): Json {
  const { rng, known } = making;
  const lease = "lease" in table && known.leases.length > 0 && rng.chance(0.7) ? pick(rng, known.leases) : null;
  const fields: [string, Json][] = [];
  for (const [name, field] of Object.entries(table)) {
    const own = lease !== null && (name === "id" || name === "lease") ? raw(lease[name]) : fieldOf(making, field);
    if (own !== null) fields.push([name, own]);
  }
  if ("exitStatus" in table && rng.chance(0.98)) makeSense(rng, fields);
  return { fields };
}

/** Gives an outcome that tells of a program what every program has. */
function makeSense(rng: Random, fields: [string, Json][]): void {
  const at = rng.between(1, 1e9);
  for (const [name, value] of [["command", "true"] as const, ["startTime", 1.7e12 + at] as const]) {
    const found = fields.find(([key]) => key === name);
    if (found === undefined) fields.push([name, raw(value)]);
    else if ("raw" in found[1] && found[1].raw === "null") found[1] = raw(value);
  }
}

const texts = ["", "a", "echo 1", "/tmp/x", "漢字 👩‍🚀", "a\u001b[2J\u202eb\n", "x".repeat(300)];

function scalarOf({ rng, known }: Making, type: Scalar): unknown {
  const { from = 0, to = 1 } = type;
  switch (type.is) {
    case "id":
      return known.ids.length > 0 && rng.chance(0.5) ? pick(rng, known.ids) : idOf(rng);
    case "name":
      return pick(rng, ["node7", "n1.cluster", "fe80::1%eth0", "x".repeat(255)]);
    case "text": {
      const text = pick(rng, texts);
      return text.length < from ? "true" : text.slice(0, to);
    }
    case "bytes":
      return Buffer.from(pick(rng, texts)).toString("base64");
    case "whole":
      return rng.chance(0.8) ? Math.max(from, Math.min(to, rng.between(0, 9))) : pick(rng, [from, to]);
    case "number":
      return rng.chance(0.8) ? Math.max(from, Math.min(to, 1.7e12 + rng.next() * 1e9)) : pick(rng, [from, to]);
    case "flag":
      return rng.chance(0.5);
    case "word":
      return pick(rng, type.words ?? []);
    case "amounts":
      return { gpus: rng.between(0, 4), ...(rng.chance(0.5) ? { license: rng.next() } : {}) };
    case "tags":
      return { part: 0, ...(rng.chance(0.5) ? { site: pick(rng, texts), n: rng.next(), none: null } : {}) };
  }
}

/** A UUID that nobody has. */
function idOf(rng: Random): string {
  const digits = Array.from({ length: 4 }, () =>
    rng
      .between(0, 2 ** 32 - 1)
      .toString(16)
      .padStart(8, "0"),
  ).join("");
  return digits.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/, "$1-$2-7$3-8$4-$5").slice(0, 36);
}

function pick<T>(rng: Random, values: readonly T[]): T {
  return values[rng.between(0, values.length - 1)]!;
}

// ---- what is bent

/** What may stand where something else should, as JSON or not. */
const odd: readonly string[] = [
  ..."null true false [] {} [[]] 0 1 -1 -0 0.5 1e308 -1e308 1e999 1e-400 1.0 NaN Infinity".split(" "),
  ...[2 ** 31, -(2 ** 31) - 1, 2 ** 32 - 1, 2 ** 32, 2 ** 53, 2 ** 63, 8.64e15, 8.64e15 + 1, 1e17, -1e17].map(String),
  ...["", "\0", "\ud800", "a\0b", "../../x", ".", "/", "\u001b]0;x\u0007", "\u009b2J", "\u202e", "__proto__", "1"].map(
    (text) => JSON.stringify(text),
  ),
  JSON.stringify("0B7C2B3E-0000-4000-8000-000000000001"),
  '{"__proto__":{"kind":"bye"}}',
  "1".repeat(400),
  `0.${"0".repeat(20_000)}1`,
  "1e-20000",
];

/** What is large. It is rare, because it takes time. */
const huge: readonly (() => string)[] = [
  () => JSON.stringify("x".repeat(70_000)),
  () => JSON.stringify("\0".repeat(200_000)),
  () => JSON.stringify("x".repeat(2_200_000)),
  () => `${"[".repeat(100_000)}${"]".repeat(100_000)}`,
  () => `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`,
  () => `[${"{},".repeat(100_000)}{}]`,
  () => `[${"1,".repeat(600_000)}1]`,
];

function oddValue(rng: Random): Json {
  return { raw: rng.chance(0.002) ? pick(rng, huge)() : pick(rng, odd) };
}

/** Bends one place of a message. */
function bend(rng: Random, message: Json): void {
  const place = placeIn(rng, message);
  if ("items" in place) {
    const { items } = place;
    const at = rng.between(0, Math.max(0, items.length - 1));
    if (items.length === 0 || rng.chance(0.3)) items.push(oddValue(rng));
    else if (rng.chance(0.5)) items[at] = oddValue(rng);
    else {
      const copies = rng.chance(0.02) ? 9000 : rng.between(1, 20);
      // As many as make a frame that is just too long.
      const most = Math.ceil((17 * 1024 * 1024) / textOf(items[at]!).length);
      items.push(...Array.from({ length: Math.min(copies, most) }, () => items[at]!));
    }
    return;
  }
  if (!("fields" in place)) return;
  const { fields } = place;
  const at = rng.between(0, Math.max(0, fields.length - 1));
  const field = fields[at];
  const how = rng.between(0, 9);
  if (field === undefined || how === 0)
    fields.push([pick(rng, ["new", "__proto__", "toString", "kind", ""]), oddValue(rng)]);
  else if (how === 1) fields.splice(at, 1);
  else if (how === 2) fields.splice(rng.between(0, fields.length), 0, [field[0], oddValue(rng)]);
  else if (how === 3) fields[at] = [pick(rng, fields)[0], field[1]];
  else field[1] = oddValue(rng);
}

/** The message itself, or an object or a list somewhere in it. */
function placeIn(rng: Random, json: Json): Json {
  const inner = "items" in json ? json.items : "fields" in json ? json.fields.map(([, value]) => value) : [];
  const deeper = inner.filter((each) => !("raw" in each));
  return deeper.length === 0 || rng.chance(0.4) ? json : placeIn(rng, pick(rng, deeper));
}

function textOf(json: Json): string {
  if ("raw" in json) return json.raw;
  if ("items" in json) return `[${json.items.map(textOf).join(",")}]`;
  return `{${json.fields.map(([key, value]) => `${JSON.stringify(key)}:${textOf(value)}`).join(",")}}`;
}

/** What is no frame at all. */
function noFrame(rng: Random, text: string): string | Uint8Array {
  switch (rng.between(0, 7)) {
    case 0:
      return text.slice(0, rng.between(0, text.length));
    case 1:
      return `${text}${text}`;
    case 2:
      return Uint8Array.from([...Buffer.from(text.slice(0, 100)), 0xff, 0xfe, 0x80]);
    case 3:
      return "";
    case 4:
      return `\ufeff${text}`;
    case 5:
      return `${text} x`;
    case 6:
      return text.replaceAll('"', "'");
    default:
      return rng.chance(0.02) ? "x".repeat(17 * 1024 * 1024) : "\0\0";
  }
}
