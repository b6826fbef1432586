/*
 * `hs autoscale`: launches pilots for a server that runs elsewhere, as many as the tasks in its database call for.
 * Looks once, for cron, or again and again. Here are the options and the calls of the launcher;
 * cluster/autoscale/pilots.ts looks and decides.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus, runtimeError, TransientError } from "../base/errors.ts";
import { splitWords } from "../base/shell.ts";
import { counted } from "../base/units.ts";
import type { PilotJobs, PilotLaunch, PilotOptions } from "../cluster/autoscale/pilots.ts";
import type { RecordStore } from "../history/history.ts";
import { settled } from "../args/settled.ts";
import type { CommandSpec, Option, Parsed } from "../args/spec.ts";
import { openOutput } from "../print/output.ts";
import type { Command, Context } from "./command.ts";
import { openHistory } from "./history.ts";
import { heedEnding, type Heeded } from "./interrupt.ts";
import { policyNamed, policySet, rulesOf, scalingOptions } from "./scaling.ts";

const launcherOption = {
  key: "launcher",
  names: ["--launcher"],
  value: "launcher",
  kind: "text",
  metavar: "ARGS",
  setting: "autoscale.launcher",
  help: "Command that launches one pilot, run as it is: 'sbatch pilot.sh'.",
  fallback: "autoscale.launcher",
} as const satisfies Option;

const spec = {
  name: "hs autoscale",
  summary: "Launches pilots for a server that runs elsewhere, as many as the tasks in its database call for.",
  usage: [
    "hs autoscale --launcher=ARGS --tasks-per-client NUM [-Y SIZE] [-X SIZE] [-P SEC] [-F VALUE]",
    "hs autoscale --launcher=ARGS --once [--dry-run] [options]",
  ],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [
        launcherOption,
        {
          key: "perClient",
          names: ["--tasks-per-client"],
          kind: "integer",
          metavar: "NUM",
          min: 1,
          help: "One client for each NUM tasks that remain; with it the policy is dynamic unless another is named.",
        },
        {
          key: "policy",
          names: ["--policy"],
          value: ["fixed", "dynamic"],
          kind: "text",
          metavar: "MODE",
          help: "The policy: fixed (the least number, and one where tasks wait) or dynamic (by --tasks-per-client).",
          fallback: "autoscale.policy",
        },
        ...scalingOptions,
        { key: "once", names: ["--once"], kind: "flag", help: "Look once and end, as for cron." },
        {
          key: "dryRun",
          names: ["--dry-run"],
          kind: "flag",
          help: "Look once, print what would be done and why, and do nothing.",
        },
      ],
    },
  ],
  exclusive: [],
  epilog: [
    "Examples:",
    "  hs autoscale --launcher 'sbatch pilot.sh' --max-size 8 --tasks-per-client 48",
    "  */5 * * * *  hs autoscale --once --launcher 'sbatch pilot.sh' -Y8 --tasks-per-client 48   (in a crontab)",
    "  hs autoscale --dry-run --launcher 'sbatch pilot.sh' -Y8 --tasks-per-client 48             (what it would do)",
    "",
    "The pilot is a script of yours with its own hs client, such as",
    "`exec hs client -N48 -T60 -H login07 --auth-file key`. A look counts the tasks that remain in the lowest",
    "group of the database, the connected clients, and the pilots that were launched before. It launches one more",
    "where the tasks are whole loads for more clients than there are or will be, or where there is none. Jobs of",
    "sbatch, qsub, bsub, flux and kubectl are asked for at their batch system: those that wait count. What was",
    "launched is remembered in lib/autoscale.json of the site, and stays when this ends.",
    "",
    "Exit status: 0 looked, 2 bad argument, 3 no database, 4 interrupted (Ctrl-C), 143 terminated, 5 the pilot was",
    "not launched (--once), or four launches in a row have failed.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = { spec, bare: "usage", run };

async function run(parsed: Words, context: Context): Promise<number> {
  const config = context.config();
  const log = context.loggers("cluster");
  const words = splitWords(settled(launcherOption, parsed, config), "--launcher");
  if (words.length === 0) throw argumentError("argument --launcher: names no program that launches a pilot");
  const perClient = parsed.number("perClient") ?? null;
  const named = policyNamed(parsed.text("policy") ?? "", "--policy", context.cwd);
  const policy = named ?? (perClient === null ? policySet(config) : "dynamic");
  if (policy === "dynamic" && perClient === null)
    throw argumentError("argument --tasks-per-client: the dynamic policy needs it");
  const rules = rulesOf(parsed, config, { policy, init: 0 }, log);
  const { checkProgram } = await import("../launch/launcher.ts");
  checkProgram(words[0]!, context.env, context.cwd);
  const records = await openHistory(context, true);
  try {
    const isOnce = parsed.flag("once") || parsed.flag("dryRun");
    const options: PilotOptions = {
      lib: config.site.lib,
      title: records.title,
      rules,
      perClient,
      words,
      isOnce,
      jobsOf: await jobsFinder(context),
      outlook: await outlookOf(records),
      launch: await launcherOf(words, context),
      clock: systemClock,
      log,
    };
    if (parsed.flag("dryRun")) return await printLook(options, context);
    return isOnce ? await lookAndEnd(options) : await keepLooking(options, context);
  } finally {
    await records.close();
  }
}

async function printLook(options: PilotOptions, context: Context): Promise<number> {
  const { describeLook, lookOnly } = await import("../cluster/autoscale/pilots.ts");
  const { shownCommand } = await import("../launch/launcher.ts");
  openOutput(1, context.env).write(describeLook(await lookOnly(options), shownCommand(options.words)));
  return exitStatus.success;
}

async function lookAndEnd(options: PilotOptions): Promise<number> {
  const { lookOnce } = await import("../cluster/autoscale/pilots.ts");
  return (await lookOnce(options)).isDone ? exitStatus.success : exitStatus.runtimeError;
}

/** Looks until a signal ends it. Throws a UserError when no pilot can be launched. */
async function keepLooking(options: PilotOptions, context: Context): Promise<number> {
  const { lookOnce } = await import("../cluster/autoscale/pilots.ts");
  const { log, rules } = options;
  const heeded = heedEnding(context);
  log.info(`Autoscale start (policy: ${rules.policy}, at most ${counted(rules.sizes.max, "client")})`);
  try {
    for (let isFresh = true; ; isFresh = false) {
      const decision = await lookOnce({ ...options, isFresh }).then(
        (look) => look.decision,
        (error: unknown) => {
          if (!(error instanceof TransientError)) throw error;
          log.warning(`Autoscale look failed: ${error.message}`);
          return null;
        },
      );
      if (decision?.kind === "end") throw runtimeError("cluster", `No pilot could be launched: ${decision.reason}`);
      await pause(rules.periodMs, heeded);
      const status = heeded.status();
      if (status !== null) return status;
    }
  } finally {
    heeded.release();
  }
}

/** Waits, but no longer than until a signal comes. */
function pause(ms: number, { signal }: Heeded): Promise<void> {
  return new Promise<void>((resolve) => {
    if (signal.aborted) return resolve();
    const timer = systemClock.after(ms, resolve);
    signal.addEventListener("abort", () => {
      timer.cancel();
      resolve();
    });
  });
}

/** Counts what is to be done, and the clients of servers that are alive. */
async function outlookOf(records: RecordStore): Promise<PilotOptions["outlook"]> {
  const { newLiveness } = await import("../cluster/liveness.ts");
  const liveness = newLiveness(systemClock);
  return async () => {
    const { backlog, clients } = await records.outlook();
    const alive = (await records.servers()).filter((server) => liveness.isAlive(server));
    return { backlog, clients: alive.reduce((sum, { id }) => sum + (clients.get(id) ?? 0), 0) };
  };
}

async function jobsFinder(context: Context): Promise<PilotOptions["jobsOf"]> {
  const { openJobs } = await import("../launch/jobs.ts");
  const { submitterOf } = await import("../launch/submitted.ts");
  const { env, cwd } = context;
  const log = context.loggers("cluster");
  return (words): PilotJobs | null => {
    const submitter = submitterOf(words);
    if (submitter === null) return null;
    return { submitter, ...openJobs({ submitter, env, cwd, pauseMs: 0, clock: systemClock, log }) };
  };
}

/**
 * Runs the launcher's words as they are. One that submits is waited for; another goes on by itself, also when this
 * process ends.
 */
async function launcherOf(words: readonly string[], context: Context): Promise<PilotOptions["launch"]> {
  const { startLauncher } = await import("../launch/launcher.ts");
  const { spokenWords, submitterOf } = await import("../launch/submitted.ts");
  const { cwd } = context;
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(context.env)) if (value !== undefined) env[name] = value;
  const log = context.loggers("cluster");
  if (submitterOf(words) === null)
    return async (): Promise<PilotLaunch> => {
      const child = Bun.spawn([...words], {
        cwd,
        env,
        stdin: "ignore",
        stdout: "inherit",
        stderr: "inherit",
        // On Windows it would open a window.
        detached: process.platform !== "win32",
      });
      child.unref();
      return { pid: child.pid, status: null, printed: "", lastLines: [] };
    };
  return async () => {
    const order = { name: words[0]!, words: spokenWords(words), input: null, isRead: true };
    const { pid, ended } = startLauncher({ ...order, env, cwd, clock: systemClock, log });
    const { status, printed, lastLines } = await ended;
    return { pid, status, printed, lastLines };
  };
}
