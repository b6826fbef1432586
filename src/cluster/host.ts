/*
 * What a client has for its tasks, from what the user says and what the host shows: cores, memory, devices and other
 * resources, processors to pin to, and the end of its time. A batch system may have to be asked for the latter, which
 * is done beside everything else.
 */
import { affinitySetter } from "../base/affinity.ts";
import { type Clock, systemClock } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import { formatMoment } from "../base/moment.ts";
import { earlier, type End, endInEnvironment, endOfWalltime, type Question, questionOf } from "../client/allocation.ts";
import { affinityOf, usableCores, usableMemory } from "../client/capacity.ts";
import { type DeviceList, listDevices } from "../client/device-list.ts";
import { type Host, thisHost } from "../client/host.ts";
import { newPins, type Pins } from "../client/pinning.ts";
import type { Resources } from "../client/resources.ts";
import type { Config } from "../config/load.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { type Capacity, gpus } from "../task/demand.ts";

/** What the user says of the host. */
export interface HostWishes {
  /** What tasks can ask for by name. `gpus` takes the place of those that are found. */
  readonly resources: Resources;
  /** When its time is up; null: as the batch system says. */
  readonly until: End | "never" | null;
  /** Whether each task is kept on processors of its own. */
  readonly pin: boolean;
}

/** What is found of a host. Files are read when somebody asks, once. */
export interface Provision {
  /** How many cores tasks may use; at least 1. */
  cores(): number;
  /**
   * What tasks may use: as much as the user says, else what the system allows; null or 0 of what the user says is
   * nothing. Nothing is looked at before somebody reads it, because few tasks ask. `memory`: bytes.
   */
  capacity(cores: number | null, memory: number | null): Capacity;
  devices(): DeviceList;
  pins(): Pins | null;
  /** When the time is up, as far as that is known by now; null: nothing is. */
  readonly end: End | null;
  /** Whether a batch system was asked for the end, and has not answered. */
  readonly asksForEnd: boolean;
  /** The end, when the batch system has answered; null: there is none to ask. It never rejects. */
  readonly learned: Promise<End | null> | null;
}

/** What a provision is made from. */
interface Site {
  readonly host: HostWishes;
  readonly env: Host["env"];
  readonly config: Config;
  readonly loggers: Loggers;
}

/** Looks at the host that this process runs on. */
export function provisionOf({ host: wishes, env, config, loggers }: Site): Provision {
  const log = loggers("client");
  // Tasks have what is exported, and what tells of this process in its step stays here.
  const seen = { ...config.inheritable(env), ...config.exports() };
  const host = thisHost(seen);
  const cores = once(() => usableCores(host));
  const memory = once(() => usableMemory(host));
  const devices = once(() => listDevices(host, wishes.resources[gpus] ?? null));
  let end = knownEnd(wishes, seen);
  const asked = learnEnd(wishes, seen, log);
  let asksForEnd = asked !== null;
  const learned = asked?.then((found) => {
    asksForEnd = false;
    return (end = found);
  });
  return {
    cores,
    capacity: (wishedCores, wishedMemory) => ({
      get cores() {
        return wishedCores || cores();
      },
      get memory() {
        return wishedMemory || memory();
      },
      others: {
        ...wishes.resources,
        get [gpus]() {
          return devices().count;
        },
      },
    }),
    devices,
    pins: () => pinsOf(wishes, host, log),
    get end() {
      return end;
    },
    get asksForEnd() {
      return asksForEnd;
    },
    learned: learned ?? null,
  };
}

/** Finds something out when it is first asked for. */
function once<T>(find: () => T): () => T {
  let found: { readonly value: T } | null = null;
  return () => (found ??= { value: find() }).value;
}

/** What the user and the environment say of the end of the host's time, the earlier of both; null: nothing. */
function knownEnd({ until }: HostWishes, env: Host["env"]): End | null {
  return until === "never" ? null : earlier(until, endInEnvironment({ env }, systemClock.now()));
}

/** A program of a batch system has this long to answer, milliseconds: its server may be busy. */
const answerMs = 30_000;
/**
 * A client waits this long for the answer before it begins, milliseconds: most tasks are to know when the time is up.
 * After that only those wait that have a time limit.
 */
const askedMs = 2000;

/** Resolves when one of the answers is there, and otherwise when a client does not wait for it any longer. */
export async function answeredSoon(clock: Clock, answers: readonly Promise<unknown>[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = clock.after(askedMs, resolve);
  await Promise.race([...answers, promise]);
  timer.cancel();
}

/**
 * Asks the batch system for the end, where the environment does not tell it. Comes to the earlier of that and what is
 * known already. Null: there is nobody to ask.
 */
function learnEnd(wishes: HostWishes, env: Host["env"], log: Logger): Promise<End | null> | null {
  const isAsked = wishes.until !== "never" && endInEnvironment({ env }, systemClock.now()) === null;
  const question = isAsked ? questionOf({ env }) : null;
  if (question === null) return null;
  return answerTo(question, env, log).then((end) => {
    const told = end === null ? null : { at: end, source: question.words[0] ?? "" };
    return earlier(knownEnd(wishes, env), told ?? endOfWalltime(thisHost(env), systemClock.now()));
  });
}

async function answerTo({ words, env: more, read }: Question, env: Host["env"], log: Logger): Promise<number | null> {
  const shown = words.join(" ");
  try {
    const asked = Bun.spawn([...words], {
      env: { ...env, ...more },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "ignore",
      timeout: answerMs,
    });
    // Who ends before does not wait for an answer.
    asked.unref();
    const [text, status] = await Promise.all([asked.stdout.text(), asked.exited]);
    const found = status === 0 ? read(text, systemClock.now()) : null;
    // A job that is over is not ours.
    const end = found !== null && found > systemClock.now() ? found : null;
    log.debug(() => `Asked for the end of the job (${shown}): ${end === null ? "none is known" : formatMoment(end)}`);
    return end;
  } catch (error) {
    log.debug(() => `Cannot ask for the end of the job (${shown}): ${messageOf(error)}`);
    return null;
  }
}

/** Finds the way to pin tasks; null: it is not wanted, or there is none here, which is told. */
function pinsOf({ pin }: HostWishes, host: Host, log: Logger): Pins | null {
  if (!pin) return null;
  const all = affinityOf(host);
  const setAffinity = all.length > 0 ? affinitySetter() : null;
  if (setAffinity !== null && setAffinity(all)) return newPins(all, setAffinity);
  log.warning("client.pin has no effect: this system lets no program choose the processors of another");
  return null;
}
