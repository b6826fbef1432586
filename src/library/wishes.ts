/*
 * What options of the library mean together with the configuration, in the words of the rooms below: what becomes of
 * failures, how tasks run on this host, and what they get that do not say it themselves.
 */
import { argumentError } from "../base/errors.ts";
import { systemClock } from "../base/clock.ts";
import { programVersion } from "../base/version.ts";
import { whyNotHad } from "../client/resources.ts";
import { failurePolicy } from "../cluster/failure-settings.ts";
import { configuredEnd, configuredResources } from "../cluster/host-settings.ts";
import type { TaskInput } from "../cluster/feed.ts";
import type { TaskOptions } from "../cluster/tasks.ts";
import type { FailurePolicy } from "../server/failure-policy.ts";
import type { TaskSetting } from "../task/tag.ts";
import { settingsOf } from "./given.ts";
import type { ExecutorOptions, FailureOptions, TaskDefaultOptions } from "./interface.ts";
import { numberIn, type Setting } from "./setting.ts";

/** What every run with a server is told, and no option changes, or every call in the same way. */
export function servingOf(options: FailureOptions, setting: Setting) {
  const { id, cwd, config, loggers, noDatabase } = setting;
  return {
    version: programVersion,
    file: null,
    words: null,
    inputForm: { end: "\n", isVerbatim: true },
    createTables: false,
    restart: false,
    forever: false,
    bundleSize: null,
    failures: null,
    summary: false,
    instanceId: id,
    cwd,
    config,
    loggers,
    noDatabase,
    policy: policyOf(options, setting),
    pollMs: config.integer("server.poll") * 1000,
  } as const;
}

/** What becomes of failures. Throws a UserError for an option or a setting that means nothing. */
function policyOf(options: FailureOptions, { config }: Setting): FailurePolicy {
  const { halt } = options;
  const factor = numberIn("retryMemory", options.retryMemory, undefined, { least: 1, most: 1024, whole: false });
  const wishes = {
    retries: numberIn("retries", options.retries, undefined, { most: 1_000_000 }),
    eager: options.eager === true,
    retryOn: options.retryOn,
    retryDelay: numberIn("retryDelay", options.retryDelay, undefined, { whole: false }),
    retryMemory: factor === undefined ? undefined : `x${factor}`,
    halt: halt === undefined ? undefined : String(halt),
  };
  return failurePolicy(wishes, config, (wish) => wish);
}

/** What tasks get that do not say it themselves. */
export interface TaskDefaults {
  readonly taskCores: number | null;
  readonly taskMemory: number | null;
  readonly taskTimeout: number | null;
  readonly group: number;
  readonly settings: readonly TaskSetting[];
}

/** Reads what tasks get by themselves. Throws a UserError for an option that means nothing. */
export function defaultsOf(
  options: TaskDefaultOptions,
  { config }: Setting,
  resources: ReadonlySet<string>,
): TaskDefaults {
  const { tags } = options;
  const settings = settingsOf({ tags }, resources, argumentError);
  return {
    taskCores: numberIn("taskCores", options.taskCores, config.integer("task.cores"), {}),
    taskMemory: numberIn("taskMemory", options.taskMemory, config.integer("task.memory"), {
      most: Number.MAX_SAFE_INTEGER,
    }),
    taskTimeout: numberIn("taskTimeout", options.taskTimeout, config.integer("task.timeout"), {}),
    group: numberIn("group", options.group, 0, {}),
    settings,
  };
}

/** How tasks run here, as TaskOptions have it. */
type Executing = Pick<
  TaskOptions,
  "wishes" | "executors" | "clientCores" | "clientMemory" | "ratelimit" | "signalWaitMs" | "host" | "output" | "errors"
>;

/** Reads how tasks run here. Throws a UserError for options that mean nothing, or contradict each other. */
export function executingOf(options: ExecutorOptions, { config }: Setting): Executing {
  const { capture = false, output = null, errors = null } = options;
  if (capture && (output !== null || errors !== null))
    throw argumentError("capture: not together with output or errors");
  const most = Number.MAX_SAFE_INTEGER;
  const rate = numberIn("ratelimit", options.ratelimit, undefined, { whole: false, most: 1e9 });
  const ratelimit = rate ?? (config.number("client.ratelimit") || config.number("task.ratelimit"));
  return {
    wishes: {
      capture,
      results: null,
      template: options.template ?? null,
      shell: options.shell ?? config.text("task.shell"),
      monitor: false,
      enforce: config.boolean("task.enforce"),
    },
    executors: numberIn("executors", options.executors, 0, { most: 100_000 }),
    clientCores: numberIn("cores", options.cores, config.integer("client.cores"), {}),
    clientMemory: numberIn("memory", options.memory, config.integer("client.memory"), { most }),
    ratelimit: ratelimit || null,
    signalWaitMs: numberIn("signalWait", options.signalWait, config.integer("task.signalwait"), {}) * 1000,
    host: {
      resources: { ...configuredResources(config), ...checked(options.resources) },
      until: configuredEnd(config, systemClock.now()),
      pin: config.boolean("client.pin"),
    },
    output,
    errors,
  };
}

function checked(resources: Readonly<Record<string, number>> = {}): Readonly<Record<string, number>> {
  for (const [name, amount] of Object.entries(resources)) {
    const reason = whyNotHad(name, amount);
    if (reason !== null) throw argumentError(`resources: ${reason}`);
  }
  return resources;
}

/** Tasks of a run that is asked for. */
export function taskInput(given: Omit<TaskInput, "group" | "settings">, { group, settings }: TaskDefaults): TaskInput {
  return { source: given.source, read: given.read, group, settings };
}
