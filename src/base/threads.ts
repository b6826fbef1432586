/*
 * Threads of this program where processes and threads are scarce (a small container, `ulimit -u`). The JavaScript
 * engine starts threads whenever it likes, and aborts when it cannot have one. It reads how many it may have from the
 * environment, once, when it starts: so the program takes its own place with that set, before it has done anything.
 *
 * Source: Linux, cgroups(7), "pids" of cgroup v1 and v2, proc(5), execve(2).
 */
import type * as ffi from "bun:ffi";
import { readFileSync } from "node:fs";
import { openLibc } from "./libc.ts";

/** Garbage is collected, and code compiled, by the one thread that runs the program. */
const few = ["BUN_JSC_numberOfGCMarkers=1", "BUN_JSC_useConcurrentGC=0", "BUN_JSC_useConcurrentJIT=0"] as const;
/** Says that it was done. Neither it nor the others are for tasks. */
const mark = "HS_FEW_THREADS";

/** How much more room than `wanted` processes there must be, or threads are saved. */
const reserve = 200;

/** Takes what was set for this program out of its environment, and answers whether anything was. */
function forgetThreads(env: Record<string, string | undefined>): boolean {
  if (env[mark] === undefined) return false;
  delete env[mark];
  for (const each of few) delete env[each.slice(0, each.indexOf("="))];
  return true;
}

const isDone = forgetThreads(process.env);

/**
 * Makes the program use few threads if there is not much more room than for `wanted` processes. It starts anew then,
 * and this never returns.
 */
export function saveThreads(wanted: number): void {
  if (process.platform !== "linux" || isDone || roomForProcesses() > wanted + reserve) return;
  try {
    startAnew();
  } catch {
    // It goes on as it is.
  }
}

/** How many processes and threads may be added here; Infinity where nothing is known of a limit. */
function roomForProcesses(): number {
  let room = Number.POSITIVE_INFINITY;
  // The limit of a user. How many there are already is not known, and root has none.
  if (process.getuid?.() !== 0) {
    const most = /^Max processes +(\d+)/m.exec(textOf("/proc/self/limits"))?.[1];
    if (most !== undefined) room = Number(most);
  }
  for (const folder of groupFolders()) {
    const most = Number.parseInt(textOf(`${folder}/pids.max`), 10);
    if (!Number.isNaN(most)) room = Math.min(room, most - Number(textOf(`${folder}/pids.current`)));
  }
  return room;
}

/** The folders of the control groups that count the processes of this one, from its own up to the top. */
function groupFolders(): string[] {
  const line = /^(?:\d+:(?:[^:]*,)?pids(?:,[^:]*)?|0:):(.*)$/m;
  const found = textOf("/proc/self/cgroup")
    .split("\n")
    .flatMap((each) => line.exec(each)?.slice(1) ?? []);
  return found.flatMap((path) => {
    const parts = path.split("/").filter((part) => part !== "");
    const below = parts.map((_, at) => `/${parts.slice(0, parts.length - at).join("/")}`);
    return [...below, ""].flatMap((each) => [`/sys/fs/cgroup/pids${each}`, `/sys/fs/cgroup${each}`]);
  });
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return "";
  }
}

/** Has the system put this program in its own place, with the same words. Comes back only if that failed. */
function startAnew(): void {
  const { ptr } = process.getBuiltinModule("bun:ffi") as typeof ffi;
  const library = openLibc({ execve: { args: ["ptr", "ptr", "ptr"], returns: "i32" } });
  const kept: Uint8Array[] = [];
  function list(items: readonly Uint8Array[]): BigUint64Array {
    kept.push(...items);
    return new BigUint64Array([...items.map((item) => BigInt(ptr(item))), 0n]);
  }
  const words = split(readFileSync("/proc/self/cmdline"));
  const variables = split(readFileSync("/proc/self/environ"));
  const added = [...few, `${mark}=1`].map((each) => Buffer.from(`${each}\0`));
  library?.execve(Buffer.from("/proc/self/exe\0"), list(words), list([...variables, ...added]));
}

/** The texts of a list, each with the NUL at its end. */
function split(bytes: Uint8Array): Uint8Array[] {
  const texts: Uint8Array[] = [];
  for (let from = 0; from < bytes.length;) {
    const end = bytes.indexOf(0, from);
    const until = end < 0 ? bytes.length : end + 1;
    // A copy has an address of its own.
    texts.push(Uint8Array.from(end < 0 ? [...bytes.subarray(from), 0] : bytes.subarray(from, until)));
    from = until;
  }
  return texts;
}
