/*
 * The options that say what becomes of failures. What they mean together with the configuration is in
 * cluster/failure-settings.ts.
 */
import { failurePolicy } from "../cluster/failure-settings.ts";
import type { Config } from "../config/load.ts";
import type { FailurePolicy } from "../server/failure-policy.ts";
import { failureWords } from "../task/retries.ts";
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
    value: "failures",
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
    value: ["x1.5", "x2"],
    kind: "text",
    metavar: "FACTOR",
    help: "Ask for so much more memory at each retry, as x2, if a task asks for memory.",
    fallback: "x1",
  },
  {
    key: "halt",
    names: ["--halt"],
    value: ["1", "10%"],
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
  const wishes = {
    retries: parsed.number("retries"),
    eager: parsed.flag("eager"),
    retryOn: parsed.text("retryOn"),
    retryDelay: parsed.number("retryDelay"),
    retryMemory: parsed.text("retryMemory"),
    halt: parsed.text("halt"),
  };
  return failurePolicy(wishes, config, (wish) => `argument ${optionName(wish)}`);
}

function optionName(key: string): string {
  return failureOptions.find((option) => option.key === key)?.names[0] ?? "";
}
