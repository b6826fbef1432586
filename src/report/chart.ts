/*
 * Charts as SVG: a frame with a grid, a picture in it, and labels. The picture is stretched to the width that there is,
 * the labels are not, so that they can be read on a phone. Widths are shares of the frame, heights are pixels. Colours
 * are classes, which the page's style sheet has.
 */
import { roundStep } from "./distribution.ts";
import { roundText } from "./html.ts";
import type { Column, TimeAxis } from "./axis.ts";
import { ticksOf } from "./axis.ts";

/** Units of the width of a picture; heights are in pixels. */
export const width = 10_000;

interface XTick {
  /** 0 to 1. */
  readonly place: number;
  /** HTML. */
  readonly label: string;
}

export interface Chart {
  /** Unlike any other in the page. */
  readonly id: string;
  /** What is to be seen, for those who read; HTML. */
  readonly title: string;
  readonly description: string;
  /** Pixels of the picture, without labels below. */
  readonly height: number;
  /** Elements of SVG, `width` units wide. */
  readonly picture: string;
  /** Values at the grid's lines, from the bottom upwards; the top of the frame is `top`. */
  readonly lines?: { readonly values: readonly number[]; readonly top: number };
  readonly ticks: readonly XTick[];
  /** Whether it is zoomed together with other charts over time. */
  readonly isTimed?: boolean;
}

const labelHeight = 20;

/** Text below the frame at a place; the outermost stay within it. */
function tickText({ place, label }: XTick, height: number): string {
  const anchor = place < 0.03 ? "start" : place > 0.97 ? "end" : "middle";
  return `<text x="${short(place * 100)}%" y="${height + 14}" text-anchor="${anchor}">${label}</text>`;
}

/** The chart as one element of SVG. */
export function chart({ id, title, description, height, picture, lines, ticks, isTimed = false }: Chart): string {
  const grid = (lines?.values ?? []).map((value) => {
    const y = short(height - (value / lines!.top) * height);
    return (
      `<line x1="0" x2="100%" y1="${y}" y2="${y}"/>` +
      `<text x="-6" y="${y}" dy="0.32em" text-anchor="end">${roundText(value)}</text>`
    );
  });
  const marks = ticks.map(
    (tick) =>
      `<line x1="${short(tick.place * 100)}%" x2="${short(tick.place * 100)}%" y1="${height}" y2="${height + 4}"/>` +
      tickText(tick, height),
  );
  return (
    `<svg class="chart" role="img" aria-labelledby="${id}-t ${id}-d" width="100%" height="${height + labelHeight}">` +
    `<title id="${id}-t">${title}</title><desc id="${id}-d">${description}</desc>` +
    `<g class="grid">${grid.join("")}</g>` +
    frame(picture, height, isTimed) +
    `<g class="ticks"${isTimed ? ` data-axis="${height}"` : ""}>${marks.join("")}</g></svg>\n`
  );
}

/** A picture that is stretched to the width of what is around it; `height` in pixels. */
export function frame(picture: string, height: number, isTimed: boolean): string {
  const timed = isTimed ? ' class="timed"' : "";
  return (
    `<svg${timed} width="100%" height="${short(height)}" viewBox="0 0 ${width} ${short(height)}" ` +
    `preserveAspectRatio="none">${picture}</svg>`
  );
}

/** Round values from 0 up to about the largest, and the value at the top of the frame, which is not smaller. */
export function gridOf(most: number, isWhole = false): { readonly values: readonly number[]; readonly top: number } {
  const largest = most > 0 ? most : 1;
  const step = Math.max(roundStep(largest / 4), isWhole ? 1 : 0);
  const number = Math.max(1, Math.ceil(largest / step - 1e-9));
  const values = Array.from({ length: number + 1 }, (_, i) => Number((i * step).toPrecision(12)));
  return { values, top: values.at(-1)! };
}

/** A number with as few digits as a picture needs. */
export function short(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** A rectangle; `from` and `to` are shares of the width, `y` and `height` pixels. `hint` is HTML. */
export function rectangle(from: number, to: number, y: number, height: number, kind: string, hint = ""): string {
  const inner = hint === "" ? "/>" : `><title>${hint}</title></rect>`;
  const size = `width="${short(Math.max(0, to - from) * width)}" height="${short(height)}"`;
  const kindText = kind === "" ? "" : ` class="${kind}"`;
  return `<rect${kindText} x="${short(from * width)}" y="${short(y)}" ${size}${inner}`;
}

/** The area below a line of steps: the value of each column, over its width; `height` in pixels is that of `top`. */
export function area(
  columns: readonly Column[],
  values: readonly number[],
  top: number,
  height: number,
  kind: string,
): string {
  const bottom = short(height);
  const levels = values.map((value) => short(height - (value / top) * height));
  let path = "";
  let level = bottom;
  columns.forEach(({ start, end }, i) => {
    const here = levels[i]!;
    if (here !== level) {
      if (level === bottom) path += `M${short(start * width)} ${bottom}`;
      path += `V${here}`;
      level = here;
    }
    if (here === bottom) return;
    // Columns of one value are one line.
    if (levels[i + 1] !== here) path += `H${short(end * width)}`;
    if (i === columns.length - 1) path += `V${bottom}`;
  });
  return path === "" ? "" : `<path class="${kind}" d="${path}"/>`;
}

/** Where time is cut short, as bands over the whole height, in pixels. */
export function cutBands(axis: TimeAxis, height: number, hint: (seconds: number) => string): string {
  return axis
    .filter(({ isCut }) => isCut)
    .map(({ from, to, start, end }) => rectangle(start, end, 0, height, "cut", hint((to - from) / 1000)))
    .join("");
}

/** The labels of an axis of time. */
export function timeTicks(axis: TimeAxis): readonly XTick[] {
  let last = -1;
  return ticksOf(axis, 6).filter(({ place }) => {
    // A narrow window has room for seven.
    if (place - last < 0.13) return false;
    last = place;
    return true;
  });
}
