/*
 * What the file system of a database lets it do, and how a file is opened there. SQLite's write-ahead log needs memory
 * that all processes share, so it works on one machine only: a database on NFS, Lustre and the like must use a rollback
 * journal. And a log must not take most of a small disk.
 */
import { accessSync, constants, existsSync, statfsSync, statSync, utimesSync } from "node:fs";
import { resolve } from "node:path";
import { failureCode } from "../../base/paths.ts";
import { isOnLocalDrive, isOnLocalMount } from "./mounts.ts";

/**
 * Linux file systems known to be local, by f_type of statfs(2) (linux/magic.h). Everything else counts as a network:
 * unknown types, FUSE (sshfs and ntfs-3g look alike) and folders that a virtual machine shares with its host. A wrong
 * guess makes a database slower, but never damages it.
 */
const localTypes: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // xfs
  0x9123683e, // btrfs
  0x2fc12fc1, // zfs
  0xf2f52010, // f2fs
  0xca451a4e, // bcachefs
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
  0x3153464a, // jfs
  0x52654973, // reiserfs
  0x3434, // nilfs2
  0x4d44, // vfat
  0x2011bab0, // exfat
  0x7366746e, // ntfs3
  0xf15f, // ecryptfs
]);

/** Whether the type of a file system, f_type of statfs(2), is known to be local. */
export function isLocalType(type: number): boolean {
  return localTypes.has(type >>> 0);
}

/** The file system that a database is on. */
export interface FileSystem {
  /** Whether it is known to be local. */
  readonly isLocal: boolean;
  /** How much may be added to it, bytes; Infinity: not known. */
  readonly freeBytes: number;
}

/** The file system of `folder`, which must exist. */
export function fileSystemOf(folder: string): FileSystem {
  try {
    const { type, bavail, bsize } = statfsSync(folder);
    return { isLocal: isLocal(folder, Number(type)), freeBytes: bavail * bsize };
  } catch {
    return { isLocal: isLocal(folder, 0), freeBytes: Number.POSITIVE_INFINITY };
  }
}

function isLocal(folder: string, type: number): boolean {
  switch (process.platform) {
    case "darwin":
      return isOnLocalMount(folder);
    case "win32":
      return isOnLocalDrive(resolve(folder));
    default:
      return isLocalType(type);
  }
}

/** Whether a file or folder is on a file system that is mounted only for reading. */
export function isMountedReadOnly(path: string): boolean {
  return refusesAsReadOnly(() => accessSync(path, constants.W_OK));
}

/** Whether a file or folder is on a file system that is mounted only for reading, or that takes nothing any more. */
export function isReadOnlyPlace(path: string): boolean {
  return isMountedReadOnly(path) || refusesAsReadOnly(() => touch(path));
}

/** A file system that stopped after an error is not mounted otherwise than before: only changes are refused. */
function touch(path: string): void {
  const { atime, mtime } = statSync(path);
  utimesSync(path, atime, mtime);
}

function refusesAsReadOnly(work: () => void): boolean {
  try {
    work();
    return false;
  } catch (error) {
    return failureCode(error) === "EROFS";
  }
}

/** How SQLite is to open a file: a path or a URI, and its flags. Source: https://www.sqlite.org/c3ref/open.html */
export interface Way {
  readonly name: string;
  readonly flags: number;
}

const [readOnly, readWrite, uri] = [0x01, 0x02, 0x40];
/** A log without a page in it has only this, bytes. Source: https://www.sqlite.org/fileformat2.html (4.1) */
const logHeaderBytes = 32;

/** The usual way to open a file that is there. */
export function wayToWrite(file: string): Way {
  return { name: file, flags: readWrite };
}

/** A way to open a file that cannot be written, or is in a folder where nothing can be made. */
export function wayToRead(file: string): Way {
  // Without a page in a log, or a journal, beside the file nobody writes to it. It can then be read without locks,
  // which a folder that we cannot write to does not allow.
  const hasLog = (statSync(`${file}-wal`, { throwIfNoEntry: false })?.size ?? 0) > logHeaderBytes;
  const still = hasLog || existsSync(`${file}-journal`) ? "" : "?immutable=1";
  return { name: `${uriOf(file)}${still}`, flags: readOnly | uri };
}

/** A path as SQLite takes it in a URI: on Windows that of a drive stands behind a slash. */
function uriOf(file: string): string {
  const path = process.platform === "win32" ? file.replaceAll("\\", "/").replace(/^(?=[A-Za-z]:)/, "/") : file;
  // A colon means nothing there but behind the letter of a drive.
  return `file:${path
    .split("/")
    .map(encodeURIComponent)
    .join("/")
    .replace(/^(\/[A-Za-z])%3A/, "$1:")}`;
}
