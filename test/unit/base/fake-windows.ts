/* A system of Windows that is only remembered, for tests of what is decided about its processes. */
import type { Handle, Kernel } from "../../../src/base/windows-kernel.ts";

interface FakeProcess {
  readonly pid: number;
  readonly parent: number;
  readonly startedAt: bigint;
  /** Its exit status; null: it runs. */
  status: number | null;
  readonly jobs: Set<number>;
}

/**
 * A system with this process as number 1. Handles of processes are their ids, those of jobs are above 1000. `refuses`:
 * names of the functions that fail, and `hearing` where this process was started without Ctrl-C.
 */
export function fakeSystem(refuses: ReadonlySet<string> = new Set()) {
  const processes = new Map<number, FakeProcess>();
  const open = new Map<number, number>();
  const endingWithUs = new Set<number>();
  const calls: string[] = [];
  let jobs = 1000;
  let clock = 0n;
  let isDeaf = refuses.has("hearing");

  function add(pid: number, parent: number): FakeProcess {
    const above = [...(processes.get(parent)?.jobs ?? [])];
    const one = { pid, parent, startedAt: clock++, status: null, jobs: new Set(above) };
    processes.set(pid, one);
    return one;
  }
  const self = add(1, 0);
  const number = (handle: Handle): number => handle as unknown as number;
  function opened(handle: number): Handle {
    open.set(handle, (open.get(handle) ?? 0) + 1);
    return handle as unknown as Handle;
  }
  const members = (job: Handle): FakeProcess[] =>
    [...processes.values()].filter((one) => one.status === null && one.jobs.has(number(job)));
  const kernel: Kernel = {
    open: (pid) => (processes.has(pid) && !refuses.has("open") ? opened(pid) : null),
    close(handle) {
      const left = (open.get(number(handle)) ?? 0) - 1;
      if (left < 0) throw new Error(`closed twice: ${number(handle)}`);
      open.set(number(handle), left);
    },
    hasEnded: (handle) => processes.get(number(handle))?.status !== null,
    exitStatus: (handle) => processes.get(number(handle))?.status ?? null,
    startTime: (handle) => processes.get(number(handle))?.startedAt ?? null,
    end(handle, status) {
      processes.get(number(handle))!.status ??= status;
    },
    newJob: () => (refuses.has("newJob") ? null : opened(++jobs)),
    join(job, handle) {
      if (refuses.has("join")) return false;
      (handle === null ? self : processes.get(number(handle))!).jobs.add(number(job));
      return true;
    },
    endsWithUs(job, ends) {
      if (ends) endingWithUs.add(number(job));
      else endingWithUs.delete(number(job));
      return true;
    },
    isIn: (job, handle) => processes.get(number(handle))!.jobs.has(number(job)),
    members: (job) => members(job).length,
    endAll(job, status) {
      for (const one of members(job)) one.status = status;
    },
    processes: () => [...processes.values()].filter(({ status }) => status === null),
    ignoresInterrupt: () => isDeaf,
    ignoreInterrupt(ignores) {
      isDeaf = ignores;
      calls.push(ignores ? "deaf" : "hearing");
    },
    machine: () => "here",
  };
  return {
    kernel,
    add,
    calls,
    endingWithUs,
    status: (pid: number) => processes.get(pid)!.status,
    end(pid: number, status: number) {
      processes.get(pid)!.status = status;
    },
    /** How many handles are open. */
    open: () => [...open.values()].reduce((sum, count) => sum + count, 0),
  };
}
