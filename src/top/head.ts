/*
 * The upper part of the screen: how far the work is, how fast it goes, and who hands it out. The most important comes
 * first.
 */
import { drawn } from "../print/plot.ts";
import type { ServerView, View } from "../view/view.ts";
import { apart, cut, fitted, harmless, type Line, span } from "./cells.ts";
import { clockText, numberText, rateText, shareText, spanText, timeOfDay } from "./words.ts";

/** The first line: what is looked at, and when. `notes`: what else is to be known, such as the filter. */
export function titleLine(view: View | null, notes: readonly string[], width: number): Line {
  const kind = view === null ? "" : view.source.kind === "server" ? "server " : "database ";
  const left = [span("hs top", "title"), span(`  ${kind}`, "faint"), span(harmless(view?.source.title ?? ""), "bold")];
  const right = [
    ...notes.map((note) => span(`${harmless(note)}  `, "warning")),
    span(view === null ? "" : timeOfDay(view.at), "faint"),
  ];
  return apart(left, right, Math.min(width, 1000));
}

/** A bar, how much is done, and how long the rest takes. `width`: columns of the terminal. */
export function progressLine({ counts, secondsLeft }: View, width: number): Line {
  const { total, remaining, failed } = counts;
  if (total === 0) return [span("No tasks yet", "faint")];
  const done = total - remaining;
  const rest = remaining === 0 ? "all done" : secondsLeft === null ? "" : `${clockText(secondsLeft)} left`;
  const right = `${fitted(shareText(done, total), 8, "right")}  ${fitted(rest, 14)}`;
  const room = Math.max(10, Math.min(100, width) - right.length - 1);
  const [full, bad] = [Math.floor((done / total) * room), Math.ceil((failed / total) * room)];
  const red = Math.min(full, bad);
  return cut(
    [
      span("█".repeat(full - red), "good"),
      span("█".repeat(red), "bad"),
      span("░".repeat(room - full), "faint"),
      span(" "),
      span(right, "bold"),
    ],
    width,
  );
}

/** How many tasks are in which state. */
export function countsLine({ counts }: View, width: number): Line {
  const { total, remaining, running, succeeded, failed, cancelled } = counts;
  return cut(
    [
      span(numberText(total), "bold"),
      span(total === 1 ? " task   " : " tasks   "),
      span(numberText(running), "bold"),
      span(" running   "),
      span(numberText(Math.max(0, remaining - running)), "bold"),
      span(" waiting   "),
      span(numberText(succeeded), "good"),
      span(" ok   "),
      span(numberText(failed), failed > 0 ? "bad" : "plain"),
      span(" failed"),
      ...(cancelled > 0 ? [span(` (${numberText(cancelled)} cancelled)`, "faint")] : []),
    ],
    width,
  );
}

/** Columns of the numbers beside the drawing. */
const besideWidth = 30;

/** The rate, and a drawing of it in `rows` lines: a column for each interval, the newest at the right. */
export function rateLines(view: View, width: number, rows: number): readonly Line[] {
  const { throughput, rate, duration, queueAge } = view;
  const seconds = throughput.intervalMs / 1000;
  // The last interval is not over: it would always look like a fall.
  const ended = throughput.ended.slice(0, -1);
  const columns = Math.max(0, Math.min(ended.length, width - besideWidth - 14));
  const shown = columns === 0 ? [] : ended.slice(-columns);
  const top = Math.max(1, ...shown);
  const lines = drawn(shown, top, rows);
  const rateNow: Line = [span("rate "), span(fitted(rateText(rate), 10), "bold")];
  const each: Line = [span("each "), span(fitted(spanText(duration), 10))];
  const waits: Line = [span("oldest waits "), span(clockText(queueAge))];
  const words: readonly Line[] = rows === 1 ? [[...rateNow, ...each]] : [rateNow, each, waits];
  const peak = rateText(Math.max(0, ...shown) / seconds);
  return lines.map((line, index) => {
    const said = words[index] ?? [];
    const used = said.reduce((sum, { text }) => sum + text.length, 0);
    const left = [...said, span(" ".repeat(Math.max(0, besideWidth - used)))];
    return cut([...left, span(line, "good"), ...(index === 0 ? [span(` peak ${peak}`, "faint")] : [])], width);
  });
}

/** One line for each server, at most `rows`; the dead ones come first. */
export function serverLines({ servers, at }: View, width: number, rows: number): readonly Line[] {
  if (servers.length === 0) return [[span("No server runs", "faint")]];
  const sorted = servers.toSorted((one, other) => Number(one.isAlive) - Number(other.isAlive));
  const shown = sorted.slice(0, rows);
  const rest = servers.length - shown.length;
  const more = rest === 0 ? [] : [span(`   and ${numberText(rest)} more`, "faint")];
  return shown.map((server, index) => {
    const line = serverLine(server, at);
    return cut(index === shown.length - 1 ? [...line, ...more] : line, width);
  });
}

function serverLine({ host, pid, startedAt, beatAt, isAlive }: ServerView, at: number): Line {
  const life: Line = isAlive
    ? [span("alive", "good"), span(`, up ${clockText((at - startedAt) / 1000)}`)]
    : [span(`dead, last heard ${clockText((at - beatAt) / 1000)} ago`, "bad")];
  return [span("server "), span(harmless(host), "bold"), span(` (${pid})  `), ...life];
}
