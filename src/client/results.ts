/*
 * Files for the output of each task whose names tell which task it is (`--results`), as GNU Parallel (20221122) makes
 * them: a tree of folders named after the values of the input, or a name with patterns.
 *
 *   DIR               DIR/1/VALUE/2/VALUE/stdout, stderr, seq      a number and a value for each source of input
 *   a name with       NAME, NAME.err, NAME.seq                     the name as the patterns make it for this task
 *   patterns          NAME/stdout, stderr, seq                     if it ends with a slash
 *
 * In a value `/` is written as `\_`, a TAB as `\t`, and `\` as `\\`. There, `..` leads out of DIR, and of a value that
 * is longer than a name of a file may be its beginning is left, which others may share. Here `.` and `..` are `\.` and
 * `\..`, and such a beginning is followed by `~` and a digest of the value. Windows takes few of these characters in
 * names: there they are written as in URLs, `%2F`.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { argumentError } from "../base/errors.ts";
import { osPaths } from "../base/ospath.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import type { System } from "../base/system.ts";
import { isList, listedWords } from "../base/wordlist.ts";
import { expand, needsShell } from "../template/expand.ts";
import { parseTemplate, type Template } from "../template/parse.ts";

/** The files of one task. */
interface ResultFiles {
  /** The folder of all of them. */
  readonly folder: string;
  readonly stdout: string;
  readonly stderr: string;
  readonly seq: string;
}

/** How the files of all tasks are named. */
export interface Results {
  /** A folder that all of them are in, at whatever depth. */
  readonly folder: string;
  /** Names the files for a task with this input. Throws an Error whose message tells why there is no name. */
  filesOf(args: string): ResultFiles;
}

/**
 * How files are named for `pattern`, an absolute path. Throws a UserError for a pattern that is malformed, or means
 * nothing here.
 */
export function resultsOf(pattern: string, system: System): Results {
  const template = parsedName(pattern);
  const [first] = template.parts;
  const start = first?.kind === "text" ? first.text : "";
  if (isFolderName(template)) {
    const root = start.replace(/[/\\]+$/, "");
    return { folder: start, filesOf: (args) => inFolder([root, ...namesOf(args)].join(osPaths.separator)) };
  }
  return { folder: dirname(`${start}.`), filesOf: expanded(template, system) };
}

/** Files whose name a template with patterns makes. */
function expanded(template: Template, system: System): Results["filesOf"] {
  const noShell = { ...system, shell: () => Promise.reject(new Error("there is no shell for names")) };
  return (args) => {
    // No shell is needed, so there is nothing to wait for.
    const name = expand(template, args, noShell) as string;
    if (/[/\\]$/.test(name) && (name.endsWith("/") || windows)) return inFolder(name.slice(0, -1));
    return { folder: dirname(name), stdout: name, stderr: `${name}.err`, seq: `${name}.seq` };
  };
}

const windows = process.platform === "win32";

/** The parts of a name. Throws a UserError for one that is malformed, or that needs a shell. */
export function parsedName(pattern: string): Template {
  const template = parseTemplate(pattern);
  if (needsShell(template))
    throw argumentError("argument --results: names are made without a shell, so {% %} is not allowed in them");
  return template;
}

/** Whether a name has no patterns: then it is that of a folder. */
function isFolderName({ parts }: Template): boolean {
  return parts.every(({ kind }) => kind === "text");
}

function inFolder(folder: string): ResultFiles {
  const within = (name: string): string => folder + osPaths.separator + name;
  return { folder, stdout: within("stdout"), stderr: within("stderr"), seq: within("seq") };
}

/** The folders for an input, one in the other: for each source its number and the value. */
function namesOf(args: string): readonly string[] {
  const values = isList(args) ? listedWords(args) : [args];
  // An empty value has no folder of its own.
  return values.flatMap((value, at) => [`${at + 1}`, ...(value === "" ? [] : [nameOf(value)])]);
}

/** Bytes of the longest name of a file. */
const mostBytes = 255;
const digestDigits = 16;

function nameOf(value: string): string {
  const name = windows ? escapedForWindows(value) : escaped(value);
  const bytes = Buffer.from(name);
  if (bytes.length <= mostBytes) return name;
  let length = mostBytes - digestDigits - 1;
  // A character stays whole: the bytes after its first begin with the bits 10.
  while ((bytes[length]! & 0xc0) === 0x80) length--;
  const digest = new Bun.CryptoHasher("sha256").update(value).digest("hex").slice(0, digestDigits);
  return `${bytes.toString("utf8", 0, length)}~${digest}`;
}

function escaped(value: string): string {
  if (value === "." || value === "..") return `\\${value}`;
  return value.replace(/[\\\t\0/]/g, (char) => escapes[char]!);
}

const escapes: Readonly<Record<string, string>> = { "\\": "\\\\", "\t": "\\t", "\0": "\\0", "/": "\\_" };

function escapedForWindows(value: string): string {
  const text = value.replace(/[\u0000-\u001f<>:"/\\|?*%]|[. ]$/g, percent);
  // Names of devices, whatever follows the first dot.
  return text.replace(/^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i, (word) => percent(word[0]!) + word.slice(1));
}

function percent(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}

/**
 * Makes the folder of these files, and writes the number of the task, from 1 on; null: it is not known. Throws what the
 * system says.
 */
export function prepareResults({ folder, seq }: ResultFiles, number: number | null): void {
  // A folder that the user has named is as one of mkdir: the umask decides.
  mkdirSync(folder, { recursive: true });
  if (number !== null) writeFileSync(seq, `${number}`);
}

/** Why a task has no files for its results. `code` is that of the system, or the empty text. */
export class NoResults extends Error {
  override readonly name = "NoResults";
  readonly code: string;
  constructor(cause: unknown) {
    const { path } = cause as { path?: unknown };
    const where = typeof path === "string" ? `'${path}': ` : "";
    super(`no files can be made for its results: ${where}${failureReason(cause)}`);
    this.code = failureCode(cause);
  }
}
