/*
 * Manual pages as text for man(7): what it takes for a character to be itself, emphasis, and the few macros that the
 * pages use. Knows nothing of this program but how its options look. Source: groff_man(7), mandoc_char(7).
 */

/** A term and what it means. */
export interface Item {
  /** In roff, as `code` and `marked` answer it. */
  readonly term: string;
  /** In roff; empty: the term speaks for itself. */
  readonly meaning: string;
}

/** The lines of a part of a page. */
export type Lines = readonly string[];

const special: Readonly<Record<string, string>> = {
  "\\": "\\e",
  "-": "\\-",
  "'": "\\(aq",
  "`": "\\(ga",
  "^": "\\(ha",
  "~": "\\(ti",
  '"': "\\(dq",
};

/** Text in which every character stands for itself, so that it can be copied into a shell. */
export function code(text: string): string {
  return text.replace(/[\\'`^~"-]/g, (character) => special[character]!);
}

export const bold = (text: string): string => `\\fB${code(text)}\\fR`;
export const italic = (text: string): string => `\\fI${code(text)}\\fR`;

/** What is emphasised: names of options, of commands, of settings' variables, and words such as FILE. */
const marks = /(?<![\w-])--?[A-Za-z0][\w-]*|\bhsx\b(?!\.)|\bhs(?: [a-z]+)?\b(?![./])|\b[A-Z][A-Z_]{1,}\b/g;

/** Text with its options and commands in bold, and those of its words in italics that are in `metavars`. */
export function marked(text: string, metavars: ReadonlySet<string>, commands: ReadonlySet<string>): string {
  let result = "";
  let at = 0;
  for (const found of text.matchAll(marks)) {
    const word = found[0];
    const end = found.index + word.length;
    const shown = emphasis(word, metavars, commands);
    result += plain(text.slice(at, found.index)) + shown;
    at = end;
  }
  return result + plain(text.slice(at));
}

function emphasis(word: string, metavars: ReadonlySet<string>, commands: ReadonlySet<string>): string {
  if (word.startsWith("-") || word === "hsx" || word === "hs") return bold(word);
  if (!word.startsWith("hs ")) return metavars.has(word) ? italic(word) : plain(word);
  return commands.has(word.slice(3)) ? bold(word) : bold("hs") + plain(word.slice(2));
}

/** Prose: hyphens may be hyphens, every other character is itself. */
function plain(text: string): string {
  return text.replace(/[\\'`^~"]/g, (character) => special[character]!).replace(/(?<![A-Za-z])-/g, "\\-");
}

/** A line that cannot be taken for a request. */
function safe(line: string): string {
  return /^[.']/.test(line) ? `\\&${line}` : line;
}

/** Lines of at most about 100 characters; where they end means nothing. */
function broken(text: string): string[] {
  const lines: string[] = [];
  for (const sentence of text.split(/(?<=[.!?]) +(?=[A-Z\\])/)) {
    let line = "";
    for (const word of sentence.split(" ")) {
      if (line !== "" && line.length + word.length > 100) {
        lines.push(line);
        line = word;
      } else line = line === "" ? word : `${line} ${word}`;
    }
    lines.push(line);
  }
  return lines.filter((line) => line !== "").map(safe);
}

/** A paragraph; `roff` as `marked` answers it. */
export function paragraph(roff: string): Lines {
  return [".PP", ...broken(roff)];
}

/** Terms, each with what it means below it, further to the right. A term alone is a paragraph. */
export function list(items: readonly Item[]): Lines {
  return items.flatMap(({ term, meaning }) =>
    meaning === "" ? [".PP", safe(term)] : [".TP", safe(term), ...broken(meaning)],
  );
}

/** Lines as they stand. */
export function verbatim(lines: readonly string[]): Lines {
  return [".PP", ".RS 4", ".EX", ...lines.map((line) => safe(code(line.trimStart()))), ".EE", ".RE"];
}

/** A section with its heading; nothing for one that is empty. */
export function section(title: string, body: Lines): Lines {
  return body.length === 0 ? [] : [`.SH ${quotedTitle(title.toUpperCase())}`, ...withoutBreak(body)];
}

/** A part of a section. */
export function subsection(title: string, body: Lines): Lines {
  return body.length === 0 ? [] : [`.SS ${quotedTitle(title)}`, ...withoutBreak(body)];
}

const quotedTitle = (title: string): string => `"${code(title)}"`;

/** Below a heading begins a paragraph of itself. */
const withoutBreak = (body: Lines): Lines => (body[0] === ".PP" ? body.slice(1) : body);

/** A reference to another page: `hs-list(1)`. */
export const reference = (name: string, number: number): string => `${bold(name)}(${number})`;

/** The name of a page, its summary, and what holds of all pages of a version. */
export interface Head {
  readonly name: string;
  readonly section: 1 | 5 | 7;
  /** Other names under which the page is known. */
  readonly others?: readonly string[];
  /** Not a whole sentence: it begins with a small letter and has no full stop. */
  readonly summary: string;
}

export interface Edition {
  readonly version: string;
  /** As 2026-11-30. */
  readonly date: string;
}

/** The text of a page. */
export function page(head: Head, edition: Edition, body: Lines): string {
  const manual = head.section === 1 ? "User Commands" : head.section === 5 ? "File Formats" : "Miscellaneous";
  const names = [head.name, ...(head.others ?? [])].map(code).join(", ");
  const lines = [
    `.TH "${code(head.name.toUpperCase())}" "${head.section}" "${edition.date}" "hs ${edition.version}" "${manual}"`,
    // Names of settings and variables stay whole, and nothing is stretched.
    ".nh",
    ".ad l",
    ".SH NAME",
    `${names} \\- ${plain(head.summary)}`,
    ...body,
  ];
  return `${lines.join("\n")}\n`;
}
