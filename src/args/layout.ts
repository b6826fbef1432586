/*
 * The layout of help texts: usage lines, tables of options, paragraphs, and the overview of the program. Pure: width
 * and colour are given, text comes back. Knows nothing of settings, so that the overview does not load their table.
 */
import { paint } from "../log/colour.ts";
import { notesOf, type Row } from "./notes.ts";
import type { CommandSpec, Option } from "./spec.ts";

export interface Page {
  /** `hs` or `hsx`: what the usage lines call the program. */
  readonly program: string;
  /** Columns to fill. Infinity: a row a line however long, as a reader like grep wants it. */
  readonly width: number;
  readonly coloured: boolean;
}

/** A command in a list of commands. */
export interface Verb {
  readonly name: string;
  readonly summary: string;
}

const indent = "  ";
/** Columns. Paragraphs are not filled beyond this, because longer lines are hard to read. */
const paragraphMax = 90;

/**
 * Labels longer than this stand on a line of their own, so that one long option does not push all the others to the
 * right.
 */
const labelMax = (width: number): number => (width < 100 ? 28 : 36);

/** The usage block, ending with a newline. */
export function usage(spec: Pick<CommandSpec, "usage">, page: Page): string {
  const lines = spec.usage.flatMap((line) => usageLines(asTyped(line, page.program), page.width));
  return [heading("Usage", page), ...lines, ""].join("\n");
}

/** A usage line, broken between its parts where it is too long: `[-l NUM]` stays whole. */
function usageLines(line: string, width: number): string[] {
  const [own = ""] = /^ */.exec(line)!;
  if (indent.length + line.length <= width) return [indent + line];
  const lines: string[] = [];
  let current = own;
  let depth = 0;
  let part = "";
  for (const word of line.trim().split(" ")) {
    part = part === "" ? word : `${part} ${word}`;
    depth += (word.match(/\[/g)?.length ?? 0) - (word.match(/\]/g)?.length ?? 0);
    if (depth > 0) continue;
    if (current.trim() !== "" && indent.length + current.length + 1 + part.length > width) {
      lines.push(indent + current);
      current = `        ${part}`;
    } else current = current.trim() === "" ? current + part : `${current} ${part}`;
    part = "";
  }
  return [...lines, indent + current + (part === "" ? "" : ` ${part}`)];
}

/** `hsx` is `hs cluster`, and its help should say what the user types. */
function asTyped(line: string, program: string): string {
  return program === "hsx" ? line.replace(/^hs cluster(?=\s|$)/, "hsx") : line;
}

/** The help of the program itself: its commands and its own few options. */
export function overview(
  about: {
    usage: readonly string[];
    summary: string;
    verbs: readonly Verb[];
    options: readonly Option[];
    epilog: string;
  },
  page: Page,
): string {
  const verbRows = about.verbs.map((verb) => ({ label: verb.name, text: verb.summary }));
  const blocks = [
    usage(about, page),
    `${fill(about.summary, page).join("\n")}\n`,
    ...table(
      [
        { title: "Commands", rows: verbRows },
        { title: "Options", rows: about.options.map((option) => optionRow(option, null)) },
      ],
      page,
    ),
    closing(about.epilog, page),
  ];
  return blocks.join("\n");
}

function heading(title: string, page: Page): string {
  return paint(`${title.replace(/:$/, "")}:`, "bold", page.coloured);
}

/**
 * The row of an option: short names first, long ones aligned under each other, then the value. `fallback` is what the
 * value is when nothing is said; null: nothing that is worth saying.
 */
export function optionRow(option: Option, fallback: string | null): Row {
  const short = option.names.filter((name) => !name.startsWith("--"));
  const long = option.names.filter((name) => name.startsWith("--"));
  const names = short.length === 0 ? `    ${long.join(", ")}` : [...short, ...long].join(", ");
  const value = valueLabel(option);
  const text = fallback === null ? option.help : `${option.help} (default: ${fallback})`;
  return { label: value === "" ? names : `${names} ${value}`, text };
}

/** How the help shows the value of an option: `NUM`, `TAG...`, `[HOST]`; empty for a flag. */
export function valueLabel(option: Option): string {
  if (option.kind === "flag") return "";
  const metavar = (option.metavar ?? defaultMetavar(option)).replace(/\.\.\.$/, "");
  if (option.kind === "words") return `${metavar}...`;
  return option.kind === "optional" ? `[${metavar.replace(/^\[|\]$/g, "")}]` : metavar;
}

function defaultMetavar(option: Option): string {
  switch (option.kind) {
    case "integer":
      return "NUM";
    case "float":
      return "VALUE";
    case "size":
      return "SIZE";
    case "seconds":
      return "SEC";
    default:
      return (option.names.find((name) => name.startsWith("--"))?.slice(2) ?? option.key).toUpperCase();
  }
}

/** Blocks of rows under their titles, all with one label column. */
export function table(blocks: readonly { title: string; rows: readonly Row[] }[], page: Page): string[] {
  const shown = blocks.filter((block) => block.rows.length > 0);
  const lengths = shown
    .flatMap((block) => block.rows.map((row) => row.label.length))
    .filter((length) => length <= labelMax(page.width));
  const labelWidth = Math.max(0, ...lengths);
  const margin = " ".repeat(indent.length + labelWidth + 2);
  return shown.map((block) => {
    const lines = block.rows.flatMap((row) => {
      const label = paint(row.label, "cyan", page.coloured);
      const text = wrap(row.text, page.width, margin);
      if (text.length === 0) return [indent + label];
      if (row.label.length > labelWidth && page.width !== Infinity) return [indent + label, ...text];
      const gap = " ".repeat(Math.max(0, labelWidth - row.label.length) + 2);
      return [indent + label + gap + text[0]!.slice(margin.length), ...text.slice(1)];
    });
    return [heading(block.title, page), ...lines, ""].join("\n");
  });
}

/** The closing text of a help, ending with a newline. Paragraphs are filled; what is in a section is indented. */
export function closing(text: string, page: Page): string {
  const width = Math.min(page.width, paragraphMax);
  const sections = notesOf(text).map(({ title, blocks }) => {
    const margin = title === null ? "" : indent;
    const lines = blocks.flatMap((block, index) => {
      const before = blocks[index - 1];
      const isApart = before !== undefined && (title === null || before.kind === block.kind);
      const own =
        block.kind === "prose"
          ? wrap(block.text, width, margin)
          : block.kind === "rows"
            ? rowLines(block, page.width)
            : block.lines;
      return isApart ? ["", ...own] : own;
    });
    return [...(title === null ? [] : [heading(title, page)]), ...lines].join("\n");
  });
  return `${sections.join("\n\n")}\n`;
}

/** Rows as they are written if there is room, else with their meanings filled beside or below the terms. */
function rowLines({ rows, lines }: { rows: readonly Row[]; lines: readonly string[] }, width: number): string[] {
  if (lines.every((line) => line.length <= width)) return [...lines];
  const lengths = rows.filter(({ text }) => text !== "").map(({ label }) => label.length);
  const labelWidth = Math.max(0, ...lengths.filter((length) => length <= labelMax(width)));
  const margin = " ".repeat(indent.length + (labelWidth === 0 ? 4 : labelWidth + 2));
  return rows.flatMap(({ label, text }) => {
    const filled = wrap(text, width, margin);
    if (filled.length === 0 || label.length > labelWidth) return [indent + label, ...filled];
    return [(indent + label).padEnd(margin.length) + filled[0]!.slice(margin.length), ...filled.slice(1)];
  });
}

/** The lines of a paragraph, at most as wide as is good to read. */
export function fill(text: string, page: Page): string[] {
  return wrap(text, Math.min(page.width, paragraphMax), "");
}

/** Fills lines up to `width`, each with `margin` in front. A word longer than a line is not broken. */
export function wrap(text: string, width: number, margin: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/\s+/)) {
    if (word === "") continue;
    if (line !== "" && margin.length + line.length + 1 + word.length > width) {
      lines.push(margin + line);
      line = word;
    } else {
      line = line === "" ? word : `${line} ${word}`;
    }
  }
  if (line !== "") lines.push(margin + line);
  return lines;
}
