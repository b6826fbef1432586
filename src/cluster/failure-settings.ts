/*
 * What becomes of failures, as somebody asks for it or the configuration says: how often and which of them are tried
 * again, after which pause, with how much memory, and after how many nothing more is started. Does not do it.
 */
import { argumentError, configurationError, type UserError } from "../base/errors.ts";
import type { Config } from "../config/load.ts";
import type { TextKey } from "../config/schema.ts";
import { type FailurePolicy, readHalt } from "../server/failure-policy.ts";
import { failureWords, readMemoryFactor, readRetryOn } from "../task/retries.ts";

/** What is asked for; where something is not there, the configuration counts. */
export interface FailureWishes {
  /** How often a failed task is tried again. */
  readonly retries: number | undefined;
  readonly eager: boolean;
  readonly retryOn: string | undefined;
  /** Seconds. */
  readonly retryDelay: number | undefined;
  readonly retryMemory: string | undefined;
  readonly halt: string | undefined;
}

type TextWish = "retryOn" | "retryMemory" | "halt";

/** What a text must be. */
const forms: Readonly<Record<TextWish, string>> = {
  retryOn: `a list of ${failureWords}`,
  retryMemory: "a factor from 1 to 1024, as x2",
  halt: "a number of tasks, 1 or more, or a percentage above 0, as 20%",
};

/**
 * Reads the policy. `nameOf`: how the user has called a wish. Throws UserError when a wish (status 2) or a setting
 * (status 3) has a value that means nothing.
 */
export function failurePolicy(
  wishes: FailureWishes,
  config: Config,
  nameOf: (wish: TextWish) => string,
): FailurePolicy {
  function read<T>(key: TextWish, setting: TextKey, reading: (text: string) => T | null): T | null {
    const given = wishes[key];
    const text = given ?? config.text(setting);
    if (text === null) return null;
    const value = reading(text);
    if (value !== null) return value;
    const problem = `must be ${forms[key]}, not '${text}'`;
    throw given === undefined ? badSetting(config, setting, problem) : argumentError(`${nameOf(key)}: ${problem}`);
  }
  const { retries } = wishes;
  const statuses = read("retryOn", "server.retryon", readRetryOn);
  const memoryFactor = read("retryMemory", "server.retrymemory", readMemoryFactor) ?? 1;
  return {
    retries: {
      attempts: retries === undefined ? config.integer("server.attempts") : retries + 1,
      statuses,
      memoryFactor,
    },
    eager: wishes.eager || config.boolean("server.eager"),
    retryDelayMs: (wishes.retryDelay ?? config.number("server.retrydelay")) * 1000,
    halt: read("halt", "server.halt", readHalt),
    // 0 is the status of success.
    requeueStatus: config.integer("task.requeue_status") || null,
    poison: config.integer("server.poison"),
  };
}

function badSetting(config: Config, key: TextKey, problem: string): UserError {
  return configurationError("core.config", `${key} ${problem} (${config.origin(key).label})`);
}
