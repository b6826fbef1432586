/*
 * Whether what a server knows makes sense: every map and count of state.ts against the others. Decides nothing.
 */
import { assert } from "../base/assert.ts";
import { roomOf, take } from "../task/demand.ts";
import { delayedCount, delayedTasks } from "./delays.ts";
import { type ClientEntry, type ServerState, weightOf } from "./state.ts";

/**
 * Cross-checks every map and count. Throws a bug (see base/assert.ts) when they disagree. It visits everything, so only
 * tests and simulations call it.
 */
export function check(state: ServerState): void {
  const { clients, holders, ready, demands, phase, recalls, settling, registrations } = state;
  let held = 0;
  for (const client of clients.values()) {
    held += client.held.size;
    let weight = 0;
    for (const [id, entry] of client.held) {
      assert(entry.task.id === id, "a held task is filed under its own id");
      assert(holders.get(id) === client, "a task is held by one client");
      weight += weightOf(entry.task);
    }
    assert(client.weight === weight, "what a client holds is weighed");
    checkRoom(client);
    assert(client.credit >= 0, "credit is never overdrawn");
    const serves = client.credit > 0 && client.standing.at === "present" && !state.barred.has(client);
    assert(state.willing.has(client) === serves, "willing clients are those present with credit");
    if (client.standing.at === "registering") assert(client.registration !== null, "who registers has a registration");
  }
  assert(held === holders.size, "the number of held tasks is right");
  for (const id of state.outbox.started.keys()) assert(holders.has(id), "only tasks that a client holds run");
  const elsewhere = (id: string): boolean => holders.has(id) || places.has(id);
  const places = new Set<string>();
  for (const task of ready.values()) {
    assert(!elsewhere(task.id), "a ready task is in one place");
    places.add(task.id);
  }
  for (const task of delayedTasks(state.delays)) {
    assert(!elsewhere(task.id), "a delayed task is in one place");
    places.add(task.id);
  }
  let inLanes = 0;
  for (const [key, { tasks, ...lane }] of demands.lanes) {
    assert(lane.key === key && tasks.length > 0, "lanes are filed under their keys, and have tasks");
    inLanes += tasks.length;
    for (const task of tasks.values()) {
      assert(!elsewhere(task.id), "a task in a lane is in one place");
      places.add(task.id);
    }
  }
  assert(demands.count === inLanes, "the tasks in lanes are counted");
  for (const { outcome } of [...(settling?.outcomes ?? []), ...state.outbox.completed])
    assert(!elsewhere(outcome.id), "a task whose outcome is on its way to the store is neither ready nor held");
  for (const id of state.outbox.reverted) {
    assert(!elsewhere(id), "a task that is given back is neither ready nor held, and is given back once");
    places.add(id);
  }
  for (const client of state.doubted) assert(clients.get(client.id) === client, "doubted clients are known");
  for (const client of state.willing) assert(clients.get(client.id) === client, "willing clients are known");
  for (const client of state.barred) {
    assert(clients.get(client.id) === client, "barred clients are known");
    assert(client.standing.at === "present", "barred clients are present");
  }
  for (const client of registrations.waiting) {
    assert(clients.get(client.id) === client, "clients whose registration waits are known");
    assert(client.registration !== null, "who waits to be registered has a registration");
  }
  const present = [...clients.values()].filter((client) => client.standing.at === "present");
  const sum = (of: (client: ClientEntry) => number): number => present.reduce((total, client) => total + of(client), 0);
  const creditOf = (client: ClientEntry): number => (state.barred.has(client) ? 0 : client.credit);
  assert(state.present.executors === sum((client) => client.executors), "the executors that are present are counted");
  assert(state.present.credit === sum(creditOf), "the credit that is present is counted");
  if (recalls.state.at === "settling") assert(settling !== null, "recalls settle with a commit");
  if (phase.at !== "running") {
    assert(ready.length + demands.count === 0, "nothing waits when closing");
    assert(delayedCount(state.delays) === 0, "nothing is delayed when closing");
  }
  if (phase.at === "done")
    assert(held === 0 && registrations.asked === 0 && settling === null, "nothing is open when done");
}

function checkRoom({ capacity, room, held }: ClientEntry): void {
  assert((capacity === null) === (room === null), "there is a room of every capacity");
  if (capacity === null || room === null) return;
  const left = roomOf(capacity);
  for (const { demand } of held.values()) if (demand !== null) take(left, demand);
  const isSame = (one: number, other: number): boolean => Math.abs(one - other) < 1e-3;
  assert(isSame(left.cores, room.cores) && left.memory === room.memory, "what tasks take of a client is counted");
  for (const [name, amount] of left.others)
    assert(isSame(amount, room.others.get(name) ?? 0), "what tasks take of a resource is counted");
}
