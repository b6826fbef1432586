/*
 * Tables in box drawing, laid out for a width, row by row: memory does not grow with the number of rows. Takes text
 * that is free of control characters; nothing in it is markup.
 *
 * The widths follow from the first rows; what comes later is wrapped into them. Columns that do not fit are shrunk, the
 * widest first, down to a width at which they can still be read; where even that is too much, each row becomes a block
 * of lines `field │ value`, in which nothing is cut.
 */
import { paint } from "../log/colour.ts";

export interface Column {
  readonly name: string;
  /** What its values may need (columns), for when the widths are fixed before all rows were seen. */
  readonly expected: number;
}

export interface Table {
  row(cells: readonly string[]): string;
  end(): string;
}

/** The widths are decided after this many rows or this much text, whichever comes first. */
const sampleRows = 1000;
const sampleLength = 1 << 20;

/** A column narrower than this (and than its content) cannot be read. */
const readableWidth = 10;

/** A table of these columns, `width` columns of the terminal wide. */
export function table(columns: readonly Column[], width: number, coloured: boolean): Table {
  const sample: (readonly string[])[] = [];
  let length = 0;
  let layout: Table | null = null;

  const decide = (isWhole: boolean): string => {
    const natural = columns.map(({ name, expected }, index) => {
      const seen = sample.reduce((most, row) => Math.max(most, displayWidth(row[index]!)), displayWidth(name));
      return isWhole ? seen : Math.max(seen, expected);
    });
    const available = width - (3 * columns.length + 1);
    const least = natural.reduce((sum, each) => sum + Math.min(each, readableWidth), 0);
    const names = columns.map((column) => column.name);
    layout =
      least <= available
        ? sideBySide(names, shrink(natural, available), coloured)
        : stacked(names, Math.max(width, 40), coloured);
    let text = "";
    for (const row of sample) text += layout.row(row);
    sample.length = 0;
    return text;
  };

  return {
    row(cells) {
      if (layout !== null) return layout.row(cells);
      sample.push(cells);
      for (const cell of cells) length += cell.length;
      return sample.length >= sampleRows || length >= sampleLength ? decide(false) : "";
    },
    end() {
      const rows = layout === null ? decide(true) : "";
      return rows + layout!.end();
    },
  };
}

/**
 * Widths that add up to at most `available`: the widest are cut down to a common width, which the first of them may
 * exceed by one.
 */
function shrink(natural: readonly number[], available: number): number[] {
  let cap = Math.min(Math.max(0, ...natural), Math.max(available, 1));
  const sum = (limit: number): number => natural.reduce((total, each) => total + Math.min(each, limit), 0);
  while (cap > 1 && sum(cap) > available) cap -= 1;
  let spare = available - sum(cap);
  return natural.map((each) => {
    if (each <= cap || spare <= 0) return Math.min(each, cap);
    spare -= 1;
    return cap + 1;
  });
}

function sideBySide(names: readonly string[], widths: readonly number[], coloured: boolean): Table {
  const rule = (left: string, line: string, cross: string, right: string): string =>
    left + widths.map((width) => line.repeat(width + 2)).join(cross) + right + "\n";
  const lines = (cells: readonly string[], bar: string, style: (text: string) => string): string => {
    const wrapped = cells.map((cell, index) => wrap(cell, widths[index]!, "cut"));
    const height = Math.max(1, ...wrapped.map((parts) => parts.length));
    let text = "";
    for (let line = 0; line < height; line += 1) {
      text += bar;
      for (let index = 0; index < widths.length; index += 1) {
        const part = wrapped[index]![line] ?? "";
        text += ` ${style(part)}${" ".repeat(widths[index]! - displayWidth(part))} ${bar}`;
      }
      text += "\n";
    }
    return text;
  };
  const bold = (text: string): string => paint(text, "bold", coloured);
  let head = rule("┏", "━", "┳", "┓") + lines(names, "┃", bold) + rule("┡", "━", "╇", "┩");
  const takeHead = (): string => {
    const text = head;
    head = "";
    return text;
  };
  return {
    row: (cells) => takeHead() + lines(cells, "│", (text) => text),
    end: () => takeHead() + rule("└", "─", "┴", "┘"),
  };
}

/** Each row a block of its own; values are wrapped and folded, never cut. */
function stacked(names: readonly string[], width: number, coloured: boolean): Table {
  const labelWidth = Math.max(...names.map(displayWidth), "field".length);
  const valueWidth = width - labelWidth - 7;
  const rule = (left: string, line: string, cross: string, right: string): string =>
    `${left}${line.repeat(labelWidth + 2)}${cross}${line.repeat(valueWidth + 2)}${right}\n`;
  const pair = (label: string, value: string, bar: string, bold: boolean): string =>
    `${bar} ${paint(label, "bold", bold)}${" ".repeat(labelWidth - displayWidth(label))} ${bar} ` +
    `${paint(value, "bold", bold)}${" ".repeat(valueWidth - displayWidth(value))} ${bar}\n`;
  const head = rule("┏", "━", "┳", "┓") + pair("field", "value", "┃", coloured) + rule("┡", "━", "╇", "┩");
  let isFirst = true;
  return {
    row(cells) {
      let text = isFirst ? head : rule("├", "─", "┼", "┤");
      isFirst = false;
      cells.forEach((cell, index) => {
        wrap(cell, valueWidth, "fold").forEach((part, line) => {
          text += pair(line === 0 ? names[index]! : "", part, "│", false);
        });
      });
      return text;
    },
    end: () => (isFirst ? head : "") + rule("└", "─", "┴", "┘"),
  };
}

const asciiOnly = /^[ -~]*$/;

/** Columns of a terminal that a text takes. */
export function displayWidth(text: string): number {
  return asciiOnly.test(text) ? text.length : Bun.stringWidth(text);
}

/**
 * Lines of at most `width` columns, broken at blanks; at least one. A word that is longer than a line is cut, with `…`
 * at its end, or folded into several lines.
 */
export function wrap(text: string, width: number, longWords: "cut" | "fold"): string[] {
  if (displayWidth(text) <= width) return [text];
  const lines: string[] = [];
  let line = "";
  let used = 0;
  const flush = (): void => {
    if (line.trim() !== "") lines.push(line.trimEnd());
    line = "";
    used = 0;
  };
  // A word takes the blanks before it along; they are dropped where a line begins with it.
  for (const [token] of text.matchAll(/\s*\S+/g)) {
    const word = token.trimStart();
    const wordWidth = displayWidth(word);
    const blanks = token.slice(0, token.length - word.length);
    if (used > 0 && used + blanks.length + wordWidth > width) flush();
    const lead = used > 0 || lines.length === 0 ? blanks : "";
    if (used + lead.length + wordWidth <= width) {
      line += lead + word;
      used += lead.length + wordWidth;
      continue;
    }
    flush();
    if (longWords === "cut") {
      lines.push(`${prefix(word, width - 1)}…`);
      continue;
    }
    let rest = word;
    while (displayWidth(rest) > width) {
      // A single character may be wider than the line.
      const part = prefix(rest, width) || graphemes(rest)[0]!;
      lines.push(part);
      rest = rest.slice(part.length);
    }
    line = rest;
    used = displayWidth(rest);
  }
  flush();
  return lines.length === 0 ? [""] : lines;
}

/** The longest beginning of at most `width` columns. */
export function prefix(text: string, width: number): string {
  if (asciiOnly.test(text)) return text.slice(0, width);
  let used = 0;
  let end = 0;
  for (const part of graphemes(text)) {
    used += Bun.stringWidth(part);
    if (used > width) break;
    end += part.length;
  }
  return text.slice(0, end);
}

let segmenter: Intl.Segmenter | null = null;

function graphemes(text: string): string[] {
  segmenter ??= new Intl.Segmenter();
  return Array.from(segmenter.segment(text), (each) => each.segment);
}
