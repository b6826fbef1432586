/*
 * Compresses full log files one after the other, beside everything else: threads of the system do it (gzip, zstd), or
 * the programs bzip2 and xz. An archive has `.partial` behind its name until it is whole and on the disk; only then
 * the file itself goes. What an earlier process has left undone is done as well.
 */
import { createReadStream, createWriteStream, readdirSync, rmSync, statSync } from "node:fs";
import { open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGzip, createZstdCompress } from "node:zlib";
import { failureReason } from "../base/paths.ts";
import { copyMode } from "../base/modes.ts";
import type { Clock } from "../base/clock.ts";
import type { Logger } from "./logger.ts";
import { archivedAmong, archiveExtensions, type Compression, leftOver, partialEnd, surplus } from "./rotation.ts";
import { stemOf } from "./slot.ts";

export interface Compressor {
  /** Compresses a file of the folder, in its turn. */
  add(name: string): void;
  /** Finds what an earlier process has left undone. */
  recover(): void;
  /** Waits a little for what is to be compressed. Large files, and what is not done then, are for the next process. */
  settle(): Promise<void>;
  /** Leaves everything as it is. */
  stop(): void;
}

export interface CompressorOptions {
  /** The path of the log file. */
  readonly path: string;
  /** null: files stay as they are. */
  readonly compression: Compression | null;
  /** How many files stay beside their archives, 0 or more. */
  readonly keep: number;
  readonly log: Logger;
  readonly clock: Clock;
}

/** What is larger is not waited for at the end of a process, bytes. It is done within a second or so. */
const mostAwaited = 1 << 25;
/** How long the end of a process waits, milliseconds. */
const partingMs = 2000;

interface State extends CompressorOptions {
  readonly folder: string;
  readonly queue: string[];
  /** The file that is being compressed, its size in bytes, and the end of that. */
  current: { readonly size: number; readonly end: Promise<void> } | null;
  /** The program that compresses it. */
  child: { readonly kill: () => void } | null;
  isStopped: boolean;
}

/** A compressor of the files that come from one log file. */
export function newCompressor(options: CompressorOptions): Compressor {
  const state: State = {
    ...options,
    folder: dirname(options.path),
    queue: [],
    current: null,
    child: null,
    isStopped: false,
  };
  return {
    add(name) {
      if (state.compression === null || state.isStopped || state.queue.includes(name)) return;
      state.queue.push(name);
      next(state);
    },
    recover: () => recover(state),
    async settle() {
      let isLate = false;
      const late = Promise.withResolvers<void>();
      const timer = state.clock.after(partingMs, () => late.resolve(void (isLate = true)));
      while (state.current !== null && !isLate && state.current.size <= mostAwaited)
        await Promise.race([state.current.end, late.promise]);
      timer.cancel();
      state.queue.length = 0;
    },
    stop() {
      state.isStopped = true;
      state.queue.length = 0;
      state.child?.kill();
    },
  };
}

function recover(state: State): void {
  const { log, folder, compression } = state;
  let names: readonly string[];
  try {
    names = readdirSync(folder);
  } catch {
    // There is no folder, so there is nothing to do in it.
    return;
  }
  const extension = compression === null ? null : archiveExtensions[compression];
  const left = leftOver(stemOf(state.path), extension, names);
  for (const name of left.orphaned)
    log.error(`Interrupted compression cannot be done again: ${join(folder, name)} is there, but not its original`);
  for (const name of left.useless) {
    log.error(`Interrupted compression does not match logging.file.compress, removed: ${join(folder, name)}`);
    rmSync(join(folder, name), { force: true });
  }
  for (const name of left.interrupted) log.info(`Re-queuing interrupted compression: ${join(folder, name)}`);
  state.queue.push(...left.waiting);
  next(state);
}

function next(state: State): void {
  if (state.current !== null || state.isStopped) return;
  const name = state.queue.shift();
  if (name === undefined) return;
  const size = statSync(join(state.folder, name), { throwIfNoEntry: false })?.size ?? 0;
  state.current = { size, end: one(state, join(state.folder, name)) };
}

async function one(state: State, path: string): Promise<void> {
  await compress(state, path);
  state.current = null;
  next(state);
}

/** Does everything for one file. It throws nothing. */
async function compress(state: State, path: string): Promise<void> {
  const { log } = state;
  const compression = state.compression!;
  const extension = archiveExtensions[compression];
  const partial = `${path}${extension}${partialEnd}`;
  log.info(`Compressing ${path}[${extension}]`);
  try {
    const { mode } = await stat(path);
    await rm(partial, { force: true });
    await writeArchive(state, path, partial, copyMode(mode & 0o777));
    await sync(partial);
    if (state.isStopped) return;
    await rename(partial, path + extension);
    await removeSurplus(state);
  } catch (thrown) {
    if (state.isStopped) return;
    log.error(`Failed to compress ${path}: ${failureReason(thrown)}`);
    await rm(partial, { force: true }).catch(() => undefined);
  }
}

const programs: Readonly<Record<"bzip" | "lzma", string>> = { bzip: "bzip2", lzma: "xz" };

/** The program that a compression needs and that is not here; null: nothing is missing. */
export function missingProgram(compression: Compression | null): string | null {
  if (compression !== "bzip" && compression !== "lzma") return null;
  return Bun.which(programs[compression]) === null ? programs[compression] : null;
}

async function writeArchive(state: State, path: string, partial: string, mode: number): Promise<void> {
  const compression = state.compression!;
  if (compression === "gzip" || compression === "zstd") {
    const through = compression === "gzip" ? createGzip() : createZstdCompress();
    return pipeline(createReadStream(path), through, createWriteStream(partial, { flags: "wx", mode }));
  }
  const program = Bun.which(programs[compression]) ?? programs[compression];
  // What it writes goes through this process, so that it ends with this process, however that ends.
  const child = Bun.spawn([program, "-c"], { stdin: Bun.file(path), stdout: "pipe", stderr: "pipe", env: {} });
  state.child = child;
  try {
    const written = pipeline(child.stdout, createWriteStream(partial, { flags: "wx", mode }));
    const [said, status] = await Promise.all([child.stderr.text(), child.exited, written]);
    if (status !== 0) throw new Error(said.trim().split("\n")[0] || `${program} ended with status ${status}`);
  } finally {
    state.child = null;
  }
}

/** What is whole is on the disk before its original goes. */
async function sync(path: string): Promise<void> {
  const file = await open(path, "r+");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

async function removeSurplus({ path, folder, keep, log }: State): Promise<void> {
  const names = archivedAmong(stemOf(path), readdirSync(folder));
  const files = await Promise.all(names.map(async (name) => ({ name, at: (await stat(join(folder, name))).mtimeMs })));
  for (const name of surplus(files, keep)) {
    await rm(join(folder, name), { force: true });
    log.info(`Removed previous file (${join(folder, name)})`);
  }
}
