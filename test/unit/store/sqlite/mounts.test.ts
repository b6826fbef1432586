import { expect, test } from "bun:test";
import { isOnLocalDrive, isOnLocalMount, localMounts, type MountPorts } from "../../../../src/store/sqlite/mounts.ts";

/* What mount of macOS 14 prints, with a disk image, a stick, shares, and a folder that a virtual machine shares. */
const printed = [
  "/dev/disk3s1s1 on / (apfs, sealed, local, read-only, journaled)",
  "devfs on /dev (devfs, local, nobrowse)",
  "/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled, nobrowse, protect, root data)",
  "map auto_home on /System/Volumes/Data/home (autofs, automounted, nobrowse)",
  "/dev/disk4s1 on /Volumes/My Disk (1) (hfs, local, nodev, nosuid, journaled, noowners, mounted by alice)",
  "/dev/disk5s1 on /Volumes/STICK (msdos, local, nodev, nosuid, noowners, noatime, fskit)",
  "//alice@server/share on /Volumes/share (smbfs, nodev, nosuid, mounted by alice)",
  "//server/vol on /Volumes/vol (afpfs, nodev, nosuid, mounted by alice)",
  "server:/export/home/alice on /System/Volumes/Data/home/alice (nfs, nodev, nosuid, automounted, nobrowse)",
  "alice@host:/ on /Volumes/ssh (macfuse, nodev, nosuid, synchronous, mounted by alice)",
  "share on /Volumes/vm (virtiofs, local)",
  "",
].join("\n");

const devices: Readonly<Record<string, number>> = {
  "/": 1,
  "/Users/alice/site": 2,
  "/System/Volumes/Data": 2,
  "/Volumes/My Disk (1)": 3,
  "/Volumes/STICK": 4,
  "/Volumes/share": 5,
  "/System/Volumes/Data/home/alice": 6,
  "/Volumes/vm": 7,
};

function macOs(mounts: string | null): { readonly asked: string[]; readonly ports: MountPorts } {
  const asked: string[] = [];
  const deviceOf = (folder: string): number => {
    asked.push(folder);
    const device = devices[folder];
    if (device === undefined) throw new Error(`ENOENT: no such file or directory, stat '${folder}'`);
    return device;
  };
  return { asked, ports: { mounts: () => mounts, deviceOf } };
}

test("of what macOS has mounted, local file systems of a known kind count", () => {
  const local = ["/", "/System/Volumes/Data", "/Volumes/My Disk (1)", "/Volumes/STICK"];
  expect(localMounts(printed)).toEqual(local);
});

test("a folder of macOS is where its device is mounted, and shares are not asked", () => {
  const { asked, ports } = macOs(printed);
  const isLocal = (folder: string): boolean => isOnLocalMount(folder, ports, new Map());
  expect(["/Users/alice/site", "/Volumes/My Disk (1)", "/"].map(isLocal)).toEqual([true, true, true]);
  expect(["/Volumes/share", "/System/Volumes/Data/home/alice", "/Volumes/vm"].map(isLocal)).toEqual(
    Array(3).fill(false),
  );
  expect(isLocal("/not/there")).toBeFalse();
  expect(asked.filter((folder) => folder === "/Volumes/share")).toHaveLength(1);
});

test("where mount does not answer, nothing is known to be local", () => {
  expect(isOnLocalMount("/", macOs(null).ports, new Map())).toBeFalse();
});

test("a device is looked up once", () => {
  const { asked, ports } = macOs(printed);
  const seen = new Map<number, boolean>();
  for (let n = 0; n < 3; n++) expect(isOnLocalMount("/Users/alice/site", ports, seen)).toBeTrue();
  expect(asked.filter((folder) => folder === "/System/Volumes/Data")).toHaveLength(1);
});

test("a folder of Windows is local unless it is on a share, or on a drive that is one", () => {
  const typeOf = (top: string): number | null => ({ "C:\\": 3, "N:\\": 4 })[top] ?? null;
  const isLocal = (folder: string): boolean => isOnLocalDrive(folder, typeOf);
  expect(["C:\\x", "D:\\x", "\\\\?\\C:\\x"].map(isLocal)).toEqual([true, true, true]);
  expect(["N:\\x", "\\\\server\\share", "//server/share", "\\\\?\\UNC\\server\\share"].map(isLocal)).toEqual(
    Array(4).fill(false),
  );
});
