/*
 * What a task needs of a client, in words, and which clients have that.
 */
import { counted, formatSize } from "../base/units.ts";
import { type Capacity, type Demand, demandOf, describeLack, lackOf } from "../task/demand.ts";
import type { Tags } from "../task/task.ts";
import type { Facts, Seen } from "./facts.ts";
import { numberOf, span } from "./words.ts";

/** What a task needs that is counted, in words: `4 cores, 2.00GB of memory`; null: nothing. */
export function describeNeed(facts: Pick<Facts, "task" | "resources">): string | null {
  const demand = needOf(facts);
  if (demand === null) return null;
  const { cores, memory, others } = demand;
  const parts = Object.entries(others ?? {}).map(([name, amount]) => `${amount} ${name}`);
  if (memory > 0) parts.unshift(`${formatSize(memory)} of memory`);
  if (cores > 0) parts.unshift(counted(cores, "core"));
  return parts.join(", ");
}

function needOf({ task, resources }: Pick<Facts, "task" | "resources">): Demand | null {
  const tag = (typeof task.tag === "object" && task.tag !== null ? task.tag : {}) as Tags;
  return demandOf({ cores: numberOf(task.cores), memory: numberOf(task.memory), tag }, resources);
}

/** Which of these clients can have a task with this need (see `describeNeed`), as a sentence. */
export function describeAble(facts: Facts, { clients: seen, total }: Seen, need: string | null): string {
  const timeout = numberOf(facts.task.timeout);
  if (need === null && timeout === null) return `Its server has ${counted(total, "client")} now.`;
  const demand = needOf(facts) ?? { cores: 0, memory: 0, others: null };
  const asks = need === null ? `It may run ${span(timeout!)}` : `It needs ${need}`;
  if (seen.length === 0) return `${asks}, and no client is connected.`;
  const known = seen.flatMap(({ capacity, standing }) => (capacity === null ? [] : [{ capacity, standing }]));
  const able = known.filter(({ capacity }) => whyNot(capacity, demand, timeout, facts.now) === null);
  const clients = `${total > seen.length ? "the busiest " : ""}${counted(seen.length, "client")}`;
  if (able.length === 0) {
    const why = known[0] === undefined ? null : whyNot(known[0].capacity, demand, timeout, facts.now);
    return `${asks}, and none of ${clients} has that${why === null ? "" : ` (${why})`}.`;
  }
  const away = able.filter(({ standing }) => standing !== null && standing !== "present").length;
  return `${asks}: ${able.length} of ${clients} can have that${away === 0 ? "" : `, ${away} of them away now`}.`;
}

/** What a client lacks for a task; null: nothing. `timeout`: seconds; `now`: milliseconds since 1970. */
function whyNot(capacity: Capacity, demand: Demand, timeout: number | null, now: number): string | null {
  const lack = lackOf(capacity, demand);
  if (lack !== null) return describeLack(lack);
  const { until } = capacity;
  if (until === undefined || timeout === null || now + timeout * 1000 <= until) return null;
  return `its time is up in ${span(Math.max(0, Math.round((until - now) / 1000)))}`;
}
