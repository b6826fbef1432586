/* Views that are made up, for tests of the page. */
import type { View } from "../../../src/view/view.ts";

/** A view of 10 tasks: 3 wait, 2 run, 2 succeeded, 3 failed, one of these cancelled. */
export function madeUp(more: Partial<View> = {}): View {
  return {
    at: 1_800_000_000_000,
    source: { kind: "server", title: "login07" },
    counts: { total: 10, remaining: 5, running: 2, succeeded: 2, failed: 3, cancelled: 1 },
    rate: 2.5,
    duration: 1.5,
    secondsLeft: 2,
    throughput: { intervalMs: 1000, ended: [0, 2, 3], failed: [0, 0, 2] },
    servers: [],
    clients: [],
    clientsTotal: 2,
    running: [],
    runningTotal: 2,
    failures: [],
    durations: { of: "all", bounds: [0.1, 1, 10], counts: [1, 2, 1, 0], sum: 6.5 },
    queueAge: 7,
    storeLatency: null,
    ...more,
  };
}
