/*
 * The way of one task's output to the sink: two files that are handed over when the task has ended, or two pipes whose
 * bytes are handed over as they come. Knows neither outcomes nor where the sink prints.
 */
import { closeSync, openSync, writeSync } from "node:fs";
import type { Clock } from "../base/clock.ts";
import { openLibc } from "../base/libc.ts";
import { hasInput } from "../base/unread.ts";
import { writeAll } from "../base/write.ts";
import type { Assignment } from "../task/task.ts";
import type { Sink } from "./sink.ts";

export interface Outlet {
  /** Where the task is to write, as open descriptors. */
  readonly stdout: number;
  readonly stderr: number;
  /** Whether processes may open these descriptors by the names that the system has for them. */
  readonly isFile: boolean;
  /** The task has its descriptors. */
  started(): void;
  /** The task has ended: `done` is called when its outcome may be told, perhaps at once. */
  ended(done: () => void): void;
  /** The task was not started. */
  drop(): void;
}

/** Whether lines can be handed over as they come; if not, they come when their task has ended. */
function hasPipes(sink: Sink): boolean {
  if (sink.unit !== "lines") return false;
  if (known === undefined) known = findPipes();
  return known !== null;
}

/**
 * An outlet for a task that is about to start; `captured`: the files in which its output also stays, or null. Throws
 * the errors of the file system.
 */
export function openOutlet(
  sink: Sink,
  task: Assignment,
  captured: Captured | null,
  clock: Pick<Clock, "after">,
): Outlet {
  if (hasPipes(sink)) return openPipes(sink, task, captured, clock);
  return captured === null ? openFiles(sink, task) : openCapturedFiles(sink, task, captured);
}

function openFiles(sink: Sink, task: Assignment): Outlet {
  const stdout = sink.openFile();
  let stderr: number;
  try {
    stderr = sink.openFile();
  } catch (error) {
    closeSync(stdout);
    throw error;
  }
  return {
    stdout,
    stderr,
    isFile: true,
    started: () => undefined,
    ended(done) {
      sink.take(task, stdout, stderr);
      sink.whenRoom(done);
    },
    drop() {
      closeSync(stdout);
      closeSync(stderr);
    },
  };
}

/** The files of a task that is captured. */
export interface Captured {
  readonly outpath: string;
  readonly errpath: string;
  /** They are open for the task by these descriptors. */
  readonly stdout: number;
  readonly stderr: number;
}

function openCapturedFiles(sink: Sink, task: Assignment, captured: Captured): Outlet {
  const stdout = openSync(captured.outpath, "r");
  const stderr = openSync(captured.errpath, "r");
  return {
    stdout: captured.stdout,
    stderr: captured.stderr,
    isFile: true,
    started: () => undefined,
    ended(done) {
      sink.take(task, stdout, stderr);
      sink.whenRoom(done);
    },
    drop() {
      closeSync(stdout);
      closeSync(stderr);
    },
  };
}

// ---- pipes

type Stream = "stdout" | "stderr";

/** One of the two pipes of a task. */
interface Pipe {
  readonly stream: Stream;
  readonly read: number;
  /** The end of the task; null: closed. */
  write: number | null;
  /** The file that gets a copy; null: none does. */
  readonly copy: number | null;
  /** How much has come, bytes. */
  size: number;
  isOver: boolean;
}

/** The pause between two looks whether a pipe whose task has ended is empty, milliseconds. */
const lookMs = 20;

/** What makes a pipe of which no other process gets an end; null: there is nothing that does. */
type MakePipe = (() => readonly [read: number, write: number]) | null;

/** Undefined: it was not looked for yet. */
let known: MakePipe | undefined;

function findPipes(): MakePipe {
  const pipe2 = openLibc({ pipe2: { args: ["ptr", "i32"], returns: "i32" } })?.pipe2;
  const closeOnExec = 0o2000000;
  if (pipe2 === undefined) return null;
  return () => {
    const ends = new Int32Array(2);
    if (pipe2(ends, closeOnExec) !== 0) throw Object.assign(new Error("no pipe can be made"), { code: "EMFILE" });
    return [ends[0]!, ends[1]!];
  };
}

function openPipes(sink: Sink, task: Assignment, captured: Captured | null, clock: Pick<Clock, "after">): Outlet {
  const pipeOf = (stream: Stream, copy: number | null): Pipe => {
    const [read, write] = known!();
    return { stream, read, write, copy, size: 0, isOver: false };
  };
  const out = pipeOf("stdout", captured === null ? null : openSync(captured.outpath, "a"));
  const err = pipeOf("stderr", captured === null ? null : openSync(captured.errpath, "a"));
  const pipes = [out, err];
  let done: (() => void) | null = null;

  function tellEnd(): void {
    const tell = done;
    done = null;
    if (tell !== null) sink.whenRoom(tell);
  }

  async function follow(pipe: Pipe): Promise<void> {
    for await (const bytes of Bun.file(pipe.read).stream()) {
      if (pipe.copy !== null) writeAll(pipe.copy, bytes, writeSync);
      sink.add(task, pipe.stream, pipe.size, bytes);
      pipe.size += bytes.length;
      if (sink.isFull()) await new Promise<void>((resolve) => sink.whenRoom(resolve));
    }
  }

  function over(pipe: Pipe): void {
    pipe.isOver = true;
    closeSync(pipe.read);
    if (pipe.copy !== null) closeSync(pipe.copy);
    if (out.isOver && err.isOver) tellEnd();
  }

  /** What the task has left behind may write on: only what is there already belongs to it. */
  function lookForRest(): void {
    if (done === null) return;
    if (pipes.every((pipe) => pipe.isOver || !hasInput(pipe.read))) setImmediate(tellEnd);
    else clock.after(lookMs, lookForRest);
  }

  function closeEnds(): void {
    for (const pipe of pipes) {
      if (pipe.write !== null) closeSync(pipe.write);
      pipe.write = null;
    }
  }

  return {
    stdout: out.write!,
    stderr: err.write!,
    isFile: false,
    started() {
      closeSync(out.write!);
      out.write = null;
      for (const pipe of pipes)
        void follow(pipe).then(
          () => over(pipe),
          () => over(pipe),
        );
    },
    ended(tell) {
      closeEnds();
      done = tell;
      if (out.isOver && err.isOver) tellEnd();
      else clock.after(lookMs, lookForRest);
    },
    drop() {
      closeEnds();
      for (const pipe of pipes) {
        closeSync(pipe.read);
        if (pipe.copy !== null) closeSync(pipe.copy);
      }
    },
  };
}
