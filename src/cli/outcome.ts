/*
 * What the commands that start a run with a server have in common: the database that some need, and the exit status of
 * a run. Knows nothing of errors (exit.ts).
 */
import { argumentError, exitStatus } from "../base/errors.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import type { Config } from "../config/load.ts";
import type { Loggers } from "../log/logger.ts";

/**
 * The exit status that a run deserves. A run that was drained (USR1, USR2) has not done all that it was asked for if
 * tasks are left. A run with `--forever` has no "all of it": what failed was told while it ran. A run whose output
 * nobody reads ends as after SIGPIPE, unless all was done.
 */
export function statusOfRun({ complete, stoppedBy }: ClusterReport, forever: boolean, config: Config): number {
  if (stoppedBy === "SIGINT") return exitStatus.interrupted;
  if (stoppedBy === "SIGTERM") return exitStatus.terminated;
  if (stoppedBy === "SIGPIPE" && (forever || !complete)) return exitStatus.unread;
  return complete || forever || config.boolean("server.exitzero") ? exitStatus.success : exitStatus.tasksFailed;
}

/** Throws argumentError when no database is configured. `reason`: why one is needed, naming the option. */
export async function needDatabase(reason: string, config: Config, loggers: Loggers): Promise<void> {
  const { databaseSettings } = await import("../cluster/database.ts");
  const { hasDatabase } = await import("../store/open.ts");
  if (hasDatabase(databaseSettings(config, loggers("data")))) return;
  throw argumentError(`${reason}, and none is configured (set database.file, or HYPERSHELL_DATABASE_FILE)`);
}
