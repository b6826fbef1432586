/*
 * What happened when: which client had how many tasks, or each of its tasks by itself; how many ended, ran and waited.
 * All of these charts have one axis of time, along which they are zoomed together (zoom.js).
 */
import { type Column, columnsOf, placeOf, type TimeAxis, timeAxis } from "./axis.ts";
import { area, chart, cutBands, frame, gridOf, rectangle, short, timeTicks } from "./chart.ts";
import { areaCurve, countCurve, type Course, type Curve, extentOf, idleSpans, sumAt } from "./course.ts";
import { countText, numberText, paragraph, roundText, section, spanText, text, timeText } from "./html.ts";
import { lanesOf } from "./lanes.ts";
import { zoneOffset } from "../base/zone.ts";
import type { Bar, Summary, Workplace } from "./summary.ts";

/** Clients that have a band of their own; those that ran more tasks come first into it. */
const mostBands = 60;
/** With more lanes than this the tasks of a client cannot be told from each other. */
const mostLanes = 160;
/** Characters of a task in the hint of its bar. */
const hintCharacters = 100;

/** The sections over time; nothing where no task has a time. */
export function timelineSections(summary: Summary): string {
  const extent = extentOf(summary.course, summary.at);
  if (extent === null) return "";
  // The first cell begins a little before what happened in it.
  const first = Math.min(summary.firstSubmit ?? Infinity, summary.firstStart ?? Infinity);
  const from = first < extent.to ? Math.max(extent.from, first) : extent.from;
  const axis = timeAxis({ ...extent, from }, idleSpans(summary.course, summary.at));
  const inner = clients(summary, axis) + throughput(summary, axis) + levels(summary, axis);
  return `<div class="timelines" data-axis="${text(axisData(axis))}">\n${inner}</div>\n`;
}

/** What zoom.js needs to write times below a part of the axis. */
function axisData(axis: TimeAxis): string {
  const piece = (each: TimeAxis[number]): readonly number[] => [
    Math.round(each.from),
    Math.round(each.to),
    Number(each.start.toFixed(9)),
    Number(each.end.toFixed(9)),
    each.isCut ? 1 : 0,
    zoneOffset(each.from),
  ];
  return JSON.stringify(axis.map(piece));
}

const cutHint = (seconds: number): string => `${spanText(seconds)} in which no task ran`;

function clients(summary: Summary, axis: TimeAxis): string {
  const known = [...summary.clients];
  if (known.length === 0) {
    const why = "No task of these has started yet, or none of them has a start time on record.";
    return section("timeline", "Clients and executors", paragraph(why));
  }
  const chosen = known
    .toSorted(([, one], [, other]) => other.tasks - one.tasks)
    .slice(0, mostBands)
    .toSorted(([, one], [, other]) => compareText(one.host, other.host) || one.firstStart - other.firstStart);
  const columns = columnsOf(axis, Math.min(800, Math.max(120, Math.round(30_000 / chosen.length))));
  const byClient = Map.groupBy(summary.bars ?? [], ({ client }) => client);
  const bands = chosen.map(([id, client], i) =>
    clientBand(`client-${i + 1}`, axis, columns, {
      id,
      client,
      bars: summary.bars === null ? null : (byClient.get(id) ?? []),
      course: summary.course,
      until: summary.at,
    }),
  );
  const others = known.length - chosen.length;
  const rest =
    others === 0
      ? ""
      : othersBand(
          summary,
          axis,
          columns,
          chosen.map(([id]) => id),
          others,
        );
  const head = `<svg class="axis" aria-hidden="true" width="100%" height="20">${axisMarks(axis)}</svg>\n`;
  return section("timeline", "Clients and executors", intro(summary, axis) + head + bands.join("") + rest);
}

function compareText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0;
}

function axisMarks(axis: TimeAxis): string {
  const ticks = timeTicks(axis).map(({ place, label }) => {
    const anchor = place < 0.03 ? "start" : place > 0.97 ? "end" : "middle";
    return `<text x="${short(place * 100)}%" y="14" text-anchor="${anchor}">${label}</text>`;
  });
  return `<g class="ticks" data-axis="0">${ticks.join("")}</g>`;
}

function intro(summary: Summary, axis: TimeAxis): string {
  const cuts = axis.filter(({ isCut }) => isCut);
  const [from, to] = [axis[0]!.from, axis.at(-1)!.to];
  const how =
    summary.bars === null
      ? "Each band is a client: the height is how many tasks it ran at once, and the line below it shows when tasks " +
        "failed, the darker the more of them."
      : "Each band is a client, each line of it an executor, and each bar a task. Executors are not on record: a " +
        "task is drawn on the first line that was free when it started.";
  const cut =
    cuts.length === 0
      ? ""
      : ` ${countText(cuts.length, "long break")} in which no task ran ${cuts.length === 1 ? "is" : "are"} cut short ` +
        `(grey): ${cuts.map((each) => spanText((each.to - each.from) / 1000)).join(", ")}.`;
  return (
    paragraph(`From ${timeText(from)} to ${timeText(to)} (${spanText((to - from) / 1000)}). ${how}${cut}`) +
    legend(summary) +
    '<div class="zoom" hidden><button type="button" data-zoom="in">Zoom in</button> ' +
    '<button type="button" data-zoom="out">Zoom out</button> ' +
    '<button type="button" data-zoom="all">All of it</button> ' +
    "<span>Ctrl and wheel, two fingers, a double click, or the keys + − ← → 0; drag to move.</span></div>\n"
  );
}

function legend({ bars, counts }: Summary): string {
  const items = [
    `<li class="succeeded">${bars === null ? "tasks at once" : "succeeded"}</li>`,
    '<li class="failed">failed</li>',
    ...(bars !== null && counts.running > 0 ? ['<li class="running">still running</li>'] : []),
  ];
  return `<ul class="legend" aria-label="Colours">${items.join("")}</ul>\n`;
}

interface Band {
  readonly id: string;
  readonly client: Workplace;
  /** Null: there are too many tasks. */
  readonly bars: readonly Bar[] | null;
  readonly course: Course;
  readonly until: number;
}

function clientBand(
  key: string,
  axis: TimeAxis,
  columns: readonly Column[],
  { id, client, bars, course, until }: Band,
): string {
  const { lanes, count } = lanesOf(bars ?? []);
  const isDrawn = bars !== null && bars.length > 0 && count <= mostLanes;
  const cells = course.clients.get(id) ?? new Map();
  const curve = areaCurve(cells, course.widthMs, "running", until);
  const drawn = isDrawn
    ? lanesPicture(axis, bars, lanes, count)
    : areaPicture(columns, levelsOf(columns, curve), {
        failed: countCurve(cells, course.widthMs, "failed"),
        succeeded: countCurve(cells, course.widthMs, "succeeded"),
      });
  const executors = isDrawn
    ? countText(count, "executor")
    : `about ${numberText(Math.ceil(drawn.most))} at once at most`;
  const said = [executors, countText(client.tasks, "task"), ...problemsOf(client)].join(", ");
  return bandFrame(key, {
    name: text(client.host === "" ? "unknown host" : client.host),
    detail: `client ${text(id === "" ? "unknown" : id.slice(0, 8))}: ${said}`,
    ...drawn,
    picture: cutBands(axis, drawn.height, cutHint) + drawn.picture,
  });
}

function problemsOf({ failed, running }: Workplace): readonly string[] {
  return [
    ...(failed > 0 ? [`${numberText(failed)} failed`] : []),
    ...(running > 0 ? [`${numberText(running)} still running`] : []),
  ];
}

interface Picture {
  readonly picture: string;
  /** Pixels. */
  readonly height: number;
  /** Tasks at once. */
  readonly most: number;
}

function bandFrame(key: string, band: Picture & { readonly name: string; readonly detail: string }): string {
  return (
    `<div class="band"><h3>${band.name} <small>${band.detail}</small></h3>` +
    `<svg role="img" aria-labelledby="${key}-t ${key}-d" width="100%" height="${short(band.height)}">` +
    `<title id="${key}-t">Tasks on ${band.name}</title><desc id="${key}-d">${band.detail}</desc>` +
    `${frame(band.picture, band.height, true)}</svg></div>\n`
  );
}

function lanesPicture(axis: TimeAxis, bars: readonly Bar[], lanes: readonly number[], count: number): Picture {
  const lane = Math.min(14, Math.max(3, 180 / count));
  const gap = lane >= 5 ? 1 : 0.4;
  const groups: Record<Bar["ending"], string> = { succeeded: "", failed: "", running: "" };
  bars.forEach((bar, i) => {
    const [from, to] = [placeOf(axis, bar.from), placeOf(axis, bar.to)];
    groups[bar.ending] += rectangle(from, to, lanes[i]! * lane, lane - gap, "", hintOf(bar));
  });
  const picture = Object.entries(groups)
    .filter(([, shapes]) => shapes !== "")
    .map(([kind, shapes]) => `<g class="${kind} bars">${shapes}</g>`)
    .join("");
  return { picture, height: lane * count, most: count };
}

function hintOf(bar: Bar): string {
  const task = bar.args.length > hintCharacters ? `${bar.args.slice(0, hintCharacters).toWellFormed()}…` : bar.args;
  const how = bar.ending === "failed" ? `failed with ${bar.exitStatus}` : bar.ending;
  const when = `${timeText(bar.from).slice(11)}, ${spanText(bar.duration)}`;
  return text(`${task} – ${how}, ${when}${bar.attempt > 1 ? `, attempt ${bar.attempt}` : ""} (${bar.id})`);
}

/** The mean height of a curve in each column. */
function levelsOf(columns: readonly Column[], curve: Curve): readonly number[] {
  return columns.map(({ from, to }) => Math.max(0, (sumAt(curve, to) - sumAt(curve, from)) / (to - from)));
}

/** How tasks of a client ended. */
interface Ends {
  readonly succeeded: Curve;
  readonly failed: Curve;
}

function areaPicture(columns: readonly Column[], values: readonly number[], ends: Ends | null): Picture {
  const most = values.reduce((one, other) => Math.max(one, other), 0);
  const [height, strip] = [34, 4];
  const marks = columns.map(({ from, to, start, end }) => {
    const within = (curve: Curve): number => Math.round(sumAt(curve, to)) - Math.round(sumAt(curve, from));
    const count = ends === null ? 0 : within(ends.failed);
    if (ends === null || count === 0) return "";
    const share = count / (count + within(ends.succeeded));
    const kind = share < 0.05 ? "few" : share < 0.25 ? "some" : "";
    return rectangle(
      start,
      end,
      height + 1,
      strip,
      kind,
      `${countText(count, "task")} failed (${roundText(100 * share)} %)`,
    );
  });
  const strips = marks.join("");
  return {
    picture:
      area(columns, values, most === 0 ? 1 : most, height, "succeeded") +
      (strips === "" ? "" : `<g class="failed strip">${strips}</g>`),
    height: height + 1 + strip,
    most,
  };
}

function othersBand(
  { course, at }: Summary,
  axis: TimeAxis,
  columns: readonly Column[],
  shown: readonly string[],
  number: number,
): string {
  const whole = levelsOf(columns, areaCurve(course.all, course.widthMs, "running", at));
  const apart = shown.map((id) =>
    levelsOf(columns, areaCurve(course.clients.get(id) ?? new Map(), course.widthMs, "running", at)),
  );
  const values = whole.map((value, i) => Math.max(0, value - apart.reduce((sum, each) => sum + each[i]!, 0)));
  const drawn = areaPicture(columns, values, null);
  return bandFrame("client-others", {
    name: countText(number, "other client"),
    detail: `about ${numberText(Math.ceil(drawn.most))} at once at most; see Hosts`,
    ...drawn,
    picture: cutBands(axis, drawn.height, cutHint) + drawn.picture,
  });
}

/** Spans of time, in seconds, that rates are told in: the first in which something happens. */
const rateUnits = [
  [1, "second"],
  [60, "minute"],
  [3600, "hour"],
  [86_400, "day"],
] as const;

function throughput({ course, counts }: Summary, axis: TimeAxis): string {
  const ended = counts.succeeded + counts.failed;
  if (ended === 0) return "";
  const columns = columnsOf(axis, Math.min(200, Math.max(24, Math.round(ended / 4))));
  const inColumns = (how: "succeeded" | "failed"): readonly number[] => {
    const curve = countCurve(course.all, course.widthMs, how);
    return columns.map(({ from, to }) => sumAt(curve, to) - sumAt(curve, from));
  };
  const [succeeded, failed] = [inColumns("succeeded"), inColumns("failed")];
  const perSecond = columns.map(({ from, to }, i) => ((succeeded[i]! + failed[i]!) * 1000) / Math.max(to - from, 1e-3));
  const most = perSecond.reduce((one, other) => Math.max(one, other), 0);
  const [unit, unitName] = rateUnits.find(([seconds]) => most * seconds >= 2) ?? rateUnits[3];
  const { values, top } = gridOf(most * unit);
  const height = 150;
  const shapes: Record<"succeeded" | "failed", string> = { succeeded: "", failed: "" };
  columns.forEach((column, i) => {
    const scale = (perSecond[i]! * unit * height) / top / Math.max(succeeded[i]! + failed[i]!, 1e-9);
    const [high, low] = [succeeded[i]! * scale, failed[i]! * scale];
    const when = `${timeText(column.from)} to ${timeText(column.to).slice(11)}`;
    const hint = `${when}: about ${roundText(perSecond[i]! * unit)} a ${unitName}`;
    const { start, end } = column;
    if (low > 0) shapes.failed += rectangle(start, end, height - low, low, "", hint);
    if (high > 0) shapes.succeeded += rectangle(start, end, height - low - high, high, "", hint);
  });
  const picture =
    cutBands(axis, height, cutHint) +
    `<g class="succeeded">${shapes.succeeded}</g><g class="failed">${shapes.failed}</g>`;
  const title = `Tasks that ended in a ${unitName}`;
  const description = `At most ${roundText(most * unit)} a ${unitName}. ${countText(ended, "task")} ended in all.`;
  const drawn = chart({
    id: "chart-throughput",
    title,
    description,
    height,
    picture,
    isTimed: true,
    lines: { values, top },
    ticks: timeTicks(axis),
  });
  const caption = `${title}: succeeded (above) and failed. ${description}`;
  return section("throughput", "Throughput", `<figure><figcaption>${caption}</figcaption>${drawn}</figure>\n`);
}

function levels({ course, at }: Summary, axis: TimeAxis): string {
  const columns = columnsOf(axis, 600);
  const figures = (["running", "waiting"] as const).map((level) => {
    const values = levelsOf(columns, areaCurve(course.all, course.widthMs, level, at));
    const most = values.reduce((one, other) => Math.max(one, other), 0);
    if (most < 0.005) return "";
    const { values: grid, top } = gridOf(most);
    const height = 100;
    const title = level === "running" ? "Tasks that ran at once" : "Tasks that were submitted and had not started";
    const description = `The mean of each moment; at most about ${roundText(most)}.`;
    const drawn = chart({
      id: `chart-${level}`,
      title,
      description,
      height,
      isTimed: true,
      picture:
        cutBands(axis, height, cutHint) +
        area(columns, values, top, height, level === "running" ? "succeeded" : "waiting"),
      lines: { values: grid, top },
      ticks: timeTicks(axis),
    });
    return `<figure><figcaption>${title}. ${description}</figcaption>${drawn}</figure>\n`;
  });
  return section("levels", "Running and waiting", figures.join(""));
}
