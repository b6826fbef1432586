/*
 * Which task is next, against a model that looks at every row: submissions into random groups from random directories
 * that come while others run, fail, are tried again, cancelled or given back, for two servers on one store.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { MemoryStore } from "../../src/store/memory.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import type { Claim, HeldBack, Scope, Store } from "../../src/store/store.ts";
import type { NewTask } from "../../src/task/task.ts";
import { completion, makeCommit, makeServer, makeTask, next, request } from "../conformance/store.ts";
import { counter } from "../simulation/cluster.ts";
import { type Model, newModel } from "../simulation/model.ts";

const servers = ["33333333-3333-7333-8333-333333333331", "33333333-3333-7333-8333-333333333332"];
const directories = ["/a", "/a/b", "/c", null];

type Action =
  | { readonly kind: "submit"; readonly from: number; readonly groups: readonly number[] }
  | {
      readonly kind: "claim";
      readonly server: number;
      readonly limit: number;
      readonly attempts: number;
      readonly eager: boolean;
      /** The submission that is claimed alone; null: everything is claimed. */
      readonly own: number | null;
    }
  /** Some of what runs comes to its end: 0 succeeds, 1 fails, 2 is tried again, 3 is cancelled, 4 is given back. */
  | { readonly kind: "end"; readonly how: readonly number[] }
  | { readonly kind: "reserve"; readonly which: number }
  | { readonly kind: "retry" };

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("submit" as const),
      from: fc.nat(directories.length - 1),
      groups: fc.array(fc.nat(3), { minLength: 1, maxLength: 4 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("claim" as const),
      server: fc.nat(1),
      limit: fc.nat(3),
      attempts: fc.integer({ min: 1, max: 2 }),
      eager: fc.boolean(),
      own: fc.option(fc.nat(5), { freq: 4 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("end" as const), how: fc.array(fc.nat(4), { maxLength: 4 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("reserve" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("retry" as const) }) },
);

/** A store and its model, which are asked the same. */
interface Pair {
  readonly store: Store;
  readonly model: Model;
  readonly newId: () => string;
  readonly submissions: string[];
  /** The group of each server, as its answers tell it. */
  readonly groups: (number | null)[];
  readonly running: { readonly task: NewTask; readonly server: number }[];
  now: number;
}

async function submit({ store, model, newId, submissions, now }: Pair, from: number, groups: readonly number[]) {
  const submitId = newId();
  submissions.push(submitId);
  const cwd = directories[from];
  if (cwd !== null && cwd !== undefined) {
    const row = { id: submitId, time: now, host: "h", user: "", cwd, template: null, version: "" };
    await store.addSubmission(row);
    model.addSubmission(row);
  }
  const tasks = groups.map((group) => makeTask({ id: newId(), submitId, group, submitTime: now }));
  await store.insert(tasks);
  model.insert(tasks);
}

/** What must agree: which of several failures is the example, and which of many are told, is left to the store. */
function comparable(answer: Claim): unknown {
  const sorted = <T extends { readonly submitId: string; readonly group: number }>(all: readonly T[], count: number) =>
    count > all.length ? null : all.toSorted((a, b) => a.group - b.group || (a.submitId < b.submitId ? -1 : 1));
  const told = (heldBack: HeldBack | null) =>
    heldBack === null
      ? null
      : {
          ...heldBack,
          waiting: sorted(heldBack.waiting, heldBack.submissions),
          setbacks: sorted(
            heldBack.setbacks.map((each) => ({ ...each, example: "" })),
            heldBack.reasons,
          ),
        };
  if (answer.kind === "claimed") return { ...answer, tasks: answer.tasks.map(({ id }) => id) };
  if (answer.kind === "advance" || answer.kind === "heldBack") return { ...answer, heldBack: told(answer.heldBack) };
  return answer;
}

async function claim(its: Pair, { server, limit, attempts, eager, own }: Extract<Action, { kind: "claim" }>) {
  const { store, model, submissions, groups, running } = its;
  const id = own === null ? undefined : submissions[own];
  const scope: Scope = id === undefined ? { kind: "all" } : { kind: "submission", id };
  const group = scope.kind === "all" ? groups[server]! : null;
  const asked = request({
    serverId: servers[server]!,
    scope,
    group,
    limit,
    retries: everyFailure(attempts),
    eager,
    at: its.now,
  });
  const wanted = model.claim(asked);
  const got = await store.claim(asked);
  expect(comparable(got)).toEqual(comparable(wanted));
  if (got.kind === "claimed") running.push(...got.tasks.map((task) => ({ task, server })));
  if (scope.kind === "submission") return;
  if (got.kind === "claimed") groups[server] = got.group;
  if (got.kind === "advance") groups[server] = got.to;
}

async function end({ store, model, newId, running, now }: Pair, how: readonly number[]) {
  for (const kind of how) {
    const run = running.shift();
    if (run === undefined) return;
    const { task, server } = run;
    const retry = kind === 2 ? { task: next(task, { id: newId(), submitTime: now }), claimed: false } : null;
    const completed = completion(task, { exitStatus: [0, 1, 1, -1, 0][kind]!, retry });
    const order = makeCommit({
      serverId: servers[server]!,
      at: now,
      completed: kind === 4 ? [] : [completed],
      reverted: kind === 4 ? [task.id] : [],
    });
    expect(await store.commit(order)).toEqual(model.commit(order));
  }
}

async function act(its: Pair, each: Action): Promise<void> {
  const { store, model, submissions } = its;
  its.now += 10;
  switch (each.kind) {
    case "submit":
      return submit(its, each.from, each.groups);
    case "claim":
      return claim(its, each);
    case "end":
      return end(its, each.how);
    case "reserve": {
      const id = submissions[each.which];
      if (id === undefined) return;
      if (model.servers.has(id)) {
        model.endServer(id);
        return store.endServer(id);
      }
      const row = makeServer(id, { reserves: true });
      model.addServer(row);
      await store.addServer(row);
      return;
    }
    case "retry": {
      const ids: string[] = [];
      const count = await store.retryFailures({ kind: "all" }, everyFailure(2), its.now, () => {
        ids.push(its.newId());
        return ids.at(-1)!;
      });
      expect(model.retryFailures({ kind: "all" }, everyFailure(2), its.now, () => ids.shift()!)).toBe(count);
    }
  }
}

/** Both stores do what the model does, whatever happens. */
async function compare(open: () => Store, actions: readonly Action[]): Promise<void> {
  const store = open();
  const model = newModel("01900000-0000-7000-9000-000000000001");
  const its: Pair = {
    store,
    model,
    newId: counter(),
    submissions: [],
    groups: [null, null],
    running: [],
    now: 1_700_000_000_000,
  };
  try {
    for (const each of actions) await act(its, each);
  } finally {
    await store.close();
  }
}

const histories = fc.array(action, { minLength: 5, maxLength: 60 });

/** What once went wrong: two tasks of one instant fail in another order than they came, and are tried again. */
const examples: [Action[]][] = [
  [
    [
      { kind: "submit", from: 0, groups: [1, 0, 1] },
      { kind: "claim", server: 0, limit: 1, attempts: 1, eager: false, own: null },
      { kind: "end", how: [1] },
      { kind: "claim", server: 0, limit: 1, attempts: 2, eager: false, own: 0 },
      { kind: "end", how: [1] },
      { kind: "submit", from: 0, groups: [0] },
      { kind: "retry" },
      { kind: "claim", server: 0, limit: 2, attempts: 1, eager: false, own: null },
    ],
  ],
];

describe("the next task is that of a model which looks at every row", () => {
  test("in memory", async () => {
    await fc.assert(
      fc.asyncProperty(histories, (actions) => compare(() => new MemoryStore(), actions)),
      { numRuns: 1000, examples },
    );
  }, 60_000);

  test("in SQLite", async () => {
    const folder = mkdtempSync(join(tmpdir(), "hs-groups-"));
    let files = 0;
    const open = (): Store =>
      openSqlite({ file: join(folder, `${++files}.db`), pragmas: { synchronous: "off" }, clock: systemClock });
    try {
      await fc.assert(
        fc.asyncProperty(histories, (actions) => compare(open, actions)),
        { numRuns: 200, examples },
      );
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
