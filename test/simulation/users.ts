/* People who change tasks by hand while they wait or run, as `hs update` does: in the database, at any moment. */
import type { Cluster } from "./cluster.ts";

/** One task, if there is one to which that can be done. */
export function editSome(cluster: Cluster): void {
  const { model, world, judge } = cluster;
  const { rng } = world;
  const unended = model.rows.filter((row) => row.ended === null);
  const held = unended.filter((row) => row.serverId !== null);
  // Most of all what runs.
  const open = held.length > 0 && rng.chance(0.7) ? held : unended;
  const row = open[rng.between(0, open.length - 1)];
  if (row === undefined) return;
  const kind = (["cancelled", "reverted", "deleted", "changed"] as const)[rng.between(0, 3)]!;
  const { id } = row.task;
  judge.meddle(id, kind, world.now());
  world.mark(`${kind} ${id}`);
  world.trace(() => `---- ${id} is ${kind} by hand`);
  model.edit(row, kind, world.now());
  // A server that is about to end does not hear of what is to be run again.
  if (kind === "reverted") cluster.storedAt.set(id, world.now());
}
