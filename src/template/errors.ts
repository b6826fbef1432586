/*
 * What can be wrong with a template, in two kinds: its text, which ends the program with status 2 when it starts, and
 * its expansion for one input line, which is recorded with that task. Owns how both read; does not print them.
 */
import { UserError, exitStatus } from "../base/errors.ts";

/** Longest piece of a template that is shown above the caret, in UTF-16 units: a terminal line and a little. */
const shownLength = 100;

/**
 * A malformed template. `message` is one line with the problem and the column; `caret` has the line of the template
 * and, after a newline, a caret below the place, to be printed as it stands.
 */
export class TemplateSyntaxError extends UserError {
  override readonly name = "TemplateSyntaxError";
  override readonly caret: string;
  constructor(
    readonly problem: string,
    readonly template: string,
    /** In UTF-16 units, from 0; at most the length of the template. */
    readonly offset: number,
  ) {
    super(exitStatus.badArgument, "", `template: ${problem} (${placeOf(template, offset)})`);
    this.caret = caretBlock(template, offset);
  }
}

/**
 * A template that cannot be expanded for one input; `message` names the pattern, the input in parentheses, and the
 * reason.
 */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
  constructor(
    readonly pattern: string,
    readonly input: string,
    readonly reason: string,
  ) {
    super(`${pattern} (${input}): ${reason}`);
  }
}

function placeOf(template: string, offset: number): string {
  const before = template.slice(0, offset).split("\n");
  const column = `column ${Array.from(before.at(-1) ?? "").length + 1}`;
  return template.includes("\n") ? `line ${before.length}, ${column}` : column;
}

/**
 * The line of the template around `offset`, and a caret below it that stands right for TABs and wide characters too.
 */
function caretBlock(template: string, offset: number): string {
  const lineStart = template.lastIndexOf("\n", offset - 1) + 1;
  const newline = template.indexOf("\n", offset);
  const lineEnd = newline === -1 ? template.length : newline;
  const from = lineEnd - lineStart <= shownLength ? lineStart : Math.max(lineStart, offset - shownLength / 2);
  const to = Math.min(lineEnd, from + shownLength);
  const lead = from > lineStart ? "..." : "";
  const shown = `${lead}${printable(template.slice(from, to))}${to < lineEnd ? "..." : ""}`;
  const indent = Array.from(lead + printable(template.slice(from, offset)), (char) =>
    char === "\t" ? "\t" : " ".repeat(Bun.stringWidth(char)),
  );
  return `${shown}\n${indent.join("")}^`;
}

/** Control characters other than TAB would move the cursor: a question mark stands for each. */
function printable(text: string): string {
  return text.replace(/[\u0000-\u0008\u000a-\u001f\u007f-\u009f]/g, "?");
}
