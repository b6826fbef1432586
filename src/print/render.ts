/*
 * The formats of `hs list`: text for a stream of rows, and the stream itself. Each format is told the fields once and
 * then makes text row by row; nothing is kept of rows that were written. Knows no store: rows come from any iterable.
 */
import type { Clock } from "../base/clock.ts";
import { type FieldKind, kindOf, type TaskField, taskFields } from "../task/field.ts";
import type { ShownRow, ShownValue, Tags } from "../task/task.ts";
import type { Output } from "./output.ts";
import { record } from "./record.ts";
import { table } from "./table.ts";
import { partOf, tint } from "./theme.ts";
import type { Theme } from "./theme.ts";
import { holdsFloats, isTags, json, jsonText, oneLine, readable, visible } from "./value.ts";
import { yamlMapping } from "./yaml.ts";

export const formats = ["normal", "plain", "table", "json", "csv"] as const;
export type Format = (typeof formats)[number];

export interface Page {
  /** null: no colours. */
  readonly theme: Theme | null;
  /** For tables. */
  readonly columns: number;
  /** For csv and plain. */
  readonly delimiter: string;
  /** csv and plain are for programs, which get each text as it is; a terminal must not obey what is in it. */
  readonly isTerminal: boolean;
}

export interface Renderer {
  /** What comes before the first row. */
  readonly head: string;
  /** Text of a row, with what separates it from the one before. Empty while a layout is still being decided. */
  row(values: ShownRow): string;
  /** What comes after the last row. */
  end(): string;
}

/** `fields` are those of the rows, repeats included; `normal` takes rows of all fields. */
export function renderer(format: Format, fields: readonly TaskField[], page: Page): Renderer {
  switch (format) {
    case "normal":
      return { head: "", row: (values) => `---\n${record(values)}`, end: () => "" };
    case "plain":
      return plain(fields, page);
    case "csv":
      return csv(fields, page);
    case "json":
      return jsonArray(fields, page.theme);
    case "table":
      return boxes(fields, page);
  }
}

function plain(fields: readonly TaskField[], { delimiter, isTerminal }: Page): Renderer {
  const floats = fields.map(holdsFloats);
  const shown = isTerminal ? visible : oneLine;
  const cell = (value: ShownValue, isFloat: boolean): string =>
    typeof value === "string" ? shown(value) : readable(value, isFloat);
  return {
    head: "",
    row(values) {
      let text = cell(values[0]!, floats[0]!);
      for (let index = 1; index < floats.length; index += 1) text += delimiter + cell(values[index]!, floats[index]!);
      return `${text}\n`;
    },
    end: () => "",
  };
}

/** RFC 4180: rows end with CR LF, quotes only where they are needed. */
function csv(fields: readonly TaskField[], { delimiter, isTerminal }: Page): Renderer {
  const special = new RegExp(`["\\r\\n${delimiter.replace(/[\\\]^-]/g, "\\$&")}]`, "u");
  const asIs = (text: string): string => (special.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const quote = isTerminal ? (text: string): string => asIs(visible(text)) : asIs;
  const floats = fields.map(holdsFloats);
  // Numbers, null and booleans need no look, unless somebody separates by what they are made of.
  const quoteWord = /[\w.+-]/.test(delimiter) ? quote : (text: string): string => text;
  let lastTags: Tags | null = null;
  let lastText = "";
  const tagsCell = (tags: Tags): string => {
    if (tags !== lastTags) lastText = quote(json(tags, false));
    lastTags = tags;
    return lastText;
  };
  const cell = (value: ShownValue, isFloat: boolean): string =>
    typeof value === "string" ? quote(value) : isTags(value) ? tagsCell(value) : quoteWord(json(value, isFloat));
  return {
    head: `${fields.map(quote).join(delimiter)}\r\n`,
    row(values) {
      let text = cell(values[0]!, floats[0]!);
      for (let index = 1; index < floats.length; index += 1) text += delimiter + cell(values[index]!, floats[index]!);
      // A row of one empty text would be an empty line, which readers skip.
      return text === "" ? '""\r\n' : `${text}\r\n`;
    },
    end: () => "",
  };
}

/** A JSON object has a key once, so a field that was asked for twice is there once. */
function jsonArray(fields: readonly TaskField[], theme: Theme | null): Renderer {
  const indent = "        ";
  const members = membersOf([...new Set(fields)], indent, theme);
  const indexes = [...new Set(fields)].map((field) => fields.indexOf(field));
  let isEmpty = true;
  let lastTags: Tags | null = null;
  let lastText = "";
  const tagsText = (tags: Tags): string => {
    if (tags !== lastTags) lastText = jsonValue(tags, false, indent, theme);
    lastTags = tags;
    return lastText;
  };
  return {
    head: "[",
    row(values) {
      let text = isEmpty ? "\n    {" : ",\n    {";
      isEmpty = false;
      for (let index = 0; index < members.length; index += 1) {
        const { lead, isFloat } = members[index]!;
        const value = values[indexes[index]!]!;
        text += lead + (isTags(value) ? tagsText(value) : jsonValue(value, isFloat, indent, theme));
      }
      return `${text}\n    }`;
    },
    end: () => (isEmpty ? "]\n" : "\n]\n"),
  };
}

interface Member {
  /** What separates it from the member before; indent, key and colon. */
  readonly lead: string;
  readonly isFloat: boolean;
}

function membersOf(fields: readonly TaskField[], indent: string, theme: Theme | null): readonly Member[] {
  return fields.map((field, index) => ({
    lead: `${index === 0 ? "" : ","}\n${indent}${tint(jsonText(field), "key", theme)}: `,
    isFloat: holdsFloats(field),
  }));
}

/** `indent` is that of the line on which the value begins. */
function jsonValue(value: ShownValue, isFloat: boolean, indent: string, theme: Theme | null): string {
  if (!isTags(value)) return theme === null ? json(value, isFloat) : tint(json(value, isFloat), partOf(value), theme);
  const inner = Object.entries(value).map(
    ([key, each]) => `${indent}    ${tint(jsonText(key), "key", theme)}: ${jsonValue(each, false, "", theme)}`,
  );
  return inner.length === 0 ? "{}" : `{\n${inner.join(",\n")}\n${indent}}`;
}

/** All fields of a task as one object, for `hs info`; ends with a newline. */
export function jsonRecord(row: ShownRow, theme: Theme | null): string {
  const lines = membersOf(taskFields, "    ", theme).map(
    (member, index) => member.lead + jsonValue(row[index]!, member.isFloat, "    ", theme),
  );
  return `{${lines.join("")}\n}\n`;
}

/** One value over as many lines as it takes; ends with a newline. */
export function jsonOf(value: ShownValue, isFloat: boolean, theme: Theme | null): string {
  return `${jsonValue(value, isFloat, "", theme)}\n`;
}

/** A task as YAML. */
export function yamlRecord(row: ShownRow, theme: Theme | null): string {
  const members = taskFields.map((key, index) => ({ key, value: row[index]!, isFloat: holdsFloats(key) }));
  return yamlMapping(members, theme);
}

/** Columns of a terminal that a value mostly needs. */
const expectedWidths: Readonly<Record<FieldKind, number>> = {
  id: 36,
  time: 26,
  text: 24,
  tags: 24,
  host: 16,
  whole: 12,
  count: 12,
  status: 12,
  seconds: 12,
  bytes: 12,
  float: 12,
  size: 12,
  span: 12,
  boolean: 12,
};

function boxes(fields: readonly TaskField[], page: Page): Renderer {
  const floats = fields.map(holdsFloats);
  const columns = fields.map((name) => ({ name, expected: expectedWidths[kindOf(name)] }));
  const drawn = table(columns, page.columns, page.theme !== null);
  return {
    head: "",
    row: (values) => drawn.row(values.map((value, index) => readable(value, floats[index]!))),
    end: () => drawn.end(),
  };
}

/** Characters that are gathered before they are written to a file or pipe. */
const blockLength = 1 << 16;
/** Rows that come slowly are not held back longer than this; also how long a signal may have to wait. */
const patienceMs = 50;

/**
 * Writes all rows. The first appears at once, a terminal gets each row as it comes, everything else gets blocks. A slow
 * reader holds back the rows; what Output.write throws ends it, and lets the source clean up.
 */
export async function pour(
  rows: AsyncIterable<ShownRow>,
  shape: Renderer,
  output: Output,
  clock: Clock,
): Promise<void> {
  const breathe = breather(clock);
  let text = shape.head;
  let writtenAt = Number.NEGATIVE_INFINITY;
  for await (const row of rows) {
    text += shape.row(row);
    const now = clock.now();
    if (text !== "" && (text.length >= blockLength || now - writtenAt >= patienceMs || output.isTerminal)) {
      output.write(text);
      text = "";
      writtenAt = clock.now();
    }
    const breath = breathe();
    if (breath !== null) await breath;
  }
  output.write(text + shape.end());
}

/**
 * To be called for each row: every now and then it asks to be awaited, and lets the event loop turn. A source that
 * always has a row ready never does, and Ctrl-C waits for that.
 */
export function breather(clock: Clock): () => Promise<void> | null {
  let turnedAt = clock.now();
  return () => {
    if (clock.now() - turnedAt < patienceMs) return null;
    return new Promise((resume) => {
      clock.after(0, () => {
        turnedAt = clock.now();
        resume();
      });
    });
  };
}
