/*
 * A system in which nothing of hs was ever installed, for tests that install packages as root: this machine's own files
 * under a layer of memory that takes all changes. What a package leaves behind is what that layer holds in the end.
 * Homes, /tmp, /usr/local and the like are empty there. All of it is in a mount namespace of its own, which ends with
 * the test, even if that is killed. Needs root and Linux.
 */
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Ended } from "../e2e/harness.ts";

export interface Root extends AsyncDisposable {
  /** Runs a line of bash in it as root, with few variables. Network is only there with `hasNetwork`. */
  readonly run: (line: string, options?: RootOptions) => Promise<Ended>;
  /** The same, and throws with all that was said when it fails. Answers what was printed. */
  readonly must: (line: string, options?: RootOptions) => Promise<string>;
  /** Copies a file of ours, or what is in a folder of ours, to a place in it. */
  readonly take: (from: string, place: string) => Promise<void>;
  /** Boots systemd in it up to one unit, and waits until it is off. Its own messages are the answer's. */
  readonly boot: (unit: string) => Promise<Ended>;
  /**
   * Files and folders that were not there when it was opened, in order; of a folder that is new only itself. Pages that
   * `man` has set are left out: it does so for each that it shows.
   */
  readonly added: () => Promise<readonly string[]>;
  /** Files and folders of this machine that are gone in it. */
  readonly gone: () => Promise<readonly string[]>;
}

interface RootOptions {
  readonly hasNetwork?: boolean;
}

/** What other tests may have left on this machine, and what makes each dpkg read all manual pages anew. */
const tidied = ["/var/lib/hypershell", "/var/log/hypershell", "/etc/hypershell", "/var/lib/man-db/auto-update"];

/** Why there can be no such root here; null: there can. */
export const whyNoRoots: string | null =
  process.platform !== "linux"
    ? "layers of files are a thing of Linux"
    : process.getuid?.() !== 0
      ? "only root can mount"
      : tryLayer()
        ? null
        : "no layer can be mounted over the files of this machine";

/** The layer in memory, and what is over it: emptied where this machine has what a fresh system has not. */
function mounting(top: string): string {
  const empty = ["home", "root", "tmp", "run", "usr/local", "work", "opt", "srv", "var/tmp"];
  return [
    `mount -t tmpfs -o size=3g,mode=755 hs-root ${top}`,
    `mkdir ${top}/upper ${top}/work ${top}/root ${top}/live`,
    `mount -t overlay -o lowerdir=/,upperdir=${top}/upper,workdir=${top}/work hs-root ${top}/root`,
    `cd ${top}/root`,
    `rm -rf ${tidied.map((path) => `.${path}*`).join(" ")}`,
    ...empty.map((name) => `if [ -d ${name} ]; then mount -t tmpfs -o mode=1777 hs-root ${name}; fi`),
    // Programs get devices and processes; systemd makes its own, where there are none.
    `mount --rbind . ${top}/live && cd ${top}/live`,
    "mount -t proc proc proc",
    "mount --rbind /dev dev",
  ].join(" && ");
}

function tryLayer(): boolean {
  const top = mkdtempSync(join(tmpdir(), "hs-root-"));
  const tried = Bun.spawnSync(["unshare", "-m", "--propagation", "private", "sh", "-c", mounting(top)]);
  rmSync(top, { recursive: true });
  return tried.success;
}

async function ended(words: readonly string[]): Promise<Ended> {
  const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LANG: "C.UTF-8", TERM: "dumb" };
  const child = Bun.spawn([...words], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, stdout, stderr };
}

export async function openRoot(): Promise<Root> {
  const top = mkdtempSync(join(tmpdir(), "hs-root-"));
  // It ends, and with it the mounts, as soon as nobody holds the other end of its standard input.
  const holder = Bun.spawn(
    ["unshare", "-m", "--propagation", "private", "sh", "-c", `${mounting(top)} && echo ready && exec cat`],
    { stdin: "pipe", stdout: "pipe", stderr: "inherit", cwd: "/" },
  );
  const reader = holder.stdout.getReader();
  const { value } = await reader.read();
  if (value === undefined) throw new Error("the root could not be mounted");
  const inside = ["nsenter", `--mount=/proc/${holder.pid}/ns/mnt`, "--"];
  const enter = ["chroot", join(top, "live"), "/bin/bash", "-c"];
  const run: Root["run"] = (line, { hasNetwork = false } = {}) =>
    ended([...(hasNetwork ? [] : ["unshare", "-n"]), ...inside, ...enter, line]);
  const must: Root["must"] = async (line, options) => {
    const { status, stdout, stderr } = await run(line, options);
    if (status === 0) return stdout;
    throw new Error(`'${line}' ended with ${status}:\n${stdout}${stderr}`);
  };
  const at = async (line: string): Promise<string> => {
    const { status, stdout, stderr } = await ended([...inside, "sh", "-c", line]);
    if (status !== 0) throw new Error(`'${line}' ended with ${status}:\n${stderr}`);
    return stdout;
  };
  /** Of the layer: paths from its top, which marks what is gone by devices of number 0. */
  const inLayer = async (kind: string): Promise<readonly string[]> =>
    (await at(`cd ${top}/upper && find . -mindepth 1 ${kind} -printf '/%P\\0'`)).split("\0").filter(Boolean).toSorted();
  return {
    run,
    must,
    take: async (from, place) => {
      // Its name means nothing in there: it is opened here.
      const isFolder = lstatSync(from).isDirectory();
      const to = `${top}/live${place}`;
      const line = isFolder ? `mkdir -p ${to} && tar -xf - -C ${to}` : `cat >${to} && chmod 755 ${to}`;
      const pack = isFolder ? Bun.spawn(["tar", "-cf", "-", "-C", from, "."], { stdout: "pipe" }).stdout : null;
      const taken = Bun.spawn([...inside, "sh", "-c", line], { stdin: pack ?? Bun.file(from), stderr: "inherit" });
      if ((await taken.exited) !== 0) throw new Error(`could not copy ${from} to ${place}`);
    },
    boot: (unit) =>
      ended([
        ...inside,
        "systemd-nspawn",
        "--quiet",
        "--register=no",
        "--keep-unit",
        "--private-network",
        `--machine=hs-${process.pid}`,
        `--directory=${join(top, "root")}`,
        "--boot",
        `systemd.unit=${unit}`,
        "systemd.show_status=0",
      ]),
    async added() {
      const found = (await inLayer("! -type c")).filter((path) => !exists(path) && !path.startsWith("/var/cache/man/"));
      return found.filter((path) => !found.some((other) => path.startsWith(`${other}/`)));
    },
    gone: async () => (await inLayer("-type c")).filter((path) => !tidied.some((each) => path.startsWith(each))),
    async [Symbol.asyncDispose]() {
      await holder.stdin.end();
      await holder.exited;
      rmSync(top, { recursive: true });
    },
  };
}

function exists(path: string): boolean {
  if (tidied.some((each) => path.startsWith(each))) return false;
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
