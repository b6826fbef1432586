/*
 * What commands about one task have in common: its id on the command line, the formats it can be shown in, and its
 * text.
 */
import type { Option, ParsedWith, Positional } from "../args/spec.ts";
import { quoted } from "../args/flags.ts";
import { argumentError, runtimeError } from "../base/errors.ts";
import { parseId, parseIdPrefix } from "../base/ids.ts";
import { record } from "../print/record.ts";
import { jsonRecord, yamlRecord } from "../print/render.ts";
import type { Theme } from "../print/theme.ts";
import type { Records, TaskRecord } from "../history/history.ts";
import { taskFields } from "../task/field.ts";

/** The formats of a task, for `formatOf`. */
export const formatOptions = [
  {
    key: "format",
    names: ["-f", "--format"],
    kind: "text",
    metavar: "FORMAT",
    choices: ["normal", "json", "yaml"],
    help: "One of normal, json, yaml.",
    fallback: "normal",
  },
  { key: "json", names: ["--json"], kind: "flag", help: "The same as -f json." },
  { key: "yaml", names: ["--yaml"], kind: "flag", help: "The same as -f yaml." },
] as const satisfies readonly Option[];

/** The id of the task that a command is about. */
export const idPositional = {
  key: "id",
  metavar: "ID",
  value: "taskId",
  min: 1,
  max: 1,
  help: "Id of the task, or its beginning: 8 characters or more.",
} as const satisfies Positional;

/** The word for `idPositional`, in lower case: for fullId. Throws an argument error for what no UUID begins with. */
export function expectId(parsed: ParsedWith<never, typeof idPositional>): string {
  return idOf(parsed.words("id")[0] ?? "");
}

/** The id, or the beginning of one, that a word is, in lower case. Throws an argument error for what is none. */
export function idOf(word: string): string {
  const id = parseIdPrefix(word);
  if (id === null) throw argumentError(`Bad UUID: ${quoted(word)}`);
  return id;
}

/**
 * The id of the task that `id` names, which may be the beginning of one. Throws UserError when several tasks have such
 * an id, or none has.
 */
export async function fullId(id: string, { idsWith }: Pick<Records, "idsWith">): Promise<string> {
  if (parseId(id) !== null) return id;
  const [found, other] = await idsWith(id);
  if (found === undefined) throw notFound(id);
  if (other !== undefined) throw argumentError(`Several tasks have an id that begins with ${id}: name more of it`);
  return found;
}

/** The format that `formatOptions` say: `normal`, `json` or `yaml`. */
export function formatOf(parsed: ParsedWith<(typeof formatOptions)[number]>): string {
  return parsed.flag("json") ? "json" : parsed.flag("yaml") ? "yaml" : (parsed.text("format") ?? "normal");
}

/** The error of a task that is not there. */
export function notFound(id: string): Error {
  return runtimeError("task", `No task with id=${id}`);
}

/** The text of a task in a format that `formatOf` answers. `theme` null: without colours. */
export function taskText(task: TaskRecord, format: string, theme: Theme | null): string {
  const row = taskFields.map((field) => task[field]);
  return format === "json" ? jsonRecord(row, theme) : format === "yaml" ? yamlRecord(row, theme) : record(row);
}
