/* A law of what tasks have used: whatever processes do, no time is invented, and none that was seen is forgotten. */
import { expect, test } from "bun:test";
import fc from "fast-check";
import { findNew, measure, newForest, plant } from "../../src/client/monitor-tree.ts";
import { fakeHost } from "../unit/client/monitor-host.ts";

const [own, leader] = [50, 100];

const action = fc.oneof(
  fc.record({ kind: fc.constant("fork"), of: fc.nat() }),
  fc.record({ kind: fc.constant("work"), of: fc.nat(), ms: fc.nat({ max: 1000 }) }),
  fc.record({ kind: fc.constant("end"), of: fc.nat(), isCollected: fc.boolean() }),
  fc.record({ kind: fc.constant("look") }),
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

test("the time of a tree never shrinks, is never more than was used, and has all that was seen", () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 80 }), (actions: readonly Action[]) => {
      const host = fakeHost();
      host.start(1, 0);
      host.start(own, 1);
      const forest = newForest(host, own);
      host.start(leader, own, { session: leader, group: leader });
      const tree = plant(forest, "a", leader);
      let next = leader + 1;
      let usedMs = 0;
      let totalMs = 0;
      /** What each process, whether it is still there or not, had used by itself when it was looked at last. */
      const seen = new Map<number, number>();
      const look = (): void => {
        host.list((pids) => findNew(forest, pids));
        measure(forest, tree);
        expect(tree.totalMs).toBeGreaterThanOrEqual(totalMs);
        expect(tree.totalMs).toBeLessThanOrEqual(usedMs);
        totalMs = tree.totalMs;
        for (const { pid, ownMs } of host.processes.values()) if (pid >= leader) seen.set(pid, ownMs);
        expect(tree.totalMs).toBeGreaterThanOrEqual([...seen.values()].reduce((sum, ms) => sum + ms, 0));
      };
      for (const each of actions) {
        if (each.kind === "look") {
          look();
          continue;
        }
        const pids = [...host.processes.keys()].filter((pid) => pid >= leader);
        const pid = pids[(each as { of: number }).of % pids.length]!;
        if (each.kind === "fork") host.start(next++, pid);
        else if (each.kind === "work") {
          const { ms } = each as { ms: number };
          usedMs += ms;
          host.work(pid, ms);
        } else if (pid !== leader) host.end(pid, (each as { isCollected: boolean }).isCollected);
      }
      look();
    }),
    { numRuns: 300 },
  );
});
