/*
 * The file system as a log file sees it: the file that a process has for itself, opened, appended to and renamed. It
 * decides nothing.
 */
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  write,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileMode } from "../base/modes.ts";
import { failureCode } from "../base/paths.ts";
import type { Files } from "./log-file.ts";
import { rotatedName } from "./rotation.ts";
import { openLog, type Slot, stemOf, takeSlot } from "./slot.ts";

/** The file system, for a process that wants to log into a file. `host`: its name, without the domain. */
export function logFiles(wanted: string, host: string, onSlot: (slot: Slot) => void): Files {
  let path: string | null = null;
  return {
    path: () => path ?? wanted,
    open() {
      if (path === null) {
        const slot = takeSlot(wanted, host);
        path = slot.path;
        onSlot(slot);
      }
      return openLog(path);
    },
    close: closeSync,
    rename: (naming, at) => {
      const own = path ?? wanted;
      return renameToFree(own, (names) => rotatedName(stemOf(own), naming, at, names));
    },
    append: (descriptor, bytes, done) => write(descriptor, bytes, (failure, taken) => done(failure, taken ?? 0)),
    appendNow: (descriptor, bytes) => writeSync(descriptor, bytes),
    look(descriptor) {
      const { size, nlink } = fstatSync(descriptor);
      return { size, isGone: nlink === 0 };
    },
    isHere(descriptor) {
      const open = fstatSync(descriptor);
      const there = statSync(path ?? wanted, { throwIfNoEntry: false });
      return there?.ino === open.ino && there.dev === open.dev;
    },
    sleep: (ms) => Bun.sleepSync(ms),
  };
}

/** How often another process may take a name that was free. */
const mostTries = 100;

/**
 * Renames a file such that it replaces no other, to a name that is chosen when the names in its folder are known.
 * Answers the name. Throws the error of the operating system.
 */
function renameToFree(path: string, choose: (names: readonly string[]) => string): string {
  const folder = dirname(path);
  for (let left = mostTries; ; left -= 1) {
    const name = choose(readdirSync(folder));
    const target = join(folder, name);
    try {
      // A name that is taken first cannot be another's at the same moment: a file `run.txt` has the same stem.
      closeSync(openSync(target, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, fileMode()));
    } catch (thrown) {
      if (failureCode(thrown) !== "EEXIST" || left === 0) throw thrown;
      continue;
    }
    try {
      renameSync(path, target);
      return basename(target);
    } catch (thrown) {
      rmSync(target, { force: true });
      throw thrown;
    }
  }
}
