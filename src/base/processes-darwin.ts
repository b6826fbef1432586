/*
 * Processes as macOS tells of them: by ps, a program. One look takes some milliseconds, so looks are shared for a
 * moment by all who ask whether processes live.
 *
 * kill(2) of macOS finds zombies, and refuses (EPERM) a group in which nobody else is left: ps tells them apart. The
 * environment of programs that belong to macOS is not shown (System Integrity Protection).
 *
 * Source: ps(1), kill(2), lsof(8) and sysctl(8) of macOS.
 */
import { systemClock } from "./clock.ts";
import { isThere, type Processes, type ProcessRow, type ProcessState } from "./process-source.ts";

/** What is asked of the system; tests answer themselves. */
export interface DarwinPorts {
  /** What a program prints; null: it cannot be started, or fails. */
  readonly ask: (words: readonly string[]) => string | null;
  /** Whether kill(2) finds a process. */
  readonly isThere: (pid: number) => boolean;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const systemPorts: DarwinPorts = { ask, isThere, now: systemClock.now };

/**
 * What ps prints of each process, in this order, without a head. Each has an option of its own: what follows `=` in the
 * same word is taken for the head of that column. The time of the start has no fixed width.
 */
const columns = ["pid", "ppid", "pgid", "state", "lstart"].flatMap((name) => ["-o", `${name}=`]);

/** How long a look holds, milliseconds. */
const lookMs = 200;

/** A process in what ps prints. */
interface Row {
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly state: ProcessState;
  /** What stands behind the columns: nothing, or the command and its environment. */
  readonly rest: string;
}

/** What ps tells. */
export function darwinProcesses(ports: DarwinPorts = systemPorts): Processes {
  let table: string | null | undefined;
  let last: { readonly at: number; readonly rows: ReadonlyMap<number, Row> } | null = null;
  function look(): ReadonlyMap<number, Row> {
    const at = ports.now();
    if (last === null || at - last.at > lookMs || at < last.at) {
      const rows = rowsOf(ports.ask(["/bin/ps", "-A", ...columns]) ?? "");
      last = { at, rows: new Map(rows.map((row) => [row.pid, row])) };
    }
    return last.rows;
  }
  return {
    table() {
      if (table === undefined) table = ports.ask(["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"])?.trim() || null;
      return table;
    },
    stateOf(pid) {
      const text = ports.ask(["/bin/ps", "-p", `${pid}`, ...columns]) ?? "";
      return rowsOf(text).find((row) => row.pid === pid)?.state ?? null;
    },
    isStill(pid, startedAt) {
      if (!ports.isThere(pid)) return false;
      const state = look().get(pid)?.state;
      return state !== undefined && !state.isOver && (startedAt === "" || state.startedAt === startedAt);
    },
    memberOf(group, _member, isRefused) {
      if (!isRefused) return group;
      for (const row of look().values()) if (row.group === group && !row.state.isOver) return row.pid;
      return null;
    },
    all(mark) {
      const text = ports.ask(["/bin/ps", "-A", "-E", "-ww", ...columns, "-o", "command="]) ?? "";
      return rowsOf(text).flatMap((row) => (row.state.isOver ? [] : [withEnvironment(row, mark)]));
    },
    openFiles() {
      const text = ports.ask(["/usr/sbin/lsof", "-w", "-n", "-P", "-u", `${process.getuid?.()}`, "-F", "n"]) ?? "";
      return new Set(Array.from(text.matchAll(/^n(\/.*)$/gm), ([, path]) => path!));
    },
  };
}

function ask(words: readonly string[]): string | null {
  try {
    // The time of a start is told in the zone and the language of who asks.
    const env = { LC_ALL: "C", TZ: "UTC0" };
    const { success, stdout } = Bun.spawnSync([...words], { env, stdin: "ignore", stderr: "ignore" });
    return success ? stdout.toString("latin1") : null;
  } catch {
    // There are no more processes just now.
    return null;
  }
}

const row = /^ *(\d+) +(\d+) +(\d+) +(\S+) +(\w+ +\w+ +\d+ +[\d:]+ +\d+) *(.*)$/gm;

function rowsOf(text: string): Row[] {
  const rows: Row[] = [];
  for (const [, pid, parent, group, letters, start, rest] of text.matchAll(row)) {
    const state = { startedAt: start!.replace(/ +/g, " "), isOver: letters!.startsWith("Z") };
    rows.push({ pid: Number(pid), parent: Number(parent), group: Number(group), state, rest: rest! });
  }
  return rows;
}

function withEnvironment({ pid, parent, group, state, rest }: Row, mark: string): ProcessRow {
  // Values with blanks fall apart, but the ids that are looked for have none.
  const words = rest.split(" ");
  const environment = rest.includes(mark) ? `\0${words.join("\0")}\0` : null;
  const name = words[0]!.slice(words[0]!.lastIndexOf("/") + 1);
  return { pid, parent, group, session: 0, startedAt: state.startedAt, name, environment };
}
