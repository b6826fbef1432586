/*
 * What others did to tasks that this server holds: people cancelled, reverted, deleted or changed them, or a client
 * took them along to another server. As pure as reactor.ts, which calls it.
 *
 * The way of one answer (`recalls.state`): idle --ask--> asked --answer--> handled --commit--> settling --done--> idle;
 * an empty answer leads straight back to idle. `recalls.due` is beside it: news may come at any time. Until the store
 * knows what is dealt with, nothing new is asked and nothing is claimed. So no answer names a recall twice, and no task
 * is claimed anew that still runs here.
 */
import { counted } from "../base/units.ts";
import { unreachable } from "../base/assert.ts";
import type { Recall } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { Lease } from "../wire/message.ts";
import { note, type ServerEffect, tell } from "./effects.ts";
import {
  type ClientEntry,
  disregard,
  giveBack,
  letGo,
  lookAgain,
  type Run,
  runOf,
  type ServerState,
  withhold,
} from "./state.ts";
import { withdraw } from "./waiting.ts";

/** Notes that the store may have recalls. */
export function noticeRecalls(state: ServerState): void {
  state.recalls.due = true;
}

/** Asks the store for recalls, if it may have some and no earlier answer is open. */
export function askForRecalls({ recalls }: ServerState, effects: ServerEffect[]): void {
  if (!recalls.due || recalls.state.at !== "idle") return;
  recalls.due = false;
  recalls.state = { at: "asked" };
  effects.push({ kind: "recalls" });
}

/**
 * Whether there may be recalls that the store still waits for this server to deal with. Nothing is claimed until then.
 */
export function areRecallsOpen({ recalls }: ServerState): boolean {
  return recalls.due || recalls.state.at !== "idle";
}

/** The numbers of the recalls that the next commit tells the store are dealt with. */
export function handledRecalls({ recalls }: ServerState): readonly number[] {
  return recalls.state.at === "handled" ? recalls.state.numbers : [];
}

/** Notes that a commit is done: the store knows of the recalls that it named. */
export function settleRecalls(state: ServerState): void {
  if (state.recalls.state.at !== "settling") return;
  state.recalls.state = { at: "idle" };
  lookAgain(state);
}

/** What clients are told about their tasks: for each client, one message of each kind. */
type Notices = Map<ClientEntry, { readonly cancel: Lease[]; readonly drop: Lease[] }>;

/** Where a recalled task is found; both are null when it is neither ready nor with a client. */
interface Whereabouts {
  /** The task that waited for a client, and now waits no more; null: it did not wait. */
  readonly waiting: ClaimedTask | null;
  /** The run of the task at a client; null: no client has it. */
  readonly run: Run | null;
}

/** Deals with the store's answer. The next commit tells the store so. */
export function takeRecalls(state: ServerState, list: readonly Recall[], effects: ServerEffect[]): void {
  const { recalls } = state;
  if (list.length === 0) {
    recalls.state = { at: "idle" };
    return lookAgain(state);
  }
  recalls.state = { at: "handled", numbers: list.map(({ number }) => number) };
  // If a task has several recalls, the last one tells what its row is now.
  const kinds = new Map(list.map(({ id, kind }) => [id, kind]));
  const waiting = withdraw(state, kinds);
  const notices: Notices = new Map();
  const counts = { cancelled: 0, reverted: 0, deleted: 0, changed: 0, adopted: 0 };
  let stopped = 0;
  disregardBrought(state, kinds);
  for (const [id, kind] of kinds) {
    withhold(state, id, "recalled");
    counts[kind]++;
    const run = runOf(state, id);
    if (run !== null && isTakenBack(kind)) stopped++;
    deal(state, id, kind, { waiting: waiting.get(id) ?? null, run }, notices);
  }
  for (const [client, { cancel, drop }] of notices) {
    tell(effects, client.id, "cancel", cancel);
    tell(effects, client.id, "drop", drop);
  }
  for (const kind of ["cancelled", "reverted", "deleted"] as const) {
    const count = counts[kind];
    const were = count === 1 ? "was" : "were";
    if (count > 0) note(effects, "info", `${counted(count, "scheduled task")} ${were} ${kind}`);
  }
  if (stopped > 0) note(effects, "debug", () => `Stopping ${counted(stopped, "task")}`);
}

/** Whether the outcome of a run that began before this recall is unwanted. */
function isTakenBack(kind: Recall["kind"] | undefined): boolean {
  return kind === "cancelled" || kind === "reverted" || kind === "deleted";
}

function deal(
  state: ServerState,
  id: string,
  kind: Recall["kind"],
  { waiting, run }: Whereabouts,
  notices: Notices,
): void {
  switch (kind) {
    case "cancelled":
      // The task was cancelled while it was this server's, which counts once, wherever the task is just now.
      state.counts.cancelled++;
      if (run === null) return;
      // The task stays with its client until that has stopped it. Its row has ended, so whatever comes of it is
      // refused.
      run.held.cancelled = true;
      state.outbox.started.delete(id);
      noticesFor(notices, run.holder).cancel.push({ id, lease: run.held.lease });
      return;
    case "reverted":
    case "deleted":
      revoke(state, id);
      // Its client may have brought the task back in between, and the store may have handed the row over again. Nobody
      // else would free it then.
      if (kind === "reverted" && !(waiting === null && run === null && state.outbox.reverted.includes(id)))
        state.outbox.reverted.push(id);
      if (run === null) return;
      state.outbox.assigned.delete(id);
      disregard(run.holder, { id, lease: run.held.lease });
      return dropRun(state, id, run, notices);
    case "adopted":
      // The row is another server's, unless this server has got it again meanwhile. Giving it back does no harm in
      // either case. What the client says of this run still counts, because it may bring the task back.
      if (waiting !== null) giveBack(state, waiting);
      if (run === null) return;
      giveBack(state, run.held.task);
      return dropRun(state, id, run, notices);
    case "changed":
      // A task that has been handed out goes on as it was.
      if (waiting !== null) giveBack(state, waiting);
      return;
    default:
      unreachable(kind);
  }
}

/** From now on, no dispatch of this task that was made so far counts. */
function revoke(state: ServerState, id: string): void {
  const { neighbours, settings, nextLease } = state;
  // A neighbour that started earlier, and so has smaller leases, may be the next to hand the task out.
  state.revoked.set(id, { id, from: neighbours > 0 ? settings.firstLease : 0, below: nextLease });
}

function dropRun(state: ServerState, id: string, { holder, held }: Run, notices: Notices): void {
  letGo(state, holder, id);
  noticesFor(notices, holder).drop.push({ id, lease: held.lease });
}

function noticesFor(notices: Notices, client: ClientEntry): { readonly cancel: Lease[]; readonly drop: Lease[] } {
  let found = notices.get(client);
  if (found === undefined) notices.set(client, (found = { cancel: [], drop: [] }));
  return found;
}

/**
 * Disregards runs of tasks that were taken back and that no client has on record at present. A client that is
 * registering may bring such a task, and the store may have handed it over, or will do so. Another outcome may be on
 * its way to the store; it comes once more if its client does not hear the answer.
 */
function disregardBrought(state: ServerState, kinds: ReadonlyMap<string, Recall["kind"]>): void {
  for (const client of state.clients.values()) {
    const { registration } = client;
    if (registration === null) continue;
    for (const lease of [...registration.running, ...registration.finished])
      if (isTakenBack(kinds.get(lease.id))) disregard(client, lease);
  }
  for (const { clientId, outcome } of [...(state.settling?.outcomes ?? []), ...state.outbox.completed]) {
    const client = clientId === null ? undefined : state.clients.get(clientId);
    if (client !== undefined && isTakenBack(kinds.get(outcome.id))) disregard(client, outcome);
  }
}

/** Tells a client that is here, or back, which of its tasks were cancelled meanwhile. */
export function cancelAgain(client: ClientEntry, effects: ServerEffect[]): void {
  const tasks = [...client.held].flatMap(([id, { lease, cancelled }]) => (cancelled ? [{ id, lease }] : []));
  tell(effects, client.id, "cancel", tasks);
}
