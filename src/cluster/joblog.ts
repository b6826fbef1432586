/*
 * The job log of a run: a line for each outcome that is recorded, seen at the store, which everything goes through.
 * task/joblog.ts has the lines, line-file.ts writes them. Knows nothing of servers and clients.
 */
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { isatty } from "node:tty";
import { resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { argumentError } from "../base/errors.ts";
import { escapeControls } from "../base/escape.ts";
import { failureCode } from "../base/paths.ts";
import { counted } from "../base/units.ts";
import type { Commit, Store } from "../store/store.ts";
import { jobLine, jobLogHeader } from "../task/joblog.ts";
import { type LineFile, openLineFile } from "./line-file.ts";
import { printerOf } from "./printing.ts";
import { newNumbering, type Numbering } from "./numbering.ts";
import { serve, type ServeOptions, type Serving } from "./serve.ts";

export interface LoggedOptions extends ServeOptions {
  /** `-`: standard output. With `+` before it, lines are added to what is there. Null or absent: no job log. */
  readonly joblog?: string | null;
  /** The numbers of tasks, where others ask for them too. Absent: they are wanted for the job log only. */
  readonly numbering?: Numbering | null;
}

/** As `serve`, with a job log. Throws a UserError, also when the job log cannot be written. */
export async function serveLogged(options: LoggedOptions): Promise<Serving> {
  const { joblog = null, numbering = null } = options;
  if (joblog === null && numbering === null) return serve(options);
  const numbers = numbering ?? newNumbering();
  const seen: Seen = { numbers, submitId: options.instanceId, file: null, texts: new Map(), doubtful: new WeakSet() };
  let isDurable = false;
  const printer = printerOf(options, systemClock, options.loggers("server"));
  if (joblog !== null) seen.file = openJobLog(joblog, { ...options, printer }, () => isDurable);
  const { around } = options;
  try {
    const serving = await serve({
      ...options,
      printer,
      around(store) {
        isDurable = store.durable;
        seen.file?.begin();
        return watching(seen, around?.(store) ?? store);
      },
    });
    return { ...serving, finished: closing(serving.finished, seen, options) };
  } catch (error) {
    seen.file?.close();
    throw error;
  }
}

/** How long the end of a run that was stopped waits for a reader of the job log who takes nothing, milliseconds. */
const partingMs = 3000;

async function closing(finished: Serving["finished"], { file }: Seen, options: LoggedOptions): Serving["finished"] {
  try {
    const report = await finished;
    await file?.taken(() => (report.stoppedBy === null ? Number.POSITIVE_INFINITY : partingMs));
    const missing = file?.close() ?? 0;
    if (missing > 0) options.loggers(options.logger).warning(`The job log lacks ${counted(missing, "line")}`);
    return report;
  } finally {
    file?.close();
  }
}

interface JobLog extends LineFile {
  /** Writes the header, unless it is there. */
  begin(): void;
}

function openJobLog(given: string, options: LoggedOptions, isDurable: () => boolean): JobLog {
  const { failures, logger, loggers, printer } = options;
  const adds = given.startsWith("+");
  const path = adds ? given.slice(1) : given;
  if (path === "") throw argumentError("argument --joblog: names no file");
  if (failures !== null && (path === failures || resolve(path) === resolve(failures)))
    throw argumentError("argument --joblog: not allowed with argument -f/--failures for the same file");
  const found = path === "-" ? null : firstLine(path);
  if (found !== null && found !== jobLogHeader) {
    const what = `'${path}' has something else in it than a job log, and is left as it is`;
    throw argumentError(`argument --joblog: ${what}: remove it, or name another file`);
  }
  const file = openLineFile({
    path,
    keeps: adds && found !== null,
    name: path === "-" ? "the job log to standard output" : `the job log '${path}'`,
    line: "line",
    isClear: path === "-" ? (printer?.isClear ?? null) : null,
    next: () => (isDurable() ? "outcomes are in the database (hs list)" : null),
    logger,
    log: loggers(logger),
    clock: systemClock,
  });
  // Commands may have anything in them, and a terminal obeys what it reads.
  const write: LineFile["write"] =
    path === "-" && isatty(1) ? (text, lines) => file.write(escapeControls(text, "\t\n"), lines) : file.write;
  return { ...file, write, begin: () => void (adds && found !== null ? null : write(`${jobLogHeader}\n`)) };
}

/** The first line of a regular file, as far as a header would go; null: there is none. */
function firstLine(path: string): string | null {
  try {
    if (!statSync(path).isFile()) return null;
    const descriptor = openSync(path, "r");
    try {
      if (fstatSync(descriptor).size === 0) return null;
      const bytes = Buffer.alloc(jobLogHeader.length + 1);
      return bytes.toString("latin1", 0, readSync(descriptor, bytes)).replace(/\n[^]*/, "");
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    // What is there and may not be read may not be emptied either: nobody knows what it is.
    return failureCode(error) === "ENOENT" || failureCode(error) === "ENOTDIR" ? null : "";
  }
}

/** What goes by. */
interface Seen {
  readonly numbers: Numbering;
  /** The submission of this run, whose tasks are numbered as they come in. */
  readonly submitId: string;
  file: JobLog | null;
  /** The inputs of tasks that this server holds, for those that never got a command. */
  readonly texts: Map<string, string>;
  /** Commits that failed, and may be stored all the same. */
  readonly doubtful: WeakSet<Commit>;
}

/** A store that does what `store` does, and tells `seen` of it. */
function watching(seen: Seen, store: Store): Store {
  const { numbers, submitId, texts, doubtful } = seen;
  const own: Pick<Store, "insert" | "claim" | "adopt" | "recalls" | "commit"> = {
    insert(tasks) {
      if (tasks[0]?.submitId === submitId) numbers.add(tasks);
      return store.insert(tasks);
    },
    async claim(request) {
      const answer = await store.claim(request);
      if (answer.kind === "claimed") for (const { id, args } of answer.tasks) texts.set(id, args);
      return answer;
    },
    async adopt(request) {
      const tasks = await store.adopt(request);
      for (const { id, args } of tasks) texts.set(id, args);
      return tasks;
    },
    async recalls(serverId) {
      const recalls = await store.recalls(serverId);
      for (const { id, kind } of recalls) if (kind !== "changed") texts.delete(id);
      return recalls;
    },
    async commit(order) {
      const report = await store.commit(order).catch((error: unknown) => {
        doubtful.add(order);
        throw error;
      });
      // A commit that seemed to fail and was made again finds what it has stored itself.
      heed(seen, order, doubtful.has(order) ? [] : report.refused);
      return report;
    },
  };
  return new Proxy(store, {
    get(target, key) {
      if (Object.hasOwn(own, key)) return own[key as keyof typeof own];
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

/** Writes the outcomes of a commit, all at once. */
function heed({ file, numbers, texts }: Seen, order: Commit, refused: readonly string[]): void {
  const left = refused.length === 0 ? null : new Set(refused);
  let text = "";
  let lines = 0;
  for (const done of order.completed) {
    if (left?.has(done.id)) continue;
    if (file !== null) {
      const host = done.clientId === order.serverId ? null : done.clientHost;
      text += jobLine({ ...done, seq: numbers.of(done.id), host, command: done.command ?? texts.get(done.id) ?? "" });
      lines++;
    }
    texts.delete(done.id);
    const next = done.retry?.task ?? null;
    numbers.end(done.id, next?.id ?? null);
    if (next !== null && done.retry!.claimed) texts.set(next.id, next.args);
  }
  for (const id of order.reverted) texts.delete(id);
  if (lines > 0) file?.write(text, lines);
}
