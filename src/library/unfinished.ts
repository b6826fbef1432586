/* The error of a run that has not run all that it was asked for. */
import { counted } from "../base/units.ts";
import { exitStatus, UserError } from "../base/errors.ts";

/** Tasks were not run: failures hold them back, `halt` stopped the run, or nobody reads what tasks print. */
export class UnfinishedError extends UserError {
  override readonly name: string = "UnfinishedError";
  constructor(
    /** How many tasks were not run. */
    readonly left: number,
  ) {
    const were = left === 1 ? "was" : "were";
    super(
      exitStatus.tasksFailed,
      "",
      `${counted(left, "task")} ${were} not run: failures hold them back, or ended the run`,
    );
  }
}
