/*
 * A host that is made up, for tests of what looks at processes: each has a parent, a size and a time, ends when it is
 * told to, and is then waited for or not. `true` times are kept beside what the system tells.
 */
import { emptyReading, type ProcessSource, type Reading } from "../../../src/client/monitor-source.ts";

interface Fake extends Reading {
  readonly pid: number;
  readonly task: string | null;
}

export interface FakeHost extends ProcessSource {
  readonly processes: Map<number, Fake>;
  /** The numbers of processes that were read. */
  readonly reads: number[];
  /** The numbers of processes whose environment was asked for. */
  readonly asked: number[];
  /** Makes a process; `task`: the one that its environment names. */
  start(pid: number, parent: number, more?: Partial<Reading> & { readonly task?: string }): void;
  /** Ends a process; its children get another parent. `isCollected`: its parent waits for it. */
  end(pid: number, isCollected: boolean): void;
  /** Gives a process more time, milliseconds. */
  work(pid: number, ms: number): void;
}

export function fakeHost(countsChildren = true): FakeHost {
  const processes = new Map<number, Fake>();
  const [reads, asked]: [number[], number[]] = [[], []];
  let starts = 100;
  return {
    processes,
    reads,
    asked,
    countsChildren,
    roundedMs: 0,
    list: (then) => then([...processes.keys()]),
    read(pid, into) {
      reads.push(pid);
      const found = processes.get(pid);
      if (found === undefined) return false;
      const { parent, group, session, startedAt, ownMs, childrenMs, memory } = found;
      Object.assign(into, { parent, group, session, startedAt, ownMs, childrenMs, memory });
      return true;
    },
    taskOf(pid) {
      asked.push(pid);
      return processes.get(pid)?.task ?? null;
    },
    share: () => null,
    start(pid, parent, { task = null, ...more }: Partial<Reading> & { readonly task?: string | null } = {}) {
      const { group = pid, session = pid } = processes.get(parent) ?? {};
      processes.set(pid, { ...emptyReading(), pid, parent, group, session, startedAt: starts++, task, ...more });
    },
    end(pid, isCollected) {
      const ended = processes.get(pid)!;
      processes.delete(pid);
      const parent = processes.get(ended.parent);
      if (isCollected && parent !== undefined && countsChildren) parent.childrenMs += ended.ownMs + ended.childrenMs;
      for (const each of processes.values()) if (each.parent === pid) each.parent = 1;
    },
    work(pid, ms) {
      processes.get(pid)!.ownMs += ms;
    },
  };
}
