/* Stand-ins for what list and info work on: rows from an array, and outputs that remember. */
import type { ShownValue } from "../../../src/task/task.ts";
import type { Output } from "../../../src/print/output.ts";
import { isTags } from "../../../src/print/value.ts";
import type { RecordQuery, Records, Selection } from "../../../src/history/history.ts";
import type { ServerRow } from "../../../src/store/store.ts";
import type { TaskField } from "../../../src/task/field.ts";

export type Task = Readonly<Record<TaskField, ShownValue>>;

export interface FakeRecords extends Records {
  /** Servers that are on record. */
  readonly servers: () => Promise<readonly ServerRow[]>;
  readonly queries: (Selection & Partial<RecordQuery>)[];
  readonly isClosed: () => boolean;
  close(): Promise<void>;
}

/** Hands out the tasks in their order and obeys the limit; remembers what it was asked. */
export function fakeRecords(tasks: readonly Task[], servers: readonly ServerRow[] = []): FakeRecords {
  const queries: (Selection & Partial<RecordQuery>)[] = [];
  let closed = false;
  const chosen = (query: Selection): readonly Task[] => {
    queries.push(query);
    return tasks.slice(0, query.limit ?? tasks.length);
  };
  return {
    queries,
    servers: () => Promise.resolve(servers),
    isClosed: () => closed,
    async *search(query) {
      for (const task of chosen(query)) yield query.fields.map((field) => task[field]);
    },
    count: (query) => Promise.resolve(chosen(query).length),
    async *tagSets() {
      for (const { tag } of tasks) if (isTags(tag)) yield tag;
    },
    idsWith: async (prefix) =>
      tasks.flatMap(({ id }) => (String(id).startsWith(prefix) ? [String(id)] : [])).slice(0, 2),
    find: (id) => Promise.resolve(tasks.find((task) => task.id === id) ?? null),
    close: () => {
      closed = true;
      return Promise.resolve();
    },
  };
}

export interface Collected extends Output {
  readonly text: () => string;
  readonly bytes: () => Buffer;
}

export function collected(isTerminal = false): Collected {
  const chunks: Buffer[] = [];
  const bytes = (): Buffer => Buffer.concat(chunks);
  return {
    write: (data) => void chunks.push(typeof data === "string" ? Buffer.from(data) : Buffer.from(data)),
    text: () => bytes().toString(),
    bytes,
    isTerminal,
    coloured: isTerminal,
    columns: 80,
  };
}
