/*
 * Ends what clients of this site have left running on this host that were killed together with their guards
 * (orphans.ts). A client whose tasks last notes itself in a folder of the site, and takes the note away when it ends in
 * order: so a note whose process has gone tells of a client that was killed. Who finds one ends what carries that
 * client's id, before a task of its own starts: it may be the same one. What a client that ended in order has left in
 * the background is not touched.
 *
 * Not on Windows, where no process outlives its client. Without a folder (a site that has none yet, a disk that is
 * full) it does nothing.
 */
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { type ProcessRow, variableIn } from "../base/process-source.ts";
import { processes } from "../base/processes.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";

export interface Predecessors {
  /** Whether something that a predecessor left is still being ended: no task may start. */
  isBusy(): boolean;
  /** Notes that tasks of this client last. */
  note(): void;
  /** Takes the note away, because this client ends in order. */
  close(): void;
}

export interface PredecessorOptions {
  /** Where clients note themselves. */
  readonly folder: string;
  readonly clientId: string;
  readonly clock: Clock;
  readonly log: Pick<Logger, "warning">;
}

/** What a client notes of itself. */
interface Note {
  readonly client: string;
  readonly pid: number;
  /** The start of the process, see ProcessState. */
  readonly startedAt: string;
  /** In which process table that is, see Processes. */
  readonly table: string;
}

/** The pause between two looks, and when SIGKILL follows SIGTERM, and when the looks end, milliseconds. */
const lookMs = 50;
const killAfterMs = 2000;
const giveUpAfterMs = 10_000;

const owner = "TASK_CLIENT_ID";
const windows = process.platform === "win32";

interface State extends PredecessorOptions {
  /** The clients that were killed. */
  readonly gone: Set<string>;
  startedAt: number;
  timer: Timer | null;
  isNoted: boolean;
}

/** Looks for notes of clients that were killed, and begins to end what they left. */
export function findPredecessors(options: PredecessorOptions): Predecessors {
  const state: State = { ...options, gone: new Set(), startedAt: 0, timer: null, isNoted: false };
  const { folder, clientId, clock } = options;
  if (!windows) takeNotes(state);
  if (state.gone.size > 0) {
    state.startedAt = clock.now();
    endLeft(state, true);
  }
  return {
    isBusy: () => state.timer !== null,
    note() {
      if (state.isNoted || windows) return;
      state.isNoted = true;
      quietly(() => {
        quietly(() => mkdirSync(folder, { mode: 0o700 }));
        const table = processes().table();
        const startedAt = processes().stateOf(process.pid)?.startedAt;
        if (table === null || startedAt === undefined) return;
        const note: Note = { client: clientId, pid: process.pid, startedAt, table };
        writeFileSync(join(folder, clientId), JSON.stringify(note), { mode: 0o600 });
      });
    },
    close() {
      state.timer?.cancel();
      state.timer = null;
      if (state.isNoted) quietly(() => rmSync(join(folder, clientId)));
    },
  };
}

/** Takes away the notes of clients that were killed here, and keeps in mind whose they were. */
function takeNotes({ folder, gone }: State): void {
  quietly(() => {
    const names = readdirSync(folder);
    const table = names.length === 0 ? null : processes().table();
    if (table === null) return;
    for (const name of names) {
      quietly(() => {
        const path = join(folder, name);
        // Nobody else may have our processes ended by a note.
        if (lstatSync(path).uid !== process.getuid?.()) return;
        const note = JSON.parse(readFileSync(path, "utf8")) as Partial<Note>;
        if (note.client !== name || note.table !== table || isAlive(note)) return;
        rmSync(path);
        gone.add(name);
      });
    }
  });
}

function isAlive({ pid, startedAt }: Partial<Note>): boolean {
  const state = processes().stateOf(Number(pid));
  return state !== null && !state.isOver && state.startedAt === startedAt;
}

/** Ends what is left, step by step. */
function endLeft(state: State, isFirst: boolean): void {
  const { clock, log, gone } = state;
  state.timer = null;
  const left = carriers(gone);
  const passedMs = clock.now() - state.startedAt;
  if (left.length === 0 || passedMs > giveUpAfterMs) return;
  if (isFirst) {
    const what = left.length === 1 ? "a process" : `${left.length} processes`;
    const whose = `${counted(gone.size, "client")} that ${gone.size === 1 ? "was" : "were"} killed`;
    log.warning(`Ending ${what} of ${whose} on this host, before any task starts`);
  }
  const signal = isFirst ? "SIGTERM" : "SIGKILL";
  if (isFirst || passedMs >= killAfterMs) for (const { pid } of left) quietly(() => process.kill(pid, signal));
  state.timer = clock.after(lookMs, () => endLeft(state, false));
}

/** The processes that carry the id of one of these clients, and what they have started. */
function carriers(clients: ReadonlySet<string>): readonly ProcessRow[] {
  const rows = processes().all(owner);
  const children = Map.groupBy(rows, ({ parent }) => parent);
  const ownerOf = ({ environment }: ProcessRow): string | null =>
    environment === null ? null : variableIn(environment, owner);
  const found = new Set(rows.filter((row) => clients.has(ownerOf(row) ?? "")));
  for (const row of found) {
    // What another hs has started is its own.
    if (row.name === "hs" || row.name === "hsx") continue;
    for (const child of children.get(row.pid) ?? []) if (ownerOf(child) === null) found.add(child);
  }
  return [...found].filter(({ pid }) => pid !== process.pid);
}

/** Does something that may fail without harm. */
function quietly(work: () => void): void {
  try {
    work();
  } catch {
    // It is not there, or somebody else was quicker.
  }
}
