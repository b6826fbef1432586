/*
 * What one task uses over time: the lines of its CSV file, its peaks, and what it has asked for. Knows no processes: it
 * is told of processor time and memory.
 *
 * A line tells of the time since the line before it: how many cores were busy on average, and the most memory that was
 * seen. The first line stands for the start, the last for the end.
 *
 *     time,cores,memory
 *     2026-11-30 16:44:05.123456,0.00,0
 *     2026-11-30 16:44:06.000912,1.98,314572800
 */
import { closeSync, openSync, writeSync } from "node:fs";
import { fileMode } from "../base/modes.ts";
import { localFields } from "../base/zone.ts";

/** The peaks of a task; null: nothing was measured. */
export interface Peaks {
  readonly coresMax: number | null;
  readonly memoryMax: number | null;
}

/** The measurements of a task. Times are milliseconds since 1970, processor time is milliseconds, memory is bytes. */
export interface Series {
  /** The open file of its lines; null: it has none, or cannot be written any more. */
  file: number | null;
  readonly startedAt: number;
  /** When the last line was written, and the processor time until then. */
  lineAt: number;
  lineMs: number;
  /** The same of the line before that. */
  earlierAt: number;
  earlierMs: number;
  /** The memory at the last look, and the most since the last line. */
  memory: number;
  mostMemory: number;
  /** The cores of the last line. */
  cores: number;
  coresMax: number;
  memoryMax: number;
  /** Why a line could not be written; null: all were. */
  failure: unknown;
}

/** Processor time is counted in ticks: cores of a shorter time than this are not told apart, milliseconds. */
export const leastSpanMs = 500;

/**
 * Begins a series of a task that was started at `startedAt`, milliseconds since 1970, and has so much memory by now,
 * bytes. `file`: the descriptor of a file that is yet empty; null: none is written.
 */
export function openSeries(file: number | null, startedAt: number, memory: number): Series {
  const series: Series = {
    file,
    startedAt,
    lineAt: startedAt,
    lineMs: 0,
    earlierAt: startedAt,
    earlierMs: 0,
    memory,
    mostMemory: memory,
    cores: 0,
    coresMax: 0,
    memoryMax: memory,
    failure: null,
  };
  write(series, `time,cores,memory\n${lineOf(startedAt, 0, 0)}`);
  return series;
}

/** Makes the file of a series. Throws the errors of the file system. */
export function createFile(path: string): number {
  return openSync(path, "w", fileMode());
}

/** Takes in the memory at a look, bytes. */
export function see(series: Series, memory: number): void {
  series.memory = memory;
  series.mostMemory = Math.max(series.mostMemory, memory);
  series.memoryMax = Math.max(series.memoryMax, memory);
}

/** Adds a line. `usedMs`: all processor time so far. */
export function addLine(series: Series, now: number, usedMs: number): void {
  const cores = coresBetween(series.lineAt, series.lineMs, now, usedMs);
  put(series, now, usedMs, cores);
}

function put(series: Series, now: number, usedMs: number, cores: number): void {
  series.cores = cores;
  series.coresMax = Math.max(series.coresMax, cores);
  write(series, lineOf(now, cores, series.mostMemory));
  series.earlierAt = series.lineAt;
  series.earlierMs = series.lineMs;
  series.lineAt = now;
  series.lineMs = usedMs;
  series.mostMemory = 0;
}

/**
 * Adds the last line, and closes the file. `usedMs`: all processor time; `peak`: the largest resident size of one of
 * its processes as far as the system knows, bytes. A peak above all that was seen was in a time when nobody looked.
 */
export function closeSeries(series: Series, now: number, usedMs: number, peak: number): Peaks {
  if (peak > series.memoryMax) see(series, peak);
  // Nobody has looked since the last line: nothing else is known.
  else if (series.mostMemory === 0) series.mostMemory = series.memory;
  const isShort = now - series.lineAt < leastSpanMs && series.earlierAt < series.lineAt;
  const [from, fromMs] = isShort ? [series.earlierAt, series.earlierMs] : [series.lineAt, series.lineMs];
  put(series, now, usedMs, coresBetween(from, fromMs, now, usedMs));
  dropFile(series);
  return { coresMax: series.coresMax, memoryMax: series.memoryMax === 0 ? null : series.memoryMax };
}

/** To hundredths, as in the lines. */
function coresBetween(from: number, fromMs: number, to: number, toMs: number): number {
  return to > from ? Math.round((100 * Math.max(0, toMs - fromMs)) / (to - from)) / 100 : 0;
}

function dropFile(series: Series): void {
  if (series.file === null) return;
  const { file } = series;
  series.file = null;
  try {
    closeSync(file);
  } catch (error) {
    // A file on another host may say only now that it has no room.
    series.failure = error;
  }
}

function write(series: Series, text: string): void {
  if (series.file === null) return;
  try {
    writeSync(series.file, text);
  } catch (error) {
    // The file ends here, but the peaks are told all the same.
    dropFile(series);
    series.failure = error;
  }
}

function lineOf(at: number, cores: number, memory: number): string {
  return `${timeText(at)},${cores.toFixed(2)},${memory}\n`;
}

/** The local time with six digits of the second, as in records of tasks. */
function timeText(ms: number): string {
  const micros = Math.round(ms * 1000);
  const whole = Math.floor(micros / 1000);
  const text = localFields(whole).toISOString();
  return `${text.slice(0, 10)} ${text.slice(11, 23)}${String(micros - whole * 1000).padStart(3, "0")}`;
}
