/*
 * What the measurements are made with: running a program while watching its memory, medians, and tables. Knows no tool
 * by name.
 */
import { closeSync, openSync, readFileSync, statSync } from "node:fs";

export interface Run {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** A file; without one /dev/null. */
  readonly stdin?: string;
  /** A file; without one /dev/null. */
  readonly stdout?: string;
  readonly cwd: string;
}

export interface Measured {
  readonly seconds: number;
  readonly status: number;
  /** The most memory that the program itself ever held, as last seen while it ran; null where there is no /proc. */
  readonly peakBytes: number | null;
  readonly stderr: string;
}

/** The value of a line of /proc/PID/status that is in kilobytes; null when the process is gone. */
export function statusBytes(pid: number, key: "VmHWM" | "VmRSS"): number | null {
  try {
    const found = new RegExp(`^${key}:\\s*(\\d+) kB`, "m").exec(readFileSync(`/proc/${pid}/status`, "latin1"));
    return found === null ? null : Number(found[1]) * 1024;
  } catch {
    return null;
  }
}

/** Sampled while it runs, because the peak that wait4 reports for a child starts at the size of its parent (vfork). */
export async function measure(run: Run, sampleMs = 20): Promise<Measured> {
  const stdin = openSync(run.stdin ?? "/dev/null", "r");
  const stdout = openSync(run.stdout ?? "/dev/null", "w");
  let peakBytes: number | null = null;
  const startedAt = performance.now();
  const child = Bun.spawn([...run.command], { cwd: run.cwd, env: { ...run.env }, stdin, stdout, stderr: "pipe" });
  const sample = (): void => {
    peakBytes = statusBytes(child.pid, "VmHWM") ?? peakBytes;
  };
  const timer = setInterval(sample, sampleMs);
  const said = child.stderr.text();
  const status = await child.exited;
  const seconds = (performance.now() - startedAt) / 1000;
  clearInterval(timer);
  closeSync(stdin);
  closeSync(stdout);
  return { seconds, status, peakBytes, stderr: await said };
}

export function median(values: readonly number[]): number {
  const inOrder = values.toSorted((one, other) => one - other);
  const middle = inOrder.length >> 1;
  const upper = inOrder[middle] ?? Number.NaN;
  return inOrder.length % 2 === 1 ? upper : ((inOrder[middle - 1] ?? Number.NaN) + upper) / 2;
}

export function lineCount(path: string): number {
  if (statSync(path).size === 0) return 0;
  const bytes = readFileSync(path);
  let count = 0;
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

export const megabytes = (bytes: number | null): string => (bytes === null ? "-" : `${Math.round(bytes / 1e6)} MB`);
export const milliseconds = (seconds: number): string => `${(seconds * 1000).toFixed(seconds < 0.1 ? 1 : 0)} ms`;

/** A figure with its limit beside it. */
export function atMost(value: number, limit: number | null, text: (value: number) => string): string {
  if (limit === null) return "";
  return `<= ${text(limit)} ${value <= limit ? "ok" : "MISSED"}`;
}

/** Columns as wide as they need; the first flush left, the others right. */
export function table(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((name, column) => Math.max(name.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
      .trimEnd();
  return ["", title, line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n");
}
