/*
 * Launchers that submit a job instead of running a client: they end at once, and the job waits in the queue of a batch
 * system. Knows how such a launcher is recognised, how a client's command becomes a job, what the launcher prints, and
 * how the batch system is asked for the state of jobs and told to cancel them. Pure: commands.ts calls the programs.
 *
 * The key of a run is never on a command line. sbatch, bsub and flux hand on the environment that they are called in
 * unless they are told otherwise; qsub hands on what `-v NAME` names.
 *
 * Sources: sbatch(1), squeue(1), scancel(1); qsub(1B), qstat(1B), qdel(1B) of OpenPBS and Torque, qsub(1) of Grid
 * Engine; bsub, bjobs, bkill of LSF; flux-batch(1), flux-submit(1), flux-jobs(1), flux-cancel(1); kubectl.
 */
import { accessSync, closeSync, constants, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { argumentError } from "../base/errors.ts";
import { programAt } from "../base/ospath.ts";
import { quoteForSh } from "../base/shell.ts";

/** How a job stands: it waits in a queue, it runs, or it is over. */
export type JobState = "waiting" | "running" | "gone";

export type SystemName = "slurm" | "pbs" | "lsf" | "flux" | "kubernetes";

/** A launcher that submits jobs. */
export interface Submitter {
  readonly system: SystemName;
  /** Where the word stands that submits: `sbatch`, `batch` of flux, `create` of kubectl. */
  readonly at: number;
  /** The launcher's words. */
  readonly words: readonly string[];
}

/** How a program is called, and what it reads; null: nothing. */
export interface Call {
  readonly words: readonly string[];
  readonly input: string | null;
}

const direct: ReadonlyMap<string, SystemName> = new Map([
  ["sbatch", "slurm"],
  ["qsub", "pbs"],
  ["bsub", "lsf"],
]);
const below: ReadonlyMap<string, { readonly system: SystemName; readonly verbs: readonly string[] }> = new Map([
  ["flux", { system: "flux", verbs: ["batch", "submit"] }],
  ["kubectl", { system: "kubernetes", verbs: ["create", "apply"] }],
]);

/** The launcher as one that submits; null: it runs what it starts. */
export function submitterOf(words: readonly string[]): Submitter | null {
  const program = programAt(words[0] ?? "");
  const system = direct.get(program);
  if (system !== undefined) return { system, at: 0, words };
  const more = below.get(program);
  const at = words.findIndex((word, index) => index > 0 && more?.verbs.includes(word) === true);
  return more === undefined || at < 0 ? null : { system: more.system, at, words };
}

/**
 * The call that submits a client as a job. A script among the words gets the client's words as its arguments; without
 * one, a script of two lines goes over standard input. `names`: variables that the client needs. `isScript`: whether a
 * word names a script.
 */
export function submitCall(
  submitter: Submitter,
  client: readonly string[],
  names: readonly string[],
  isScript: (word: string) => boolean,
): Call {
  const { at, words } = submitter;
  const own = handedOn(submitter, names);
  const hasScript = words.some((word, index) => index > at && !word.startsWith("-") && isScript(word));
  if (hasScript || words[at] === "submit") return { words: [...own, ...client], input: null };
  return { words: own, input: `#!/bin/sh\nexec ${client.map(quoteForSh).join(" ")}\n` };
}

/** The words of a launcher, changed so that the variables `names` reach the job. */
function handedOn({ system, at, words }: Submitter, names: readonly string[]): string[] {
  const list = names.join(",");
  const [before, after] = [words.slice(0, at + 1), words.slice(at + 1)];
  if (system === "slurm")
    return [...before, ...replaced(audible(after), "--export", (value) => exportWith(value, names))];
  if (system !== "pbs" || after.includes("-V")) return [...words];
  if (after.includes("-v")) return [...before, ...replaced(after, "-v", (value) => `${value},${list}`)];
  return [...before, "-v", list, ...after];
}

/** The words of sbatch without the options that keep it from printing the id of the job. */
function audible(words: readonly string[]): string[] {
  return words.filter((word) => word !== "-Q" && word !== "--quiet");
}

/** The words of a launcher that is called as it is, but for an option that would keep it from telling the job's id. */
export function spokenWords(words: readonly string[]): readonly string[] {
  return submitterOf(words)?.system === "slurm" ? audible(words) : words;
}

/** Words in which the value of an option is another: `--name value` or `--name=value`. */
function replaced(words: readonly string[], option: string, change: (value: string) => string): string[] {
  return words.map((word, index) => {
    if (word.startsWith(`${option}=`)) return `${option}=${change(word.slice(option.length + 1))}`;
    return words[index - 1] === option ? change(word) : word;
  });
}

/** A list of variables as srun and sbatch read it, with others added. Source: sbatch(1), --export. */
export function exportWith(list: string, names: readonly string[]): string {
  if (/^all$/i.test(list)) return list;
  return list === "" || /^(none|nil)$/i.test(list) ? names.join(",") : [list, ...names].join(",");
}

/** Whether a word is the path of a script: a file that begins with `#!`. */
export function isScriptIn(cwd: string): (word: string) => boolean {
  return (word) => {
    try {
      const path = resolve(cwd, word);
      accessSync(path, constants.R_OK);
      const file = openSync(path, "r");
      try {
        const start = Buffer.alloc(2);
        return readSync(file, start, 0, 2, 0) === 2 && start.toString() === "#!";
      } finally {
        closeSync(file);
      }
    } catch {
      return false;
    }
  };
}

/** The id of the job that a launcher has submitted, from what it printed; null: it names none. */
export function jobIn({ system }: Submitter, printed: string): string | null {
  for (const pattern of idPatterns[system]) {
    const found = pattern.exec(printed);
    if (found !== null) return found[1]!;
  }
  return null;
}

const idPatterns: Readonly<Record<SystemName, readonly RegExp[]>> = {
  slurm: [/^Submitted batch job (\d+)/m, /^(\d+)(?:;[\w.-]+)?\s*$/m],
  pbs: [/^Your job(?:-array)? (\d+)/m, /^(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)\s*$/m],
  lsf: [/^Job <(\d+)>/m],
  flux: [/^([ƒf][1-9A-HJ-NP-Za-km-z]+)\s*$/m],
  kubernetes: [/^((?:pod|job(?:\.batch)?)\/[\w.-]+)(?:\s+\w+)?\s*$/m],
};

/** How a batch system is asked for the states of jobs. One call asks for all of them. */
export function stateCall({ system, words }: Submitter, jobs: readonly string[]): Call {
  const ask: Readonly<Record<SystemName, readonly string[]>> = {
    slurm: ["squeue", ...picked(words, slurmPlace), "-h", "-j", jobs.join(","), "-o", "%i %T"],
    // qstat of Grid Engine takes no ids: it tells of all jobs.
    pbs: jobs.some((job) => job.includes(".")) ? ["qstat", ...jobs] : ["qstat"],
    lsf: ["bjobs", "-noheader", "-o", "jobid stat", ...jobs],
    flux: ["flux", "jobs", "-n", "-o", "{id} {state}", ...jobs],
    kubernetes: ["kubectl", ...picked(words, kubernetesPlace), "get", ...jobs, "--ignore-not-found", ...phases],
  };
  return { words: ask[system], input: null };
}

/** The call that cancels jobs. */
export function cancelCall({ system, words }: Submitter, jobs: readonly string[]): Call {
  const cancel: Readonly<Record<SystemName, readonly string[]>> = {
    slurm: ["scancel", ...picked(words, slurmPlace)],
    pbs: ["qdel"],
    lsf: ["bkill"],
    flux: ["flux", "cancel"],
    kubernetes: ["kubectl", ...picked(words, kubernetesPlace), "delete", "--ignore-not-found", "--wait=false"],
  };
  return { words: [...cancel[system], ...jobs], input: null };
}

/** Of a pod its phase; of a job how many of its pods are active, and how it ended. */
const phase =
  "{.metadata.name} phase:{.status.phase} active:{.status.active} " +
  "end:{.status.conditions[?(@.status=='True')].type}{\"\\n\"}";
/** Of several the answer is a list, of one it is that one. */
const phases = ["-o", `jsonpath={range .items[*]}${phase}{end}${phase}`] as const;

/** Options of the launcher that say which cluster it is: every other call needs them, too. */
const slurmPlace = ["-M", "--clusters"];
const kubernetesPlace = ["-n", "--namespace", "--context", "--kubeconfig", "--cluster", "-s", "--server", "--user"];

/** Those of the words that are one of these options, with its value. */
function picked(words: readonly string[], options: readonly string[]): string[] {
  return words.flatMap((word, index) => {
    if (options.includes(word)) return [word, words[index + 1] ?? ""];
    return options.some((option) => word.startsWith(`${option}=`)) ? [word] : [];
  });
}

/** What states are called, by what they mean. A word in none of these lists says nothing. */
const vocabulary: Readonly<Record<SystemName, { readonly waiting: RegExp; readonly running: RegExp; gone: RegExp }>> = {
  slurm: {
    waiting: /^(?:PENDING|CONFIGURING|REQUEUED|REQUEUE_FED|REQUEUE_HOLD|RESV_DEL_HOLD|SPECIAL_EXIT|RESIZING)$/,
    running: /^(?:RUNNING|SUSPENDED|STOPPED|SIGNALING|STAGE_OUT)$/,
    gone: /^(?:COMPLET(?:ING|ED)|CANCELLED|(?:(?:NODE|BOOT)_FAIL)|FAILED|TIMEOUT|PREEMPTED|DEADLINE|OUT_OF_MEMORY)$/,
  },
  pbs: {
    waiting: /^(?:[QHWTM]|h?qw|hRwq|Eqw|t|Rq)$/,
    running: /^(?:[RSBU]|r|s|S|T|Rr|hr)$/,
    gone: /^(?:[EFCX]|d[a-zA-Z]+)$/,
  },
  lsf: {
    waiting: /^(?:PEND|PSUSP|WAIT)$/,
    running: /^(?:RUN|USUSP|SSUSP|PROV|UNKWN)$/,
    gone: /^(?:DONE|EXIT|ZOMBI)$/,
  },
  flux: { waiting: /^(?:NEW|DEPEND|PRIORITY|SCHED)$/, running: /^(?:RUN|CLEANUP)$/, gone: /^INACTIVE$/ },
  kubernetes: {
    waiting: /^(?:phase:)?Pending$/,
    running: /^(?:(?:phase:)?(?:Running|Unknown)|active:[1-9]\d*)$/,
    gone: /^(?:(?:phase:)?(?:Succeeded|Failed)|(?:end:)?(?:Complete|Failed|SuccessCriteriaMet|FailureTarget))$/,
  },
};

/**
 * The states of `jobs`, from what the batch system printed: each line names a job, and its state behind it. Where one
 * job was asked for, a line with a state alone is of it. A job that is not named is gone.
 */
export function statesIn(
  { system }: Submitter,
  jobs: readonly string[],
  printed: string,
): ReadonlyMap<string, JobState> {
  const found = new Map<string, JobState>(jobs.map((job) => [job, "gone"]));
  const byKey = new Map(jobs.map((job) => [keyOf(job), job]));
  for (const line of printed.split("\n").filter((each) => each.trim() !== "")) {
    const words = line.trim().split(/\s+/);
    const job = byKey.get(keyOf(words[0] ?? "")) ?? (jobs.length === 1 && words.length === 1 ? jobs[0] : undefined);
    if (job === undefined) continue;
    const rest = words.length === 1 ? words : words.slice(1);
    const state = stateIn(system, system === "pbs" && rest.length > 3 ? rest.slice(3, 4) : rest);
    // A job of Kubernetes without a word on how it stands has just been made.
    found.set(job, state ?? "waiting");
  }
  return found;
}

function stateIn(system: SystemName, words: readonly string[]): JobState | null {
  const { waiting, running, gone } = vocabulary[system];
  const has = (pattern: RegExp): boolean => words.some((word) => pattern.test(word));
  if (has(gone)) return "gone";
  if (has(running)) return "running";
  return has(waiting) ? "waiting" : null;
}

/**
 * What tells a job from others: its number without the server's name, which qstat cuts off; a name of Kubernetes
 * without its kind; an id of Flux, whose first letter is ƒ or f.
 */
function keyOf(job: string): string {
  if (/^\d/.test(job)) return job.replace(/[.;].*$/, "").replace(/_.*$/, "");
  return job.replace(/^.*\//, "").replace(/^ƒ/, "f");
}

/**
 * What the batch system prints on standard error when it knows none of the jobs any more: this is an answer, other
 * failures say nothing.
 */
export function isUnknownJob(said: string): boolean {
  return /invalid job id|unknown job|unknown jobid|has finished|is not found|no matching job|not found/i.test(said);
}

/**
 * What brought a client up: its `launch`, if an autoscaler has named it, or the batch job that its environment tells
 * of. Null: neither is known, or it is no name that could be said to a server.
 */
export function jobOfClient(launch: string, env: Readonly<Record<string, string | undefined>>): string | null {
  const pod = env["KUBERNETES_SERVICE_HOST"] === undefined ? undefined : (env["POD_NAME"] ?? env["HOSTNAME"]);
  const jobs = [env["SLURM_JOB_ID"], env["PBS_JOBID"], env["LSB_JOBID"], env["FLUX_JOB_ID"], env["JOB_ID"]];
  return [launch, ...jobs, pod].find((id) => id !== undefined && /^[\wƒ][\w.:@[\]-]{0,254}$/u.test(id)) ?? null;
}

/**
 * Throws argumentError for a launcher of an autoscaler that has no room for the command of a client, or cannot hand on
 * the key of the run.
 */
export function expectRoom(launcher: readonly string[]): void {
  const submitter = submitterOf(launcher);
  if (submitter === null) return;
  if (submitter.system === "kubernetes")
    throw argumentError(
      "argument --launcher: kubectl cannot hand the key of this run to a pod - start hs server with a key that your " +
        "pods have, and let hs autoscale --launcher='kubectl create -f pod.yaml' launch them",
    );
  if (launcher.some((word) => word === "--wrap" || word.startsWith("--wrap=")))
    throw argumentError("argument --launcher: --wrap has no room for the command of the client - leave it out");
}
