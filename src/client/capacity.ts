/*
 * How many cores and how much memory the tasks of a client may use: what the system lets this process use, which inside
 * a batch job or a container is less than the host has. Reads a handful of files, and decides nothing.
 *
 * Source: Linux, proc(5) (status, meminfo, limits); Slurm, srun(1) and sbatch(1), output environment variables.
 */
import { groupLimits, type GroupLimits } from "./cgroups.ts";
import type { Host } from "./host.ts";

/** What the user says of it; null: nothing, so that the system decides. */
export interface CapacityWishes {
  readonly cores: number | null;
  /** Bytes. */
  readonly memory: number | null;
}

export interface Amounts {
  /** Whole, and at least 1. */
  readonly cores: number;
  /** Bytes, at least 1. */
  readonly memory: number;
}

/**
 * The cores and the memory that tasks may use here. What a user says counts as it is: less than there is keeps a part
 * of the host for others, and more lets tasks share, which people do on purpose.
 */
export function amountsOf(host: Host, wishes: CapacityWishes): Amounts {
  const groups = lazily(() => groupLimits(host));
  return {
    cores: wishes.cores ?? usableCores(host, groups),
    memory: wishes.memory ?? usableMemory(host, groups),
  };
}

/** How many cores this process may use; at least 1. */
export function usableCores(host: Host, groups: () => GroupLimits = () => groupLimits(host)): number {
  if (host.platform !== "linux") return Math.max(1, host.cpus());
  const affinity = affinityOf(host).length;
  const least = Math.min(affinity > 0 ? affinity : host.cpus(), groups().cpus, shareOfStep(host.env).cores);
  // Time for one and a half is time for one task of one core.
  return Math.max(1, Math.floor(least));
}

/** How much memory this process and what it starts may use, bytes. */
export function usableMemory(host: Host, groups: () => GroupLimits = () => groupLimits(host)): number {
  if (host.platform !== "linux") return host.memory();
  const total = /^MemTotal: +(\d+) kB/m.exec(host.read("/proc/meminfo") ?? "")?.[1];
  const space = /^Max address space +(\d+)/m.exec(host.read("/proc/self/limits") ?? "")?.[1];
  const found = [
    total === undefined ? host.memory() : Number(total) * 1024,
    space === undefined ? Number.POSITIVE_INFINITY : Number(space),
    groups().memory,
    shareOfStep(host.env).memory,
  ];
  return Math.max(1, Math.floor(Math.min(...found)));
}

/** The processors that this process may run on, by number; none where the system does not tell. */
export function affinityOf(host: Host): number[] {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(host.read("/proc/self/status") ?? "")?.[1];
  return list === undefined ? [] : parseList(list);
}

/** Numbers as Linux and Slurm list them: `0-3,8`. What is none of that is left out. */
export function parseList(text: string): number[] {
  const found: number[] = [];
  for (const part of text.split(",")) {
    const [, first = "", last = first] = /^\s*(\d+)(?:-(\d+))?\s*$/.exec(part) ?? [];
    if (first === "") continue;
    for (let number = Number(first); number <= Number(last) && found.length < mostListed; number++) found.push(number);
  }
  return found;
}

/** No host has more processors or devices. */
const mostListed = 65_536;

/**
 * What Slurm gave to this process. A job that only exists somewhere else (salloc on a login node) says nothing of this
 * host. Where several processes of a step are on one node, they share what the step has there.
 */
function shareOfStep(env: Host["env"]): { readonly cores: number; readonly memory: number } {
  const onNode = count(env["SLURM_CPUS_ON_NODE"]);
  if (onNode === null) return { cores: Number.POSITIVE_INFINITY, memory: Number.POSITIVE_INFINITY };
  const beside = processesHere(env);
  const each = beside > 1 ? count(env["SLURM_CPUS_PER_TASK"]) : null;
  const cores = Math.max(1, Math.min(onNode, each ?? Math.floor(onNode / beside)));
  const perNode = count(env["SLURM_MEM_PER_NODE"]);
  const perCore = count(env["SLURM_MEM_PER_CPU"]);
  const megabytes = perNode === null ? (perCore ?? Number.POSITIVE_INFINITY) * cores : perNode / beside;
  return { cores, memory: megabytes * 1024 * 1024 };
}

/** How many processes of this step Slurm started on this node: `2(x3),1` is a list of the nodes. */
function processesHere(env: Host["env"]): number {
  const text = env["SLURM_STEP_TASKS_PER_NODE"];
  let node = Number(env["SLURM_NODEID"] ?? "0");
  for (const part of (text ?? "").split(",")) {
    const [, tasks, nodes = "1"] = /^(\d+)(?:\(x(\d+)\))?$/.exec(part) ?? [];
    if (tasks === undefined) return 1;
    if (node < Number(nodes)) return Math.max(1, Number(tasks));
    node -= Number(nodes);
  }
  return 1;
}

/** A number above 0; null: there is none. Slurm writes 0 for all the memory of a node. */
function count(text: string | undefined): number | null {
  return text !== undefined && /^[1-9]\d*$/.test(text) ? Number(text) : null;
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
