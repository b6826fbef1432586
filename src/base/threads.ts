/*
 * Threads of this program where processes and threads are scarce (a small container, `ulimit -u`). The JavaScript
 * engine starts threads whenever it likes, and aborts when it cannot have one. It reads how many it may have from the
 * environment, once, when it starts: so the program takes its own place with that set, before it has done anything.
 *
 * Source: Linux, cgroups(7), "pids" of cgroup v1 and v2, proc(5).
 */
import { readFileSync } from "node:fs";
import { ownVariables, ownWords, startAnew } from "./anew.ts";
import { processLimit } from "./process.ts";

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
    const added = [...few, `${mark}=1`].map((each) => Buffer.from(`${each}\0`));
    startAnew(ownWords(), [...ownVariables(), ...added]);
  } catch {
    // It goes on as it is.
  }
}

/** How many processes and threads may be added here; Infinity where nothing is known of a limit. */
function roomForProcesses(): number {
  let room = Number.POSITIVE_INFINITY;
  // The limit of a user. How many there are already is not known, and root has none.
  if (process.getuid?.() !== 0) {
    const most = Number(processLimit("Max processes")?.soft);
    if (!Number.isNaN(most)) room = most;
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
