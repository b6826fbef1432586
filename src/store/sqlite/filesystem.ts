/*
 * Whether a folder is on a file system where SQLite's write-ahead log is safe. The log needs memory that all processes
 * share, so it works on one machine only: a database on NFS, Lustre and the like must use a rollback journal.
 */
import { statfsSync } from "node:fs";

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

/**
 * Whether a folder is on a local file system. `folder` must exist. Where the system does not tell (macOS, Windows
 * drives), it counts as local.
 */
export function isLocalFileSystem(folder: string): boolean {
  if (process.platform === "win32") return !/^[\\/]{2}/.test(folder);
  if (process.platform !== "linux") return true;
  try {
    return isLocalType(Number(statfsSync(folder).type));
  } catch {
    return false;
  }
}
