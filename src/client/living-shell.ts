/*
 * Shells that live: each runs one task after the other, as texts that it reads from a pipe, and answers the exit status
 * of each. To start `sh -c` costs more than what most short tasks do; a shell that is there only forks.
 *
 * Invariant: a command that reusable.ts lets pass does here the same as in a fresh `SHELL -c`, in everything that it or
 * its user can see, but for ids of processes, parents, groups and sessions, and for the wording of the shell's own
 * complaints. Each runs in a subshell, which has the task's environment, standard input and outputs, and no other
 * descriptor; what it does to itself ends with it.
 *
 * The subshell stands for the fresh shell, and is what that would be. dash waits for its programs and tells of their
 * deaths; so does the subshell, by `eval`, and the living shell dies of the signals of which a fresh one would. bash
 * becomes its last program; so does the subshell, and the living shell ignores signals until that has ended.
 *
 * Measured on two cores, `true` by hsx without a database, 16 at a time: 6,320 tasks a second with dash, where fresh
 * shells reach 2,040, and 2,650 with a bash that read byte by byte (scripts/bench local). Neither grows with its tasks.
 *
 * Knows neither attempts nor outcomes. Only on Linux: descriptors are known there, and pipes made, by the C library.
 */
import { closeSync, openSync, readSync, realpathSync, statSync, writeSync } from "node:fs";
import { basename } from "node:path";
import type { Clock, Timer } from "../base/clock.ts";
import { openLibc } from "../base/libc.ts";
import { plainWords } from "./direct.ts";
import type { Variables } from "./environment.ts";
import { isPipeline, isReusable, redirected } from "./reusable.ts";

/** Where shells come from, and who is told of their tasks. */
export interface ShellOptions {
  readonly shell: string;
  /** The directory in which they run; null: that of this process. */
  readonly cwd: string | null;
  /** The environment of a fresh shell. It is that of the task that is about to start. */
  readonly variables: Variables;
  /** Where the outputs of tasks go: open files. */
  readonly stdout: number | "ignore";
  readonly stderr: number | "ignore";
  readonly clock: Clock;
  /** A task has ended: by an exit status, or with its shell, by a signal. Never called from within `run`. */
  readonly onEnd: (child: Bun.Subprocess, code: number | null, signal: NodeJS.Signals | number | null) => void;
  /** A shell has gone before it began its task. Never called from within `run`. */
  readonly onRefused: (child: Bun.Subprocess) => void;
}

/** Open descriptors of this process. */
export interface TaskOutputs {
  readonly stdout: number;
  readonly stderr: number;
}

/** The living shells of one directory. */
export interface Shells {
  /** Whether a command may be run by a shell that ran others before. */
  takes(command: string): boolean;
  /**
   * Has a shell run a command. `names`: the variables in `variables` that are the task's own. `outputs`: files of this
   * process that it writes to; null: where all tasks do. Answers the shell's process; null: none can. Throws what
   * Bun.spawn throws.
   */
  run(command: string, names: readonly string[], outputs: TaskOutputs | null): Bun.Subprocess | null;
  /** When a shell was started, milliseconds since 1970; 0: it has gone. */
  startedAt(child: Bun.Subprocess): number;
  /** Lets a shell run no more tasks after this one. */
  retire(child: Bun.Subprocess): void;
  /** Ends the shells that have nothing to do: there is no room for them, or what they were started with has changed. */
  dismiss(): void;
  readonly isDash: boolean;
  /** How many tasks have been given to shells that live. */
  readonly starts: number;
}

type Kind = "dash" | "bash";

interface Shell {
  readonly child: Bun.Subprocess<"ignore", "pipe", "ignore">;
  /** The pipe from which it reads; null: it was closed, and the shell ends when it has done its task. */
  commands: number | null;
  /** The other end of it, which shows whether the shell has read what it was given. */
  readonly unread: number;
  /** The names of the variables that it was told of, and what they are. */
  readonly names: readonly string[];
  readonly values: string[];
  readonly startedAt: number;
  /** How many tasks it has begun. */
  tasks: number;
  isBusy: boolean;
  /** Whether it runs no more tasks. */
  isRetired: boolean;
  /** When it had its last task, milliseconds since 1970. */
  idleSince: number;
  /** What has come of an answer. */
  answer: string;
  /** Whether it answers no more. */
  isSilent: boolean;
  /** How it has ended; null: it lives. */
  end: { readonly signal: NodeJS.Signals | number | null } | null;
}

interface State extends ShellOptions {
  readonly kind: Kind;
  readonly pipe: () => readonly [read: number, write: number];
  readonly all: Map<Bun.Subprocess, Shell>;
  /** Those that have nothing to do. The last one to come is the first to go. */
  readonly idle: Shell[];
  timer: Timer | null;
  starts: number;
}

/** A shell is replaced after this many tasks, whatever it keeps of them. */
const mostTasks = 2000;
/** A shell that has had nothing to do for this long ends, milliseconds. */
const idleMs = 5000;
/** Where so many shells of other tasks have nothing to do, one of them ends when one for these is started. */
const mostOthers = 8;
/** A text must fit into a pipe that is empty, so that writing it never waits. In characters of 4 bytes at most. */
const longestText = 16_000;

/** Variables by which a user changes what the shell does, or that change by themselves. */
const meddling = new RegExp(
  "^(?:BASH_(?:ARGV0|COMPAT|ENV|FUNC_.*|XTRACEFD)|BASHOPTS|BASHPID|ENV|EPOCH\\w+|EXECIGNORE|FUNCNEST|LINENO|PPID|" +
    "RANDOM|SECONDS|SHELLOPTS|SRANDOM|TMOUT)$",
);

/**
 * What a subshell does first. Descriptor 0 of a living shell is the pipe with the texts, 1 takes its answers, 2 leads
 * nowhere: it would tell of deaths of subshells. The three of its tasks are 3 to 5.
 */
const redirections = "<&3 >&4 2>&5 3<&- 4>&- 5>&-";
/** The same for a program, where descriptor 2 leads to that of the task already. */
const plainRedirections = "<&3 >&4 3<&- 4>&- 5>&-";

/**
 * Makes living shells; null: SHELL is not known to do the same in a subshell, or something in the environment that
 * tasks inherit (`base`) reaches into it. It is asked a few things first, which takes a process.
 */
export async function openShells(options: ShellOptions, base: Variables): Promise<Shells | null> {
  try {
    const kind = kindOf(options.shell);
    if (kind === null || Object.keys(base).some((name) => base[name] !== undefined && meddling.test(name))) return null;
    const pipe = openPipes();
    if (pipe === null) return null;
    const parts = { ...options, kind, pipe };
    return (await isUsual(parts)) ? shellsOf(newState(parts)) : null;
  } catch {
    // There is no such file, or there are no more processes: fresh shells do what they can.
    return null;
  }
}

function newState(parts: Pick<State, keyof ShellOptions | "kind" | "pipe">): State {
  return { ...parts, all: new Map(), idle: [], timer: null, starts: 0 };
}

/** What a shell is, by its own name and that of its file. */
function kindOf(shell: string): Kind | null {
  if (process.platform !== "linux") return null;
  const kind = basename(realpathSync(shell));
  const name = basename(shell);
  return (kind === "dash" || kind === "bash") && (name === kind || name === "sh") ? kind : null;
}

/** What makes pipes of which no other process gets an end. */
function openPipes(): State["pipe"] | null {
  const library = openLibc({ pipe2: { args: ["ptr", "i32"], returns: "i32" } });
  if (library === null) return null;
  const closeOnExec = 0o2000000;
  return () => {
    const ends = new Int32Array(2);
    if (library.pipe2(ends, closeOnExec) !== 0) throw new Error("no pipe can be made");
    return [ends[0]!, ends[1]!];
  };
}

function shellsOf(state: State): Shells {
  return {
    get starts() {
      return state.starts;
    },
    isDash: state.kind === "dash",
    takes: (command) => isReusable(command, state.kind === "dash"),
    run: (command, names, outputs) => run(state, command, names, outputs),
    startedAt: (child) => state.all.get(child)?.startedAt ?? 0,
    retire(child) {
      const shell = state.all.get(child);
      if (shell !== undefined) shell.isRetired = true;
    },
    dismiss: () => dismiss(state),
  };
}

function dismiss(state: State): void {
  for (const shell of state.all.values()) {
    shell.isRetired = true;
    if (!shell.isBusy) retire(shell);
  }
  state.idle.length = 0;
  state.timer?.cancel();
  state.timer = null;
}

// ---- a task

function run(
  state: State,
  command: string,
  names: readonly string[],
  outputs: TaskOutputs | null,
): Bun.Subprocess | null {
  if (outputs !== null && !mayOpenOurs()) return null;
  const shell = takeIdle(state, names) ?? start(state, names);
  const text = textFor(state, shell, command, outputs);
  if (text !== null) return give(state, shell, text);
  becomeIdle(state, shell);
  return null;
}

/**
 * A shell that has nothing to do, and was told of these variables: what it has of others, or lacks, it cannot be told.
 */
function takeIdle({ idle }: State, names: readonly string[]): Shell | null {
  for (let place = idle.length - 1; place >= 0; place--)
    if (idle[place]!.names === names) return idle.splice(place, 1)[0]!;
  // Tasks with other variables may be over.
  if (idle.length >= mostOthers) retire(idle.shift()!);
  return null;
}

/** What a shell is to read for a task; null: it cannot be said. */
function textFor(
  { kind, variables }: State,
  shell: Shell,
  command: string,
  outputs: TaskOutputs | null,
): string | null {
  const { names, values } = shell;
  // bash counts them from the start of the shell.
  let text = kind === "bash" ? "SECONDS=0" : "";
  for (let place = 0; place < names.length; place++) {
    const name = names[place]!;
    const value = variables[name] ?? "";
    // bash has read the whole text into this one.
    if (values[place] === value && !(kind === "bash" && name === "TASK_COMMAND")) continue;
    values[place] = value;
    text += ` ${name}='${value.includes("'") ? value.replaceAll("'", `'\\''`) : value}'`;
  }
  text += kind === "bash" ? `;(${forBash(command)}) ${redirectionsTo(outputs)}` : forDash(command, outputs);
  const told = text.length > longestText || text.includes("\0") ? null : kind === "bash" ? framed(text) : text;
  if (told !== null) return told;
  // The shell was not told what is noted here. No variable has this value.
  values.fill("\0");
  return null;
}

/**
 * How dash is to run a command, and to answer. A program with plain words is run by the living shell itself, which
 * stands for the fresh one then: it waits for it, and says on the standard error of the task by which signal it died.
 * dash looks for programs only once; `hash -r` has it look again. (`/bin/echo 1`: 780 microseconds of processor time,
 * in a subshell 1,010, by `xargs` without a shell 1,130, in turn on a busy machine.) So does a pipeline: dash makes a
 * subshell for each of its commands anyway, and one around them costs 170 microseconds of 1,200.
 */
function forDash(command: string, outputs: TaskOutputs | null): string {
  if (isPipeline(command)) return `\nhash -r\n{ ${command}; } ${redirectionsTo(outputs)}\necho $?\n`;
  if (plainWords(command) === null) return `\n(eval "$TASK_COMMAND") ${redirectionsTo(outputs)}\necho $?\n`;
  if (outputs === null) return `\nhash -r\n{ ${command} ${plainRedirections}; } 2>&5\necho $?\n`;
  const [stdout, stderr] = [ours(outputs.stdout), ours(outputs.stderr)];
  return `\nhash -r\n{ ${command} <&3 >>${stdout} 3<&- 4>&- 5>&-; } 2>>${stderr}\necho $?\n`;
}

/** What a subshell does first whose outputs are files of this process. */
function redirectionsTo(outputs: TaskOutputs | null): string {
  if (outputs === null) return redirections;
  return `<&3 >>${ours(outputs.stdout)} 2>>${ours(outputs.stderr)} 3<&- 4>&- 5>&-`;
}

/** The name by which others open what this process has open. */
function ours(descriptor: number): string {
  return `/proc/${process.pid}/fd/${descriptor}`;
}

let isOpen: boolean | null = null;

/** Whether our processes may open what this one has open. One that was kept from dumps keeps it to itself. */
function mayOpenOurs(): boolean {
  try {
    return (isOpen ??= statSync("/proc/self/fd").uid === process.getuid!());
  } catch {
    return (isOpen = false);
  }
}

/**
 * A command as it must stand in a subshell of bash. One simple command with redirections is run by a child of bash
 * there, as by `bash -c`, only within braces.
 */
function forBash(command: string): string {
  const simple = redirected(command);
  return simple === null ? command : `{ ${simple}; }`;
}

/** Characters that are one byte in every encoding, and nothing else to `read`. */
const simple = /^[\t\n -~]*$/;

/**
 * A text with the number of its characters before it, by which bash reads it at once. It reads lines byte by byte, and
 * takes four times as long (700 characters: 650 and 170 microseconds). They are for texts with other characters, which
 * each locale counts in its own way. Null: neither can be.
 */
function framed(text: string): string | null {
  if (simple.test(text)) return `${text.length}`.padStart(lengthDigits, "0") + text;
  return text.includes("\n") ? null : `${"-".repeat(lengthDigits)}${text}\n`;
}

const lengthDigits = 5;

/** Gives a task to a shell. If that has died meanwhile, this is noticed later. */
function give(state: State, shell: Shell, text: string): Bun.Subprocess {
  writeSync(shell.commands!, text);
  shell.isBusy = true;
  state.starts++;
  if (++shell.tasks >= mostTasks) shell.isRetired = true;
  return shell.child;
}

/** Closes the pipe from which the shell reads: it ends, or does so after its task. */
function retire(shell: Shell): void {
  shell.isRetired = true;
  const { commands } = shell;
  shell.commands = null;
  if (commands !== null) closeSync(commands);
}

// ---- a shell

/**
 * The words by which a shell reads texts and answers. dash reads blocks; with -c it takes SIGINT as it should: it waits
 * for its program, and dies of it then. bash reads texts as `framed` makes them, into a variable that is the task's
 * own, so that no other shows. Under the name sh it would read byte by byte, but for a moment it can be no POSIX shell.
 */
function wordsFor({ kind, shell, variables }: Pick<State, "kind" | "shell" | "variables">): readonly string[] {
  if (kind === "dash") return ["-sc", ":"];
  const isPosix = basename(shell) === "sh" && variables["POSIXLY_CORRECT"] === undefined;
  const [on, off] = isPosix ? ["set -o posix; ", "set +o posix; "] : ["", ""];
  const traps = "trap : HUP INT QUIT ALRM TERM USR1 USR2 XCPU; ";
  const rest = 'case $TASK_COMMAND in -*) read -r TASK_COMMAND;; *) read -r -N "$TASK_COMMAND" TASK_COMMAND;; esac; ';
  const body = `${rest}${on}eval "$TASK_COMMAND"; echo $?; ${off}`;
  const loop = `while read -r -N ${lengthDigits} TASK_COMMAND; do ${body}done`;
  return ["-c", traps + off + loop];
}

function start(state: State, names: readonly string[]): Shell {
  const { shell: path, cwd, variables, stdout, stderr, clock } = state;
  // Bun opens /dev/null for the first three descriptors only.
  const nothing = openSync("/dev/null", "r");
  const outputs = [stdout, stderr].map((output) => (output === "ignore" ? nothing : output));
  const [read, write] = state.pipe();
  const kept = names.map((name) => variables[name]);
  // Whoever looks for the processes of a task must not take this one, or a subshell, for one of its first task.
  for (const name of names) variables[name] = "";
  let child: Shell["child"];
  try {
    child = Bun.spawn([path, ...wordsFor(state)], {
      ...(cwd === null ? {} : { cwd }),
      env: variables,
      stdio: [read, "pipe", "ignore", nothing, ...outputs] as unknown as ["ignore", "pipe", "ignore"],
      detached: true,
      onExit: (ended, _code, signal) => noteEnd(state, ended, signal),
    });
  } catch (error) {
    closeSync(read);
    closeSync(write);
    throw error;
  } finally {
    closeSync(nothing);
    for (const [place, name] of names.entries()) variables[name] = kept[place];
  }
  const shell: Shell = {
    child,
    commands: write,
    unread: read,
    names,
    values: names.map(() => ""),
    startedAt: clock.now(),
    tasks: 0,
    isBusy: false,
    isRetired: false,
    idleSince: 0,
    answer: "",
    isSilent: false,
    end: null,
  };
  state.all.set(child, shell);
  void listen(state, shell);
  return shell;
}

/** Reads the answers of a shell. Never rejects. */
async function listen(state: State, shell: Shell): Promise<void> {
  const answers = shell.child.stdout.getReader();
  try {
    for (let part = await answers.read(); !part.done; part = await answers.read()) hear(state, shell, part.value);
  } catch {
    // Nothing more is to be heard.
  }
  shell.isSilent = true;
  settle(state, shell);
}

function hear(state: State, shell: Shell, bytes: Uint8Array): void {
  for (const byte of bytes) {
    if (byte !== 10) shell.answer += String.fromCharCode(byte);
    else {
      const code = Number(shell.answer);
      shell.answer = "";
      if (shell.isBusy) taskEnded(state, shell, code);
    }
  }
}

function taskEnded(state: State, shell: Shell, code: number): void {
  shell.isBusy = false;
  if (shell.isRetired) retire(shell);
  else becomeIdle(state, shell);
  state.onEnd(shell.child, code, null);
}

function becomeIdle(state: State, shell: Shell): void {
  shell.idleSince = state.clock.now();
  state.idle.push(shell);
  state.timer ??= state.clock.after(idleMs, () => dismissIdle(state));
}

function noteEnd(state: State, child: Bun.Subprocess, signal: NodeJS.Signals | number | null): void {
  const shell = state.all.get(child);
  if (shell === undefined) return;
  shell.end = { signal };
  settle(state, shell);
}

/** Takes in that a shell has ended, when all that it has said was heard. */
function settle(state: State, shell: Shell): void {
  const { child, end } = shell;
  if (end === null || !shell.isSilent) return;
  state.all.delete(child);
  const place = state.idle.indexOf(shell);
  if (place >= 0) state.idle.splice(place, 1);
  retire(shell);
  const hasBegun = hasReadAll(shell);
  closeSync(shell.unread);
  if (!shell.isBusy) return;
  shell.isBusy = false;
  // Only a shell that cannot make a subshell ends by itself.
  if (end.signal !== null && hasBegun) state.onEnd(child, null, end.signal);
  else state.onRefused(child);
}

/** Whether a shell that has ended had read the text of its task. What it has left is in the pipe, which is closed. */
function hasReadAll({ unread }: Shell): boolean {
  return readSync(unread, new Uint8Array(1)) === 0;
}

/** Ends the shells that have had nothing to do for long. Those that were used last are at the end of the list. */
function dismissIdle(state: State): void {
  const { idle, clock } = state;
  state.timer = null;
  const now = clock.now();
  while (idle.length > 0 && now - idle[0]!.idleSince >= idleMs) retire(idle.shift()!);
  if (idle.length > 0) state.timer = clock.after(idleMs, () => dismissIdle(state));
}

// ---- the first questions

/** What a shell is asked, and the exit statuses that are right. */
const questions = [
  ['[ "$TASK_ID" = "a b" ] && [ -z "$x" ]', 0],
  ["exit 7", 7],
  ["[ -e /proc/self/fd/3 ]", 1],
  ["no-such-program-of-hs", 127],
] as const;

/** Whether a shell answers as it should. */
async function isUsual(options: Pick<State, keyof ShellOptions | "kind" | "pipe">): Promise<boolean> {
  const variables: Variables = Object.assign(Object.create(null) as Variables, options.variables);
  const names = ["TASK_ID", "TASK_COMMAND"];
  let answer: (code: number | null) => void = () => undefined;
  const state = newState({
    ...options,
    variables,
    stdout: "ignore",
    stderr: "ignore",
    onEnd: (_child, code) => answer(code),
    onRefused: () => answer(null),
  });
  for (const [command, status] of questions) {
    Object.assign(variables, { TASK_ID: "a b", TASK_COMMAND: command });
    const answered = new Promise<number | null>((resolve) => (answer = resolve));
    if (run(state, command, names, null) === null || (await answered) !== status) return false;
  }
  dismiss(state);
  return true;
}
