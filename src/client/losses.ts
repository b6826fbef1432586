/*
 * Output of tasks that is lost because there is no room for it. Bytes of tasks never pass through this program, so it
 * does not see their writes fail: it looks at the file systems instead when tasks end. One warning for each that is
 * full; what tasks make of it is theirs, and so is their status. A quota that is used up is noticed only where a file
 * cannot be made.
 */
import { fstatSync, statSync } from "node:fs";
import { isFull } from "../base/full.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import type { Logger } from "../log/logger.ts";

export interface Losses {
  /** To be called when a task has ended, `now` in milliseconds of any clock. Looks now and then. */
  look(now: number): void;
  /** Looks once more, at the end. */
  lookLast(): void;
  /** Whether a file of captured output could not be made for want of room; then that is told, too. */
  isRefused(error: unknown): boolean;
}

export interface LossOptions {
  /** Where output is captured; null: it is not. */
  readonly folder: string | null;
  /** Files for the output of all tasks; null: they write where this process does. */
  readonly outputPath: string | null;
  readonly errorsPath: string | null;
  readonly log: Pick<Logger, "warning">;
}

/** Something on a file system that may be full. */
interface Place {
  readonly path: string;
  readonly name: string;
  readonly device: number;
}

/** The shortest pause between two looks, milliseconds. A look costs 3 µs. */
const pauseMs = 250;
/** What the system answers when a file cannot be made for want of room. */
const noRoom: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS"]);

/** Watches over where tasks write. */
export function newLosses({ folder, outputPath, errorsPath, log }: LossOptions): Losses {
  /** Those that were not seen full; null: nobody has looked yet. */
  let places: readonly Place[] | null = null;
  let lookedAt = Number.NEGATIVE_INFINITY;

  function tell(place: Place, why: string): void {
    places = places!.filter(({ device }) => device !== place.device);
    const what = "output of tasks is lost as long as that is so; their exit statuses stay their own";
    log.warning(`The output of tasks cannot be written to ${place.name}: ${why} - ${what}`);
  }

  function look(): void {
    places ??= folder === null ? sharedPlaces(outputPath, errorsPath) : placesOf([[folder, `'${folder}'`]]);
    for (const place of places) if (isFull(place.path)) tell(place, "its file system is full");
  }

  return {
    look(now) {
      if (now - lookedAt < pauseMs || places?.length === 0) return;
      lookedAt = now;
      look();
    },
    lookLast() {
      // Where no task has ended, nothing is lost.
      if (places !== null) look();
    },
    isRefused(error) {
      if (!noRoom.has(failureCode(error))) return false;
      places ??= placesOf([[folder!, `'${folder!}'`]]);
      for (const place of places) tell(place, failureReason(error));
      return true;
    },
  };
}

function sharedPlaces(outputPath: string | null, errorsPath: string | null): readonly Place[] {
  // Other systems have no path for what is open.
  const isNamed = process.platform === "linux";
  const own = (descriptor: number): string => (isNamed && isFile(descriptor) ? `/proc/self/fd/${descriptor}` : "");
  return placesOf([
    outputPath === null ? [own(1), "the file of standard output"] : [outputPath, `'${outputPath}'`],
    errorsPath === null ? [own(2), "the file of standard error"] : [errorsPath, `'${errorsPath}'`],
  ]);
}

/** One place for each file system. What is not there, or is no file or folder, is left out. */
function placesOf(named: readonly (readonly [path: string, name: string])[]): readonly Place[] {
  const places: Place[] = [];
  for (const [path, name] of named) {
    const facts = path === "" ? undefined : statSync(path, { throwIfNoEntry: false });
    if (facts === undefined || !(facts.isFile() || facts.isDirectory())) continue;
    if (places.every(({ device }) => device !== facts.dev)) places.push({ path, name, device: facts.dev });
  }
  return places;
}

function isFile(descriptor: number): boolean {
  try {
    return fstatSync(descriptor).isFile();
  } catch {
    return false;
  }
}
