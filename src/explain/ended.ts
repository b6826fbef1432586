/*
 * What came of a task that has ended: its status in words, limits that it met, and where to look further.
 */
import { formatSize } from "../base/units.ts";
import { sentinel } from "../task/task.ts";
import type { Attempt, Facts, TaskState, Telling } from "./facts.ts";
import { describeNeed } from "./needs.ts";
import { describeStatus } from "./status.ts";
import { numberOf, span, textOf } from "./words.ts";

/** The state of a task that has ended with this status. */
export function endedState(status: number): TaskState {
  if (status === 0) return "succeeded";
  return status === sentinel.cancelled ? "cancelled" : "failed";
}

/** Tells why an ended task is in its state, and what to do about a failure. */
export function tellEnd(facts: Facts, { why, advice }: Telling): void {
  const { task, later } = facts;
  const status = numberOf(task.exit_status) ?? 0;
  const id = String(task.id);
  if (status === 0) return void why.push("It ended with status 0: it succeeded.");
  if (status === sentinel.cancelled) {
    const ran = task.start_time === null ? "before it ran" : "while it ran";
    why.push(`It was cancelled ${ran} (hs update --cancel).`);
    advice.push(`To have it run after all: hs update --revert -w id==${id}`);
    return;
  }
  const meaning = describeStatus(status);
  why.push(`It ended with status ${status}${meaning === null ? ", which its command chose" : `: ${meaning}`}.`);
  why.push(...causesOf(facts, status));
  const next = later.at(-1);
  if (next !== undefined) {
    why.push(
      `It was tried again, so this is no final failure; the last attempt ${stateOf(next)} (${String(next.id)}).`,
    );
    return;
  }
  if (textOf(task.errpath) !== null) advice.push(`To see what it complained of: hs info ${id} --stderr`);
  else if (task.start_time !== null)
    advice.push("Nothing that it printed is kept: it printed nothing, or its client ran without --capture.");
  advice.push(...remediesOf(status, id));
  advice.push(`To run it again: hs update --revert -w id==${id}, then hsx --restart (or a server that runs)`);
}

/** What of its limits may have been the cause. */
function causesOf(facts: Facts, status: number): string[] {
  const { task } = facts;
  const need = status === sentinel.insufficientResources ? describeNeed(facts) : null;
  if (need !== null) return [`It needs ${need}.`];
  const [used, asked] = [numberOf(task.memory_max), numberOf(task.memory)];
  const [duration, timeout] = [numberOf(task.duration), numberOf(task.timeout)];
  const isKilled = status === 137 || status === sentinel.overMemory;
  if (isKilled && used !== null && asked !== null && used >= 0.9 * asked)
    return [
      `It had ${formatSize(used)} of memory, and asked for ${formatSize(asked)}: probably it was killed for that.`,
    ];
  if (isKilled && used !== null) return [`It had ${formatSize(used)} of memory at most when it was measured.`];
  if (status === sentinel.overLimit && timeout !== null) return [`Its time limit was ${span(timeout)}.`];
  if (status !== 0 && timeout !== null && duration !== null && duration >= timeout)
    return [`It ran ${span(duration)}, as long as its time limit of ${span(timeout)} allowed.`];
  return [];
}

/** What helps against a status that is no program's own. */
function remediesOf(status: number, id: string): string[] {
  switch (status) {
    case sentinel.overLimit:
      return [`To give it more time: hs update timeout=2h -w id==${id} (or -W of its client), before it runs again`];
    case sentinel.overMemory:
      return [`To give it more memory: hs update memory=8GB -w id==${id} (or --retry-memory x2), before it runs again`];
    case 137:
      return ["If memory was the cause, have it ask for more (memory:8GB), and measure it with --monitor."];
    case sentinel.insufficientResources:
      return ["A client with more has to come (hs client -C -M --resource), or the task has to ask for less."];
    case sentinel.templateFailed:
      return ["The template does not fit its line: the log of its client names the pattern."];
    case sentinel.clientLost:
      return ["It may take down its host. Run it alone, or with less beside it; server.poison is how often it may."];
    default:
      return [];
  }
}

/** What became of another attempt, as the end of a sentence. */
export function stateOf({ exit_status: status, start_time: start, schedule_time: taken }: Attempt): string {
  const number = numberOf(status);
  if (number === null) return start !== null ? "runs" : taken !== null ? "was taken by a server" : "waits";
  return number === 0 ? "succeeded" : number === sentinel.cancelled ? "was cancelled" : `failed with status ${number}`;
}
