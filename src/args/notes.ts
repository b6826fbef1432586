/*
 * The closing text of a help, read into its parts, so that a terminal and a manual page can each lay it out. Pure.
 *
 *   text     = { block | section }
 *   section  = title ":" newline { block }         up to a blank line that a line without indent follows
 *   block    = paragraph | rows | lines            an empty line ends one
 *   paragraph                                      lines without indent; in a section, indented by two
 *   rows     = { "  " term gap meaning }           gap: two blanks or more, the last of them on the line
 *   lines    = { "    " text }                     as they stand
 *
 * In a section whose title begins with "Examples" every line is a row: a command, and what it does. The meaning of a
 * row may go on below, further to the right than its term begins.
 */

/** A row of a table: an option, a command or an argument, and what it means. */
export interface Row {
  readonly label: string;
  readonly text: string;
}

export type Block =
  | { readonly kind: "prose"; readonly text: string }
  /** `lines`: the rows as they are written. A row without a meaning has an empty text. */
  | { readonly kind: "rows"; readonly rows: readonly Row[]; readonly lines: readonly string[] }
  | { readonly kind: "lines"; readonly lines: readonly string[] };

/** A section of the text; the title is null for what stands in none. */
export interface Note {
  readonly title: string | null;
  readonly blocks: readonly Block[];
}

type Open = { kind: "prose"; text: string } | { kind: "rows"; rows: Row[]; lines: string[] } | Lines;
interface Lines {
  kind: "lines";
  lines: string[];
}

const heading = /^([A-Z][A-Za-z ()-]*):$/;

/** The parts of a closing text, in their order. */
export function notesOf(text: string): readonly Note[] {
  const notes: { title: string | null; blocks: Open[] }[] = [];
  let open: Open | null = null;
  let isAfterBlank = true;
  const section = (title: string | null): { title: string | null; blocks: Open[] } => {
    const made = { title, blocks: [] };
    notes.push(made);
    open = null;
    return made;
  };
  for (const line of text.trimEnd().split("\n")) {
    const title = heading.exec(line)?.[1];
    if (title !== undefined) section(title);
    else if (line.trim() === "") open = null;
    else {
      const current = notes.at(-1) ?? section(null);
      const leaves = isAfterBlank && current.title !== null && !line.startsWith(" ");
      open = add(leaves ? section(null) : current, open, line);
    }
    isAfterBlank = line.trim() === "";
  }
  return notes;
}

/** Adds a line to the block that is open, or opens one for it; the block that is open then. */
function add(note: { title: string | null; blocks: Open[] }, open: Open | null, line: string): Open {
  const isExample = note.title?.startsWith("Examples") === true;
  const indent = /^ */.exec(line)![0].length;
  const kind = kindOf(line, indent, isExample, open);
  let block = open;
  if (block?.kind !== kind) {
    block = kind === "rows" ? { kind, rows: [], lines: [] } : kind === "lines" ? { kind, lines: [] } : prose();
    note.blocks.push(block);
  }
  if (block.kind === "prose") block.text = block.text === "" ? line.trim() : `${block.text} ${line.trim()}`;
  else block.lines.push(line.trimEnd());
  if (block.kind === "rows") readRow(block.rows, line.trim(), indent);
  return block;
}

const prose = (): Open => ({ kind: "prose", text: "" });

function kindOf(line: string, indent: number, isExample: boolean, open: Open | null): Open["kind"] {
  if (indent === 0) return "prose";
  if (open?.kind === "rows" && (isExample || indent > 2)) return "rows";
  if (indent > 2) return "lines";
  return isExample || /\S {2,}\S/.test(line) ? "rows" : "prose";
}

/** A new row, or more of the meaning of the one before. */
function readRow(rows: Row[], text: string, indent: number): void {
  const last = rows.at(-1);
  if (indent > 2 && last !== undefined) {
    rows[rows.length - 1] = { label: last.label, text: `${last.text} ${text}`.trim() };
    return;
  }
  const [, label = text, meaning = ""] = /^(.*\S) {2,}(\S.*)$/.exec(text) ?? [];
  rows.push({ label, text: meaning });
}
