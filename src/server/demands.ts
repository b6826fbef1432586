/*
 * What tasks need that wait in a server for a client that has it, and what is known of such needs. Types, and how it
 * begins; waiting.ts puts tasks in and takes them out.
 */
import type { Deque } from "../base/deque.ts";
import { builtInResources, type Demand } from "../task/demand.ts";
import type { ClaimedTask } from "../task/task.ts";

/**
 * Tasks that need the same and wait for a client that has it, the next one in front. Of all of them only the first is
 * looked at, so what cannot run now costs nothing and is in nobody's way.
 */
export interface Lane {
  readonly key: string;
  readonly demand: Demand;
  /** Their time limit, seconds, where the time of some client is limited; null: none, or it does not matter. */
  readonly timeout: number | null;
  readonly tasks: Deque<ClaimedTask>;
  /** How many tasks that came after the first one were handed out to clients that could have met it. */
  passed: number;
  /** Since when no client that is here could ever meet it, milliseconds since 1970; null: one could. */
  unmetSince: number | null;
  /** The value of `Demands.round` when that was last found out. */
  reviewed: number;
}

/** What waits here and needs something that not every client has, and what is known of such needs. */
export interface Demands {
  /** The names of resources. */
  readonly names: Set<string>;
  /** Whether any task has needed something so far. */
  isAny: boolean;
  /** Whether the time of any client is limited: then time limits of tasks matter. */
  isTimed: boolean;
  /** By key; none of them is empty. */
  readonly lanes: Map<string, Lane>;
  /** The number of tasks in all lanes. */
  count: number;
  /** Whether somebody was told that tasks wait for a client with more. */
  isTold: boolean;
  /** Whether somebody was told that tasks wait for a client with more time. */
  isLateTold: boolean;
  /** When a client last came for the first time, or else when this server started, milliseconds since 1970. */
  cameAt: number;
  /** A number that grows whenever a client comes or is gone. */
  round: number;
  /** Needs of tasks that were left to neighbours, by key: nobody here had room for them. */
  readonly left: Map<string, Lane>;
  /** When the store is asked again for tasks that need less than all that wait here, milliseconds since 1970. */
  lookAt: number;
  /** The pause after such a look that has found nothing, milliseconds. */
  lookMs: number;
}

/** No needs so far, at `now` (milliseconds since 1970). `resources`: names of resources, besides those built in. */
export function newDemands(resources: readonly string[], now: number): Demands {
  return {
    names: new Set([...builtInResources, ...resources]),
    isAny: false,
    isTimed: false,
    lanes: new Map(),
    count: 0,
    isTold: false,
    isLateTold: false,
    cameAt: now,
    round: 0,
    left: new Map(),
    lookAt: now,
    lookMs: 0,
  };
}
