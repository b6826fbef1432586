/*
 * What every source of views promises, whatever it looks at. Each test gets a scene: tasks in known states, of which
 * the view must tell.
 */
import { expect, test } from "bun:test";
import { UserError } from "../../src/base/errors.ts";
import type { View, ViewQuery, ViewSource } from "../../src/view/view.ts";

/** Ten tasks: three have succeeded, two failed (3, then 70), one is cancelled, two run, two wait. */
export interface Scene extends AsyncDisposable {
  readonly source: ViewSource;
  /** Ids, in the order in which the tasks were submitted. */
  readonly running: readonly [first: string, second: string];
  readonly waiting: readonly [first: string, second: string];
  readonly failed: readonly [first: string, last: string];
  /** Prints more on the standard output of the first task that runs, whose output is captured. */
  readonly print: (text: string) => Promise<void>;
  /** Whether tasks that have failed can be made as if they had never run. */
  readonly canRevert: boolean;
}

/** What the running tasks are called. */
export const runningTexts = ["simulate --case 1", "simulate --case 2"] as const;

const everything: ViewQuery = { most: 100, filter: "" };

/** Runs the tests of one kind of source. */
export function viewConformance(title: string, open: () => Promise<Scene>): void {
  function check(rule: string, body: (scene: Scene) => Promise<void>): void {
    test(`view: ${title} > ${rule}`, async () => {
      await using scene = await open();
      try {
        await body(scene);
      } finally {
        await scene.source.close();
      }
    });
  }

  check("counts are those of the tasks, and a second look says the same", async ({ source }) => {
    const counts = { total: 10, remaining: 4, running: 2, succeeded: 3, failed: 3, cancelled: 1 };
    expect((await source.look(everything)).counts).toEqual(counts);
    expect((await source.look(everything)).counts).toEqual(counts);
  });

  check("a view is plain data", async ({ source }) => {
    const view = await source.look(everything);
    expect(JSON.parse(JSON.stringify(view)) as View).toEqual(view);
  });

  check(
    "what runs is listed with its client, the longest first, as many as are wanted",
    async ({ source, running }) => {
      const view = await source.look(everything);
      expect(view.running.map(({ id, text }) => [id, text])).toEqual(running.map((id, i) => [id, runningTexts[i]!]));
      const [{ id: clientId, running: count } = { id: "", running: 0 }] = view.clients;
      expect(view.running.map((task) => task.clientId)).toEqual([clientId, clientId]);
      expect([count, view.clientsTotal, view.runningTotal]).toEqual([2, 1, 2]);
      const few = await source.look({ most: 1, filter: "" });
      expect([few.running.length, few.runningTotal, few.failures.length]).toEqual([1, 2, 1]);
      expect((await source.look({ most: 0, filter: "" })).running).toEqual([]);
    },
  );

  check(
    "a filter chooses tasks by text, id and host, and leaves the counts as they are",
    async ({ source, running }) => {
      const byText = await source.look({ most: 100, filter: "case 2" });
      expect(byText.running.map(({ id }) => id)).toEqual([running[1]]);
      expect([byText.runningTotal, byText.counts.running, byText.failures.length]).toEqual([1, 2, 0]);
      const byId = await source.look({ most: 100, filter: running[0] });
      expect(byId.running.map(({ id }) => id)).toEqual([running[0]]);
      const { host } = byId.running[0]!;
      expect((await source.look({ most: 100, filter: host! })).runningTotal).toBe(2);
    },
  );

  check("the failure that ended last is the first, and cancelled tasks are none", async ({ source, failed }) => {
    const { failures } = await source.look(everything);
    expect(failures.map(({ id, exitStatus }) => [id, exitStatus])).toEqual([
      [failed[1], 70],
      [failed[0], 3],
    ]);
  });

  check("durations, queue age and the server are told", async ({ source }) => {
    const view = await source.look(everything);
    expect(view.durations.counts.reduce((sum, count) => sum + count, 0)).toBe(5);
    expect(view.duration).toBeGreaterThan(0);
    expect(view.queueAge).toBeGreaterThan(0);
    expect(view.servers).toHaveLength(1);
    expect(view.servers[0]!.isAlive).toBe(true);
  });

  check("output comes piece by piece, and goes on where it ended", async ({ source, running: [id], print }) => {
    const ask = (from: number, most = 1000) => source.output({ id, stream: "stdout", from, most });
    await print("Grüße\nfrom afar\n");
    const first = await ask(0, 4);
    expect(first).toEqual({ text: "Gr\u00fc", next: 4, more: true, over: false });
    const rest = await ask(first.next);
    expect([first.text + rest.text, rest.more, rest.over]).toEqual(["Grüße\nfrom afar\n", false, false]);
    expect(await ask(rest.next)).toEqual({ text: "", next: rest.next, more: false, over: false });
    await print("more\n");
    expect((await ask(rest.next)).text).toBe("more\n");
    expect((await ask(-5)).text).toBe("more\n");
    expect((await ask(1_000_000)).text).toBe("");
  });

  check("output that there is not is refused with a reason", async ({ source, waiting }) => {
    for (const id of [waiting[0], "01900000-0000-7000-8000-ffffffffffff", "no id"]) {
      const asked = source.output({ id, stream: "stdout", from: 0, most: 100 });
      expect(await asked.catch((error: unknown) => error)).toBeInstanceOf(UserError);
    }
  });

  check("a waiting task can be cancelled, once", async ({ source, waiting }) => {
    expect(await source.act("cancel", [waiting[1]])).toBe(1);
    const { counts } = await source.look(everything);
    expect([counts.remaining, counts.failed, counts.cancelled]).toEqual([3, 4, 2]);
    expect(await source.act("cancel", [waiting[1]])).toBe(0);
  });

  check("nothing is done to tasks that are not there", async ({ source }) => {
    expect(await source.act("cancel", [])).toBe(0);
    expect(await source.act("cancel", ["01900000-0000-7000-8000-ffffffffffff"])).toBe(0);
    const refused = await source.act("cancel", ["no id"]).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UserError);
    expect((await source.look(everything)).counts.remaining).toBe(4);
  });

  check("a failed task can be reverted, or it is said why not", async ({ source, failed, canRevert }) => {
    const answer = await source.act("revert", [failed[0]]).catch((error: unknown) => error);
    if (!canRevert) {
      expect(answer).toBeInstanceOf(UserError);
      return;
    }
    expect(answer).toBe(1);
    const { counts } = await source.look(everything);
    expect([counts.total, counts.remaining, counts.failed]).toEqual([10, 5, 2]);
  });
}
