/*
 * When the time of this host is up: a batch system gives it for so long, and what still runs then is killed. Some
 * systems say so in the environment, others have to be asked by their own programs. Knows what they print, and no
 * client and no task.
 *
 * Sources: Slurm, sbatch(1) (SLURM_JOB_END_TIME, which 22.05 does not set yet), scontrol(1); PBS Professional and
 * Torque, qstat(1B); LSF, bjobs(1); Flux, flux-job(1), timeleft.
 */
import { parseMoment } from "../base/moment.ts";
import type { Host } from "./host.ts";

/** The end of the time that this host has. */
export interface End {
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Who says so: a variable or a program. */
  readonly source: string;
}

/** A question to a batch system. */
export interface Question {
  readonly words: readonly string[];
  /** Variables without which the answer would have another form. */
  readonly env: Readonly<Record<string, string>>;
  /** The end in what the program prints, milliseconds since 1970; null: there is none in it. `now`: the same. */
  readonly read: (text: string, now: number) => number | null;
}

/**
 * What the environment says by itself; null: nothing. An end that has passed is that of another job, whose variables a
 * terminal has kept. `now`: milliseconds since 1970.
 */
export function endInEnvironment({ env }: Pick<Host, "env">, now: number): End | null {
  const name = "SLURM_JOB_END_TIME";
  const at = /^[1-9]\d{8,11}$/.test(env[name] ?? "") ? Number(env[name]) * 1000 : 0;
  return at <= now || !isOnNode(env) ? null : { at, source: name };
}

/** salloc sets variables of the job on the host where it was called, which the job does not end. */
function isOnNode(env: Host["env"]): boolean {
  return env["SLURM_CPUS_ON_NODE"] !== undefined || env["SLURMD_NODENAME"] !== undefined;
}

/** Whom to ask; null: this host belongs to no job of a system that can be asked. */
export function questionOf({ env }: Pick<Host, "env">): Question | null {
  const slurm = env["SLURM_JOB_ID"];
  if (isName(slurm) && isOnNode(env))
    return {
      words: ["scontrol", "-o", "show", "job", slurm],
      env: { SLURM_TIME_FORMAT: "standard" },
      read: readScontrol,
    };
  const pbs = env["PBS_JOBID"];
  if (isName(pbs)) return { words: ["qstat", "-f", pbs], env: { LC_ALL: "C" }, read: readQstat };
  const lsf = env["LSB_JOBID"];
  if (isName(lsf)) {
    const index = env["LSB_JOBINDEX"] ?? "0";
    const job = /^[1-9]\d*$/.test(index) ? `${lsf}[${index}]` : lsf;
    return { words: ["bjobs", "-noheader", "-o", "time_left", job], env: { LC_ALL: "C" }, read: readBjobs };
  }
  const flux = env["FLUX_JOB_ID"];
  return isName(flux) ? { words: ["flux", "job", "timeleft", flux], env: {}, read: readTimeleft } : null;
}

/** Whether it can be the name of a job, and no option. */
function isName(text: string | undefined): text is string {
  return text !== undefined && /^[\w.ƒ][\w.[\]:@-]*$/.test(text);
}

/** `... EndTime=2026-11-30T18:00:00 ...`, or `Unknown`. */
function readScontrol(text: string, now: number): number | null {
  return parseMoment(/\bEndTime=(\S+)/.exec(text)?.[1] ?? "", now);
}

/**
 * Torque prints what is left. PBS Professional prints when the job began, as ctime(3) writes it, and for how long it
 * may run.
 */
function readQstat(text: string, now: number): number | null {
  const left = /^\s*Walltime\.Remaining = (\d+)/m.exec(text)?.[1];
  if (left !== undefined) return now + Number(left) * 1000;
  const span = /^\s*Resource_List\.walltime = (?:(\d+):)?(\d+):(\d\d):(\d\d)\s*$/m.exec(text);
  const started = /^\s*(?:stime|start_time) = \w{3} (\w{3}) +(\d+) (\d\d:\d\d:\d\d) (\d{4})/m.exec(text);
  if (span === null || started === null) return null;
  const [days = 0, hour = 0, minute = 0, second = 0] = span.slice(1).map((each) => Number(each ?? 0));
  const [, month = "", day = "", time, year] = started;
  const number = "JanFebMarAprMayJunJulAugSepOctNovDec".indexOf(month) / 3 + 1;
  const start = parseMoment(`${year}-${`${number}`.padStart(2, "0")}-${day.padStart(2, "0")}T${time}`, now);
  return start === null ? null : start + (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000;
}

/** `1:30 L`: hours and minutes, and how they were found. */
function readBjobs(text: string, now: number): number | null {
  const [, hour, minute] = /^\s*(\d+):(\d\d)(?:\s|$)/.exec(text) ?? [];
  return minute === undefined ? null : now + (Number(hour) * 60 + Number(minute)) * 60_000;
}

/** Seconds. Without a limit it is a number that no job has. */
function readTimeleft(text: string, now: number): number | null {
  const seconds = /^\s*(\d+)\s*$/.exec(text)?.[1];
  return seconds === undefined || Number(seconds) > 1e9 ? null : now + Number(seconds) * 1000;
}

/** Clock ticks in a second, as /proc counts them on every machine that Linux runs on today. */
const ticks = 100;

/**
 * The end of a job of PBS whose server cannot be asked: the time that it was given, from the start of its script on. A
 * job leads a session of its own. `now`: milliseconds since 1970. null: nothing is known of it.
 */
export function endOfWalltime(host: Pick<Host, "env" | "read">, now: number): End | null {
  const name = "PBS_WALLTIME";
  const seconds = /^[1-9]\d*$/.test(host.env[name] ?? "") ? Number(host.env[name]) : null;
  if (seconds === null) return null;
  const session = factsOf(host.read("/proc/self/stat"))[sessionAt];
  const startTicks = Number(factsOf(host.read(`/proc/${session ?? "self"}/stat`))[startAt]);
  const upSeconds = Number.parseFloat(host.read("/proc/uptime") ?? "");
  const agoMs = (upSeconds - startTicks / ticks) * 1000;
  return Number.isFinite(agoMs) ? { at: now - Math.max(0, agoMs) + seconds * 1000, source: name } : null;
}

/** Where the session and the start time of a process stand behind its name, as proc(5) numbers them, less 3. */
const sessionAt = 3;
const startAt = 19;

function factsOf(stat: string | null): readonly string[] {
  return (stat ?? "").slice((stat ?? "").lastIndexOf(")") + 2).split(" ");
}

/** The earlier of two ends; null: there is none. */
export function earlier(one: End | null, other: End | null): End | null {
  if (one === null || other === null) return one ?? other;
  return other.at < one.at ? other : one;
}
