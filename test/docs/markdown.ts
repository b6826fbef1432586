/*
 * What a page in Markdown asks its reader to type, in order, and what it says comes out. Knows nothing of how it is
 * run.
 *
 *     ```sh            commands that all succeed; what they print is not looked at
 *     ```console       a prompt `$ ` before each command (`> ` before its further lines), and under it all that it
 *                      prints, standard error too; nothing under it: it prints nothing. It succeeds, unless the next
 *                      command is `echo $?`
 *     ```sh job.sh     any language and a name: this block is that file
 *
 * and in a table each code with `hs` or `hsx` as a command, in a column whose head has the word "here". Comments of
 * HTML before a block (or between blocks), which a reader does not see:
 *
 *     <!-- run: mkdir in -->            commands that are run here, too: they make files, or look at what came out
 *     <!-- needs: slurm -->             the block that follows needs this part (parts.ts)
 *     <!-- page needs: slurm -->        all that follows on the page needs it
 *     <!-- any order -->                the lines of the block that follows come as tasks happen to end
 *     <!-- here: login07 = localhost -->   in this place that word is written for this one, on the whole page
 *     <!-- not run: REASON -->          the block that follows is not run
 *     <!-- run by: test/x.test.ts -->   the block that follows is run by that test (or page), which has all its words
 */

/** Where something stands: the number of a line, from 1. */
interface Placed {
  readonly line: number;
}

/** Commands that are given to the shell as they are. */
export interface Step extends Placed {
  readonly text: string;
  /** All that they print; null: whatever it is. */
  readonly expected: string | null;
  readonly anyOrder: boolean;
  /** Whether the page shows the exit status itself, so that it may be any. */
  readonly anyStatus: boolean;
  readonly needs: readonly string[];
}

/** A file that the page shows. */
export interface Shown extends Placed {
  readonly path: string;
  readonly text: string;
  readonly needs: readonly string[];
}

export interface LeftOut extends Placed {
  readonly reason: string;
  /** The test that runs it instead. */
  readonly by: string | null;
  readonly text: string;
}

export interface Page {
  readonly steps: readonly (Step | Shown)[];
  readonly leftOut: readonly LeftOut[];
  /** Words of the page, and what stands for them here. */
  readonly here: readonly (readonly [word: string, meant: string])[];
  /** What is wrong with the page itself. */
  readonly faults: readonly string[];
  /** All code within lines, with the line it stands in. */
  readonly spans: readonly (Placed & { readonly text: string })[];
}

/** Languages of blocks that are no commands. */
const languages = ["text", "toml", "ini", "json", "csv", "ts", "python", "lua", "yaml", "dockerfile", "sql"];

/** Languages of shells that only other systems have: their blocks name the test that runs them. */
const elsewhere = ["powershell", "bat", "fish", "zsh"];

/** A code within a line that is a command of ours. */
const command = /(?:^|[|;&(] *|\b(?:do|then|exec) +|[A-Z_]+=\S* +)hsx? /;

/** What comments have said about the block that comes. */
interface Said {
  needs: string[];
  anyOrder: boolean;
  notRun: string | null;
  runBy: string | null;
}

interface Reading {
  readonly steps: (Step | Shown)[];
  readonly leftOut: LeftOut[];
  readonly here: [string, string][];
  readonly faults: string[];
  readonly spans: { line: number; text: string }[];
  readonly pageNeeds: string[];
  said: Said;
}

const nothingSaid = (): Said => ({ needs: [], anyOrder: false, notRun: null, runBy: null });

/** Reads a page. What it cannot mean is among its faults. */
export function readPage(text: string): Page {
  const reading: Reading = {
    steps: [],
    leftOut: [],
    here: [],
    faults: [],
    spans: [],
    pageNeeds: [],
    said: nothingSaid(),
  };
  const lines = text.split("\n");
  let at = 0;
  while (at < lines.length) {
    const line = lines[at]!;
    if (/^ *```/.test(line)) at = readBlock(reading, lines, at);
    else if (line.trimStart().startsWith("<!--")) at = readComment(reading, lines, at);
    else if (line.startsWith("|")) at = readTable(reading, lines, at);
    else {
      if (/^(?: {4}|\t)\S/.test(line) && /^\s*$/.test(lines[at - 1] ?? ""))
        reading.faults.push(`${at + 1}: an indented block is not run: fence it with \`\`\``);
      reading.spans.push(...spansOf(line).map((span) => ({ line: at + 1, text: span })));
      at++;
    }
  }
  return reading;
}

const spansOf = (line: string): readonly string[] =>
  [...line.matchAll(/(`+)(.+?)\1/g)].map(([, , span]) => span!.trim());

/** Reads a block from its first fence; the line behind it. */
function readBlock(reading: Reading, lines: readonly string[], from: number): number {
  const [, indent = "", fence = "```", info = ""] = /^( *)(`{3,})(.*)$/.exec(lines[from]!) ?? [];
  let end = from + 1;
  while (end < lines.length && lines[end]!.trim() !== fence) end++;
  const body = lines.slice(from + 1, end).map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line));
  const [language = "", path] = info.trim().split(/\s+/);
  const { said } = reading;
  reading.said = nothingSaid();
  const line = from + 1;
  const needs = [...reading.pageNeeds, ...said.needs];
  const text = `${body.join("\n")}\n`;
  if (end === lines.length) reading.faults.push(`${line}: the block does not end`);
  if (said.notRun !== null || said.runBy !== null)
    reading.leftOut.push({ line, reason: said.notRun ?? `run by ${said.runBy}`, by: said.runBy, text });
  else if (path !== undefined) reading.steps.push({ line, path, text, needs });
  else if (language === "sh")
    reading.steps.push({ line: line + 1, text, expected: null, anyOrder: false, anyStatus: false, needs });
  else if (language === "console") readConsole(reading, body, line + 1, said.anyOrder, needs);
  else if (elsewhere.includes(language)) reading.faults.push(`${line}: say which test runs it: <!-- run by: PATH -->`);
  else if (!languages.includes(language))
    reading.faults.push(
      `${line}: a block of '${language}': commands are sh or console, others are ${languages.join(" ")}`,
    );
  else if (body.some((each) => /^(?:\$ |hsx? )/.test(each)))
    reading.faults.push(`${line}: commands in a block of '${language}' are not run: make it sh or console`);
  return end + 1;
}

/** The commands of a block with prompts, each with what stands under it. */
function readConsole(
  reading: Reading,
  body: readonly string[],
  first: number,
  anyOrder: boolean,
  needs: readonly string[],
): void {
  const starts = body.flatMap((line, at) => (line.startsWith("$ ") ? [at] : []));
  if (starts[0] !== 0) reading.faults.push(`${first}: a block of 'console' begins with a prompt, '$ '`);
  starts.forEach((start, n) => {
    const rest = body.slice(start + 1, starts[n + 1]);
    const further = rest.findIndex((line) => !line.startsWith("> "));
    const [more, shown] = further < 0 ? [rest, []] : [rest.slice(0, further), rest.slice(further)];
    const text = [body[start]!.slice(2), ...more.map((line) => line.slice(2))].join("\n");
    const next = body[starts[n + 1] ?? -1];
    const expected = shown.map((line) => `${line}\n`).join("");
    const anyStatus = next === "$ echo $?";
    reading.steps.push({ line: first + start, text: `${text}\n`, expected, anyOrder, anyStatus, needs });
  });
}

/** Reads a comment to its end; the line behind it. */
function readComment(reading: Reading, lines: readonly string[], from: number): number {
  let end = from;
  while (end < lines.length && !lines[end]!.includes("-->")) end++;
  const whole = lines.slice(from, end + 1).join("\n");
  const inner = whole.slice(whole.indexOf("<!--") + 4, whole.indexOf("-->")).trim();
  const [, word = inner, rest = ""] = /^([a-z ]+):\s*([\s\S]*)$/.exec(inner) ?? [];
  const { said } = reading;
  const needs = [...reading.pageNeeds, ...said.needs];
  switch (word) {
    case "run": {
      const text = `${rest}\n`;
      reading.steps.push({ line: from + 1, text, expected: null, anyOrder: false, anyStatus: false, needs });
      break;
    }
    case "needs":
      said.needs.push(...rest.split(/[\s,]+/));
      break;
    case "page needs":
      reading.pageNeeds.push(...rest.split(/[\s,]+/));
      break;
    case "any order":
      said.anyOrder = true;
      break;
    case "not run":
      said.notRun = rest;
      if (rest.length < 10) reading.faults.push(`${from + 1}: say why it is not run`);
      break;
    case "run by":
      said.runBy = rest;
      break;
    case "here": {
      const [, from_, to] = /^(.+?) = (.+)$/.exec(rest) ?? [];
      if (from_ === undefined || to === undefined) reading.faults.push(`${from + 1}: <!-- here: WORD = WORD -->`);
      else reading.here.push([from_, to]);
      break;
    }
    case "end":
    case "written by scripts/settings":
      break;
    default:
      reading.faults.push(`${from + 1}: a comment that no test understands: ${word}`);
  }
  return end + 1;
}

/** Cells of a row; `\|` is no border. */
export const cellsOf = (row: string): readonly string[] =>
  row
    .trim()
    .replace(/^\||\|$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => cell.replaceAll(String.raw`\|`, "|").trim());

/** Reads a table to its end; the line behind it. */
function readTable(reading: Reading, lines: readonly string[], from: number): number {
  let end = from;
  while (end < lines.length && lines[end]!.startsWith("|")) end++;
  const heads = cellsOf(lines[from]!);
  const { said } = reading;
  reading.said = nothingSaid();
  const needs = [...reading.pageNeeds, ...said.needs];
  for (let at = from + 2; at < end; at++)
    cellsOf(lines[at]!).forEach((cell, column) => {
      for (const text of spansOf(cell)) {
        reading.spans.push({ line: at + 1, text });
        if (!/\bhere\b/.test(heads[column] ?? "") || !command.test(text)) continue;
        const step = { line: at + 1, text: `${text}\n`, expected: null, anyOrder: false, anyStatus: false, needs };
        if (said.notRun === null) reading.steps.push(step);
        else reading.leftOut.push({ line: at + 1, reason: said.notRun, by: null, text });
      }
    });
  return end;
}
