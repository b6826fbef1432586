/*
 * Which file systems of macOS and drives of Windows are local. Knows nothing of databases.
 *
 * macOS says so of each mounted file system (the flag MNT_LOCAL, `local` in what mount prints), also of some that a
 * virtual machine shares with its host: so the kind has to be a known one, too. A folder is on the file system that has
 * the same device number. Only the folders of local file systems are asked for theirs: that of a server which does not
 * answer would never tell.
 *
 * Source: mount(8), statfs(2) of macOS; GetDriveTypeW of the Win32 API.
 */
import type * as ffi from "bun:ffi";
import { statSync } from "node:fs";

const localKinds: ReadonlySet<string> = new Set(["apfs", "hfs", "exfat", "msdos", "tmpfs", "udf"]);

/** The folders at which local file systems are mounted, of what mount prints on macOS. */
export function localMounts(printed: string): string[] {
  const found: string[] = [];
  for (const [, folder, words] of printed.matchAll(/^.*? on (\/.*) \(([^()]*)\)$/gm)) {
    const [kind = "", ...flags] = words!.split(/, */);
    if (localKinds.has(kind) && flags.includes("local")) found.push(folder!);
  }
  return found;
}

/** What is asked of macOS; tests answer themselves. */
export interface MountPorts {
  /** What mount prints; null: it cannot be started. */
  readonly mounts: () => string | null;
  /** The device number of a folder. Throws the error of the operating system. */
  readonly deviceOf: (folder: string) => number;
}

const systemPorts: MountPorts = {
  mounts() {
    const { success, stdout } = Bun.spawnSync(["/sbin/mount"], { stdin: "ignore", stderr: "ignore", env: {} });
    return success ? stdout.toString("utf8") : null;
  },
  deviceOf: (folder) => statSync(folder).dev,
};

/** What is known of devices by now: they stay what they are while this process has files there. */
const known = new Map<number, boolean>();

/** Whether a folder of macOS is known to be on a local file system. */
export function isOnLocalMount(folder: string, ports: MountPorts = systemPorts, seen = known): boolean {
  try {
    const device = ports.deviceOf(folder);
    const before = seen.get(device);
    if (before !== undefined) return before;
    const isLocal = localMounts(ports.mounts() ?? "").some((each) => isOn(each, device, ports));
    seen.set(device, isLocal);
    return isLocal;
  } catch {
    return false;
  }
}

function isOn(mount: string, device: number, { deviceOf }: MountPorts): boolean {
  try {
    return deviceOf(mount) === device;
  } catch {
    // It was taken away meanwhile, or is for others.
    return false;
  }
}

/** A drive that is a folder of another host. */
const remote = 4;

/**
 * Whether a folder of Windows is on a drive of this host. `typeOf` answers what GetDriveTypeW does of the top of a
 * drive; null: that cannot be asked.
 */
export function isOnLocalDrive(folder: string, typeOf: (top: string) => number | null = driveType): boolean {
  // `\\?\C:\x` is `C:\x`, and every other path that begins so is a share or a device.
  const plain = folder.replace(/^[\\/]{2}[?.][\\/](?=[A-Za-z]:)/, "");
  const letter = /^[A-Za-z]:/.exec(plain)?.[0];
  return letter !== undefined && typeOf(`${letter}\\`) !== remote;
}

function driveType(top: string): number | null {
  try {
    const { dlopen } = process.getBuiltinModule("bun:ffi") as typeof ffi;
    const { GetDriveTypeW } = dlopen("kernel32.dll", { GetDriveTypeW: { args: ["ptr"], returns: "u32" } }).symbols;
    return GetDriveTypeW(Buffer.from(`${top}\0`, "utf16le"));
  } catch {
    return null;
  }
}
