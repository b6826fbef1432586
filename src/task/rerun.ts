/*
 * A task as one line of input again, such that reading the line gives the same task: its text, and the settings that it
 * would not get anyway. Whatever is written was read again first. Knows no file.
 *
 * A command that no line can hold as it is (it has several lines, say) is given to the shell in another form, which
 * says the same: `eval "$(printf 'cd x\nmake')"`. This is right only where no template is applied to the line, and
 * where the shell of tasks understands it.
 */
import type { Line } from "./line.ts";
import { exactLine, parseLine } from "./line.ts";
import { parseTag, type TaskSetting } from "./tag.ts";
import type { NewTask, TagValue } from "./task.ts";

export type RerunTask = Pick<NewTask, "args" | "group" | "cores" | "memory" | "timeout" | "tag">;

/** How the line will be read, and how its task will be run. */
export interface RerunForm {
  /** What ends a line. */
  readonly end: "\n" | "\0";
  /** Whether lines are taken exactly as they are, so that they have no settings. */
  readonly isVerbatim: boolean;
  /** What a line gets that has no settings of its own: cores, bytes, seconds. */
  readonly defaults: Pick<NewTask, "cores" | "memory" | "timeout">;
  /** Whether the shell may be given the command in another form. */
  readonly mayRewrite: boolean;
}

export interface Rerun {
  /** The line, without its end; null: there is none that gives this task again. */
  readonly text: string | null;
  /** Settings of the task that the line cannot say, as people know them. */
  readonly lost: readonly string[];
}

/** The line that gives a task again. */
export function rerunLine(task: RerunTask, form: RerunForm): Rerun {
  const { words, lost } = settingsOf(task, form.defaults);
  const { args } = task;
  const settings = form.isVerbatim ? [] : words;
  const text = lineWith(args, settings, form) ?? (form.mayRewrite ? lineWith(rewritten(args), settings, form) : null);
  return { text, lost: form.isVerbatim ? [...words, ...lost] : lost };
}

/** The line for this text and these settings; null: it would be read as something else. */
function lineWith(args: string, words: readonly string[], { end, isVerbatim }: RerunForm): string | null {
  const marked = words.length > 0 ? `${args} # HYPERSHELL: ${words.join(" ")}` : args;
  // A blank at the end that a backslash makes part of the last word is kept only before a comment.
  const candidates = isVerbatim || words.length > 0 ? [marked] : [args, `${args} # HYPERSHELL:`];
  return candidates.find((text) => !text.includes(end) && gives(read(text, isVerbatim), args, words)) ?? null;
}

function read(text: string, isVerbatim: boolean): Line {
  return isVerbatim ? exactLine(text) : parseLine(text);
}

/** Whether a line is this task. As many settings as words were written are those that were checked word by word. */
function gives(line: Line, args: string, words: readonly string[]): boolean {
  return line.kind === "task" && line.args === args && line.settings.length === words.length;
}

function settingsOf(task: RerunTask, defaults: RerunForm["defaults"]): { words: string[]; lost: string[] } {
  const words: string[] = [];
  const lost: string[] = [];
  const put = (key: string, value: TagValue, expected: TaskSetting): void => {
    const word = value === "" ? key : `${key}:${String(value)}`;
    const setting = parseTag(word);
    (isSame(setting, expected) ? words : lost).push(word);
  };
  if (task.group !== 0) put("group", task.group, { kind: "group", value: task.group });
  for (const kind of ["cores", "memory", "timeout"] as const) {
    const value = task[kind];
    if (value !== defaults[kind]) put(kind, value ?? 0, { kind, value });
  }
  for (const [key, value] of Object.entries(task.tag)) if (key !== "part") put(key, value, { kind: "tag", key, value });
  return { words, lost };
}

function isSame(setting: ReturnType<typeof parseTag>, expected: TaskSetting): boolean {
  if ("reason" in setting || setting.kind !== expected.kind || setting.value !== expected.value) return false;
  return setting.kind !== "tag" || expected.kind !== "tag" || setting.key === expected.key;
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "%": "%%",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "'": "\\047",
};

/** The command as one word that printf makes, for eval (POSIX, Shell Command Language, 2.6.3; printf). */
function rewritten(args: string): string {
  // The substitution drops line ends at the end, of which one may follow a backslash.
  const whole = args.endsWith("\n") ? `${args} ` : args;
  return `eval "$(printf '${whole.replace(/[\\%\n\r\t']/g, (char) => escapes[char]!)}')"`;
}

/** Whether a shell understands a command in its other form. `shell`: its path; null: the usual one. */
export function isRewritable(shell: string | null, platform: string): boolean {
  if (platform === "win32") return false;
  return shell === null || /(?:^|\/)(?:sh|bash|dash|ash|[mo]?ksh(?:93)?|zsh|yash)(?:-?[\d.]+)?$/.test(shell);
}
