/*
 * The options that choose tasks, shared by the commands that search: their help, and how they become conditions.
 */
import { argumentError } from "../base/errors.ts";
import { parseCondition, parseTagFilter } from "../task/filter.ts";
import type { Condition } from "../task/filter.ts";
import { fieldNamed, type TaskField } from "../task/field.ts";
import type { TagValue } from "../task/task.ts";
import type { Option, ParsedWith } from "../args/spec.ts";

export const filterOptions = [
  {
    key: "where",
    names: ["-w", "--where"],
    value: "condition",
    kind: "words",
    metavar: "COND",
    help: "Only tasks for which each condition holds: FIELD, one of == != > >= < <= ~, VALUE; as in 'duration >= 10m'.",
  },
  {
    key: "withTag",
    names: ["-t", "--with-tag"],
    value: "tagFilter",
    kind: "words",
    metavar: "TAG",
    help: "Only tasks that have each tag: KEY, or KEY:VALUE.",
  },
  { key: "group", names: ["-g", "--group"], kind: "integer", metavar: "GROUP", help: "Only tasks of this group." },
  { key: "failed", names: ["-F", "--failed"], kind: "flag", help: "Only tasks that ended with a status other than 0." },
  { key: "succeeded", names: ["-S", "--succeeded"], kind: "flag", help: "Only tasks that ended with status 0." },
  { key: "completed", names: ["-C", "--completed"], kind: "flag", help: "Only tasks that have ended." },
  { key: "remaining", names: ["-R", "--remaining"], kind: "flag", help: "Only tasks that have not ended." },
  { key: "running", names: ["--running"], kind: "flag", help: "Only tasks that run now, from about a second on." },
  { key: "retries", names: ["--retries"], kind: "flag", help: "Only second and later attempts." },
] as const satisfies readonly Option[];

/** Former name of --completed, for scripts. */
export const finishedOption = {
  key: "completed",
  names: ["--finished"],
  kind: "flag",
  hidden: true,
  help: "The same as --completed.",
} as const satisfies Option;

/** Keys of the filters that exclude each other. */
export const statusFilters = ["failed", "succeeded", "completed", "remaining", "running"] as const;

/** The conditions that the filters mean. Throws an argument error for a word after -w or -t that is none. */
export function conditionsOf(parsed: ParsedWith<(typeof filterOptions)[number]>): readonly Condition[] {
  const is = (field: TaskField, operator: "==" | "!=" | ">", value: TagValue): Condition => ({
    kind: "field",
    field,
    operator,
    value,
  });
  const group = parsed.number("group");
  return [
    ...parsed.words("where").map(expectCondition),
    ...parsed.words("withTag").map(parseTagFilter),
    ...(group === undefined ? [] : [is("group", "==", group)]),
    ...(parsed.flag("failed") ? [is("exit_status", "!=", 0)] : []),
    ...(parsed.flag("succeeded") ? [is("exit_status", "==", 0)] : []),
    ...(parsed.flag("completed") ? [is("exit_status", "!=", null)] : []),
    ...(parsed.flag("remaining") ? [is("exit_status", "==", null)] : []),
    ...(parsed.flag("running") ? [is("exit_status", "==", null), is("start_time", "!=", null)] : []),
    ...(parsed.flag("retries") ? [is("attempt", ">", 1)] : []),
  ];
}

/** -w takes all words up to the next option, so it swallows a field that was meant to be printed. */
function expectCondition(word: string): Condition {
  if (fieldNamed(word) !== undefined) {
    throw argumentError(
      `argument -w/--where: '${word}' is a field without a condition (to print it, name it before -w, or after --)`,
    );
  }
  return parseCondition(word);
}
