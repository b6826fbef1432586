/*
 * How long tasks took and waited, and what they used of what they asked for: histograms and tables of percentiles.
 */
import { chart, gridOf, rectangle, width } from "./chart.ts";
import { type Distribution, type Histogram, histogramOf, mean, quantile } from "./distribution.ts";
import { countText, numberText, paragraph, roundText, section, shareText, sizeText, spanText, table } from "./html.ts";
import type { RequestGroup, Summary } from "./summary.ts";

const [shownShares, rowsOfRequests] = [[0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99], 30] as const;

/** Percentiles of several distributions, a row each; `shown` tells a value to people. */
function percentiles(
  caption: string,
  rows: readonly (readonly [name: string, of: Distribution])[],
  shown: (value: number | null) => string,
): string {
  const present = rows.filter(([, of]) => of.count > 0);
  if (present.length === 0) return "";
  const columns = ["", "tasks", "mean", "least", ...shownShares.map((each) => `${each * 100} %`), "most"];
  return table({
    caption,
    columns: columns.map((title, i) => (i === 0 ? { title } : { title, kind: "number" as const })),
    rows: present.map(([name, of]) => [
      name,
      numberText(of.count),
      shown(mean(of)),
      shown(of.min),
      ...shownShares.map((each) => shown(quantile(of, each))),
      shown(of.max),
    ]),
  });
}

interface Spread {
  readonly id: string;
  readonly title: string;
  readonly of: Distribution;
  readonly shown: (value: number) => string;
  /** A value that is marked: what it is called, and where it is. */
  readonly marks: readonly (readonly [name: string, value: number | null])[];
}

/** A histogram as a figure; nothing without values above zero. */
function figureOf({ id, title, of, shown, marks }: Spread): string {
  const histogram = histogramOf(of);
  const { bins, beneath } = histogram;
  if (bins.length === 0) return "";
  const height = 160;
  const most = bins.reduce((one, { count }) => Math.max(one, count), 0);
  const { values, top } = gridOf(most, true);
  const bars = bins.map(({ from, to, count }, i) => {
    const high = count === 0 ? 0 : Math.max(1, (count / top) * height);
    const hint = `${shown(from)} to ${shown(to)}: ${countText(count, "task")}`;
    return count === 0 ? "" : rectangle(i / bins.length, (i + 0.94) / bins.length, height - high, high, "", hint);
  });
  const lines = marks.flatMap(([name, value]) => {
    const place = value === null ? null : placeIn(histogram, value);
    if (place === null) return [];
    const x = Math.round(place * width);
    return [
      `<line class="mark" x1="${x}" x2="${x}" y1="0" y2="${height}"><title>${name}: ${shown(value!)}</title></line>`,
    ];
  });
  const under =
    beneath === 0 ? "" : ` ${countText(beneath, "task")} with zero or less ${beneath === 1 ? "is" : "are"} not drawn.`;
  const marked = marks.flatMap(([name, value]) => (value === null ? [] : [`${name} ${shown(value)}`])).join(", ");
  const scale = histogram.isLogarithmic ? " Each bar is wider than the one before by a factor." : "";
  const drawn = chart({
    id,
    title,
    description: `${marked}.${under}`,
    height,
    lines: { values, top },
    picture: `<g class="succeeded">${bars.join("")}</g>${lines.join("")}`,
    ticks: ticksOf(histogram, shown),
  });
  return `<figure><figcaption>${title}. Dashed: ${marked}.${scale}${under}</figcaption>${drawn}</figure>\n`;
}

/** Where a value stands among the bins, 0 to 1; null: outside. */
function placeIn({ bins, isLogarithmic }: Histogram, value: number): number | null {
  const at = bins.findIndex(({ from, to }) => value >= from && value < to);
  if (at < 0) return null;
  const { from, to } = bins[at]!;
  const share = isLogarithmic ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
  return (at + share) / bins.length;
}

/** Values that people know, for histograms whose bins are of no round width: in per cent, and spans in seconds. */
const knownShares = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10_000];
const knownSpans = [
  ...[1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.1, 1].flatMap((each) => [each, 2 * each, 5 * each]),
  ...[10, 20, 60, 120, 300, 600, 1200].concat([1, 2, 6, 12].map((hours) => hours * 3600)),
  ...[1, 2, 5, 10, 20, 50, 100, 1000].map((days) => days * 86_400),
];

/** Labels below a histogram: at most seven bounds of bins, or round values among them. */
function ticksOf(histogram: Histogram, shown: (value: number) => string) {
  const { bins, isLogarithmic } = histogram;
  const values = isLogarithmic
    ? shown === spanText
      ? knownSpans
      : knownShares
    : [...bins.map(({ from }) => from), bins.at(-1)!.to];
  const every = isLogarithmic ? 1 : Math.ceil(bins.length / 6);
  let last = -1;
  return values.flatMap((value, i) => {
    const place = isLogarithmic ? placeIn(histogram, value) : i / bins.length;
    if (place === null || i % every !== 0 || place - last < 0.15) return [];
    last = place;
    return [{ place, label: shown(value) }];
  });
}

/** How long tasks took. */
export function durationSection({ durations, failedDurations, counts }: Summary): string {
  if (durations.count === 0) {
    const why = counts.total === 0 ? "" : "None of these tasks has run to its end yet.";
    return section("durations", "Durations", paragraph(why));
  }
  const marks = [
    ["median", quantile(durations, 0.5)],
    ["95 %", quantile(durations, 0.95)],
  ] as const;
  const title = "How long tasks ran, from start to end";
  const drawn = figureOf({ id: "chart-durations", title, of: durations, shown: spanText, marks });
  const rows: (readonly [string, Distribution])[] = [["all that ended", durations]];
  if (failedDurations.count > 0 && failedDurations.count < durations.count) rows.push(["failed", failedDurations]);
  const precision = durations.few === null ? paragraph("Percentiles are right to 1 %; all else is exact.", "note") : "";
  const sum = paragraph(`All together: ${spanText(durations.sum)} of running time.`);
  return section(
    "durations",
    "Durations",
    sum + drawn + percentiles("Durations: percentiles by nearest rank", rows, spanText) + precision,
  );
}

/** How long tasks waited. */
export function waitSection({ waits, oddities }: Summary): string {
  const { untilScheduled, untilSent, untilStarted } = waits;
  if (untilScheduled.count + untilStarted.count === 0) return "";
  const odd =
    oddities.negativeWaits === 0
      ? ""
      : paragraph(
          `Of ${countText(oddities.negativeWaits, "task")} the start is before the submission, as the hosts have it: ` +
            "the clocks of these hosts differ. Such waits are below zero, and are counted as they are.",
          "warning",
        );
  const marks = [
    ["median", quantile(untilStarted, 0.5)],
    ["95 %", quantile(untilStarted, 0.95)],
  ] as const;
  const title = "How long tasks waited, from submission to start";
  return section(
    "waits",
    "Waits",
    odd +
      figureOf({ id: "chart-waits", title, of: untilStarted, shown: spanText, marks }) +
      percentiles(
        "Waits: percentiles by nearest rank",
        [
          ["from submission to start", untilStarted],
          ["until a server scheduled it", untilScheduled],
          ["from there to its start on a client", untilSent],
        ],
        spanText,
      ),
  );
}

/** What tasks used of what they asked for. */
export function resourceSection(summary: Summary): string {
  const { measured, counts, coresShare, memoryShare, requests } = summary;
  if (requests.size === 0) {
    const how = "Nothing is on record: these tasks asked for no cores and no memory, and were not measured.";
    return section("resources", "Resources", paragraph(`${how} Runs with <code>--monitor</code> measure them.`));
  }
  const said =
    measured === 0
      ? "No task was measured (<code>--monitor</code>), so only requests are known."
      : `Measured: ${countText(measured, "task")} of ${numberText(counts.total)} ` +
        `(${shareText(measured, counts.total)}).`;
  const perCent = (value: number | null): string => (value === null ? "–" : `${roundText(value)} %`);
  const figure = (name: "cores" | "memory", of: Distribution): string =>
    figureOf({
      id: `chart-${name}`,
      title: `Peak of ${name} in per cent of what was asked for`,
      of,
      shown: perCent,
      marks: [
        ["median", quantile(of, 0.5)],
        ["as asked", 100],
      ],
    });
  const groups = [...requests.values()].toSorted((one, other) => other.count - one.count);
  const rest = groups.length - rowsOfRequests;
  const more = rest > 0 ? paragraph(`${countText(rest, "other combination")} are left out.`, "note") : "";
  return section(
    "resources",
    "Resources",
    paragraph(said) +
      figure("cores", coresShare) +
      figure("memory", memoryShare) +
      requestTable(groups.slice(0, rowsOfRequests)) +
      more,
  );
}

function requestTable(groups: readonly RequestGroup[]): string {
  const asked = (value: number | null, shown: (known: number) => string): string =>
    value === null ? "–" : Number.isNaN(value) ? "others" : shown(value);
  const number = (title: string) => ({ title, kind: "number" as const });
  return table({
    caption: "What tasks asked for, and the most that they used",
    columns: [
      number("cores asked"),
      number("memory asked"),
      ...["tasks", "cores: median", "most", "above", "memory: median", "most", "above"].map(number),
    ],
    rows: groups.map((group) => {
      const { coresMax, memoryMax } = group;
      const cores = (value: number | null): string => (value === null ? "–" : roundText(value));
      const most = (of: Distribution): number | null => (of.count === 0 ? null : of.max);
      return [
        asked(group.cores, numberText),
        asked(group.memory, sizeText),
        numberText(group.count),
        cores(quantile(coresMax, 0.5)),
        cores(most(coresMax)),
        coresMax.count === 0 || group.cores === null ? "–" : numberText(group.coresExceeded),
        sizeText(quantile(memoryMax, 0.5)),
        sizeText(most(memoryMax)),
        memoryMax.count === 0 || group.memory === null ? "–" : numberText(group.memoryExceeded),
      ];
    }),
  });
}
