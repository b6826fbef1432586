/*
 * The file that a process logs into: one that no other living process has, ours alone, and only for us. Others could
 * have put a link, or a file of theirs, in its place, or wait for what is written there; so it is looked at before it
 * is written. What is written is no business of this.
 *
 * A process holds `<file>.lock` as long as it lives; the system lets go of it, however the process ends. The empty
 * lock file stays behind: if it were removed, two processes could hold two of the same name.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  type Stats,
  writeSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, parse, resolve } from "node:path";
import { describedUser } from "../base/accounts.ts";
import { openLibc } from "../base/libc.ts";
import { fileMode, folderMode } from "../base/modes.ts";
import { failureCode } from "../base/paths.ts";

/** What a process is to its log: each has a file of its own. */
export type Role = "server" | "cluster" | "client" | "submit" | "main";

/** What decides which file it is. */
export interface Wish {
  readonly role: Role;
  /** The name of this host, without its domain. */
  readonly host: string;
  /** As the user gave it; null: the file of the role in `folder`. */
  readonly path: string | null;
  readonly folder: string;
  /** What a relative path is relative to. Throws a UserError when the working directory is not there any more. */
  readonly cwd: () => string;
}

/** The absolute path of the log file, unless another process has it. Throws as `cwd` does. */
export function logPath({ role, host, path, folder, cwd }: Wish): string {
  if (path === null) return join(folder, role === "main" ? "main.log" : `${role}-${host}.log`);
  const whole = isAbsolute(path) ? resolve(path) : resolve(cwd(), path);
  // Clients of many hosts have the same settings, and mostly the same home.
  return role === "client" ? besides(whole, `-client-${host}`) : whole;
}

/** The path with something between its name and its extension. */
function besides(path: string, words: string): string {
  const { dir, name, ext } = parse(path);
  return join(dir, `${name}${words}${ext}`);
}

const mostSlots = 100;

/** A file that is ours to write. */
export interface Slot {
  readonly path: string;
  /** What the log says of the choice as a WARNING; null: nothing. */
  readonly warning: string | null;
}

/**
 * Takes the first file that no other process has: the path itself, then `-2`, `-3`, up to `-100` in front of the
 * extension, and at last one with the number of this process. Makes the folders on the way. Throws the error of the
 * operating system when there can be none, and an Error with the reason when a link at its end is somebody else's.
 */
export function takeSlot(wanted: string, host: string, locks: Locks = systemLocks): Slot {
  mkdirSync(dirname(wanted), { recursive: true, mode: folderMode() });
  const path = followOwnLinks(wanted);
  const folder = dirname(path);
  if (path !== wanted) mkdirSync(folder, { recursive: true, mode: folderMode() });
  for (let n = 1; n <= mostSlots; n += 1) {
    const slot = n === 1 ? path : besides(path, `-${n}`);
    if (locks.take(`${slot}.lock`)) return { path: slot, warning: null };
    // Another process has it, or nobody can have one.
    if (n > 1 || locks.areThere(folder)) continue;
    const own = besides(path, `-${host}-${process.pid}`);
    return { path: own, warning: `Files cannot be locked in ${folder}: logging into ${own}` };
  }
  const own = besides(path, `-${process.pid}`);
  return { path: own, warning: `${mostSlots} other processes have ${path} and its like: logging into ${own}` };
}

/** As many links as Linux follows. */
const mostLinks = 40;

/** Where a path leads. Throws an Error where a link at its end is neither ours nor that of root. */
function followOwnLinks(path: string): string {
  let at = path;
  for (let left = mostLinks; left > 0; left -= 1) {
    const found = lstatSync(at, { throwIfNoEntry: false });
    if (found?.isSymbolicLink() !== true) return at;
    if (!isOurs(found))
      throw new Error(`${at} is a link that belongs to ${describedUser(found.uid)} - remove it, or log elsewhere`);
    at = resolve(dirname(at), readlinkSync(at));
  }
  throw new Error(`${path} leads through too many links`);
}

/** Whether somebody owns a file who may know what is logged: where a site is shared, anybody. */
function isOurs({ uid }: Stats): boolean {
  return process.geteuid === undefined || uid === process.geteuid() || uid === 0 || fileMode() !== 0o600;
}

// Windows lacks some of them, and no value adds nothing.
const { O_RDWR, O_WRONLY, O_APPEND, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_NOCTTY } = constants;

/** Opens a file that is to be ours, or makes one. Throws the error of the operating system. */
function openOwn(path: string, flags: number): number {
  try {
    const made = openSync(path, flags | O_CREAT | O_EXCL, fileMode());
    // A umask that takes from the owner would leave a file that cannot be opened again.
    if (fileMode() === 0o600 && process.platform !== "win32") fchmodSync(made, 0o600);
    return made;
  } catch (thrown) {
    if (failureCode(thrown) !== "EEXIST") throw thrown;
    return openSync(path, flags);
  }
}

/** A log file that is open to be appended to. */
export interface OpenFile {
  readonly descriptor: number;
  /** Bytes. */
  readonly size: number;
  /** When it was written last, ms since 1970. */
  readonly writtenAt: number;
}

/**
 * Opens a log file, for us alone if it is new. Throws the error of the operating system, and an Error with the reason
 * for what is no regular file, or for a file that somebody else can read, or that is known by another name as well.
 */
export function openLog(path: string): OpenFile {
  mkdirSync(dirname(path), { recursive: true, mode: folderMode() });
  const descriptor = openOwn(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  const facts = fstatSync(descriptor);
  const reason = !facts.isFile()
    ? "it is no regular file"
    : !isOurs(facts)
      ? `it belongs to ${describedUser(facts.uid)}`
      : facts.nlink > 1
        ? "it has another name as well (a hard link)"
        : null;
  if (reason === null) return { descriptor, size: facts.size, writtenAt: facts.mtimeMs };
  closeSync(descriptor);
  throw new Error(reason);
}

/** Locks that live as long as the process that has them. */
export interface Locks {
  /**
   * Takes a lock file. False: another process has it, or it is not for us. Throws the error of the operating system
   * when the file cannot be made.
   */
  take(path: string): boolean;
  /** Whether there are locks in a folder at all: some network file systems have none. */
  areThere(folder: string): boolean;
}

const openFlock = () => openLibc({ flock: { args: ["i32", "i32"], returns: "i32" } });
/** Of flock(2), Linux and macOS: a lock for one, or an answer at once. */
const exclusiveAtOnce = 2 | 4;

const systemLocks: Locks = {
  take(path) {
    let descriptor: number;
    try {
      descriptor = openOwn(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    } catch (thrown) {
      // Somebody else's file, a link or a folder of that name.
      if (lstatSync(path, { throwIfNoEntry: false }) !== undefined) return false;
      throw thrown;
    }
    const library = openFlock();
    const isOwn = library === null ? holdByNumber(path, descriptor) : library.flock(descriptor, exclusiveAtOnce) === 0;
    // Its descriptor stays open as long as it is held.
    if (!isOwn) closeSync(descriptor);
    return isOwn;
  },
  areThere(folder) {
    const library = openFlock();
    if (library === null) return true;
    const path = join(folder, `.lock-${process.pid}`);
    try {
      const descriptor = openOwn(path, O_RDWR | O_NOFOLLOW);
      const can = library.flock(descriptor, exclusiveAtOnce) === 0;
      closeSync(descriptor);
      return can;
    } catch {
      return true;
    } finally {
      rmSync(path, { force: true });
    }
  },
};

/** Where the system has no such locks (Windows), the file holds the number of the process that has it. */
function holdByNumber(path: string, descriptor: number): boolean {
  const holder = Number.parseInt(readFileSync(path, "latin1"), 10);
  if (holder > 0 && holder !== process.pid && isAlive(holder)) return false;
  writeSync(descriptor, `${process.pid}\n`.padEnd(12), 0);
  return true;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return failureCode(thrown) === "EPERM";
  }
}

/** The name of a file, and the same without its extension. */
export function stemOf(path: string): { readonly own: string; readonly stem: string } {
  return { own: basename(path), stem: parse(path).name };
}
