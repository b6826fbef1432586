/*
 * What people did to tasks that this server holds: cancelled, reverted, deleted or changed them, or a client took them along to another server. As pure as
 * reactor.ts, which calls it.
 *
 * One question at a time: until a commit has told the store what is dealt with, nothing new is asked and nothing is claimed. So no answer names a
 * recall twice, and no task is claimed anew that still runs here.
 */
import { unreachable } from "../base/assert.ts";
import type { Recall } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { Lease, ServerMessage } from "../wire/message.ts";
import { note, type ServerEffect } from "./effects.ts";
import { type ClientEntry, giveBack, letGo, lookAgain, type ServerState } from "./state.ts";

/** The store may have some. */
export function noticeRecalls(state: ServerState): void {
  state.recalls.due = true;
}

export function askForRecalls(state: ServerState, effects: ServerEffect[]): void {
  const { recalls } = state;
  if (!recalls.due || recalls.at !== "idle") return;
  recalls.due = false;
  recalls.at = "asked";
  effects.push({ kind: "recalls" });
}

/** Nothing is claimed while there may be some. */
export function areRecallsOpen({ recalls }: ServerState): boolean {
  return recalls.due || recalls.at !== "idle";
}

export function takeRecalls(state: ServerState, list: readonly Recall[], effects: ServerEffect[]): void {
  const { recalls, outbox } = state;
  if (list.length === 0) {
    recalls.at = "idle";
    return lookAgain(state);
  }
  recalls.at = "told";
  outbox.recalled = list.map(({ number }) => number);
  const waiting = withdraw(state, new Set(list.map(({ id }) => id)));
  const messages = new Map<
    ClientEntry,
    { cancel: { id: string; lease: number }[]; drop: { id: string; lease: number }[] }
  >();
  const tell = (client: ClientEntry) => {
    let found = messages.get(client);
    if (found === undefined) messages.set(client, (found = { cancel: [], drop: [] }));
    return found;
  };
  const counts = { cancelled: 0, reverted: 0, deleted: 0, changed: 0, adopted: 0, stopped: 0 };
  const last = new Map(list.map(({ id, kind }) => [id, kind]));
  dropBrought(state, last);
  for (const [id, kind] of last) {
    if (state.claim.at === "asked") recalls.early.add(id);
    if (kind === "reverted" || kind === "deleted")
      // A neighbour that started earlier may be the next to hand it out.
      state.revoked.set(id, { id, from: state.neighbours > 0 ? state.settings.firstLease : 0, below: state.nextLease });
    const task = waiting.get(id) ?? null;
    const holder = state.holders.get(id) ?? null;
    const held = holder?.held.get(id) ?? null;
    counts[kind]++;
    switch (kind) {
      case "cancelled":
        // Its row was this server's and had not ended: that happens once, wherever the task is just now.
        state.counts.cancelled++;
        if (holder === null || held === null) break;
        // It stays with its client until that has stopped it; the row has ended, so whatever comes of it is refused.
        counts.stopped++;
        held.cancelled = true;
        tell(holder).cancel.push({ id, lease: held.lease });
        break;
      case "reverted":
      case "deleted":
        // Its client may have brought it back in between, and the store have handed over the row once more: then nobody else would free it.
        if (kind === "reverted") outbox.reverted.push(id);
        if (holder === null || held === null) break;
        counts.stopped++;
        letGo(state, holder, id);
        state.outbox.assigned.delete(id);
        holder.dropped.add(`${id} ${held.lease}`);
        tell(holder).drop.push({ id, lease: held.lease });
        break;
      case "adopted":
        // Of the row this server has no say any more, unless it has come by it again meanwhile. Its client may well bring the same run back.
        if (task !== null) giveBack(state, task);
        if (holder === null || held === null) break;
        letGo(state, holder, id);
        giveBack(state, held.task);
        tell(holder).drop.push({ id, lease: held.lease });
        break;
      case "changed":
        if (task !== null) giveBack(state, task);
        break;
      default:
        unreachable(kind);
    }
  }
  for (const [client, { cancel, drop }] of messages) {
    send(client, { kind: "cancel", tasks: cancel }, effects);
    send(client, { kind: "drop", tasks: drop }, effects);
  }
  for (const kind of ["cancelled", "reverted", "deleted"] as const) {
    if (counts[kind] > 0) note(effects, "info", `${counts[kind]} scheduled tasks were ${kind}`);
  }
  if (counts.stopped > 0) note(effects, "debug", () => `Stopping ${counts.stopped} tasks`);
}

/**
 * What clients say of these tasks from now on does not count: a client that is just coming (back) brings some, which the store may have handed over, or
 * will; of others the outcome is on its way to the store, and comes once more if its client has not heard that.
 */
function dropBrought(state: ServerState, kinds: ReadonlyMap<string, Recall["kind"]>): void {
  const drop = ({ dropped }: ClientEntry, { id, lease }: Lease): void => {
    const kind = kinds.get(id);
    if (kind === "cancelled" || kind === "reverted" || kind === "deleted") dropped.add(`${id} ${lease}`);
  };
  for (const client of state.clients.values()) {
    const { registration } = client;
    if (registration !== null)
      for (const each of [...registration.running, ...registration.finished]) drop(client, each);
  }
  for (const { clientId, outcome } of [...(state.settling ?? []), ...state.outbox.completed]) {
    const client = state.clients.get(clientId);
    if (client !== undefined) drop(client, outcome);
  }
}

/** The commit that named them is done. */
export function settleRecalls(state: ServerState): void {
  if (state.recalls.at !== "settling") return;
  state.recalls.at = "idle";
  lookAgain(state);
}

/** A client that is (back) here hears which of its tasks were cancelled meanwhile. */
export function cancelAgain(client: ClientEntry, effects: ServerEffect[]): void {
  const tasks = [...client.held].flatMap(([id, { lease, cancelled }]) => (cancelled ? [{ id, lease }] : []));
  send(client, { kind: "cancel", tasks }, effects);
}

function send(
  client: ClientEntry,
  message: Extract<ServerMessage, { kind: "cancel" | "drop" }>,
  effects: ServerEffect[],
): void {
  if (message.tasks.length > 0) effects.push({ kind: "send", clientId: client.id, message });
}

/** Takes these tasks out of those that wait for a client. */
function withdraw(state: ServerState, ids: ReadonlySet<string>): Map<string, ClaimedTask> {
  const found = new Map<string, ClaimedTask>();
  for (const task of state.ready.values()) if (ids.has(task.id)) found.set(task.id, task);
  if (found.size > 0) for (const task of state.ready.drain()) if (!found.has(task.id)) state.ready.push(task);
  return found;
}
