/*
 * The columns of the three lists, and which of them a width has room for. Widths are fixed, so that rows that come and
 * go move nothing; the last column takes what is left.
 */
import { formatSize } from "../base/units.ts";
import type { ClientView, FailureView, TaskView } from "../view/view.ts";
import { across, fitted, harmless, type Line, type Span, span, type Style } from "./cells.ts";
import { clockText, numberText, spanText } from "./words.ts";

interface ColumnOf<T> {
  readonly title: string;
  /** Columns of the terminal; null: what is left. */
  readonly width: number | null;
  readonly align?: "right";
  /** The narrowest screen that shows it. */
  readonly from?: number;
  /** The narrowest screen that does not show it any more. */
  readonly below?: number;
  /** `at`: the time of the view, milliseconds since 1970. */
  readonly text: (row: T, at: number) => string;
  readonly style?: (row: T) => Style;
}

/** Ids begin with their time, so that those of one run differ at the end. A wide screen shows them whole. */
const [idWidth, wholeIdWidth] = [8, 36];
/** The narrowest screen with whole ids, columns. */
const wholeIdsFrom = 140;

const hostOf = ({ host }: TaskView): string => harmless(host ?? "-");
const wholeId = ({ id }: { readonly id: string }): string => harmless(id);
/** The end of an id, the same in every list. */
const shortId = (id: string): string => harmless(id).slice(-idWidth);
const idOf = ({ id }: { readonly id: string }): string => shortId(id);
const idColumns = [
  { title: "ID", width: idWidth, below: wholeIdsFrom, text: idOf },
  { title: "ID", width: wholeIdWidth, from: wholeIdsFrom, text: wholeId },
] as const;

const taskHost = { title: "HOST", width: 16, text: hostOf };
const command = { title: "COMMAND", width: null, text: ({ text }: TaskView): string => harmless(text) };
const moreOfTask = [
  { title: "GROUP", width: 6, align: "right", from: 120, text: ({ group }: TaskView): string => String(group) },
  { title: "TRY", width: 4, align: "right", from: 100, text: ({ attempt }: TaskView): string => String(attempt) },
  { title: "CLIENT", width: 8, from: 150, text: ({ clientId }: TaskView): string => idOf({ id: clientId ?? "-" }) },
] as const;

const runningColumns: readonly ColumnOf<TaskView>[] = [
  ...idColumns,
  {
    title: "TIME",
    width: 9,
    align: "right",
    text: ({ startTime }, at) => (startTime === null ? "-" : clockText((at - startTime) / 1000)),
  },
  taskHost,
  ...moreOfTask,
  command,
];

const failureColumns: readonly ColumnOf<FailureView>[] = [
  ...idColumns,
  { title: "STATUS", width: 6, align: "right", text: ({ exitStatus }) => String(exitStatus), style: () => "bad" },
  { title: "TOOK", width: 9, align: "right", text: ({ duration }) => spanText(duration) },
  {
    title: "AGO",
    width: 9,
    align: "right",
    text: ({ completionTime }, at) => clockText((at - completionTime) / 1000),
  },
  taskHost,
  ...moreOfTask,
  command,
];

const standingStyle = ({ standing }: ClientView): Style =>
  standing === "present" ? "good" : standing === "away" ? "bad" : standing === null ? "faint" : "warning";

const clientColumns: readonly ColumnOf<ClientView>[] = [
  { title: "HOST", width: 16, text: ({ host }) => harmless(host) },
  { title: "STATE", width: 8, text: ({ standing }) => standing ?? "-", style: standingStyle },
  {
    title: "RUNNING",
    width: 9,
    align: "right",
    text: ({ running, executors }) => (executors === null ? String(running) : `${running}/${executors}`),
  },
  { title: "CORES", width: 6, align: "right", text: ({ capacity }) => (capacity === null ? "-" : `${capacity.cores}`) },
  {
    title: "MEMORY",
    width: 7,
    align: "right",
    text: ({ capacity }) => (capacity === null ? "-" : formatSize(capacity.memory)),
  },
  { title: "ENDED", width: 10, align: "right", text: ({ ended }) => numberText(ended) },
  {
    title: "FAILED",
    width: 8,
    align: "right",
    text: ({ failed }) => numberText(failed),
    style: ({ failed }) => ((failed ?? 0) > 0 ? "bad" : "plain"),
  },
  { title: "ID", width: idWidth, from: 100, text: idOf },
  {
    title: "HEARD",
    width: 8,
    align: "right",
    from: 120,
    text: ({ heardAt }, at) => (heardAt === null ? "-" : clockText((at - heardAt) / 1000)),
  },
  { title: "MORE", width: null, text: moreOfClient },
];

/** Its other resources, and the job that brought it up. */
function moreOfClient({ capacity, job }: ClientView): string {
  const others = Object.entries(capacity?.others ?? {}).map(([name, amount]) => `${name}:${amount}`);
  return harmless([...others, ...(job === null ? [] : [job])].join(" "));
}

/** A list as lines: the names of its columns, then one line for each row. */
interface Look {
  readonly width: number;
  readonly at: number;
  /** The row that is selected; -1: none is shown as such. */
  readonly selected: number;
  readonly marked: ReadonlySet<string>;
}

type Drawer = (rows: readonly never[], look: Look) => { readonly head: Line; readonly lines: readonly Line[] };

function drawer<T extends { readonly id: string }>(all: readonly ColumnOf<T>[]) {
  return (rows: readonly T[], { width, at, selected, marked }: Look): ReturnType<Drawer> => {
    const columns = all.filter(({ from = 0, below = null }) => width >= from && (below === null || width < below));
    const fixed = columns.reduce((sum, column) => sum + (column.width ?? 0) + 1, 1);
    const lineOf = (first: string, cell: (column: ColumnOf<T>) => Span): Line => [
      span(first),
      ...columns.flatMap((column) => {
        const { text, style } = cell(column);
        const room = column.width ?? Math.max(0, width - fixed);
        const isOpen = column.width === null && room === Number.POSITIVE_INFINITY;
        return [span(isOpen ? text : fitted(text, room, column.align ?? "left"), style), span(" ")];
      }),
    ];
    const head = lineOf(" ", ({ title }) => span(title, "faint"));
    const lines = rows.map((row, index) => {
      const isSelected = index === selected;
      const sign = marked.has(row.id) ? "*" : isSelected ? ">" : " ";
      const line = lineOf(sign, ({ text, style }) => span(text(row, at), style?.(row) ?? "plain"));
      return isSelected ? across(line, "selected", width) : line;
    });
    return { head, lines };
  };
}

/** Draws each list. A width of Infinity leaves every command whole. */
export const drawers = {
  clients: drawer(clientColumns),
  running: drawer(runningColumns),
  failures: drawer(failureColumns),
} as const;
