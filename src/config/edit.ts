/*
 * Changing one key of a configuration file: comments and layout survive, the old file is kept as a backup, and the new
 * one appears in one step. Every change is proved before it is written: the new text, parsed, must be the old tree with
 * just that key changed.
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  mkdirSync,
  openSync,
  rmSync,
  statSync,
  utimesSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { configurationError, runtimeError } from "../base/errors.ts";
import { failureCode, failureReason, readTextIfThere, realPath, replaceFile } from "../base/paths.ts";
import { splitVariant } from "./schema.ts";
import { holdsSecret } from "./secret.ts";
import { parseToml, writeKey, writeValue } from "./toml.ts";
import { whyOthersMayWrite } from "./trust.ts";
import { isTable, own } from "./value.ts";
import type { Table, Value } from "./value.ts";

export interface Change {
  /** `["server", "tls", "cert"]`. */
  readonly path: readonly string[];
  /** null removes the key. */
  readonly value: Value;
  /** How the value is written where TOML tells more than the value does (`2.0`). */
  readonly source?: string;
}

export interface Edited {
  /** Whether the file had to be changed. */
  readonly changed: boolean;
  /** Where the former text is; null when there was none. */
  readonly backup: string | null;
  /** Who else could have written what stands there, until now; null: nobody. */
  readonly warning: string | null;
}

const unchanged: Edited = { changed: false, backup: null, warning: null };

/** A change takes milliseconds; a lock of this age was left by a program that was killed. */
const staleMs = 10_000;

/** Waits for those who are changing the file. Returns what lets the next one in. */
async function hold(file: string): Promise<() => void> {
  const lock = join(dirname(file), `.${basename(file)}.lock`);
  for (;;) {
    try {
      closeSync(openSync(lock, "wx", 0o600));
      return () => rmSync(lock, { force: true });
    } catch (thrown) {
      if (failureCode(thrown) !== "EEXIST") throw thrown;
    }
    const since = statSync(lock, { throwIfNoEntry: false })?.mtimeMs;
    if (since !== undefined && systemClock.now() - since > staleMs) rmSync(lock, { force: true });
    else await new Promise<void>((resume) => systemClock.after(5, resume));
  }
}

/**
 * Whose a configuration file is: everybody reads that of the system, a group that of a site of several users, and
 * nobody else any other, since it is likely to hold the key of a server one day.
 */
export type Audience = "everybody" | "users of the site" | "its user";

/** The mode of a new file, and what of the mode of a former one stays where it holds no secret. */
function modesFor(audience: Audience): { readonly fresh: number; readonly most: number } {
  if (audience === "everybody") return { fresh: 0o644, most: 0o755 };
  return audience === "its user" ? { fresh: 0o600, most: 0o755 } : { fresh: 0o660, most: 0o775 };
}

/** The mode that a file with this text gets, which had another before. Secrets in it are for whoever may write it. */
function closed(mode: number, tree: Table, audience: Audience): number {
  const { most } = modesFor(audience);
  const mostOfSecrets = audience === "everybody" ? most : audience === "its user" ? 0o700 : 0o770;
  return mode & (holdsSecret(tree) ? mostOfSecrets : most);
}

/**
 * Changes a key of a file, or makes the file. Throws UserError, also for a file that others may write if what stands in
 * it could run a program. `now` is local time.
 */
export async function editFile(file: string, change: Change, audience: Audience, now: Date): Promise<Edited> {
  try {
    const seen = readTextIfThere(file);
    if (seen === null && change.value === null) return unchanged;
    const planned = await edited(seen ?? heading(now), change, file);
    if (planned === seen) return unchanged;
    mkdirSync(dirname(file), { recursive: true, mode: audience === "its user" ? 0o700 : 0o777 });
    const target = realPath(file);
    const release = await hold(target);
    try {
      // Another program may have changed it meanwhile: its change stays.
      const before = readTextIfThere(file);
      const text = before === seen ? planned : await edited(before ?? heading(now), change, file);
      if (text === before) return unchanged;
      const { fresh } = modesFor(audience);
      if (before === null) {
        replaceFile(file, text, () => fresh);
        return { changed: true, backup: null, warning: null };
      }
      const warning = audience === "users of the site" ? null : whyOthersMayWrite(target);
      if (warning !== null && mayRun(parseToml(before, file)))
        throw runtimeError("config", `${file} was not changed, since it has settings that run programs: ${warning}`);
      const modeOf = (mode: number): number => closed(mode, parseToml(text, file), audience);
      const backup = backUp(target, now, modeOf);
      replaceFile(file, text, modeOf);
      return { changed: true, backup, warning };
    } finally {
      release();
    }
  } catch (thrown) {
    if (thrown instanceof TypeError)
      throw configurationError("core.config", `(from file: ${file}) the file is not UTF-8 text`);
    if (failureCode(thrown) === "") throw thrown;
    throw runtimeError("config", `Could not change ${file}: ${failureReason(thrown)}`);
  }
}

function heading(now: Date): string {
  return (
    `# Begun by 'hs config set' on ${stamp(now, "-", " ", ":")}\n` +
    "# What is not set here comes from other files, HYPERSHELL_* variables and built-in values\n\n"
  );
}

function stamp(now: Date, day: string, between: string, time: string): string {
  const two = (number: number): string => String(number).padStart(2, "0");
  const date = [now.getFullYear(), two(now.getMonth() + 1), two(now.getDate())].join(day);
  return date + between + [two(now.getHours()), two(now.getMinutes()), two(now.getSeconds())].join(time);
}

/** Whether a file has settings by which a program is run, here or elsewhere, in place of the usual one. */
function mayRun(tree: Table): boolean {
  return Object.entries(tree).some(
    ([name, value]) =>
      ["export", "ssh", "autoscale", "database", "shell"].includes(name) ||
      name.endsWith("_eval") ||
      (isTable(value) && mayRun(value)),
  );
}

/** A copy in the same folder with times, and the mode if `modeOf` lets it be, under a name that was free. */
function backUp(file: string, now: Date, modeOf: (mode: number) => number): string {
  const stem = join(dirname(file), `.config.${stamp(now, "", "-", "")}`);
  for (let count = 0; ; count += 1) {
    const copy = `${stem}${count === 0 ? "" : `-${count}`}.toml`;
    try {
      copyFileSync(file, copy, constants.COPYFILE_EXCL);
    } catch (thrown) {
      if (failureCode(thrown) === "EEXIST") continue;
      throw thrown;
    }
    const { mode, atime, mtime } = statSync(file);
    chmodSync(copy, modeOf(mode & 0o7777));
    utimesSync(copy, atime, mtime);
    return copy;
  }
}

/**
 * The text with the change made. Throws UserError when the file is broken, or when no way of changing it is sure to be
 * right.
 */
export async function edited(text: string, change: Change, file: string): Promise<string> {
  const before = parseToml(text, file);
  const wanted = parseToml(text, file);
  apply(wanted, change, file);
  if (Bun.deepEquals(before, wanted)) return text;
  const ways = [() => insertLine(text, before, change), () => patched(text, change, file)];
  for (const way of ways) {
    const result = await way();
    if (result !== null && isRight(result, wanted, file)) return result;
  }
  const key = change.path.join(".");
  throw runtimeError("config", `Could not change ${key} in ${file} without touching the rest; use 'hs config edit'`);
}

function isRight(text: string, wanted: Table, file: string): boolean {
  try {
    return Bun.deepEquals(parseToml(text, file), wanted);
  } catch {
    return false;
  }
}

/** Changes the tree. Other forms of the key (`_env`, `_eval`) go, since a file may have only one. */
function apply(tree: Table, { path, value }: Change, file: string): void {
  let at = tree;
  const walked: string[] = [];
  for (const part of path.slice(0, -1)) {
    walked.push(part);
    const next = own(at, part);
    if (next === undefined && value === null) return;
    const table = next === undefined ? (Object.create(null) as Table) : asTable(walked.join("."), next);
    if (table === null) {
      const text = `${walked.join(".")} is a value and no table in ${file}: mend it first (hs config edit)`;
      throw configurationError("core.config", text);
    }
    at[part] = table;
    at = table;
  }
  const { base } = splitVariant(path.join("."));
  const name = base.slice(base.lastIndexOf(".") + 1);
  for (const form of path[0] === "export" ? [path.at(-1)!] : [name, `${name}_env`, `${name}_eval`]) delete at[form];
  if (value !== null) at[path.at(-1)!] = value;
}

/** Short forms as the tables they stand for; null for any other value. */
function asTable(key: string, value: Value): Table | null {
  if (isTable(value)) return value;
  if (key === "database" && typeof value === "string") return { file: value };
  if (key !== "logging.file" || value === false) return null;
  return typeof value === "string" && value !== "enabled" ? { path: value } : {};
}

/**
 * A new key goes below the last one of its table, a new table to the end of the file. null when the key is there
 * already. It looks for the head of the table line by line and so can be fooled (by a text of many lines); the proof
 * then sends the change to the other way.
 */
function insertLine(text: string, before: Table, { path, value, source }: Change): string | null {
  const name = path.at(-1)!;
  const table = path
    .slice(0, -1)
    .reduce<Value | undefined>((at, part) => (isTable(at) ? own(at, part) : undefined), before);
  if (value === null || (isTable(table) && own(table, name) !== undefined)) return null;
  const newline = text.includes("\r\n") ? "\r\n" : "\n";
  const lines = text.split(/\r?\n/);
  const line = `${writeKey(name)} = ${source ?? writeValue(value)}`;
  const head = lines.findIndex((each) => isHead(each, path.slice(0, -1)));
  if (head < 0) {
    while (lines.length > 0 && lines.at(-1)!.trim() === "") lines.pop();
    const title = `[${path.slice(0, -1).map(writeKey).join(".")}]`;
    return [...lines, ...(lines.length === 0 ? [] : [""]), title, line, ""].join(newline);
  }
  let end = head + 1;
  while (end < lines.length && !lines[end]!.trimStart().startsWith("[")) end += 1;
  // Comments and blank lines before the next head belong to what follows.
  let last = end - 1;
  while (last > head && /^\s*(#|$)/.test(lines[last]!)) last -= 1;
  const indent = last === head ? "" : /^\s*/.exec(lines[last]!)![0];
  lines.splice(last + 1, 0, indent + line);
  if (last + 2 === lines.length) lines.push("");
  return lines.join(newline);
}

function isHead(line: string, path: readonly string[]): boolean {
  const inner = /^\s*\[([^[\]]+)\]\s*(#.*)?$/.exec(line)?.[1];
  if (inner === undefined) return false;
  const parts = inner.split(".").map((part) => part.trim().replace(/^(["'])(.*)\1$/, "$2"));
  return parts.length === path.length && parts.every((part, at) => part === path[at]);
}

/** Everything else (a new value, a removal, inline tables, dotted keys) is the work of a TOML editor. */
async function patched(text: string, change: Change, file: string): Promise<string | null> {
  const { parse, patch } = await import("@decimalturn/toml-patch");
  try {
    // A mixture would make the editor complain on stderr, and end the same way.
    const even = /(^|[^\r])\n/.test(text) ? text.replaceAll("\r\n", "\n") : text;
    const tree = parse(even) as Table;
    apply(tree, change, file);
    return patch(even, tree);
  } catch {
    return null;
  }
}
