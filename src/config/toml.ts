/*
 * TOML text to a tree and back. The parser is loaded when there is a file to parse: it costs several times as much as
 * the rest of the start-up, and most runs have no configuration file.
 */
import type Toml from "toml";
import { configurationError, messageOf } from "../base/errors.ts";
import { isTable, showNumber } from "./value.ts";
import type { Table, Value } from "./value.ts";

/** What the parser throws for bad syntax; other complaints (a key given twice) have only line and column. */
interface SyntaxProblem {
  readonly message: string;
  readonly line?: number;
  readonly column?: number;
  readonly found?: string | null;
  readonly expected?: readonly { readonly type: string; readonly text?: string }[];
  readonly location?: { readonly start: { readonly line: number; readonly column: number } };
}

/** Throws a configurationError that names the file and the place. */
export function parseToml(text: string, file: string): Table {
  // A plain require: bundled like any import, evaluated here, and at once (configurations are read synchronously).
  const { parse } = require("toml") as typeof Toml;
  try {
    return parse(text.startsWith("\ufeff") ? text.slice(1) : text) as Table;
  } catch (thrown) {
    throw configurationError("core.config", `(from file: ${file}) ${describe(thrown as SyntaxProblem)}`);
  }
}

function describe(problem: SyntaxProblem): string {
  const start = problem.location?.start;
  if (start === undefined) {
    const place = problem.line === undefined ? "" : `line ${problem.line}, column ${problem.column}: `;
    return place + messageOf(problem);
  }
  const { found, expected = [] } = problem;
  const expects = (literal: string): boolean =>
    expected.some((each) => each.type === "literal" && each.text === literal);
  const what =
    found === null || found === undefined
      ? "the file ends too early"
      : found === "\n" || found === "\r"
        ? "the line ends too early"
        : `unexpected ${JSON.stringify(found)}`;
  // A place where a value may begin: the most common slip is a text without quotes.
  const hint =
    expects("true") && /^[A-Za-z/~<.]$/.test(found ?? "")
      ? " (texts need quotes)"
      : expects("=")
        ? " (expected '=')"
        : "";
  return `line ${start.line}, column ${start.column}: ${what}${hint}`;
}

/**
 * A table under the given head (a list of keys; empty for a whole file), with the tables below it. null is left out:
 * TOML has none.
 */
export function writeToml(table: Table, head: readonly string[]): string {
  const blocks: string[] = [];
  writeBlocks(table, head, blocks);
  return blocks.join("\n");
}

function writeBlocks(table: Table, head: readonly string[], blocks: string[]): void {
  const entries = Object.entries(table).filter(([, value]) => value !== null);
  const tables = entries.filter(([, value]) => isTable(value));
  const lines = entries
    .filter(([, value]) => !isTable(value))
    .map(([key, value]) => `${writeKey(key)} = ${writeValue(value)}\n`);
  // A table that only holds tables needs no head of its own.
  if (lines.length > 0 || (head.length > 0 && tables.length === 0)) {
    const title = head.length === 0 ? "" : `[${head.map(writeKey).join(".")}]\n`;
    blocks.push(title + lines.join(""));
  }
  for (const [key, value] of tables) writeBlocks(value as Table, [...head, key], blocks);
}

/** A key as TOML has it: bare if it can be, else in quotes. */
export function writeKey(key: string): string {
  return /^[A-Za-z0-9_-]+$/.test(key) ? key : writeText(key);
}

/** A value on one line. */
export function writeValue(value: Value): string {
  if (typeof value === "string") return writeText(value);
  if (typeof value === "number") return showNumber(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return `[${value.map(writeValue).join(", ")}]`;
  if (!isTable(value)) return String(value);
  const fields = Object.entries(value)
    .filter(([, each]) => each !== null)
    .map(([key, each]) => `${writeKey(key)} = ${writeValue(each)}`);
  return fields.length === 0 ? "{}" : `{ ${fields.join(", ")} }`;
}

/** A basic string. JSON escapes the same way, save for DEL, which TOML wants escaped too. */
function writeText(text: string): string {
  return JSON.stringify(text).replaceAll("\u007f", "\\u007f");
}
