/*
 * What the parts of a simulated cluster share, and where a canary sits: a wrong reactor in place of the right one,
 * which must be found.
 */
import type { step as clientStep } from "../../src/client/reactor.ts";
import type { step as serverStep } from "../../src/server/reactor.ts";
import type { Capacity } from "../../src/task/demand.ts";
import type { NewTask } from "../../src/task/task.ts";
import type { Ledger } from "./ledger.ts";
import type { Model } from "./model.ts";
import type { Network } from "./network.ts";
import type { Plan } from "./plan.ts";
import type { Weather } from "./storage.ts";
import type { World } from "./world.ts";

export interface Reactors {
  readonly server: typeof serverStep;
  readonly client: typeof clientStep;
}

export interface Cluster {
  readonly world: World;
  readonly plan: Plan;
  readonly network: Network;
  readonly model: Model;
  readonly judge: Ledger;
  readonly weather: Weather;
  readonly reactors: Reactors;
  readonly newId: () => string;
  /** When each row was stored. */
  readonly storedAt: Map<string, number>;
  /** And the last of them. */
  readonly storedLast: () => number;
}

/** Ids in the shape of a UUID, in order. */
export function counter(): () => string {
  let last = 0;
  return () => `01900000-0000-7000-8000-${(++last).toString(16).padStart(12, "0")}`;
}

/** Where somebody submits. */
export function directory({ world, plan }: Cluster): string {
  return `/${world.rng.between(1, plan.directories)}`;
}

/** What a client of the simulation has at most, and so the most that a task may need and be run all the same. */
export const largest: Capacity = { cores: 8, memory: 2 ** 33, others: { license: 2 } };

/** The names of resources. */
export const resources: ReadonlySet<string> = new Set(["license"]);

/** What a client has. */
export function drawCapacity({ world: { rng }, plan }: Cluster, isLarge: boolean): Capacity {
  if (!plan.needs || isLarge) return largest;
  const licenses = rng.between(0, 2);
  return { cores: 2 ** rng.between(0, 3), memory: largest.memory, others: licenses === 0 ? {} : { license: licenses } };
}

/** What a task needs: mostly nothing, or what every client has. One in a hundred needs more than any has. */
function drawNeeds({ world: { rng }, plan }: Cluster): Pick<NewTask, "cores" | "tag"> {
  if (!plan.needs || rng.chance(0.3)) return { cores: null, tag: { part: 0 } };
  const tag = rng.chance(0.2) ? { license: rng.between(1, 4) / 2, part: 0 } : { part: 0 };
  return { cores: rng.chance(0.01) && plan.mode !== "forever" ? 16 : 2 ** rng.between(0, rng.between(0, 3)), tag };
}

export function newTasks(cluster: Cluster, submitId: string, count: number): NewTask[] {
  const { world, plan, newId } = cluster;
  const { rng } = world;
  return Array.from({ length: count }, () => ({
    id: newId(),
    group: rng.between(0, plan.groups - 1),
    args: "true",
    submitId,
    submitTime: world.now(),
    submitHost: "login",
    memory: null,
    timeout: rng.chance(0.1) ? rng.between(1, 3) : null,
    attempt: 1,
    previousId: null,
    ...drawNeeds(cluster),
  }));
}
