/*
 * How tasks of a submitter get to where they wait (cluster/submission.ts): one task or many, and what happens with
 * lines that cannot be tasks. The lines themselves are read by submit/.
 */
import { counted } from "../base/units.ts";
import { systemClock } from "../base/clock.ts";
import { shellCall, usualShell } from "../base/command-shell.ts";
import { UserError, argumentError, exitStatus } from "../base/errors.ts";
import { osPaths } from "../base/ospath.ts";
import { quoterFor } from "../base/shell.ts";
import type { SystemWithShell } from "../base/system.ts";
import { variableName } from "../base/variables.ts";
import { begin, type Begun, openDatabase, type Submitter, type Target } from "../cluster/submission.ts";
import type { Logger } from "../log/logger.ts";
import { newPatience, type Patience } from "../log/patience.ts";
import { sight } from "../progress/sight.ts";
import type { Seen } from "./progress.ts";
import type { WordInput } from "../submit/combinations.ts";
import type { LineSource } from "../submit/lines.ts";
import type { Expand, Loaded } from "../submit/loader.ts";
import type { LineReader } from "../task/line.ts";
import { resourceNames } from "../config/resource-names.ts";
import { requireTags } from "../task/tag.ts";
import type { InputForm } from "../args/options.ts";
import type { Context } from "./command.ts";
import type { Heeded } from "./interrupt.ts";
import { instanceId } from "./instance.ts";
import { commandLine } from "./submit-input.ts";
import { programVersion } from "../base/version.ts";

/**
 * One command into the database, words and tags as for `hs submit` (but never the name of a file of commands). The id
 * of the task, once it is stored. Says nothing in the log above DEBUG: for commands that have words of their own about
 * it. `elsewhere` takes the task instead of the database; null: the database has it.
 */
export async function submitCommand(
  words: readonly string[],
  tagWords: readonly string[],
  context: Context,
  elsewhere: Target | null = null,
): Promise<string> {
  const line = commandLine(words);
  const config = context.config();
  const resources = resourceNames(config);
  const tags = requireTags(tagWords, resources);
  const log = context.loggers("submit");
  const id = await submitOne(line, {
    log,
    inputForm: { end: "\n", isVerbatim: false },
    resources,
    template: { expand: null, pure: true },
    bundleSize: null,
    isDry: elsewhere !== null,
    open: async () =>
      begin(submitterOf(context), {
        tags,
        read: await readerOf({ isVerbatim: false }, resources),
        limits: {
          cores: config.integer("task.cores"),
          memory: config.integer("task.memory"),
          timeout: config.integer("task.timeout"),
        },
        group: 0,
        connect: async () => elsewhere ?? openDatabase(config, context.loggers("data"), false),
        patientMs: 0,
      }),
  });
  log.debug(`Submitted task (${id})`);
  return id;
}

export interface Submit {
  readonly log: Logger;
  readonly inputForm: InputForm;
  /** Names of resources that tags may ask for. */
  readonly resources: ReadonlySet<string>;
  readonly template: SubmitTemplate;
  readonly bundleSize: number | null;
  /** Called when the input has been found good, so that a bad call leaves no trace. */
  readonly open: () => Promise<Begun>;
  /** Whether tasks are only printed. */
  readonly isDry: boolean;
}

/** Lines are read for as long as nobody stops that. */
export interface SubmitLines extends Submit {
  /** Hears of Ctrl-C and SIGTERM from now on, until it is released. */
  readonly heed: () => Heeded;
  /** Is given what tells how far it is. */
  readonly seen: Seen;
}

/** The id of the task, once it is stored. Throws argumentError when the text is no command. */
export async function submitOne(text: string, toSubmit: Submit): Promise<string> {
  const { log, inputForm, resources, template, open } = toSubmit;
  const parse = await readerOf(inputForm, resources);
  const { describeNear, expanded, stamper } = await import("../submit/loader.ts");
  let line = parse(text);
  if ("near" in line) log.warning(describeNear(line.near));
  const { expand } = template;
  if (expand !== null && line.kind === "task") line = await expanded(expand, line, parse);
  if (line.kind === "bad") throw argumentError(line.reason);
  if (line.kind !== "task") throw argumentError(`there is no command in '${text}'`);
  const { target, factory } = await open();
  const stamp = stamper(systemClock);
  stamp.newBatch();
  const task = factory.build(line.args, line.settings, stamp.next());
  try {
    await target.insert([task]);
  } finally {
    await target.close();
  }
  return task.id;
}

/** Reads lines, each as a task exactly as it is, or with tags that may name `resources`. */
export async function readerOf(
  { isVerbatim }: Pick<InputForm, "isVerbatim">,
  resources: ReadonlySet<string>,
): Promise<LineReader> {
  const { exactLine, lineReader } = await import("../task/line.ts");
  return isVerbatim ? exactLine : lineReader(resources);
}

/** The submitter that this process is. */
export function submitterOf({ env, cwd }: Context): Submitter {
  return { id: instanceId, env, cwd, version: programVersion };
}

/** Bad lines that are named; of the others the number must do. */
const mostNamed = 10;

/** Where lines come from: a file, `-` for standard input, or the command line. */
export type LinesGiven =
  { readonly kind: "lines"; readonly path: string } | { readonly kind: "words"; readonly words: WordInput };

async function sourceOf(given: LinesGiven, end: InputForm["end"]): Promise<LineSource> {
  if (given.kind === "words") return (await import("../submit/combinations.ts")).combinations(given.words);
  return (await import("../submit/lines.ts")).openLines(given.path, end);
}

/**
 * Stores the lines of a file or stream, or those made of words; the exit status. Throws UserError when some of them
 * cannot be tasks: of a file, and of words, nothing is stored then. When it is stopped it says how far it came.
 */
export async function submitLines(given: LinesGiven, toSubmit: SubmitLines): Promise<number> {
  const { load } = await import("../submit/loader.ts");
  const { log, inputForm, resources, template, bundleSize, open, heed, isDry, seen } = toSubmit;
  const { expand, pure } = template;
  const source = await sourceOf(given, inputForm.end);
  const parse = await readerOf(inputForm, resources);
  const total = source.regular ? await requireGood(source, pure ? expand : null, parse, toSubmit) : null;
  seen.look = () => sight({ note: "connecting" });
  const { target, factory, patientMs } = await open();
  const clock = systemClock;
  const { broken } = target;
  const heeded = heed();
  // Input may pause for long: a server that is gone is told at once.
  const signal = broken === undefined ? heeded.signal : AbortSignal.any([heeded.signal, broken]);
  let loaded: Loaded;
  try {
    const patience = newPatience(clock, log);
    const onStored = watched(seen, total, patience);
    const to = { store: target, expand, bundleSize, patience, patientMs, onStored };
    loaded = await load({ source, factory, clock, log, signal, ...to });
  } finally {
    heeded.release();
    // A server has said that all is stored when its connection is closed.
    await target.close();
  }
  const { stored, bad, stopped, lines } = loaded;
  if (stopped)
    log.warning(`Stopped reading ${source.name} after ${counted(lines, "line")} - what follows is not stored`);
  if (!isDry) log.info(`Submitted ${counted(stored, "task")}`);
  const asked = heeded.status();
  if (asked !== null) return asked;
  if (bad > 0)
    throw badLines(`${counted(bad, "line")} of ${source.name} left out - mend and submit what is named above`);
  return exitStatus.success;
}

/** Lets `seen` tell what is stored, of `total` tasks (null: not known). Answers what is to be told the numbers. */
function watched(seen: Seen, total: number | null, patience: Patience): (stored: number, bad: number) => void {
  const so = { far: { done: 0, failed: 0 } };
  seen.look = () =>
    sight({ verb: "stored", total, ...so.far, note: patience.inTrouble ? "waiting for the database" : null });
  return (done, failed) => {
    so.far = { done, failed };
  };
}

/** All lines of a file are looked at before the first is stored. Answers how many tasks they are. */
async function requireGood(
  source: LineSource,
  expand: Expand | null,
  parse: LineReader,
  { log, seen }: SubmitLines,
): Promise<number> {
  const { check, describeBad } = await import("../submit/loader.ts");
  let lines = 0;
  seen.look = () => sight({ verb: "lines checked", done: lines });
  const { bad, tasks, examples } = await check(source, expand, mostNamed, parse, (read) => (lines = read));
  if (bad === 0) return tasks;
  for (const line of examples) log.error(describeBad(source.name, line));
  const rest = bad > examples.length ? `, the first ${examples.length} are named above` : "";
  const what = bad === 1 ? "a task" : "tasks";
  throw badLines(`${counted(bad, "line")} of ${source.name} cannot be ${what}${rest} - nothing was submitted`);
}

function badLines(text: string): UserError {
  return new UserError(exitStatus.badArgument, "submit", text);
}

export interface SubmitTemplate {
  /** null: lines are commands as they stand. */
  readonly expand: Expand | null;
  /** Expanding twice does no harm: the template runs no commands. */
  readonly pure: boolean;
}

/** How a template is applied. */
interface Applied {
  /** Its commands are not run, but stand in the text as `$(...)`. */
  readonly isDry: boolean;
  /** The shell that runs tasks; null: that of the configuration, else the usual one. */
  readonly shell: string | null;
}

/** A template, ready to be applied to lines. Throws UserError for a template that cannot be read. */
export async function submitTemplate(
  text: string | undefined,
  { cwd, env, config }: Pick<Context, "cwd" | "env" | "config">,
  { isDry, shell: chosen }: Applied = { isDry: false, shell: null },
): Promise<SubmitTemplate> {
  if (text === undefined) return { expand: null, pure: true };
  const { expand, needsShell } = await import("../template/expand.ts");
  const { parseTemplate } = await import("../template/parse.ts");
  const { fileFacts } = await import("../client/templates.ts");
  const { printedBy } = await import("../client/printed.ts");
  const template = parseTemplate(text);
  const shell = chosen ?? config().text("task.shell") ?? usualShell(env);
  const quote = quoterFor(shell);
  const shown = substitution();
  const system: SystemWithShell = {
    paths: osPaths,
    quote: isDry ? (word) => shown.quoted(word) ?? quote(word) : quote,
    now: systemClock.now,
    environment: (name) => env[variableName(name)] ?? null,
    file: fileFacts(cwd),
    shell: isDry
      ? shown.shell
      : (asked) =>
          printedBy(shellCall(shell, asked).words, { cwd, env, stderr: "inherit", task: null, jobs: null }).ended,
  };
  return { expand: (args) => expand(template, args, system), pure: !needsShell(template) };
}

/** Stands for the shell of a template whose commands are not run. */
function substitution(): Pick<SystemWithShell, "shell"> & { quoted(word: string): string | null } {
  let last: string | null = null;
  return {
    shell(command) {
      last = `$(${command})`;
      return Promise.resolve({ status: 0, output: last });
    },
    /** The last command as one word; null: this is another word. */
    quoted: (word) => (word === last ? `"${word}"` : null),
  };
}
