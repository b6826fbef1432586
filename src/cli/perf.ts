/*
 * `hs info --perf` on a terminal: what a task used over time, drawn from its CSV file. The file may come from another
 * program, so whatever is no line of numbers is passed over, and nothing of it is printed as it stands.
 */
import { formatDuration, formatSize } from "../base/units.ts";
import type { TaskRecord } from "../history/history.ts";
import { drawn, inColumns } from "../print/plot.ts";
import { parseTime } from "../store/times.ts";

/** A line of the file: a time in milliseconds since 1970, and memory in bytes. */
interface Sample {
  readonly at: number;
  readonly cores: number;
  readonly memory: number;
}

const lineShape = /^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?),(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/;

/** The lines of a file of measurements, in the order of time. */
function samplesIn(text: string): readonly Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split(/\r?\n/)) {
    const [, time, cores, memory] = lineShape.exec(line) ?? [];
    const at = parseTime(time);
    // A clock that was set back does not draw backwards.
    if (at === null || at < (samples.at(-1)?.at ?? at)) continue;
    samples.push({ at, cores: Number(cores), memory: Number(memory) });
  }
  return samples;
}

/** The lines of a drawing, and the columns that its labels take. */
const height = 6;
const labelWidth = 8;
/** The fewest columns of a drawing, however narrow the terminal is. */
const leastColumns = 10;

/** A drawing of what a task used, from the text of its file, as wide as `columns`; null: it has no measurements. */
export function drawPerf(text: string, task: TaskRecord, columns: number): string | null {
  const samples = samplesIn(text);
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) return null;
  const width = Math.max(leastColumns, columns - labelWidth - 3);
  const lines = [
    ...panel(
      "cores",
      samples.map(({ at, cores }) => ({ at, value: cores })),
      width,
      asked(task.cores, String),
      twoDigits,
    ),
    ...panel(
      "memory",
      samples.map(({ at, memory }) => ({ at, value: memory })),
      width,
      asked(task.memory, formatSize),
      formatSize,
    ),
  ];
  const elapsed = formatDuration((last.at - first.at) / 1000);
  const axis = `0:00:00${elapsed.padStart(width - "0:00:00".length)}`;
  return `${[...lines, `${" ".repeat(labelWidth + 2)}${axis}`].join("\n")}\n`;
}

const twoDigits = (value: number): string => value.toFixed(2);

/** What the task asked for, in words. */
function asked(value: TaskRecord["cores"], textOf: (value: number) => string): string {
  return typeof value === "number" && value > 0 ? ` (asked for: ${textOf(value)})` : "";
}

function panel(
  name: string,
  steps: readonly { readonly at: number; readonly value: number }[],
  width: number,
  wish: string,
  textOf: (value: number) => string,
): readonly string[] {
  const peak = steps.reduce((most, { value }) => Math.max(most, value), 0);
  const rows = drawn(inColumns(steps, width), peak === 0 ? 1 : peak, height);
  const label = (index: number): string => (index === 0 ? textOf(peak) : index === height - 1 ? "0" : "");
  return [
    `${name}: peak ${textOf(peak)}${wish}`,
    ...rows.map((row, index) => `${label(index).padStart(labelWidth)} |${row}`.trimEnd()),
  ];
}
