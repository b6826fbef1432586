/*
 * Pieces of what a task of a database has printed, also while it runs: from its captured file here, or from a copy of
 * the one on the host where it runs.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runtimeError } from "../../base/errors.ts";
import { excerptOf } from "../../base/excerpt.ts";
import type { TaskRecord } from "../../history/history.ts";
import { mostPiece, type OutputPiece, type OutputQuery } from "../../view/view.ts";
import {
  type Captured,
  capturedFiles,
  type CapturePorts,
  fileName,
  isCaptured,
  isSameHost,
  isText,
  mayBeEmpty,
  neverMade,
  openHere,
  openThere,
} from "../captured.ts";

/** How long a copy of a file that still grows is good for, milliseconds. */
const freshMs = 2000;

/** A copy of the file of a task that runs elsewhere. */
interface Copy {
  readonly path: string;
  readonly at: number;
}

/** Answers pieces of the output of tasks, and keeps copies until it is closed. */
export interface Outputs {
  /** Throws UserError when there is no such output: why, and what to do. */
  piece(task: TaskRecord, query: OutputQuery): Promise<OutputPiece>;
  close(): void;
}

interface State {
  readonly ports: CapturePorts;
  readonly copies: Map<string, Copy>;
  /** The folder of the copies; null: there is none yet. */
  folder: string | null;
}

/** Nothing is copied yet. */
export function newOutputs(ports: CapturePorts): Outputs {
  const state: State = { ports, copies: new Map(), folder: null };
  return {
    piece: (task, query) => piece(state, task, query),
    close() {
      if (state.folder !== null) rmSync(state.folder, { recursive: true, force: true });
      state.folder = null;
      state.copies.clear();
    },
  };
}

async function piece(state: State, task: TaskRecord, query: OutputQuery): Promise<OutputPiece> {
  const over = task.exit_status !== null;
  const file = capturedFiles[query.stream];
  const descriptor = openHere(task, file, state.ports) ?? (await openElsewhere(state, task, file));
  if (descriptor === null) return { text: "", next: 0, more: false, over };
  try {
    const most = Math.min(query.most, mostPiece);
    return { ...excerptOf(descriptor, query.from, most, over), over };
  } finally {
    closeSync(descriptor);
  }
}

/** A descriptor of the file of another host; null: the task has printed nothing. */
async function openElsewhere(state: State, task: TaskRecord, file: Captured): Promise<number | null> {
  if (task.exit_status !== null) {
    const isKept = isCaptured(task, capturedFiles.stdout) || isCaptured(task, capturedFiles.stderr);
    if (isKept && mayBeEmpty(task, file)) return null;
    return openThere(task, file, state.ports);
  }
  const { client_host: host, client_id: client } = task;
  if (!isText(client) || !isText(host)) throw neverMade(task, file);
  const { ports } = state;
  if (isSameHost(host, ports.host)) throw unkept(task, file);
  return openSync(await copyOf(state, task, file, host), "r");
}

function unkept(task: TaskRecord, file: Captured): Error {
  const why = "it waits at its client, or that runs without --capture";
  return runtimeError("task", `${file.meaning} of task (${String(task.id)}) is not kept: ${why}`);
}

/** The path of a fresh copy of a file that still grows. Its client is taken to keep its files where this site does. */
async function copyOf(state: State, task: TaskRecord, file: Captured, host: string): Promise<string> {
  const { ports, copies } = state;
  const name = fileName(task, file);
  const known = copies.get(name);
  if (known !== undefined && ports.clock.now() - known.at < freshMs) return known.path;
  const folder = (state.folder ??= mkdtempSync(join(tmpdir(), "hs-view-")));
  const failure = await ports.fetch({ host, path: join(ports.captureFolder(), name), folder, name });
  if (failure?.kind === "gone") throw unkept(task, file);
  if (failure !== null) {
    const what = `${file.meaning} of task (${String(task.id)})`;
    throw runtimeError("task", `${what} is on host ${host}, not on this one (${ports.host}): ${failure.reason}`);
  }
  const path = join(folder, name);
  copies.set(name, { path, at: ports.clock.now() });
  return path;
}
