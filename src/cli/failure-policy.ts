/*
 * What becomes of failures, as the command line and the configuration say it: how often and which of them are tried
 * again, after which pause, with how much memory, and after how many nothing more is started. Does not do it.
 */
import { argumentError, configurationError, type UserError } from "../base/errors.ts";
import type { Config } from "../config/load.ts";
import type { TextKey } from "../config/schema.ts";
import { type FailurePolicy, readHalt } from "../server/failure-policy.ts";
import { failureWords, readMemoryFactor, readRetryOn } from "../task/retries.ts";
import type { Option, ParsedWith } from "../args/spec.ts";

/** Options of commands with a server. */
export const failureOptions = [
  {
    key: "retries",
    names: ["-r", "--max-retries"],
    kind: "integer",
    metavar: "NUM",
    min: 0,
    help: "Try a failed task again, this many times.",
    fallback: "0, or server.attempts less one",
  },
  {
    key: "eager",
    names: ["--eager"],
    kind: "flag",
    setting: "server.eager",
    help: "Try failed tasks again before new ones.",
  },
  {
    key: "retryOn",
    names: ["--retry-on"],
    kind: "text",
    metavar: "LIST",
    help: `Try only these failures again, joined by commas: ${failureWords}.`,
    fallback: "all of them",
  },
  {
    key: "retryDelay",
    names: ["--retry-delay"],
    kind: "seconds",
    metavar: "SEC",
    min: 0,
    setting: "server.retrydelay",
    help: "Wait so long before the first retry of a task, and twice as long each time, up to an hour.",
  },
  {
    key: "retryMemory",
    names: ["--retry-memory"],
    kind: "text",
    metavar: "FACTOR",
    help: "Ask for so much more memory at each retry, as x2, if a task asks for memory.",
    fallback: "x1",
  },
  {
    key: "halt",
    names: ["--halt"],
    kind: "text",
    metavar: "NUM|PERCENT%",
    help: "Start nothing more once so many tasks have failed for good, or such a part of ten and more that ended.",
    fallback: "go on",
  },
] as const satisfies readonly Option[];

type Words = ParsedWith<(typeof failureOptions)[number]>;

/**
 * Reads the policy. Throws UserError when an option (status 2) or a setting (status 3) has a value that means nothing.
 */
export function failurePolicyOf(parsed: Words, config: Config): FailurePolicy {
  const tries = parsed.number("retries");
  const text = <T>(
    key: "retryOn" | "retryMemory" | "halt",
    setting: TextKey,
    read: (text: string) => T | null,
  ): T | null => readText(parsed.text(key), { option: optionName(key), setting, config, read });
  const statuses = text("retryOn", "server.retryon", readRetryOn);
  const memoryFactor = text("retryMemory", "server.retrymemory", readMemoryFactor) ?? 1;
  return {
    retries: { attempts: tries === undefined ? config.integer("server.attempts") : tries + 1, statuses, memoryFactor },
    eager: parsed.flag("eager") || config.boolean("server.eager"),
    retryDelayMs: (parsed.number("retryDelay") ?? config.number("server.retrydelay")) * 1000,
    halt: text("halt", "server.halt", readHalt),
    // 0 is the status of success.
    requeueStatus: config.integer("task.requeue_status") || null,
    poison: config.integer("server.poison"),
  };
}

function optionName(key: string): string {
  return failureOptions.find((option) => option.key === key)?.names[0] ?? "";
}

/** What a text must be, by its option. */
const forms: Readonly<Record<string, string>> = {
  "--retry-on": `a list of ${failureWords}`,
  "--retry-memory": "a factor from 1 to 1024, as x2",
  "--halt": "a number of tasks, 1 or more, or a percentage above 0, as 20%",
};

interface Source<T> {
  readonly option: string;
  readonly setting: TextKey;
  readonly config: Config;
  readonly read: (text: string) => T | null;
}

function readText<T>(given: string | undefined, { option, setting, config, read }: Source<T>): T | null {
  const text = given ?? config.text(setting);
  if (text === null) return null;
  const value = read(text);
  if (value !== null) return value;
  const problem = `must be ${forms[option]}, not '${text}'`;
  throw given === undefined ? badSetting(config, setting, problem) : argumentError(`argument ${option}: ${problem}`);
}

function badSetting(config: Config, key: TextKey, problem: string): UserError {
  return configurationError("core.config", `${key} ${problem} (${config.origin(key).label})`);
}
