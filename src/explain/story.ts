/*
 * What happened to a task so far, from its row: submitted, tried before, taken, started, ended, tried again, and what
 * it used of its limits.
 */
import { formatSize } from "../base/units.ts";
import type { Facts, Telling } from "./facts.ts";
import { stateOf } from "./ended.ts";
import { clock, momentOf, numberOf, secondsUntil, span, textOf } from "./words.ts";

/** Tells what happened to a task, in order. */
export function tellStory(facts: Facts, { story }: Telling): void {
  const { task, earlier, later, obstacles } = facts;
  const place = obstacles?.cwd ?? null;
  const from = textOf(task.submit_host);
  story.push(
    `It was submitted on ${clock(task.submit_time)}${from === null ? "" : ` on ${from}`}` +
      `${place === null ? "" : `, from ${place}`}.`,
  );
  for (const attempt of earlier)
    story.push(`Attempt ${String(attempt.attempt)} ${stateOf(attempt)} (${String(attempt.id)}).`);
  if (earlier.length > 0) story.push(`This is attempt ${String(task.attempt)}.`);
  tellDispatch(facts, story);
  tellRun(facts, story);
  for (const attempt of later)
    story.push(`Attempt ${String(attempt.attempt)} ${stateOf(attempt)} (${String(attempt.id)}).`);
}

function tellDispatch({ task, now }: Facts, story: string[]): void {
  if (task.schedule_time === null) {
    const waited = task.exit_status === null ? secondsUntil(task.submit_time, now) : null;
    if (waited !== null) story.push(`It has waited ${span(waited)} so far.`);
    return;
  }
  story.push(
    `A server on ${String(task.server_host)} took it on ${clock(task.schedule_time)} (${String(task.server_id)}).`,
  );
  const host = textOf(task.client_host);
  if (host !== null) story.push(`The server gave it to a client on ${host} (${String(task.client_id)}).`);
}

function tellRun({ task }: Facts, story: string[]): void {
  if (task.start_time !== null) {
    const waited = numberOf(task.waited) ?? secondsUntil(task.submit_time, momentOf(task.start_time));
    story.push(
      `It started on ${clock(task.start_time)}${waited === null ? "" : `, ${span(waited)} after it was submitted`}.`,
    );
  }
  if (task.completion_time === null) return;
  const ran = numberOf(task.duration);
  story.push(`It ended on ${clock(task.completion_time)}${ran === null ? "" : `, after ${span(ran)}`}.`);
  const timeout = numberOf(task.timeout);
  if (ran !== null && timeout !== null && timeout > 0)
    story.push(`Its time limit was ${span(timeout)}; it used ${Math.round((100 * ran) / timeout)} % of that.`);
  const [used, asked] = [numberOf(task.memory_max), numberOf(task.memory)];
  const had = asked === null ? "" : `, and had asked for ${formatSize(asked)}`;
  if (used !== null) story.push(`It used ${formatSize(used)} of memory at most${had}.`);
  const cores = numberOf(task.cores_max);
  if (cores !== null)
    story.push(`It used ${cores.toFixed(1)} cores at most, and had asked for ${numberOf(task.cores) ?? "none"}.`);
  const output = textOf(task.outpath);
  if (output !== null)
    story.push(`It printed into ${String(task.client_host)}:${output} (hs info ${String(task.id)} --stdout).`);
}
