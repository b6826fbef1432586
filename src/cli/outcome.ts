/*
 * The exit status of a run with a server, for the commands that start one. Knows nothing of errors (exit.ts).
 */
import { exitStatus } from "../base/errors.ts";
import type { ClusterReport } from "../cluster/serve.ts";
import type { Config } from "../config/load.ts";

/**
 * The exit status that a run deserves. A run that was drained (USR1, USR2) has not done all that it was asked for if
 * tasks are left. A run with `--forever` has no "all of it": what failed was told while it ran.
 */
export function statusOfRun({ complete, stoppedBy }: ClusterReport, forever: boolean, config: Config): number {
  if (stoppedBy === "SIGINT") return exitStatus.interrupted;
  if (stoppedBy === "SIGTERM") return exitStatus.terminated;
  return complete || forever || config.boolean("server.exitzero") ? exitStatus.success : exitStatus.tasksFailed;
}
