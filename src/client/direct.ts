/*
 * Which commands need no shell, and what the shell would have changed for them. `/bin/sh -c COMMAND` of a plain program
 * with plain arguments does nothing but execute it. Doing so at once saves more than half of the cost of a short task
 * (`sleep 0`: 1200 a second through dash, 2400 without), as make(1) has done for decades. Whatever is not known to be
 * the same goes to the shell.
 *
 * Knows nothing of tasks. Invariant: a command that this file lets pass does the same with and without shell: output,
 * exit status, environment, arguments, working directory. When lookup or start fails, the shell gets the command, and
 * gives its own message and status.
 *
 * There are two kinds of shell. bash, like most, replaces itself by the program, so nothing differs at all. dash
 * (0.5.12) waits for it. Without dash the parent of the program is the client, the program leads the session itself,
 * and it decides what a signal to the group does to the task, as with bash. Only what dash says when a program dies by
 * a signal has to be made up for.
 */
import { existsSync, readFileSync, realpathSync } from "node:fs";
import { basename } from "node:path";
import type { Variables } from "./environment.ts";

export interface Direct {
  /** The part of a given environment that the shell hands on. */
  readonly base: Variables;
  /** Whether the shell hands on variables with names that POSIX does not allow. */
  readonly anyName: boolean;
  /** Whether the shell puts the path of the program into `_`. */
  readonly setsUnderscore: boolean;
  /** Whether the shell waits for the program, and writes a line when that dies by a signal. */
  readonly reportsSignals: boolean;
  /** The file that the shell would execute. Null: only the shell can tell. */
  find(program: string): string | null;
}

/**
 * A program with plain arguments. There is nothing to expand or to quote, nothing beyond ASCII (where other alphabets
 * have blanks), and no `=` or `%` in the name of the program.
 */
const plain = /^[ \t]*[A-Za-z0-9_./][A-Za-z0-9_./+-]*(?:[ \t]+[A-Za-z0-9_./,:+@%=-]+)*[ \t]*$/;

/**
 * The built-in commands and reserved words of dash, bash and ksh together, whichever shell this is. setsid(1) is among
 * them, because it goes to the background when it is the leader of a session.
 */
const builtins = new Set(
  (
    ". .. : alias autoload bg bind break builtin caller case cd chdir command compgen complete compopt continue " +
    "coproc declare dirs disown do done echo elif else enable end esac eval exec exit export false fc fg fi " +
    "float for foreach function functions getconf getopts hash hist history if in integer jobs kill let local " +
    "logout mapfile nameref newgrp nocorrect popd printf print pushd pwd read readarray readonly repeat return " +
    "select set setopt setsid shift shopt source stop suspend test then time times trap true type typeset " +
    "ulimit umask unalias unhash unset until wait whence while"
  ).split(" "),
);

/** The words of a command that can do without the shell; null: it needs the shell. */
export function plainWords(command: string): string[] | null {
  // Most commands that are not plain begin with a built-in. One look at the first word spares the whole pattern (2.5
  // microseconds).
  const blank = command.indexOf(" ");
  if (builtins.has(blank < 0 ? command : command.slice(0, blank)) || !plain.test(command)) return null;
  const words = command.trim().split(/[ \t]+/);
  return builtins.has(words[0]!) ? null : words;
}

/** Variables by which a user changes what the shell does with plain words, and variables that change by themselves. */
const meddling = [
  "BASHOPTS",
  "BASHPID",
  "BASH_ARGV0",
  "BASH_COMPAT",
  "BASH_XTRACEFD",
  "EPOCHREALTIME",
  "EPOCHSECONDS",
  "EXECIGNORE",
  "LINENO",
  "PPID",
  "RANDOM",
  "SECONDS",
  "SHELLOPTS",
  "SRANDOM",
] as const;

/** A name that is not valid for a shell. The probe shows what becomes of it. */
const oddName = "HS.PROBE";

/**
 * Asks the shell once what it does to an environment, by having it run a program that shows its own. Null: the shell is
 * not known to look up programs as `find` does, it has printed something, or anything is too unusual to be sure.
 */
export async function openDirect(shell: string, cwd: string, given: Variables): Promise<Direct | null> {
  try {
    return await probe(shell, cwd, given);
  } catch {
    // There is no such file, or there are no more processes: the shell goes on doing what it can.
    return null;
  }
}

async function probe(shell: string, cwd: string, given: Variables): Promise<Direct | null> {
  // bash follows POSIX only under the name sh.
  if (process.platform !== "linux" || basename(shell) !== "sh") return null;
  const kind = basename(realpathSync(shell));
  if (kind !== "dash" && kind !== "bash") return null;
  if (meddling.some((name) => given[name] !== undefined)) return null;
  if (Object.keys(given).some((name) => name.startsWith("BASH_FUNC_"))) return null;
  const folders = searchPath(given["PATH"], kind === "bash");
  if (folders === null) return null;
  const find = (program: string): string | null => findProgram(program, folders);
  const show = find("cat");
  if (show === null) return null;

  const asked: Variables = Object.assign(Object.create(null) as Variables, given, { [oddName]: "1" });
  const child = Bun.spawn([shell, "-c", "cat /proc/self/stat /proc/self/environ"], {
    cwd,
    env: asked,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    detached: true,
  });
  const [answer, complaint] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0 || complaint !== "") return null;
  // The answer is `PID (cat) STATE PARENT ...` and a line feed, then the environment, with a zero byte after each
  // variable.
  const [, pid, parent] = /^(\d+) \(cat\) \S (\d+) /.exec(answer) ?? [];
  const reportsSignals = pid !== `${child.pid}`;
  if (reportsSignals && (parent !== `${child.pid}` || mayDumpCore())) return null;
  const base: Variables = Object.create(null) as Variables;
  for (const line of answer.slice(answer.indexOf("\n") + 1).split("\0")) {
    const at = line.indexOf("=");
    if (at > 0) base[line.slice(0, at)] = line.slice(at + 1);
  }
  const anyName = base[oddName] !== undefined;
  delete base[oddName];
  const setsUnderscore = base["_"] !== given["_"];
  if (setsUnderscore && base["_"] !== show) return null;
  // The PATH of the search must be the one that the program sees.
  if (base["PATH"] !== given["PATH"]) return null;
  return { base, anyName, setsUnderscore, reportsSignals, find };
}

/**
 * Whether a program that dies may leave a core file. The shell's line says whether it did, and only the shell knows.
 */
function mayDumpCore(): boolean {
  return !/^Max core file size +0 /m.test(readFileSync("/proc/self/limits", "latin1"));
}

/** The folders of PATH. Null: one of them is special to a shell or depends on the working directory. */
function searchPath(path: string | undefined, plainSlash: boolean): readonly string[] | null {
  if (path === undefined || path.includes("%")) return null;
  const folders = path.split(":");
  // bash joins folder and name without a second slash, dash with one. A program can see it in `_`, a script in `$0`.
  const odd = (folder: string): boolean => !folder.startsWith("/") || (plainSlash && folder.endsWith("/"));
  return folders.some(odd) ? null : folders;
}

/**
 * Finds a program. Looks at every folder for every task (a look takes 0.6 microseconds): a file may come and go at any
 * time, and an answer kept from before would run the wrong program. The first file of that name counts. If it is no
 * program, starting it fails, and the shell finds out what to do.
 */
function findProgram(program: string, folders: readonly string[]): string | null {
  if (program.includes("/")) return program;
  for (const folder of folders) {
    const path = `${folder}/${program}`;
    if (existsSync(path)) return path;
  }
  return null;
}
