import { expect, test } from "bun:test";
import type { RecordQuery, Records, Selection } from "../../../src/history/history.ts";
import { type OpenPart, type PartOpener, unionRecords } from "../../../src/history/union.ts";
import type { TaskField } from "../../../src/task/field.ts";
import type { Tags } from "../../../src/task/task.ts";

type Value = string | number | boolean | null | Tags;
type Task = Partial<Record<TaskField, Value>> & { readonly id: string };

/** A history of these tasks, which come ordered if asked, and the limit obeyed; tells what it was asked. */
function historyOf(tasks: readonly Task[], asked: string[] = [], name = ""): Records {
  const chosen = ({ orderBy, descending, limit }: Selection): readonly Task[] => {
    asked.push(`${name} ${limit ?? "all"}`);
    const rank = (task: Task): Value => (orderBy === null ? 0 : (task[orderBy] ?? null));
    const order = (one: Value, other: Value): number =>
      one === other ? 0 : one === null ? -1 : other === null ? 1 : one < other ? -1 : 1;
    const all = tasks.toSorted((one, other) => (descending ? -1 : 1) * order(rank(one), rank(other)));
    return all.slice(0, limit ?? all.length);
  };
  return {
    async *search(query) {
      for (const task of chosen(query)) yield query.fields.map((field) => task[field] ?? null);
    },
    count: async (selection) => chosen(selection).length,
    find: async (id) => (tasks.find((task) => task.id === id) ?? null) as never,
    idsWith: async (prefix) => tasks.map(({ id }) => id).filter((id) => id.startsWith(prefix)),
    async *tagSets() {
      for (const { tag } of tasks) if (typeof tag === "object" && tag !== null) yield tag;
    },
  };
}

interface Parts {
  readonly list: readonly PartOpener[];
  /** Names of parts, in the order in which they were opened and closed: `+1 -1`. */
  readonly events: string[];
  readonly asked: string[];
}

function partsOf(...contents: readonly (readonly Task[] | null)[]): Parts {
  const events: string[] = [];
  const asked: string[] = [];
  const list = contents.map((tasks, i) => async (): Promise<OpenPart | null> => {
    if (tasks === null) return null;
    events.push(`+${i + 1}`);
    return {
      ...historyOf(tasks, asked, `part ${i + 1}:`),
      async close() {
        events.push(`-${i + 1}`);
      },
    };
  });
  return { list, events, asked };
}

const named = (...names: readonly string[]): Task[] => names.map((id) => ({ id }));

async function search(records: Records, query: Partial<RecordQuery> = {}): Promise<readonly Value[]> {
  const found: Value[] = [];
  const plain: RecordQuery = { fields: ["id"], where: [], orderBy: null, descending: false, limit: null };
  for await (const row of records.search({ ...plain, ...query }))
    found.push(row.length === 1 ? (row[0] as Value) : [...row].join());
  return found;
}

test("what is current comes first, then each part in turn, opened when it is reached and closed after", async () => {
  const parts = partsOf(named("c"), null, named("d", "e"));
  const union = unionRecords(historyOf(named("a", "b")), () => parts.list);
  expect(await search(union)).toEqual(["a", "b", "c", "d", "e"]);
  expect(parts.events).toEqual(["+1", "-1", "+3", "-3"]);
});

test("a limit holds for all together, and parts beyond it are not opened", async () => {
  for (const [limit, found, events] of [
    [0, [], []],
    [2, ["a", "b"], []],
    [3, ["a", "b", "c"], ["+1", "-1"]],
    [9, ["a", "b", "c", "d", "e"], ["+1", "-1", "+2", "-2"]],
  ] as const) {
    const parts = partsOf(named("c", "d"), named("e"));
    const union = unionRecords(historyOf(named("a", "b")), () => parts.list);
    expect(await search(union, { limit })).toEqual([...found]);
    expect(parts.events).toEqual([...events]);
    const selection = { where: [], orderBy: null, descending: false, limit };
    expect(await union.count(selection)).toBe(found.length);
  }
});

test("who stops reading leaves no part open", async () => {
  const parts = partsOf(named("b", "c"), named("d"));
  const union = unionRecords(historyOf(named("a")), () => parts.list);
  for (const orderBy of [null, "id"] as const) {
    parts.events.length = 0;
    for await (const [id] of union.search({ fields: ["id"], where: [], orderBy, descending: false, limit: null }))
      if (id === "b") break;
    expect(parts.events.filter((event) => event.startsWith("+")).length).toBe(parts.events.length / 2);
  }
});

const mixed: readonly (readonly Task[])[] = [
  [
    { id: "a", cores: 3 },
    { id: "b", cores: null },
  ],
  [
    { id: "c", cores: 3 },
    { id: "d", cores: 10 },
  ],
  [
    { id: "e", cores: null },
    { id: "f", cores: 2 },
  ],
];

test("an order holds across all: nulls first upwards and last downwards, equals as without an order", async () => {
  for (const limit of [null, 100, 3]) {
    const parts = partsOf(mixed[1]!, mixed[2]!);
    const union = unionRecords(historyOf(mixed[0]!), () => parts.list);
    const upwards = await search(union, { orderBy: "cores", limit });
    expect(upwards).toEqual(["b", "e", "f", "a", "c", "d"].slice(0, limit ?? 6));
    const downwards = await search(union, { orderBy: "cores", descending: true, limit });
    expect(downwards).toEqual(["d", "a", "c", "f", "b", "e"].slice(0, limit ?? 6));
    expect(parts.events.toSorted()).toEqual(["+1", "+1", "+2", "+2", "-1", "-1", "-2", "-2"]);
  }
});

test("the latest come first across all, also of those that were submitted at one time", async () => {
  const at = (id: string, time: number): Task => ({ id, submit_time: `2026-11-22 07:00:0${time}` });
  // A history has them in that order itself.
  const [main, one, other] = [[at("g", 5), at("d", 4), at("a", 1)], [at("f", 4), at("b", 2)], [at("e", 4)]];
  for (const limit of [null, 3]) {
    const union = unionRecords(historyOf(main), () => partsOf(one, other).list);
    const latest = await search(union, { orderBy: "submit_time", descending: true, limit });
    expect(latest).toEqual(["g", "f", "e", "d", "b", "a"].slice(0, limit ?? 6));
  }
});

test("what rows are ordered by is not shown unless asked for", async () => {
  const parts = partsOf(mixed[1]!);
  const union = unionRecords(historyOf(mixed[0]!), () => parts.list);
  expect(await search(union, { orderBy: "cores", fields: ["id", "cores", "id"], limit: 2 })).toEqual(["b,,b", "a,3,a"]);
});

test("with a small order no two parts are open at once", async () => {
  const parts = partsOf(mixed[1]!, mixed[2]!);
  await search(
    unionRecords(historyOf(mixed[0]!), () => parts.list),
    { orderBy: "cores", limit: 1 },
  );
  expect(parts.events).toEqual(["+1", "-1", "+2", "-2"]);
});

test("texts are ordered as databases order them, by code points; numbers come before texts", async () => {
  const [high, low] = ["\u{1f600}", "\ue000"];
  const parts = partsOf([{ id: low }], [{ id: "1", args: "x" }], [{ id: "2", args: 5 }]);
  const union = unionRecords(historyOf([{ id: high }]), () => parts.list);
  expect(await search(union, { orderBy: "id" })).toEqual(["1", "2", low, high]);
  expect((await search(union, { orderBy: "args" })).slice(2)).toEqual(["2", "1"]);
});

test("a task is looked for where it is current, and only then in parts, up to the one that has it", async () => {
  const parts = partsOf(named("b"), named("c"), named("d"));
  const union = unionRecords(historyOf(named("a")), () => parts.list);
  expect(await union.find("a")).toMatchObject({ id: "a" });
  expect(parts.events).toEqual([]);
  expect(await union.find("c")).toMatchObject({ id: "c" });
  expect(parts.events).toEqual(["+1", "-1", "+2", "-2"]);
  expect(await union.find("x")).toBeNull();
});

test("a part that was made while the search runs does not come into it", async () => {
  const parts = partsOf(named("b"), named("late"));
  let known = 1;
  const union = unionRecords(historyOf(named("a")), () => parts.list.slice(0, known));
  const found: unknown[] = [];
  for await (const [id] of union.search({ fields: ["id"], where: [], orderBy: null, descending: false, limit: null })) {
    known = 2;
    found.push(id);
  }
  expect(found).toEqual(["a", "b"]);
  expect(await union.find("late")).toMatchObject({ id: "late" });
});

test("tags of all parts are told", async () => {
  const parts = partsOf([{ id: "b", tag: { part: 1 } }]);
  const union = unionRecords(historyOf([{ id: "a", tag: { site: "b", part: 0 } }]), () => parts.list);
  const sets: Tags[] = [];
  for await (const tags of union.tagSets()) sets.push(tags);
  expect(sets).toEqual([{ site: "b", part: 0 }, { part: 1 }]);
});
