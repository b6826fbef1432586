/* A made-up view, and a state that shows it, for tests of the screen. */
import type { FailureView, TaskView, View } from "../../../src/view/view.ts";
import { newState, type Size, type TopState } from "../../../src/top/state.ts";

/** When the view is made: the first of November 2026, noon. */
export const at = Date.UTC(2026, 10, 1, 12);

export function taskOf(number: number, text = `echo ${number}`): TaskView {
  const id = `00000000-0000-7000-8000-${String(number).padStart(12, "0")}`;
  return { id, text, group: 0, attempt: 1, host: "node01", clientId: "c1", startTime: at - 60_000 + number * 1000 };
}

function failureOf(number: number): FailureView {
  return { ...taskOf(number, `false ${number}`), exitStatus: 1, completionTime: at - 5000, duration: 0.25 };
}

/** A view of a server with 100 tasks, 4 of them running. */
export function viewOf(more: Partial<View> = {}): View {
  const [ended, failed] = [Array.from({ length: 120 }, (_, i) => i % 10), Array.from({ length: 120 }, () => 0)];
  return {
    at,
    source: { kind: "server", title: "login01:50001" },
    counts: { total: 100, remaining: 40, running: 4, succeeded: 58, failed: 2, cancelled: 0 },
    rate: 4.5,
    duration: 1.25,
    secondsLeft: 9,
    throughput: { intervalMs: 1000, ended, failed },
    servers: [{ id: "s1", host: "login01", pid: 77, startedAt: at - 3_600_000, beatAt: at, isAlive: true }],
    clients: [
      {
        id: "c1",
        host: "node01",
        serverId: "s1",
        executors: 4,
        capacity: { cores: 4, memory: 8 * 2 ** 30, others: { gpus: 2 } },
        job: "slurm 17",
        running: 4,
        ended: 60,
        failed: 2,
        standing: "present",
        heardAt: at - 1000,
      },
    ],
    clientsTotal: 1,
    running: [1, 2, 3, 4].map((number) => taskOf(number)),
    runningTotal: 4,
    failures: [failureOf(8), failureOf(9)],
    durations: { bounds: [1], counts: [50, 10], sum: 75, of: "all" },
    queueAge: 3,
    storeLatency: null,
    ...more,
  };
}

export function stateOf(size: Size, more: Partial<TopState> = {}): TopState {
  return { ...newState(size, ""), view: viewOf(), ...more };
}
