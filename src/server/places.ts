/*
 * Where tasks can run: the directories of submissions that clients were to run tasks in and could not enter. A client
 * gets no task of a directory that it lacks. A directory that every client here lacks is set aside: its tasks stay in
 * the store, unfinished, and claims leave them out, so that all other tasks go on. A server that runs forever looks
 * again after a while, because the directory may be made again.
 *
 * Knows nothing of what a client does in a directory. Where tasks run in the client's own one, nothing is ever lacked.
 */
import type { ClaimedTask } from "../task/task.ts";
import { counted } from "../base/units.ts";
import { note, type ServerEffect } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { type ClientEntry, giveBack, lookAgain, nameOf, type ServerState } from "./state.ts";
import { waitingTasks, withdraw } from "./waiting.ts";

/** How long a server that runs forever takes a client's word for it that a directory is not there, milliseconds. */
export const againMs = 60_000;

/** Notes that a client cannot enter the directories of these submissions. Those that are not known do not count. */
export function takeLack(state: ServerState, client: ClientEntry, submissions: readonly string[], now: number): void {
  const { lacked, told } = state.places;
  for (const id of submissions) {
    const cwd = state.submissions.get(id)?.cwd ?? null;
    if (cwd === null) continue;
    const by = lacked.get(cwd) ?? new Map<string, number>();
    if (!by.has(client.id)) told.push({ cwd, client });
    lacked.set(cwd, by.set(client.id, now));
  }
}

/** Whether the client lacks the directory of the task. */
export function isLacking({ places, submissions }: ServerState, client: ClientEntry, task: ClaimedTask): boolean {
  const cwd = submissions.get(task.submitId)?.cwd ?? null;
  return cwd !== null && places.lacked.get(cwd)?.has(client.id) === true;
}

/** Whether the directory of the task is set aside. */
export function isAside({ places, submissions }: ServerState, task: ClaimedTask): boolean {
  if (places.aside.size === 0) return false;
  const cwd = submissions.get(task.submitId)?.cwd ?? null;
  return cwd !== null && places.aside.has(cwd);
}

/** The submissions that claims leave out. */
export function submissionsAside({ places, submissions }: ServerState): readonly string[] {
  if (places.aside.size === 0) return [];
  const found: string[] = [];
  for (const [id, { cwd }] of submissions) if (cwd !== null && places.aside.has(cwd)) found.push(id);
  return found;
}

/**
 * Sets aside the directories that all clients lack by now, and takes up again those that one of them may have. Answers
 * whether anything is left to run: a run of one submission has nothing when its directory is set aside.
 */
export function reviewPlaces(state: ServerState, now: number, effects: ServerEffect[]): boolean {
  const { lacked, aside, told } = state.places;
  if (lacked.size === 0 || state.phase.at !== "running") return true;
  let present = 0;
  for (const { standing } of state.clients.values()) if (standing.at === "present") present++;
  for (const [cwd, by] of lacked) {
    let lacking = 0;
    for (const [id, at] of by) {
      const client = state.clients.get(id);
      if (client === undefined || (state.settings.forever && now - at >= againMs)) by.delete(id);
      else if (client.standing.at === "present") lacking++;
    }
    if (by.size === 0) lacked.delete(cwd);
    // Without any client here, nothing is known that was not known before.
    const isSettled = by.size > 0 && (present === 0 || lacking === present) === aside.has(cwd);
    if (isSettled || (present === 0 && by.size > 0)) continue;
    if (by.size > 0 && lacking === present) setAside(state, cwd, effects);
    else if (aside.delete(cwd)) lookAgain(state);
  }
  for (const { cwd, client } of told.splice(0)) {
    if (!aside.has(cwd))
      note(effects, "warning", `Client cannot enter ${cwd}, others get the tasks from there (${nameOf(client)})`);
  }
  const { scope } = state.settings;
  return scope.kind === "all" || !aside.has(state.submissions.get(scope.id)?.cwd ?? "");
}

function setAside(state: ServerState, cwd: string, effects: ServerEffect[]): void {
  const { aside, warned } = state.places;
  aside.add(cwd);
  const ids = new Set<string>();
  for (const task of waitingTasks(state)) if (isAside(state, task)) ids.add(task.id);
  for (const task of withdraw(state, ids).values()) giveBack(state, task);
  lookAgain(state);
  if (warned.has(cwd)) return;
  warned.add(cwd);
  effects.push({ kind: "countFrom", cwd });
}

/** Tells of the tasks that stay unfinished because nobody can enter their directory. */
export function tellOfPlace(
  state: ServerState,
  { cwd, unfinished }: Extract<ServerEvent, { kind: "counted" }>,
  effects: ServerEffect[],
): void {
  const isOne = unfinished === 1;
  const [what, stay, run] = isOne ? ["it was", "stays", "it runs"] : ["they were", "stay", "they run"];
  const remedy = state.settings.forever ? "within a minute" : "with --restart";
  note(
    effects,
    "warning",
    `${counted(unfinished, "task")} ${stay} unfinished, because the directory ${what} submitted from ` +
      `cannot be entered: ${cwd} - make that again and ${run} ${remedy}, or name another by HYPERSHELL_TASK_CWD`,
  );
}
