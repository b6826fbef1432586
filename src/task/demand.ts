/*
 * What a task needs while it runs, what a client has, and whether the one fits into the other. Three kinds of things
 * are counted: cores, memory (bytes), and resources by name. A task asks for the latter by a tag whose key is the name:
 * `gpus:0.5`, `license:2`. Which names are those of resources the caller says; `gpus` always is.
 *
 * Deliberately unknown here: which tasks run where, and in which order they wait.
 */
import { formatSize } from "../base/units.ts";
import { coerce } from "./coerce.ts";
import type { NewTask, Tags, TagValue } from "./task.ts";
import { WrittenNumber } from "./written.ts";

/** What a task needs. A need of 0 is none. */
export interface Demand {
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  /** By name; null: none. NaN stands for a tag that is no amount, as in `gpus:many`: nobody can meet it. */
  readonly others: Readonly<Record<string, number>> | null;
}

/** What a client may hand out to tasks, in all. */
export interface Capacity {
  /** A fraction is one: a container may have 1.5. */
  readonly cores: number;
  /** Bytes. */
  readonly memory: number;
  /** By name. What is not named, the client has none of. */
  readonly others: Readonly<Record<string, number>>;
  /** When the client's time is up, milliseconds since 1970; not there: it is not limited. */
  readonly until?: number;
}

/** What of a capacity is not taken. It falls below 0 where more was promised than there is. */
export interface Room {
  cores: number;
  memory: number;
  readonly others: Map<string, number>;
}

/** A resource of which there is not enough. */
export interface Lack {
  readonly name: string;
  readonly have: number;
  /** NaN: what was asked for is no amount. */
  readonly need: number;
}

/** The resource that has devices. Each of them can be shared, by tasks that need a part of it. */
export const gpus = "gpus";

/** The names that are always those of resources. */
export const builtInResources: ReadonlySet<string> = new Set([gpus]);

/** Sums of fractions such as 0.1 miss what they should be by a little. A smaller difference than this is none. */
const grain = 1e-6;

/**
 * The last tags that asked for nothing, and of which names. Tasks of one submission share theirs, and a server asks of
 * each task twice: it took 3 % of its time to read them again (scripts/bench wire, no database).
 */
let needless: Tags | null = null;
let needlessNames: ReadonlySet<string> | null = null;
let needlessSize = 0;

/**
 * What a task needs; null: nothing that is counted, which is told without allocating. `names` has the names of
 * resources; none is ever taken out of it.
 */
export function demandOf(task: Pick<NewTask, "cores" | "memory" | "tag">, names: ReadonlySet<string>): Demand | null {
  let others: Record<string, number> | null = null;
  const { tag } = task;
  if (tag !== needless || names !== needlessNames || names.size !== needlessSize) {
    others = amountsOf(tag, names);
    if (others === null) {
      needless = tag;
      needlessNames = names;
      needlessSize = names.size;
    }
  }
  const cores = positive(task.cores);
  const memory = positive(task.memory);
  return cores === 0 && memory === 0 && others === null ? null : { cores, memory, others };
}

/** The resources that tags ask for; null: none. */
function amountsOf(tag: Tags, names: ReadonlySet<string>): Record<string, number> | null {
  let others: Record<string, number> | null = null;
  for (const key in tag) {
    if (!names.has(key)) continue;
    const amount = amountOf(key, tag[key]!);
    if (amount !== 0) (others ??= {})[key] = amount;
  }
  return others;
}

/** Columns may have been written by other programs. */
function positive(value: number | null): number {
  return value !== null && value > 0 ? value : 0;
}

/**
 * How much of a resource the value of a tag asks for: `null` and 0 ask for nothing. NaN: it is no amount, because it is
 * negative or no number, or because it would be a part of more than one device.
 */
export function amountOf(name: string, value: TagValue): number {
  if (value === null) return 0;
  const number = value instanceof WrittenNumber ? value.value : typeof value === "string" ? coerce(value) : value;
  if (typeof number !== "number" || !(number >= 0) || number > Number.MAX_SAFE_INTEGER) return NaN;
  return name === gpus && number > 1 && !Number.isInteger(number) ? NaN : number;
}

/** Why a tag asks for no amount of the resource that it names; null: it does. */
export function whyNoAmount(name: string, value: TagValue): string | null {
  if (!Number.isNaN(amountOf(name, value))) return null;
  if (name === gpus) return "gpus is a whole number, 0 or more, or a part of one device as in gpus:0.25";
  return `${name} is a resource, so it needs a number, 0 or more, as in ${name}:1`;
}

/** Of which resource the capacity has not as much as is needed, the first that is found; null: it has enough of all. */
export function lackOf(capacity: Capacity, demand: Demand): Lack | null {
  if (demand.cores > capacity.cores + grain) return { name: "cores", have: capacity.cores, need: demand.cores };
  if (demand.memory > capacity.memory) return { name: "memory", have: capacity.memory, need: demand.memory };
  const { others } = demand;
  if (others === null) return null;
  for (const name in others) {
    const need = others[name]!;
    const have = Object.hasOwn(capacity.others, name) ? capacity.others[name]! : 0;
    if (!(need <= have + grain)) return { name, have, need };
  }
  return null;
}

/** `cores: 4 < 8`, `memory: 2.00GB < 4.00GB`, `license: 0 < 1`. */
export function describeLack({ name, have, need }: Lack): string {
  if (Number.isNaN(need)) return `${name}: the value of the tag is no amount`;
  if (name === "memory") return `memory: ${formatSize(have)} < ${formatSize(need)}`;
  return `${name}: ${have} < ${need}`;
}

/** The room of a capacity of which nothing is taken. */
export function roomOf({ cores, memory, others }: Capacity): Room {
  return { cores, memory, others: new Map(Object.entries(others)) };
}

/** Whether there is room for all of the demand. */
export function fits(room: Room, { cores, memory, others }: Demand): boolean {
  if ((cores > 0 && cores > room.cores + grain) || (memory > 0 && memory > room.memory)) return false;
  if (others === null) return true;
  for (const name in others) if (!(others[name]! <= (room.others.get(name) ?? 0) + grain)) return false;
  return true;
}

/** Takes what a task needs, whether or not there is room. */
export function take(room: Room, demand: Demand): void {
  change(room, demand, -1);
}

/** Gives back what a task had taken. */
export function release(room: Room, demand: Demand): void {
  change(room, demand, 1);
}

function change(room: Room, { cores, memory, others }: Demand, sign: 1 | -1): void {
  room.cores = rounded(room.cores + sign * cores);
  room.memory += sign * memory;
  if (others === null) return;
  for (const name in others) {
    const amount = others[name]!;
    // What is no amount takes nothing, so that it leaves no trace.
    if (!Number.isNaN(amount)) room.others.set(name, rounded((room.others.get(name) ?? 0) + sign * amount));
  }
}

/** Without what fractions leave behind, so that a million tasks later as much is free as in the beginning. */
function rounded(amount: number): number {
  return Number.isInteger(amount) ? amount : Math.round(amount * 1e6) / 1e6;
}
