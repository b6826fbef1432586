/*
 * `run`: a server, a client and their tasks in this process, whose outcomes are taken one by one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../base/clock.ts";
import { type ClusterOptions, runCluster } from "../cluster/run.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import { resourceNames } from "../config/resource-names.ts";
import { type Given, givenTasks } from "./given.ts";
import type { Outcome, RunOptions, Summary, Tasks } from "./interface.ts";
import { type Ended, openOutcomes, type Outcomes } from "./outcomes.ts";
import { forgetPrinted, printedIn } from "./printed.ts";
import { taskOfEnded } from "./record.ts";
import { settingOf } from "./setting.ts";
import { newStopper, type Stopper, whenAborted } from "./stopping.ts";
import { UnfinishedError } from "./unfinished.ts";
import { defaultsOf, executingOf, servingOf, taskInput } from "./wishes.ts";

/** A run under way. */
interface Run {
  readonly outcomes: Outcomes;
  readonly stopper: Stopper;
  readonly given: Given;
  /** Resolves when the run is over and everything is closed; never rejects. Null: it failed. */
  readonly over: Promise<ClusterReport | null>;
  readonly captures: boolean;
  /** Where captured files are that are not kept; null: they are. */
  readonly folder: string | null;
}

/**
 * Runs tasks, and gives their outcomes. Throws what `run` throws.
 */
export async function* runTasks(tasks: Tasks, options: RunOptions): AsyncGenerator<Outcome, Summary, void> {
  const { signal } = options;
  signal?.throwIfAborted();
  const run = begin(tasks, options);
  const { outcomes } = run;
  const release = whenAborted(signal, () => {
    outcomes.discard();
    outcomes.close();
    run.given.close();
    run.stopper.stop();
  });
  try {
    for (;;) {
      const ended = await outcomes.next();
      // Whoever aborts wants to know when everything has stopped.
      if (signal?.aborted === true) break;
      if (ended === null) break;
      yield await outcomeOf(run, ended);
    }
    const report = await run.over;
    signal?.throwIfAborted();
    return summaryOf(report);
  } finally {
    release();
    outcomes.close();
    run.given.close();
    run.stopper.stop();
    await run.over;
    if (run.folder !== null) rmSync(run.folder, { recursive: true, force: true });
  }
}

function begin(tasks: Tasks, options: RunOptions): Run {
  const setting = settingOf(options, false);
  const resources = resourceNames(setting.config);
  const outcomes = openOutcomes({ kind: "submission", id: setting.id }, systemClock);
  const given = givenTasks(tasks, resources, outcomes.room);
  const stopper = newStopper();
  const captures = options.capture === true;
  const executing = executingOf(options, setting);
  const defaults = defaultsOf(options, setting, resources);
  const clusterOptions: ClusterOptions = {
    ...servingOf(options, setting),
    ...executing,
    ...defaults,
    env: setting.env,
    template: options.template ?? null,
    shell: executing.wishes.shell,
    printsTasks: executing.output === null && !captures,
    idleMs: null,
    delayMs: 0,
    tasks: taskInput(given, defaults),
    hearStop: stopper.hear,
    around: outcomes.around,
  };
  const folder = captures && setting.noDatabase ? mkdtempSync(join(tmpdir(), "hypershell-")) : null;
  const running = runCluster(folder === null ? clusterOptions : { ...clusterOptions, taskFolder: folder });
  const over = running.then(
    (report) => {
      outcomes.end(null);
      return report;
    },
    (error: unknown) => {
      outcomes.end({ error });
      return null;
    },
  );
  return { outcomes, stopper, given, over, captures, folder };
}

async function outcomeOf({ captures, folder }: Run, ended: Ended): Promise<Outcome> {
  const task = taskOfEnded(ended);
  const ok = task.exitStatus === 0;
  if (!captures) return { ...task, ok, stdout: null, stderr: null, isCut: false };
  const [out, err] = [await printedIn(task.outpath), await printedIn(task.errpath)];
  const printed = { ok, stdout: out.text, stderr: err.text, isCut: out.isCut || err.isCut };
  if (folder === null) return { ...task, ...printed };
  forgetPrinted([task.outpath, task.errpath]);
  return { ...task, ...printed, outpath: null, errpath: null };
}

/** What became of a run. Throws an UnfinishedError where tasks are left. */
function summaryOf(report: ClusterReport | null): Summary {
  const { succeeded = 0, failed = 0, cancelled = 0, bad = 0 } = report?.tally ?? {};
  const left = report?.left ?? null;
  // What the database could not keep was not run either.
  if ((left ?? 0) + bad > 0) throw new UnfinishedError((left ?? 0) + bad);
  return { succeeded, failed, cancelled, left };
}
