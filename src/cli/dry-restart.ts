/*
 * `--dry-run` with `--restart` or `--forever`: what the database holds for such a run, as commands, the lowest group
 * first. Opens the database only to look. What other servers that live have taken or keep for themselves is left out.
 */
import { existsSync } from "node:fs";
import { systemClock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import { databaseSettings } from "../cluster/database.ts";
import { isAlive } from "../cluster/liveness.ts";
import type { RecordStore } from "../history/history.ts";
import type { Expand } from "../submit/loader.ts";
import type { TaskField } from "../task/field.ts";
import type { NewTask, ShownRow, Tags } from "../task/task.ts";
import type { Context } from "./command.ts";
import { type DryOptions, dryTarget, type Settings, showEnd, showSettings } from "./dry-run.ts";
import { submitTemplate } from "./submitting.ts";

/** A run that goes on with what the database holds, and is only printed. */
export interface DryRestart {
  readonly context: Context;
  readonly outputs: Omit<DryOptions, "expand">;
  /** The template of its clients, for tasks that have none of their own; null: `{}`, or it is not known here. */
  readonly template: string | null;
  /** The shell that runs its tasks; null: the usual one. */
  readonly shell: string | null;
  readonly settings: Settings;
}

/** Tasks that are printed at once. */
const batch = 1000;

const fields = ["id", "group", "args", "submit_id", "server_id", "cores", "memory", "timeout", "tag"] as const;

/** Prints what the database holds; the exit status. Throws UserError for a database that cannot be read. */
export async function printRest(run: DryRestart): Promise<number> {
  const { context, outputs, settings } = run;
  showSettings(outputs, settings);
  const records = await openThere(context);
  if (records === null) {
    showEnd(outputs, { printed: () => 0 });
    return exitStatus.success;
  }
  try {
    const target = dryTarget({ ...outputs, expand: expansions(run, records) });
    const now = systemClock.now();
    const alive = (await records.servers()).filter((server) => isAlive(server, now));
    const reserved = new Set(alive.flatMap(({ id, reserves }) => (reserves ? [id] : [])));
    const holders = new Set(alive.map(({ id }) => id));
    let tasks: NewTask[] = [];
    for await (const row of records.search(unfinished)) {
      const { task, serverId } = taskOf(row);
      if (reserved.has(task.submitId) || holders.has(serverId)) continue;
      tasks.push(task);
      if (tasks.length < batch) continue;
      await target.insert(tasks);
      tasks = [];
    }
    await target.insert(tasks);
    showEnd(outputs, target);
    return target.failed() === 0 ? exitStatus.success : exitStatus.tasksFailed;
  } finally {
    await records.close();
  }
}

const unfinished = {
  fields: fields satisfies readonly TaskField[],
  where: [{ kind: "field", field: "exit_status", operator: "==", value: null }],
  orderBy: "group",
  descending: false,
  limit: null,
} as const;

/** The database, to be looked at; null: there is no such file, and so no task. */
async function openThere(context: Context): Promise<RecordStore | null> {
  const settings = databaseSettings(context.config(), context.loggers("data"));
  const { databaseOf } = await import("../store/open.ts");
  const found = databaseOf(settings);
  if (found?.kind === "sqlite" && !existsSync(found.file)) return null;
  const { openGlance } = await import("../history/open.ts");
  return openGlance(settings);
}

function taskOf([id, group, args, submitId, serverId, cores, memory, timeout, tag]: ShownRow): {
  readonly task: NewTask;
  readonly serverId: string;
} {
  const number = (value: unknown): number | null => (typeof value === "number" ? value : null);
  const task = {
    id: String(id),
    group: number(group) ?? 0,
    args: String(args),
    submitId: String(submitId),
    submitTime: 0,
    submitHost: "",
    cores: number(cores),
    memory: number(memory),
    timeout: number(timeout),
    attempt: 1,
    previousId: null,
    tag: (typeof tag === "object" && tag !== null ? tag : {}) as Tags,
  };
  return { task, serverId: String(serverId) };
}

/** The most templates of submissions that are kept; a full table starts anew. */
const mostKept = 256;

/** Applies the template of a task's submission, else that of the clients. */
function expansions({ context, template, shell }: DryRestart, records: RecordStore): NonNullable<DryOptions["expand"]> {
  const kept = new Map<string, Expand>();
  const { env, config } = context;
  const load = async (submitId: string): Promise<Expand> => {
    const origin = await records.submission(submitId);
    const text = origin?.template ?? template ?? "{}";
    const { expand } = await submitTemplate(
      text,
      { env, config, cwd: origin?.cwd ?? context.cwd },
      { isDry: true, shell },
    );
    if (kept.size >= mostKept) kept.clear();
    kept.set(submitId, expand!);
    return expand!;
  };
  return (args, submitId) => {
    const known = kept.get(submitId);
    return known === undefined ? load(submitId).then((expand) => expand(args)) : known(args);
  };
}
