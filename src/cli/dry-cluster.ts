/*
 * `hsx --dry-run` and `hs server --dry-run`: the input of a run as the commands that would run, and the settings of the
 * run. How a command is printed is in dry-run.ts; input is read by the run's own parts.
 */
import { systemClock } from "../base/clock.ts";
import { usualShell } from "../base/command-shell.ts";
import { exitStatus } from "../base/errors.ts";
import { hostName } from "../base/process.ts";
import type { ClientValues } from "../args/options.ts";
import { counted } from "../base/units.ts";
import { databaseSettings } from "../cluster/database.ts";
import { type InputOptions, openInput } from "../cluster/feed.ts";
import type { Config } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import type { Launch } from "../launch/orders.ts";
import { openOutput } from "../print/output.ts";
import type { FailurePolicy } from "../server/failure-policy.ts";
import { isRewritable } from "../task/rerun.ts";
import type { Context } from "./command.ts";
import type { Printing } from "../cluster/printing.ts";
import { type DryOptions, dryTarget, type Settings, showEnd, showSettings } from "./dry-run.ts";
import { submitTemplate } from "./submitting.ts";

/** A run that is only printed. */
export interface DryRun {
  readonly context: Context;
  /** Null: it has no input of its own, and goes on with what the database holds. */
  readonly input: Omit<InputOptions, "instanceId"> | null;
  /** The template that its clients apply; null: `{}`, or it is not known here. */
  readonly template: string | null;
  /** The shell that runs its tasks; null: the usual one. */
  readonly shell: string | null;
  readonly settings: Settings;
}

/** Prints the commands of a run, and answers the exit status that its input deserves. Throws what reading throws. */
export async function printRun({ context, input, template, shell, settings }: DryRun): Promise<number> {
  const config = context.config();
  if (input === null) {
    const { printRest } = await import("./dry-restart.ts");
    return printRest({ context, outputs: dryOutputs(context, shell), template, shell, settings });
  }
  const { expand } = await submitTemplate(template ?? undefined, context, { isDry: true, shell });
  const opened = await openInput({ ...input, instanceId: "" }, hostName(), resourceNames(config));
  const options: DryOptions = { ...dryOutputs(context, shell), expand };
  const target = dryTarget(options);
  showSettings(options, settings);
  if (opened === null) return exitStatus.success;
  const { load } = await import("../submit/loader.ts");
  const { bad } = await load({
    ...opened,
    store: target,
    expand: null,
    bundleSize: null,
    clock: systemClock,
    log: context.loggers("submit"),
    patientMs: 0,
  });
  showEnd(options, target);
  const isAll = bad === 0 && target.failed() === 0;
  return isAll || config.boolean("server.exitzero") ? exitStatus.success : exitStatus.tasksFailed;
}

/** Where a dry run writes, and what the shell of tasks allows. `shell` null: the usual one. */
export function dryOutputs({ env, loggers }: Context, shell: string | null): Omit<DryOptions, "expand"> {
  return {
    stdout: openOutput(1, env),
    stderr: openOutput(2, env),
    log: loggers("client"),
    mayRewrite: isRewritable(shell, process.platform),
  };
}

/** What a run of hsx is told, as far as its settings tell it. */
export interface ClusterFacts {
  /** Null: what the database holds. */
  readonly input: Pick<InputOptions, "file" | "words"> | null;
  readonly client: ClientValues;
  /** What starts clients elsewhere; null: nothing does. */
  readonly launch: Launch | null;
  /** The launcher of clients that come and go; null: there are none. */
  readonly scaledBy: string | null;
  readonly output: string | null;
  readonly errors: string | null;
  readonly failures: string | null;
  readonly joblog: string | null;
  readonly printing: Printing | null;
  readonly noDatabase: boolean;
  readonly policy: FailurePolicy;
}

/** The settings of a run of hsx. Throws UserError for settings of a database that make no sense. */
export async function clusterSettings(context: Context, facts: ClusterFacts): Promise<Settings> {
  const { client, policy, failures } = facts;
  const limits = [
    client.taskTimeout ? `${client.taskTimeout} seconds for each task` : "",
    client.ratelimit ? `${client.ratelimit} starts a second` : "",
  ];
  return [
    ["input", describeInput(facts.input)],
    ["template", client.template ?? "{}, the line itself"],
    ["executors", client.executors === 0 ? "as many as there are cores" : `${client.executors}`],
    ["clients", describeClients(facts)],
    ["shell", client.shell ?? usualShell(context.env)],
    ["directory", context.config().text("task.cwd") ?? context.cwd],
    ["database", await describeDatabase(context, facts.noDatabase)],
    ["output", describeOutput(client) ?? facts.output ?? "standard output"],
    ["errors", describeOutput(client) === null ? (facts.errors ?? "standard error") : null],
    ["printed", describePrinting(facts.printing)],
    ["retries", describePolicy(policy)],
    ["failure file", failures],
    ["job log", describeJobLog(facts.joblog)],
    ["limits", limits.filter(Boolean).join(", ") || null],
  ];
}

/** Where the output of each task would go; null: to that of all. */
function describeOutput({ capture, results }: ClusterFacts["client"]): string | null {
  if (capture) return "two files a task in lib/task of the site";
  return results === null ? null : `files for each task by its input: ${results}`;
}

/** How the output of tasks would be printed; null: each task writes by itself. */
export function describePrinting(printing: Printing | null): string | null {
  if (printing === null) return null;
  const what = { line: "whole lines", group: "whole tasks", ordered: "whole tasks in the order of the input" };
  return `${what[printing.mode]}${printing.tagged ? ", the input before each line" : ""}`;
}

/** Where the job log would go; null: there is none. */
export function describeJobLog(joblog: string | null): string | null {
  if (joblog === "-") return "standard output";
  return joblog?.startsWith("+") ? `${joblog.slice(1)}, added to what is there` : joblog;
}

/** Where clients would run. */
function describeClients({ launch, scaledBy }: ClusterFacts): string {
  if (scaledBy !== null) return `as many as there is work for, each by ${scaledBy}`;
  if (launch === null) return "this process";
  return launch.kind === "ssh" ? `by ssh on ${launch.hosts.join(", ")}` : `by ${launch.words.join(" ")}`;
}

/** What a run reads, as its settings tell it. `input` null: what the database holds. */
export function describeInput(input: Pick<InputOptions, "file" | "words"> | null): string {
  if (input === null) return "what the database holds now, the lowest group first";
  const { file, words } = input;
  if (words !== null) return "the words after :::";
  return file === null || file === "-" ? "standard input" : file;
}

/** Where tasks would be stored. Opens nothing, and asks no program for a password. */
export async function describeDatabase(context: Context, noDatabase: boolean): Promise<string> {
  if (noDatabase) return "none (--no-db), tasks live in memory";
  const config = context.config();
  const { databaseOf } = await import("../store/open.ts");
  const found = databaseOf(databaseSettings(config, context.loggers("data")));
  if (found === null) return "none is configured, tasks live in memory";
  return found.kind === "sqlite" ? `sqlite (${found.file})` : `postgresql (${postgresPlace(config)})`;
}

function postgresPlace(config: Config): string {
  const url = config.text("database.url");
  const parts = url === null ? null : URL.parse(url);
  if (parts !== null) return `${parts.host}${parts.pathname}`;
  const [host, name] = [config.text("database.host"), config.text("database.database")];
  return `${host ?? "the usual host"}/${name ?? "the usual database"}`;
}

/** What becomes of failures; null: they are not tried again, and nothing stops for them. */
export function describePolicy({ retries, retryDelayMs, halt }: FailurePolicy): string | null {
  const parts: string[] = [];
  if (retries.attempts > 1) {
    const only = retries.statuses === null ? "" : ` if the status is ${retries.statuses.join(", ")}`;
    parts.push(`up to ${counted(retries.attempts, "attempt")}${only}`);
    if (retryDelayMs > 0) parts.push(`${retryDelayMs / 1000} seconds between the first two`);
    if (retries.memoryFactor !== 1) parts.push(`memory x${retries.memoryFactor} at each retry`);
  }
  if (halt !== null) parts.push(`stops after ${halt.kind === "count" ? `${halt.count}` : `${halt.percent}%`} failed`);
  return parts.length === 0 ? null : parts.join(", ");
}
