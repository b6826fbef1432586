/*
 * Processes as Windows tells of them: whether they live, and when they began. Their environments are not shown, and
 * there are neither groups nor sessions: what belongs to a task is told by its job (windows.ts).
 */
import type { Processes, ProcessState } from "./process-source.ts";
import type { Kernel } from "./windows-kernel.ts";

/** What the kernel of Windows tells. */
export function windowsProcesses(kernel: Kernel): Processes {
  let table: string | null | undefined;
  function stateOf(pid: number): ProcessState | null {
    const opened = kernel.open(pid);
    if (opened === null) return null;
    const startedAt = kernel.startTime(opened);
    // Whoever has it open keeps the number of a process that has ended.
    const isOver = kernel.hasEnded(opened);
    kernel.close(opened);
    return startedAt === null ? null : { startedAt: `${startedAt}`, isOver };
  }
  return {
    // Processes are told apart by their start on the clock, which counts on over a boot: so the machine is enough.
    table: () => (table === undefined ? (table = kernel.machine()) : table),
    stateOf,
    isStill(pid, startedAt) {
      const state = stateOf(pid);
      return state !== null && !state.isOver && (startedAt === "" || state.startedAt === startedAt);
    },
    memberOf: (group) => group,
    all: () => [],
    openFiles: () => new Set(),
  };
}
