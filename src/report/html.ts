/*
 * Pieces of HTML: texts that mean nothing but themselves, tables, and numbers for people. Whatever comes from a task
 * goes through `text`. Knows no summary.
 */
import { visible } from "../base/escape.ts";
import { counted, formatSize } from "../base/units.ts";
import { localFields } from "../base/zone.ts";

const named: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" };

/**
 * HTML that shows the text as it is; what would do something to the page, or to the order of its characters, escaped.
 */
export function text(value: string): string {
  return visible(value).replace(/[&<>"']/g, (char) => named[char]!);
}

/** `1,234,567`; a number with a fraction has at most `digits` of them. */
export function numberText(value: number, digits = 0): string {
  const [whole = "", fraction] = value.toFixed(digits).split(".");
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  const rest = fraction?.replace(/0+$/, "") ?? "";
  return rest === "" ? grouped : `${grouped}.${rest}`;
}

/** Three digits of a number: `0.0123`, `4.57`, `1,230`. */
export function roundText(value: number): string {
  const size = Math.abs(value);
  if (size === 0) return "0";
  return numberText(value, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4);
}

/** A span in seconds as people say it: `12 ms`, `4.2 s`, `3 min 20 s`, `2 d 4 h`. */
export function spanText(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return "–";
  if (seconds < 0) return `−${spanText(-seconds)}`;
  if (seconds === 0) return "0 s";
  if (seconds < 0.9995) return `${roundText(seconds * 1000)} ms`;
  if (seconds < 99.95) return `${roundText(seconds)} s`;
  const whole = Math.round(seconds);
  const [d, h, min, s] = [
    Math.floor(whole / 86_400),
    Math.floor(whole / 3600) % 24,
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const pair = (one: string, rest: number, unit: string): string => (rest === 0 ? one : `${one} ${rest} ${unit}`);
  if (d > 0) return pair(`${numberText(d)} d`, h, "h");
  if (h > 0) return pair(`${h} h`, min, "min");
  return pair(`${min} min`, s, "s");
}

/** A size in bytes: `1.50GB`; a dash where it is not known. */
export function sizeText(bytes: number | null): string {
  return bytes === null || !Number.isFinite(bytes) ? "–" : formatSize(bytes);
}

/** A time, milliseconds since 1970, as local time to the second; a dash where there is none. */
export function timeText(ms: number | null): string {
  return ms === null || !Number.isFinite(ms) ? "–" : localFields(ms).toISOString().slice(0, 19).replace("T", " ");
}

/** What share `part` is of `whole`, in per cent; nothing of nothing is no share. */
export function shareText(part: number, whole: number): string {
  if (whole === 0) return "–";
  const share = (100 * part) / whole;
  if (part > 0 && share < 0.1) return "&lt; 0.1 %";
  if (part < whole && share > 99.9) return "&gt; 99.9 %";
  return `${numberText(share, 1)} %`;
}

/** `1 task`, `1,234 tasks`. */
export function countText(count: number, noun: string): string {
  return counted(count, noun).replace(/^-?\d+/, numberText(count));
}

interface Column {
  /** HTML. */
  readonly title: string;
  readonly kind?: "number" | "code";
}

export interface Table {
  /** HTML, as the cells. */
  readonly caption: string;
  readonly columns: readonly Column[];
  /** The first cell of a row names it. */
  readonly rows: readonly (readonly string[])[];
}

/** A table with its caption; the frame around it can be scrolled where the window is narrow. */
export function table({ caption, columns, rows }: Table): string {
  const classOf = ({ kind }: Column): string => (kind === undefined ? "" : ` class="${kind}"`);
  const head = columns.map((column) => `<th scope="col"${classOf(column)}>${column.title}</th>`).join("");
  const cell = (html: string, i: number): string => {
    const column = columns[i]!;
    return i === 0 ? `<th scope="row"${classOf(column)}>${html}</th>` : `<td${classOf(column)}>${html}</td>`;
  };
  const body = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  const label = caption.replace(/<[^>]*>/g, "");
  return (
    `<div class="scroll" tabindex="0" role="region" aria-label="${label}"><table>\n<caption>${caption}</caption>\n` +
    `<thead><tr>${head}</tr></thead>\n<tbody>\n${body}\n</tbody></table></div>\n`
  );
}

/** A section with its heading; nothing where it has no content. */
export function section(id: string, title: string, content: string): string {
  return content === ""
    ? ""
    : `<section id="${id}" aria-labelledby="${id}-h"><h2 id="${id}-h">${title}</h2>\n${content}</section>\n`;
}

/** A paragraph of HTML. */
export function paragraph(html: string, kind = ""): string {
  return `<p${kind === "" ? "" : ` class="${kind}"`}>${html}</p>\n`;
}
