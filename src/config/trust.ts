/*
 * Whose a configuration is. Whoever can write one can have any program run (`VAR_eval`, `[export]`), so nothing counts
 * that somebody else may have written: a file, its folder and the folder that this is in belong to the user or to root,
 * and nobody else may write them. This is how sshd judges its files (StrictModes). Why it looks no higher is told in
 * docs/decisions/whose-configuration.md. Does not know what a configuration says.
 */
import { closeSync, fstatSync, lstatSync, openSync, readFileSync, readlinkSync, type Stats, statSync } from "node:fs";
import { dirname, isAbsolute, join, parse } from "node:path";
import { describedGroup, describedUser, isGroupOfOne } from "../base/accounts.ts";
import { failureCode, realPath } from "../base/paths.ts";

/** Who may have written something, besides the user of this process. */
export interface Rule {
  /** What root has written counts. */
  readonly orRoot: boolean;
  /** A folder that everybody may write counts, if only the owner may rename what is in it, as in /tmp. */
  readonly orSticky?: boolean;
  /** The administrator's own file: in a container without rights its owner may be a user that has no number there. */
  readonly orUnmapped?: boolean;
  /** Anybody whom the mode lets write it, but not everybody. */
  readonly orShared?: boolean;
}

/** A file that counts if the user or root has written it. */
const ofUser: Rule = { orRoot: true };
/** A folder that has such a file or folder. */
const around: Rule = { orRoot: true, orSticky: true };

/** What a configuration file has, or why it does not count. `text` null: there is none that counts. */
export interface Trusted {
  readonly text: string | null;
  /** What belongs to whom, and what to do, as the end of a sentence; null: nothing stands in the way. */
  readonly reason: string | null;
}

/**
 * Reads a configuration file if it counts. Throws the error of the operating system when it cannot be read, and
 * TypeError when it is not UTF-8.
 */
export function readTrusted(file: string, more: Partial<Rule> = {}): Trusted {
  const reason = whyNotTrusted(file, more);
  if (reason !== null) return { text: null, reason };
  let descriptor: number;
  try {
    descriptor = openSync(file, "r");
  } catch (thrown) {
    if (failureCode(thrown) === "ENOENT" || failureCode(thrown) === "ENOTDIR") return { text: null, reason: null };
    throw thrown;
  }
  try {
    // Once more, of what was opened: where a folder farther out can be renamed, another file may have come between.
    const late = whyForeign(file, fstatSync(descriptor), { ...ofUser, ...more });
    if (late !== null) return { text: null, reason: late };
    return { text: new TextDecoder("utf-8", { fatal: true }).decode(readFileSync(descriptor)), reason: null };
  } finally {
    closeSync(descriptor);
  }
}

/** Why a configuration file does not count, as the end of a sentence; null: it does, or is not there. */
function whyNotTrusted(file: string, more: Partial<Rule> = {}): string | null {
  if (!hasOwners()) return null;
  let found: Stats | undefined;
  try {
    found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined) return null;
  } catch {
    // In a folder of somebody else that lets nobody in. What else it may be is told by whoever opens it.
  }
  const rule = { ...ofUser, ...more };
  const folders = { ...around, ...more };
  // The folders first: in one of somebody else it is no use to have the file.
  const real = realPath(file);
  const paths = new Set([file, real].flatMap((path) => [dirname(path), dirname(dirname(path))]));
  for (const path of paths) {
    const folder = look(statSync, path);
    const why = folder === undefined ? null : whyForeign(path, folder, folders);
    if (why !== null) return why;
  }
  const reason = found === undefined ? null : whyForeign(file, found, rule);
  return reason ?? (real === file ? null : whyForeignLink(file, rule));
}

/**
 * Why a configuration file is not to be changed, as the end of a sentence: it or its folder is somebody else's, or
 * others may write the folder. null: it can be. A file of ours that others may write is changed by whoever looks at it.
 */
export function whyNotChange(file: string): string | null {
  if (!hasOwners()) return null;
  const found = look(statSync, file);
  const reason = found === undefined ? null : whyOfAnother(file, found, ofUser);
  return reason ?? whyFolderForeign(dirname(file), [], around);
}

/**
 * Who may write a file, or exchange what is in a folder, besides the user of this process and root; null: nobody, or
 * there is nothing.
 */
export function whoElseWrites(file: string): { readonly owner: string | null; readonly mode: string } | null {
  const found = look(statSync, file);
  if (!hasOwners() || found === undefined) return null;
  const isOurs = found.uid === userNumber() || found.uid === 0;
  if (isOurs && whyForeign(file, found, around) === null) return null;
  return { owner: isOurs ? null : describedUser(found.uid), mode: describedMode(found) };
}

/** What others may read of a file of ours, as a sentence with the remedy; null: nothing. `orGroup`: its group may. */
export function whyOthersMayRead(file: string, orGroup: boolean): string | null {
  const found = look(statSync, file);
  if (!hasOwners() || found === undefined || found.uid !== userNumber() || !found.isFile()) return null;
  const isForGroup = !orGroup && (found.mode & 0o040) !== 0 && !isGroupOfOne(found.gid, found.uid);
  if ((found.mode & 0o004) === 0 && !isForGroup) return null;
  const mode = describedMode(found);
  return `Others can read the key or password in ${file} (${mode}): chmod ${orGroup ? "o-r" : "600"} ${file}`;
}

/** Why others may write a file of ours, as the end of a sentence; null: nobody else may. */
export function whyOthersMayWrite(file: string): string | null {
  const found = look(statSync, file);
  return found === undefined ? null : whyForeign(file, found, { ...ofUser });
}

/**
 * Why a folder does not count with what is named in it; null: all of it does, or is not there. A link has to be ours as
 * what it leads to.
 */
export function whyFolderForeign(folder: string, names: readonly string[], rule: Rule): string | null {
  if (!hasOwners()) return null;
  const above = dirname(folder);
  const outer = look(statSync, above);
  for (const path of [folder, ...names.map((name) => join(folder, name))]) {
    const itself = look(lstatSync, path);
    if (itself === undefined) continue;
    const target = itself.isSymbolicLink() ? look(statSync, path) : itself;
    // The mode of a link says nothing.
    const reason =
      (itself.isSymbolicLink() ? whyOfAnother(path, itself, rule) : null) ??
      (target === undefined ? null : whyForeign(path, target, rule));
    if (reason !== null) return reason;
  }
  return outer === undefined ? null : whyForeign(above, outer, around);
}

/** Why what is at a path may have been written by somebody else; null: nobody else can have. */
function whyForeign(path: string, found: Stats, rule: Rule): string | null {
  if (!hasOwners()) return null;
  const shared = rule.orShared === true;
  const reason = shared ? null : whyOfAnother(path, found, rule);
  if (reason !== null) return reason;
  // Modes of devices, such as /dev/null, say nothing of what is read from them.
  if (found.isCharacterDevice()) return null;
  const isForAll = (found.mode & 0o002) !== 0;
  const isForGroup = !shared && (found.mode & 0o020) !== 0;
  if (!isForAll && !isForGroup) return null;
  if (rule.orSticky === true && found.isDirectory() && (found.mode & 0o1000) !== 0) return null;
  if (!isForAll && (isGroupOfOne(found.gid, userNumber()) || isGroupOfOne(found.gid, 0))) return null;
  const who = describedMode(found) + (isForAll ? "" : `, group ${describedGroup(found.gid)}`);
  const or =
    rule.orSticky === true && found.isDirectory() ? ` (or chmod +t ${path}, if others are to write there)` : "";
  return `others may write ${path} (${who}) - look at what is in it, then say: chmod go-w ${path}${or}`;
}

function describedMode({ mode }: Stats): string {
  return `mode ${(mode & 0o7777).toString(8).padStart(4, "0")}`;
}

function whyOfAnother(path: string, found: Stats, rule: Rule): string | null {
  const { uid } = found;
  const user = userNumber();
  if (uid === user || (rule.orRoot && uid === 0)) return null;
  if (rule.orUnmapped === true && uid === unmapped && !isRootMapped()) return null;
  const me = describedUser(user);
  const remedy = found.isDirectory()
    ? "use a folder of your own"
    : `look at what is in it, then copy it, or say as root: chown ${me} ${path}`;
  return `${path} belongs to ${describedUser(uid)}, and you are ${me} - ${remedy}`;
}

/** Why a link on the way to a file may be somebody else's; null: there is none. */
function whyForeignLink(file: string, rule: Rule): string | null {
  // As many as Linux follows.
  let left = 40;
  const rest = partsOf(file);
  for (let at = parse(file).root; rest.length > 0 && left > 0;) {
    const path = join(at, rest.shift()!);
    const found = look(lstatSync, path);
    if (found?.isSymbolicLink() !== true) {
      at = path;
      continue;
    }
    const reason = rule.orShared === true ? null : whyOfAnother(path, found, rule);
    if (reason !== null) return reason;
    left -= 1;
    const target = readlinkSync(path);
    rest.unshift(...partsOf(target));
    if (isAbsolute(target)) at = parse(target).root;
  }
  return null;
}

function partsOf(path: string): string[] {
  return path.split("/").filter((part) => part !== "" && part !== ".");
}

/** What is at a path; undefined: nothing, or nothing that may be seen. */
function look(stat: typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Whether files have owners and modes: on Windows they have other rights. */
function hasOwners(): boolean {
  return process.geteuid !== undefined;
}

function userNumber(): number {
  return process.geteuid?.() ?? 0;
}

/** Whom Linux names as the owner where a user has no number, /proc/sys/kernel/overflowuid. */
const unmapped = 65_534;

/** Whether root is a user that this process can see. */
function isRootMapped(): boolean {
  try {
    // INSIDE OUTSIDE COUNT: all users, as they are.
    return /^\s*0\s+0\s+4294967295\s*$/.test(readFileSync("/proc/self/uid_map", "latin1"));
  } catch {
    return true;
  }
}
