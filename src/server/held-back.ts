/*
 * What the log is told of tasks that failures hold back: how many of which submissions, and the commands that change
 * it. Does not know when it is told.
 */
import { counted } from "../base/units.ts";
import type { HeldBack, Setback } from "../store/store.ts";
import { formatTime } from "../store/times.ts";

/** What the advice depends on. */
interface Circumstances {
  /** Whether the server goes on by itself when something has changed. */
  readonly forever: boolean;
  /** Whether there is a database, in which people can change tasks. */
  readonly durable: boolean;
}

/** The lines that tell of tasks that are held back. Each command can be used as it stands. */
export function describeHeldBack(heldBack: HeldBack, { forever, durable }: Circumstances): [string, ...string[]] {
  const { tasks, waiting, submissions, setbacks } = heldBack;
  const first = `${counted(tasks, "task")} ${tasks === 1 ? "is" : "are"} held back: ${causesOf(heldBack).join("; ")}`;
  if (!durable) return [first];
  const again = forever ? "" : ", then start again with --restart";
  const lines: [string, ...string[]] = [first, ...remediesOf(setbacks, again)];
  for (const { submitId, group } of waiting)
    lines.push(`To drop what is held back: hs update --cancel -R -w submit_id==${submitId} 'group>=${group}'`);
  if (submissions > waiting.length)
    lines.push(`What is held back belongs to ${counted(submissions - waiting.length, "other submission")} too`);
  return lines;
}

/** Each of the reasons in words, and how many there are besides. */
export function causesOf({ setbacks, reasons }: Pick<HeldBack, "setbacks" | "reasons">): string[] {
  const causes = setbacks.map(causeOf);
  if (reasons > setbacks.length) causes.push(`more in ${counted(reasons - setbacks.length, "other submission")}`);
  return causes;
}

/** The commands that deal with the failures. `again`: what else it takes to go on. */
export function remediesOf(setbacks: readonly Setback[], again: string): string[] {
  return setbacks.map(({ submitId, group }) => {
    const filter = `-F -g ${group} -w submit_id==${submitId} retried==false exit_status!=-1`;
    return `To run what failed again: hs update --revert ${filter}${again} (to go on without it: --delete instead)`;
  });
}

function causeOf({ origin, group, failed, example }: Setback): string {
  const whose =
    origin === null ? "of an older program" : `submitted from ${origin.cwd} on ${formatTime(origin.time).slice(0, 19)}`;
  return `${counted(failed, "task")} of group ${group} failed, ${whose} (example: ${example})`;
}
