/*
 * What the parts of a simulated cluster share, and where a canary sits: a wrong reactor in place of the right one,
 * which must be found.
 */
import type { step as clientStep } from "../../src/client/reactor.ts";
import type { step as serverStep } from "../../src/server/reactor.ts";
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

export function newTasks({ world, plan, newId }: Cluster, submitId: string, count: number): NewTask[] {
  const { rng } = world;
  return Array.from({ length: count }, () => ({
    id: newId(),
    group: rng.between(0, plan.groups - 1),
    args: "true",
    submitId,
    submitTime: world.now(),
    submitHost: "login",
    cores: null,
    memory: null,
    timeout: rng.chance(0.1) ? rng.between(1, 3) : null,
    attempt: 1,
    previousId: null,
    tag: { part: 0 },
  }));
}
