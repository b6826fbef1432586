/*
 * `--dry-run`: what would run, one command a line, as the shell would get it, with its settings behind it; nothing is
 * stored, run or made. Lines are read and refused by what a real run has for that. Only the place where tasks go is
 * another one, which prints them. So memory is bounded, and `| head` ends it.
 *
 * What is printed runs in `sh`, and is input of hsx again: settings stand in the comment that lines have for them. A
 * command that no line can hold is written as `eval "$(printf '...')"` (task/rerun.ts). What holds for the whole run
 * goes to standard error, as comments too.
 */
import { visible } from "../base/escape.ts";
import { exitStatus, messageOf, UserError } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import { lineText } from "../base/wordlist.ts";
import type { Target } from "../cluster/submission.ts";
import type { Logger } from "../log/logger.ts";
import type { Output } from "../print/output.ts";
import type { Expand } from "../submit/loader.ts";
import { parseLine } from "../task/line.ts";
import { rerunLine, type RerunTask } from "../task/rerun.ts";
import type { NewTask } from "../task/task.ts";

/** What a dry run needs to print tasks. */
export interface DryOptions {
  readonly stdout: Output;
  readonly stderr: Pick<Output, "write">;
  readonly log: Pick<Logger, "error">;
  /** Applies the template when a task starts, as Expand does; null: tasks are commands as they stand. */
  readonly expand: ((args: string, submitId: string) => ReturnType<Expand>) | null;
  /** Whether the shell of tasks may be given a command in another form (task/rerun.ts). */
  readonly mayRewrite: boolean;
}

/** A place for tasks that prints them. */
export interface DryTarget extends Target {
  /** How many tasks were printed. */
  readonly printed: () => number;
  /** How many tasks have no command, because the template fails for them. */
  readonly failed: () => number;
}

/** What holds for a whole run: names and values. Null: there is nothing to say. */
export type Settings = readonly (readonly [name: string, value: string | null])[];

/** Prints settings as comments of a shell. */
export function showSettings({ stderr }: Pick<DryOptions, "stderr">, settings: Settings): void {
  const lines = settings.flatMap(([name, value]) => (value === null ? [] : [`# ${name}: ${visible(value)}\n`]));
  stderr.write(lines.join(""));
}

/** Says how many commands there were, as a comment of a shell. */
export function showEnd({ stderr }: Pick<DryOptions, "stderr">, { printed }: Pick<DryTarget, "printed">): void {
  stderr.write(`# ${counted(printed(), "command")}; nothing was stored or run\n`);
}

/** A target that prints what it is given, in the order of the input. Its `insert` throws what writing throws. */
export function dryTarget(options: DryOptions): DryTarget {
  let printed = 0;
  let failed = 0;
  return {
    durable: false,
    addSubmission: () => Promise.resolve(),
    async insert(tasks) {
      let text = "";
      for (const task of tasks) {
        const line = await lineFor(task, options);
        if (line === null) failed += 1;
        else {
          text += `${line}\n`;
          printed += 1;
        }
      }
      if (text !== "") options.stdout.write(text);
    },
    close: () => Promise.resolve(),
    printed: () => printed,
    failed: () => failed,
  };
}

/** The line of a task; null: the template fails for it, which is told. */
async function lineFor(task: NewTask, { expand, mayRewrite, stdout, log }: DryOptions): Promise<string | null> {
  try {
    const expanded = expand === null ? lineText(task.args) : expand(task.args, task.submitId);
    const command = typeof expanded === "string" ? expanded : await expanded;
    const line = dryLine(command, task, mayRewrite);
    return stdout.isTerminal ? visible(line) : line;
  } catch (error) {
    if (error instanceof UserError && error.status !== exitStatus.badArgument) throw error;
    log.error(`Template expansion failed: ${messageOf(error)}`);
    return null;
  }
}

/** Blanks at both ends mean nothing to a shell, unless a backslash makes one a part of the last word. */
function trimmed(command: string): string {
  const text = command.trim();
  return text.endsWith("\\") ? command : text;
}

/**
 * A command with the settings of its task behind it, in one line: `make -j4 # HYPERSHELL: group:1 cores:4`. Where no
 * line can hold the command and `mayRewrite` is false, what the line cannot show is written as escapes.
 */
function dryLine(command: string, task: Omit<RerunTask, "args">, mayRewrite: boolean): string {
  const args = trimmed(command);
  const line = parseLine(args);
  // A comment at its end is none of the task to whoever reads it again, and stays for people.
  const bare = line.kind === "task" && line.settings.length === 0 && !args.includes("\n") ? line.args : args;
  const comment = args.startsWith(bare) ? args.slice(bare.length) : "";
  const form = {
    end: "\n",
    isVerbatim: false,
    defaults: { cores: null, memory: null, timeout: null },
    mayRewrite,
  } as const;
  const { text } = rerunLine({ ...task, args: bare }, form);
  if (text === null) return visible(command);
  return comment !== "" && text.startsWith(bare) ? `${args}${text.slice(bare.length)}` : text;
}
