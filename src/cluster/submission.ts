/*
 * How a submission begins: who submits, what holds for its tasks, and the place where they go, which is a database or
 * that of a running server. Does not know where tasks come from.
 */
import { userName } from "../base/accounts.ts";
import { systemClock } from "../base/clock.ts";
import { configurationError } from "../base/errors.ts";
import { newId } from "../base/ids.ts";
import { hostName } from "../base/process.ts";
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";
import type { Store } from "../store/store.ts";
import { taskFactory } from "../task/factory.ts";
import type { TaskDefaults, TaskFactory } from "../task/factory.ts";
import type { LineReader } from "../task/line.ts";
import type { TaskSetting } from "../task/tag.ts";
import type { Submission } from "../task/task.ts";
import { databaseSettings } from "./database.ts";
import type { Queue } from "./enqueue.ts";

/** Who submits. */
export interface Submitter {
  /** The id of the submission. */
  readonly id: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** The version of this program. */
  readonly version: string;
}

type Limits = Readonly<Record<"cores" | "memory" | "timeout", number | null>>;

/** What is stored about a submission, and where. */
export interface Beginning {
  /** Reads a line. */
  readonly read: LineReader;
  readonly tags: readonly TaskSetting[];
  /** For tasks that say nothing themselves: cores, bytes and seconds. null and 0: no limit. */
  readonly limits: Limits;
  readonly group: number;
  readonly connect: (submission: Submission) => Promise<Target>;
  /** How long trouble of the target is waited for, milliseconds. */
  readonly patientMs: number;
}

/**
 * Opens the place where tasks go, tells it who submits, and answers it with what makes tasks of lines for it. Throws
 * what the opening throws.
 */
export async function begin(who: Submitter, wish: Beginning): Promise<Begun> {
  const { cores, memory, timeout } = wish.limits;
  const defaults: TaskDefaults = {
    submitId: who.id,
    submitHost: hostName(),
    group: wish.group,
    cores: cores || null,
    memory: memory || null,
    timeout: timeout || null,
    settings: wish.tags,
  };
  const submission: Submission = {
    id: who.id,
    time: systemClock.now(),
    host: hostName(),
    user: userName(who.env),
    cwd: who.cwd,
    template: null,
    version: who.version,
  };
  const target = await wish.connect(submission);
  try {
    await target.addSubmission(submission);
  } catch (error) {
    await target.close().catch(() => undefined);
    throw error;
  }
  const factory = taskFactory(defaults, newId, wish.read);
  return { target, factory, patientMs: wish.patientMs };
}

/** A database, or what stands for one at the other end of a connection. */
export type Target = Pick<Store, "durable" | "addSubmission" | "insert" | "close"> & Partial<Pick<Queue, "broken">>;

export interface Begun {
  readonly target: Target;
  /** How long its trouble is waited for, milliseconds. */
  readonly patientMs: number;
  readonly factory: TaskFactory;
}

/** The database of the configuration. Throws a configuration error when there is none. */
export async function openDatabase(config: Config, log: Logger, create: boolean): Promise<Store> {
  const { hasDatabase, openStore } = await import("../store/open.ts");
  const settings = databaseSettings(config, log);
  if (!hasDatabase(settings)) {
    throw configurationError(
      "submit",
      "No database is configured, so there is no place for tasks to wait - set database.file",
    );
  }
  return openStore({ ...settings, clock: systemClock, create });
}
