/*
 * Small file systems for tests, which end with the test: one in memory, and one in a file, which takes nothing any more
 * from one moment on, as a disk after an error. Needs root on Linux.
 */
import { mkdirSync, writeFileSync } from "node:fs";

/** Why there can be none in memory, for `needs`; null: there can. */
export const whyNoDisks: string | null = process.getuid?.() === 0 ? null : "only root can mount a small file system";

export interface Disk extends Disposable {
  readonly path: string;
}

function run(...words: readonly string[]): void {
  const { success, stderr } = Bun.spawnSync([...words]);
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString().trim()}`);
}

/** Mounts a file system in memory at `path`, which must not exist. `size` is in the words of mount: `64k`, `4m`. */
export function openSmallDisk(path: string, size: string): Disk {
  mkdirSync(path);
  run("mount", "-t", "tmpfs", "-o", `size=${size},mode=700`, "tmpfs", path);
  return { path, [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]) };
}

export interface FailingDisk extends Disk {
  /** The file in which a 1 makes the disk read-only, as after an error. */
  readonly trigger: string;
  /** Mounts it anew, for reading only or for writing. Nothing may be open there. */
  readonly mountAnew: (mode: "ro" | "rw") => void;
}

/** Makes a file system of 16 MB in a file beside `path`, which must not exist, and mounts it there. */
export function openFailingDisk(path: string): FailingDisk {
  mkdirSync(path);
  const image = `${path}.img`;
  writeFileSync(image, "");
  run("truncate", "-s", "16M", image);
  run("mkfs.ext4", "-q", image);
  const mount = (mode: string): void => run("mount", "-o", `loop,errors=remount-ro,${mode}`, image, path);
  mount("rw");
  const device = Bun.spawnSync(["findmnt", "-no", "SOURCE", path]).stdout.toString().trim().replace("/dev/", "");
  return {
    path,
    trigger: `/sys/fs/ext4/${device}/trigger_fs_error`,
    mountAnew(mode) {
      run("umount", path);
      Bun.spawnSync(["e2fsck", "-p", image]);
      mount(mode);
    },
    [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]),
  };
}
