/*
 * How many clients there are to be: the decision of one look. Pure: what is seen goes in, and what is to be done comes
 * out, with the reason in words. At most one client is added at a look, and none is ever sent away: clients leave by
 * themselves (-T, SIGUSR1, the end of their job). Knows nothing of processes, jobs and servers.
 *
 * `fixed`: never fewer than the least number, and one client where there is none and tasks wait.
 * `dynamic`: the same, and another client while the pressure is above 1: the tasks that remain would take those that
 * run now more than once through, times the factor.
 */
import { counted, formatDuration } from "../../base/units.ts";

export type Policy = "fixed" | "dynamic";

/** What a user has asked for. */
export interface Rules {
  readonly policy: Policy;
  /** The number of clients to start with, the least and the greatest number. */
  readonly sizes: { readonly init: number; readonly min: number; readonly max: number };
  /** The load for each client that calls for another one, as a multiple of what the clients do at once. */
  readonly factor: number;
  /** The time between two looks, milliseconds. */
  readonly periodMs: number;
}

/** How launches have gone. */
export interface Luck {
  /** How many have failed one after the other; those that were made together count as one. */
  readonly failures: number;
  /** When the last one failed, milliseconds since 1970. */
  readonly failedAt: number;
  /** Whether a client has ever come. */
  readonly everCame: boolean;
}

/** What is seen at a look. */
export interface Sight {
  /** When it is, milliseconds since 1970. */
  readonly now: number;
  /** The group whose tasks run now or are next. */
  readonly group: number;
  /** How many tasks of that group have not ended and may run. */
  readonly tasks: number;
  /** How many of these are with no client. */
  readonly waiting: number;
  /** How many tasks of all groups have not ended. */
  readonly total: number;
  /** How many clients are connected and take tasks. */
  readonly registered: number;
  /** How many launches are a client that takes tasks, or become one: jobs that wait in a queue, too. */
  readonly launched: number;
  /** How many launches have clients that take no more tasks. They count neither as capacity nor for the bounds. */
  readonly draining: number;
  /** How many of the waiting tasks will start without another client: here now, or at clients that are coming. */
  readonly room: number;
  /** See `pressureOf`; null: not known yet. */
  readonly pressure: number | null;
  readonly luck: Luck;
}

/** What is to be done, and why, as the log tells it. */
export interface Decision {
  /** `end`: nothing can be launched, so the run is over. */
  readonly kind: "add" | "wait" | "end";
  readonly reason: string;
}

/** How many launches may fail in a row, if no client has ever come. */
const mostFailures = 4;
/** The longest pause after launches that failed, milliseconds, or eight periods if that is longer. */
const longestPauseMs = 600_000;

/** How long launching pauses after so many failures in a row, milliseconds: a period, twice that, and so on. */
export function pauseAfter(failures: number, periodMs: number): number {
  if (failures === 0) return 0;
  return Math.min(periodMs * 2 ** Math.min(failures - 1, 30), Math.max(longestPauseMs, 8 * periodMs));
}

/** The number of clients to start with: never more than there may be. */
export function initialSize({ sizes: { init, max } }: Rules): number {
  return Math.min(init, max);
}

/** Decides what is to be done after a look. */
export function decide(rules: Rules, sight: Sight): Decision {
  const { sizes, policy } = rules;
  const { launched, tasks, waiting, luck, draining } = sight;
  if (luck.failures >= mostFailures && !luck.everCame && launched + draining === 0)
    return { kind: "end", reason: `${luck.failures} launches in a row failed` };
  const untilMs = luck.failedAt + pauseAfter(luck.failures, rules.periodMs) - sight.now;
  // Looks come at whole periods, and a launch fails a moment after one.
  if (luck.failures > 0 && untilMs > rules.periodMs / 2) return wait(pauseText(luck.failures, untilMs));
  if (launched < sizes.min) return add(`min-size reached (${launched} < ${sizes.min})`);
  if (tasks === 0 && launched === 0) return wait("pause (no clients and no active tasks)");
  if (launched > 0) return policy === "fixed" ? stay(sight) : follow(rules, sight);
  if (waiting === 0) return wait(`pause (clients that leave run what is left: ${counted(tasks, "task")})`);
  if (sizes.max <= 0) return wait(`max-size reached (${launched} >= ${sizes.max})`);
  return add(`adding client (${counted(tasks, "task")} remaining in group ${sight.group})`);
}

function add(text: string): Decision {
  return { kind: "add", reason: `Autoscale ${text}` };
}

function wait(text: string): Decision {
  return { kind: "wait", reason: `Autoscale ${text}` };
}

function pauseText(failures: number, untilMs: number): string {
  const what = failures === 1 ? "the last launch failed" : `the last ${failures} launches failed`;
  return `pause (${what}, the next is in ${formatDuration(Math.ceil(untilMs / 1000))})`;
}

/** The fixed policy where there are clients. */
function stay({ launched, tasks }: Sight): Decision {
  if (tasks === 0) return wait("pause (no active tasks)");
  return wait(`pause (${counted(launched, "client")}, a fixed number)`);
}

/** The dynamic policy where there are clients. */
function follow({ sizes }: Rules, { launched, tasks, pressure, waiting, room }: Sight): Decision {
  if (pressure === null && tasks === 0) return wait("pause (no active tasks)");
  if (pressure === null) return wait("pause (waiting on clients to complete initial tasks)");
  const shown = shownPressure(pressure);
  if (pressure <= 1) return wait(`pressure low (${shown})`);
  if (launched >= sizes.max) return wait(`max-size reached (${launched} >= ${sizes.max})`);
  if (waiting > room) return add(`pressure high (${shown})`);
  const why = waiting === 0 ? "clients have all of it" : `room for ${room} is there or coming, and ${waiting} wait`;
  return wait(`pause (pressure high (${shown}), but ${why})`);
}

/** A pressure as the log shows it. */
function shownPressure(pressure: number | null): string {
  return pressure === null ? "unknown" : pressure.toFixed(2);
}

/** What is seen, in one line of the log. */
export function describeSight({ policy }: Rules, sight: Sight): string {
  const { pressure, registered, launched, draining, tasks, group, total } = sight;
  const parts = [
    ...(policy === "dynamic" ? [`pressure: ${shownPressure(pressure)}`] : []),
    `clients: ${registered}/${launched}`,
    `tasks: ${tasks} in group ${group}, ${total} total`,
    ...(draining > 0 ? [`leaving: ${draining}`] : []),
  ];
  return `Autoscale check (${parts.join(", ")})`;
}

/** What is known of the work of clients, for their pressure. */
export interface Work {
  /** How many tasks of the group have not ended. */
  readonly tasks: number;
  /** How many tasks run now. */
  readonly running: number;
  /** How many tasks end in a second; null: none has ended. */
  readonly rate: number | null;
  /** How long a task takes, seconds; null: none has ended. */
  readonly duration: number | null;
  /** How many looks in a row have seen tasks run, and none that had ended. */
  readonly silentLooks: number;
}

/** So many looks see tasks run and none end before the tasks are taken for long ones. */
const patientLooks = 2;

/**
 * The pressure: the time that the remaining tasks take at the present pace, in multiples of a task's duration and the
 * factor. Above 1 tasks wait for a second round. Null: not known. Rate times duration is the number of tasks that ran
 * at once on the average; where more run now, that counts. Of tasks so long that none has ended after some looks,
 * this number is all that is needed.
 */
export function pressureOf({ tasks, running, rate, duration, silentLooks }: Work, factor: number): number | null {
  const isKnown = rate !== null && duration !== null;
  if (!isKnown && (running === 0 || silentLooks <= patientLooks)) return null;
  const atOnce = Math.max(running, isKnown ? rate * duration : 0);
  if (tasks === 0) return 0;
  return tasks / (factor * atOnce);
}

/**
 * The pressure where only numbers are known: whole loads of `perClient` tasks, times the factor, for each of so many
 * clients. Null: there are none. A rest that fills no client calls for none.
 */
export function pressureOfBacklog(tasks: number, perClient: number, factor: number, clients: number): number | null {
  if (clients === 0) return null;
  return Math.floor(tasks / (perClient * factor)) / clients;
}
