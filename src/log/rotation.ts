/*
 * When a log file is full, what full files are called, and which of them are still to be compressed or may go. Pure:
 * it knows no files, only the names that are in a folder. The extension of the log file is dropped: `server-vm.log`
 * becomes `server-vm.1`, or `server-vm.20260131-235959`, and its archive is `server-vm.1.gz`.
 */
import { localFields } from "../base/zone.ts";
import { parseSize } from "../base/units.ts";
import type { parseTimes } from "./cron.ts";

/** How full files are told apart: by a number that grows, by the time, or by the day on which they were full. */
export type Naming = "number" | "time" | "day";

export interface Policy {
  readonly naming: Naming;
  /** From this size on a file is full, bytes; null: its size does not matter. */
  readonly bytes: number | null;
  /** When a file is full that was begun or written at a time, both in ms since 1970; null: time does not matter. */
  readonly next: ((at: number) => number | null) | null;
}

/** A smaller file would be full with a few lines. */
const fewestBytes = 1000;

const expected = "expected never, a size as in 512MB, or times as for cron: '0 1 * * 0', @daily";

/**
 * The policy that `logging.file.rotate` says, or what is wrong with it, as the end of a sentence. `isTable`: the log
 * file has settings of its own; where it is only a path or a yes, a file that is full by a signal is named by its day.
 */
export function parsePolicy(text: string, isTable: boolean): Policy | { readonly problem: string } {
  const words = text.trim().toLowerCase();
  if (words === "never") return { naming: isTable ? "time" : "day", bytes: null, next: null };
  const bytes = parseSize(words);
  if (bytes !== null && bytes < fewestBytes) return { problem: `must be at least ${fewestBytes} bytes, not '${text}'` };
  if (bytes !== null) return { naming: "number", bytes, next: null };
  // Where no times are given, the package that reads them is not loaded.
  const { parseTimes: read } = require("./cron.ts") as { readonly parseTimes: typeof parseTimes };
  const next = read(words);
  if (next === null) return { problem: `has the unrecognized value '${text}', ${expected}` };
  if (next === "never") return { problem: `names a time that never comes: '${text}'` };
  return { naming: words === "@daily" || words === "@midnight" ? "day" : "time", bytes: null, next };
}

/** The extensions of archives, by the words of `logging.file.compress`. */
export const archiveExtensions = { gzip: ".gz", bzip: ".bz2", lzma: ".xz", zstd: ".zstd" } as const;

export type Compression = keyof typeof archiveExtensions;

/** What is behind the name of an archive that is being written. */
export const partialEnd = ".partial";

/** A name in the folder of a log file that comes from a rotation of it. */
interface Rotated {
  /** Without the extensions of archives: `server-vm.1`. */
  readonly original: string;
  /** What is behind the stem: `1`, `20260131-2`. */
  readonly label: string;
  /** The extension of the archive; empty: it is the file itself. */
  readonly archive: string;
  readonly isPartial: boolean;
}

/** A number of more digits is a day. */
const shape = /^(\d{1,7}|\d{8}(?:-\d{6})?(?:-\d{1,5})?)(\.(?:gz|bz2|xz|zstd))?(\.partial)?$/;

/** Those among the names that come from rotations of the file with this stem. `own`: the name of the log file. */
function rotatedAmong(stem: string, own: string, names: readonly string[]): readonly Rotated[] {
  return names.flatMap((name) => {
    if (name === own || !name.startsWith(`${stem}.`)) return [];
    const [found, label = "", archive = "", partial] = shape.exec(name.slice(stem.length + 1)) ?? [];
    if (found === undefined || (partial !== undefined && archive === "")) return [];
    return [{ original: `${stem}.${label}`, label, archive, isPartial: partial !== undefined }];
  });
}

/** A log file as its rotations are named after it. */
export interface Stem {
  /** The name of the log file. */
  readonly own: string;
  /** The same without its extension. */
  readonly stem: string;
}

/** The name for a file that is full at `at`, which no name in its folder has. */
export function rotatedName({ own, stem }: Stem, naming: Naming, at: number, names: readonly string[]): string {
  const labels = new Set(rotatedAmong(stem, own, names).map(({ label }) => label));
  // A file of that very name that is no rotation is not to be replaced either.
  const isFree = (label: string): boolean => !labels.has(label) && !names.includes(`${stem}.${label}`);
  if (naming === "number") {
    const numbers = [...labels].filter((label) => label.length < 8).map(Number);
    let next = Math.max(0, ...numbers) + 1;
    while (!isFree(String(next))) next += 1;
    return `${stem}.${next}`;
  }
  const time = naming === "day" ? dayOf(at) : timeOf(at);
  let label = time;
  for (let n = 2; !isFree(label); n += 1) label = `${time}-${n}`;
  return `${stem}.${label}`;
}

/** `20260131`, of the local time. */
function dayOf(at: number): string {
  return localFields(at).toISOString().slice(0, 10).replaceAll("-", "");
}

/** `20260131-235959`, of the local time. */
function timeOf(at: number): string {
  return `${dayOf(at)}-${localFields(at).toISOString().slice(11, 19).replaceAll(":", "")}`;
}

/** How rotated files are called, for people: `server-vm.<n>`. */
export function namingText({ stem }: Stem, naming: Naming): string {
  const labels = { number: "<n>", time: "YYYYMMDD-HHMMSS", day: "YYYYMMDD" };
  return `${stem}.${labels[naming]}`;
}

/** What an earlier process has left to do. */
export interface LeftOver {
  /** Files to compress, oldest first as far as their names tell. */
  readonly waiting: readonly string[];
  /** Those among them whose archive was begun. */
  readonly interrupted: readonly string[];
  /** Archives that were begun with another compression, and whose file is there: they are of no use. */
  readonly useless: readonly string[];
  /** Archives that were begun, and whose file is not there. */
  readonly orphaned: readonly string[];
}

/** What is left to do among the names in a folder. `extension`: that of archives now; null: nothing is compressed. */
export function leftOver({ own, stem }: Stem, extension: string | null, names: readonly string[]): LeftOver {
  const rotated = rotatedAmong(stem, own, names);
  const originals = rotated.filter(({ archive }) => archive === "").map(({ original }) => original);
  const done = new Set(
    rotated.filter(({ archive, isPartial }) => archive !== "" && !isPartial).map(({ original }) => original),
  );
  const partials = rotated.filter(({ isPartial }) => isPartial);
  const nameOf = ({ original, archive }: Rotated): string => original + archive + partialEnd;
  const [present, orphaned] = [true, false].map((is) =>
    partials.filter(({ original }) => originals.includes(original) === is),
  ) as [Rotated[], Rotated[]];
  const interrupted = present.filter(({ archive }) => archive === extension).map(({ original }) => original);
  return {
    waiting: extension === null ? [] : originals.filter((name) => !done.has(name)).toSorted(byAge),
    interrupted,
    useless: present.filter(({ archive }) => archive !== extension).map(nameOf),
    orphaned: orphaned.map(nameOf),
  };
}

/** A longer name has a greater number, or more of them. */
const byAge = (one: string, other: string): number => one.length - other.length || (one < other ? -1 : 1);

/** A rotated file beside its archive. `at`: when it was written last, ms since 1970. */
export interface Kept {
  readonly name: string;
  readonly at: number;
}

/** The rotated files among the names whose archive is there as well. */
export function archivedAmong({ own, stem }: Stem, names: readonly string[]): readonly string[] {
  const rotated = rotatedAmong(stem, own, names);
  const archived = new Set(
    rotated.filter(({ archive, isPartial }) => archive !== "" && !isPartial).map(({ original }) => original),
  );
  return rotated
    .filter(({ original, archive }) => archive === "" && archived.has(original))
    .map((each) => each.original);
}

/** The files that go, oldest first: all but the `keep` (0 or more) that were written last. */
export function surplus(files: readonly Kept[], keep: number): readonly string[] {
  const sorted = files.toSorted((one, other) => one.at - other.at || byAge(one.name, other.name));
  return sorted.slice(0, Math.max(0, sorted.length - keep)).map(({ name }) => name);
}
