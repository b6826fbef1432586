/*
 * The options of the autoscaler, for hsx -A and for hs autoscale, and what they mean together with the configuration.
 */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { argumentError } from "../base/errors.ts";
import { quoted } from "../args/flags.ts";
import { settled } from "../args/settled.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import type { Policy, Rules } from "../cluster/autoscale/policy.ts";
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";

const factorOption = {
  key: "factor",
  names: ["-F", "--factor"],
  kind: "float",
  metavar: "VALUE",
  min: 0,
  setting: "autoscale.factor",
  help: "Another client comes while the tasks that remain are more than this many rounds of what runs at once.",
} as const satisfies Option;

const periodOption = {
  key: "period",
  names: ["-P", "--period"],
  kind: "seconds",
  metavar: "SEC",
  min: 1,
  setting: "autoscale.period",
  help: "Time between two looks; each adds one client at most.",
} as const satisfies Option;

const minOption = {
  key: "minSize",
  names: ["-X", "--min-size"],
  kind: "integer",
  metavar: "SIZE",
  min: 0,
  setting: "autoscale.size.min",
  help: "Least number of clients.",
} as const satisfies Option;

const maxOption = {
  key: "maxSize",
  names: ["-Y", "--max-size"],
  kind: "integer",
  metavar: "SIZE",
  min: 0,
  setting: "autoscale.size.max",
  help: "Greatest number of clients, jobs that wait in a queue included.",
} as const satisfies Option;

/** What hs autoscale and hsx -A have in common. */
export const scalingOptions = [factorOption, periodOption, minOption, maxOption] as const satisfies readonly Option[];

/** The options of hsx. */
export const autoscaleOptions = [
  {
    key: "autoscale",
    names: ["-A", "--autoscaling"],
    value: ["fixed", "dynamic"],
    kind: "optional",
    metavar: "MODE",
    help:
      "Bring up clients while tasks wait for them, by --launcher or here, and never stop by itself; MODE: fixed or " +
      "dynamic. Put FILE before it.",
    fallback: "autoscale.policy: fixed",
  },
  ...scalingOptions,
  {
    key: "initSize",
    names: ["-I", "--init-size"],
    kind: "integer",
    metavar: "SIZE",
    min: 0,
    setting: "autoscale.size.init",
    help: "Clients to start with.",
  },
] as const satisfies readonly Option[];

type Words = ParsedWith<(typeof autoscaleOptions)[number]>;

/** Options that say nothing without -A. */
const dependent = [
  ["factor", "-F/--factor"],
  ["period", "-P/--period"],
  ["initSize", "-I/--init-size"],
  ["minSize", "-X/--min-size"],
  ["maxSize", "-Y/--max-size"],
] as const;

/** Throws argumentError for options of the autoscaler without it, and for a policy that there is not. */
export function checkAutoscaling(parsed: Words, cwd: string): void {
  if (parsed.given("autoscale")) return void policyNamed(parsed.text("autoscale") ?? "", "-A/--autoscaling", cwd);
  for (const [key, names] of dependent)
    if (parsed.given(key)) throw argumentError(`argument ${names}: only allowed with argument -A/--autoscaling`);
}

const policies: readonly Policy[] = ["fixed", "dynamic"];

/**
 * The policy of a name, in any case; null: no name is given. Throws argumentError for another name. `option`: where it
 * was given; `cwd`: where a file of that name may be.
 */
export function policyNamed(text: string, option: string, cwd: string): Policy | null {
  if (text === "") return null;
  const found = policies.find((each) => each === text.toLowerCase());
  if (found !== undefined) return found;
  const isFile = existsSync(resolve(cwd, text));
  const hint = isFile ? ` - name FILE before ${option.split("/")[0]}, or join the mode to it: --autoscaling=fixed` : "";
  const choices = policies.map(quoted).join(", ");
  throw argumentError(`argument ${option}: invalid choice: ${quoted(text)} (choose from ${choices})${hint}`);
}

/** The policy that the configuration names. */
export function policySet(config: Config): Policy {
  return config.text("autoscale.policy").toLowerCase() === "dynamic" ? "dynamic" : "fixed";
}

/**
 * The rules of a run. Where nobody has set the greatest number, it is as large as the others call for. Throws
 * argumentError when the least number is above the greatest. `init`: the number to start with.
 */
export function rulesOf(
  parsed: ParsedWith<(typeof scalingOptions)[number]>,
  config: Config,
  { policy, init }: { readonly policy: Policy; readonly init: number },
  log: Logger,
): Rules {
  const min = settled(minOption, parsed, config);
  const isSet = parsed.given("maxSize") || config.origin("autoscale.size.max").source !== "default";
  const given = settled(maxOption, parsed, config);
  const max = isSet ? given : Math.max(given, min, init);
  if (min > max)
    throw argumentError(
      `argument -X/--min-size: must be at most the greatest number of clients (-Y), ${max}, not ${min}`,
    );
  if (init > max) log.warning(`The autoscaler starts with ${max} clients (-Y), not with ${init} (-I)`);
  const factor = settled(factorOption, parsed, config);
  return { policy, sizes: { init, min, max }, factor, periodMs: settled(periodOption, parsed, config) * 1000 };
}

/** What a user may want to know of a run with the autoscaler. */
export interface Told {
  readonly isRestart: boolean;
  readonly isForever: boolean;
  /** Whether there is a task file that the run reads to its end. */
  readonly hasFile: boolean;
  /** Whether clients leave when they are idle. */
  readonly leavesIdle: boolean;
}

/** Warns of options that say nothing beside -A, or that together do what nobody may want. */
export function warnOfScaling({ policy, sizes }: Rules, told: Told, log: Logger): void {
  const { isRestart, isForever, hasFile, leavesIdle } = told;
  if (isRestart) log.warning("--restart is redundant: with -A/--autoscaling what the database holds is run anyway");
  if (isForever) log.warning("--forever is redundant: -A/--autoscaling never stops by itself");
  if (hasFile) log.warning("With -A/--autoscaling the run does not stop after the task file (a signal ends it)");
  if (leavesIdle && sizes.min > 0)
    log.warning("With -T/--timeout and -X/--min-size above 0 idle clients will stop and start in cycles");
  if (!leavesIdle && policy === "dynamic")
    log.warning("Without -T/--timeout clients never leave: their number will not go down again");
}
