import { expect, test } from "bun:test";
import { Bench, outcome, task } from "./bench.ts";

const template = "x".repeat(1024 * 1024);

/** A claim brings a task of this submission. */
function give(bench: Bench, submitId: string): void {
  const claim = { kind: "claimed", group: 0, tasks: [task(submitId, { submitId })] } as const;
  bench.on({ kind: "claimed", claim, submissions: [{ id: submitId, template, cwd: null }] });
}

test("one large template after the other does not fill the memory, and what is needed is there, or told again", () => {
  const bench = new Bench({ forever: true });
  bench.register("a", 100);
  give(bench, "kept");
  for (let n = 0; n < 40; n++) {
    give(bench, `s${n}`);
    bench.results("a", [outcome(bench.lease(`s${n}`))]);
    bench.committed();
  }
  const { submissions, submissionText } = bench.state;
  expect([submissions.has("kept"), submissions.has("s0"), submissions.has("s39")]).toEqual([true, false, true]);
  expect(submissionText).toBeLessThan(33 * 1024 * 1024);
  give(bench, "s0");
  expect(bench.told("a")).toMatchObject([{ kind: "submission", id: "s0", template }, { kind: "assign" }]);
});
