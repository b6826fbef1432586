/*
 * Views of a server in this process. What runs and how fast is the server's own; tasks are counted in the store, where
 * others add and change them, too.
 */
import type { Clock } from "../../base/clock.ts";
import { runtimeError, TransientError } from "../../base/errors.ts";
import { parseId } from "../../base/ids.ts";
import { openOverview } from "../../history/open.ts";
import type { Overview } from "../../history/overview.ts";
import type { Server } from "../../server/door.ts";
import type { OwnStore, ServerRow } from "../../store/store.ts";
import { timeLeft } from "../../view/meters.ts";
import {
  type Counts,
  mostPiece,
  type OutputPiece,
  type OutputQuery,
  type View,
  type ViewAction,
  type ViewQuery,
  type ViewSource,
} from "../../view/view.ts";
import { type Counting, newCounting } from "./counting.ts";
import { actOnRows, type DatabaseViewing, failuresOf, outputOfRow, serverOf } from "./database.ts";
import { newOutputs } from "./output.ts";

/** What a view of a server takes. */
export interface ServerViewing {
  readonly server: Pick<Server, "watch" | "look" | "output">;
  /** The rows of servers, this one among them. */
  readonly servers: () => Promise<readonly ServerRow[]>;
  readonly isAlive: (server: ServerRow) => boolean;
  /** Where the tasks are: in a database, or in this process. */
  readonly tasks: DatabaseViewing | OwnStore;
  /** The server in a title, `login01:50001`. */
  readonly name: string;
  readonly clock: Clock;
}

/** Where tasks are counted and changed. */
interface Tasks {
  counts(): Promise<Omit<Counts, "running">>;
  waitingSince(): Promise<number | null>;
  /** The last failures of all tasks; null: only those are known that the server has seen. */
  failures: ((query: ViewQuery) => Promise<View["failures"]>) | null;
  act(action: ViewAction, ids: readonly string[]): Promise<number>;
  output: ViewSource["output"];
  close(): Promise<void>;
}

/**
 * Opens a source of views of a server in this process. Rates, durations and, without a database, failures begin with
 * this call. Throws UserError for a database that cannot be looked at.
 */
export async function viewServer(viewing: ServerViewing): Promise<ViewSource> {
  const { server, clock } = viewing;
  server.watch();
  const tasks = "settings" in viewing.tasks ? await tasksInDatabase(viewing.tasks) : tasksInMemory(viewing.tasks);
  return {
    look: (query) => look(viewing, tasks, query, clock.now()),
    output: (query) => outputOf(server, tasks, query),
    act: tasks.act,
    close: tasks.close,
  };
}

/** The client that has the task, or had it, tells what it has printed; else its file is looked for. */
async function outputOf(server: ServerViewing["server"], tasks: Tasks, asked: OutputQuery): Promise<OutputPiece> {
  const id = parseId(asked.id);
  if (id === null) throw runtimeError("task", `There is no task with id ${asked.id}`);
  const query = { ...asked, id, most: Math.max(1, Math.min(asked.most, mostPiece)) };
  return (await server.output(query)) ?? tasks.output(query);
}

async function look(viewing: ServerViewing, tasks: Tasks, query: ViewQuery, now: number): Promise<View> {
  const counted = await tasks.counts();
  const waitingSince = await tasks.waitingSince();
  const rows = await viewing.servers();
  const failures = await tasks.failures?.(query);
  const { runningCount, waitingSince: waitingHere, ...seen } = viewing.server.look(query);
  const counts: Counts = { ...counted, running: Math.min(runningCount, counted.remaining) };
  const { rate, duration } = seen;
  const since = Math.min(waitingSince ?? Number.POSITIVE_INFINITY, waitingHere ?? Number.POSITIVE_INFINITY);
  return {
    at: now,
    source: { kind: "server", title: viewing.name },
    counts,
    ...seen,
    failures: failures ?? seen.failures,
    secondsLeft: timeLeft({ ...counts, rate, duration }),
    servers: rows.map((row) => serverOf(row, viewing)),
    queueAge: since === Number.POSITIVE_INFINITY ? null : Math.max(0, (now - since) / 1000),
  };
}

async function tasksInDatabase({ settings, ports, clock }: DatabaseViewing): Promise<Tasks> {
  const overview = await openOverview(settings);
  const counting = newCounting(overview, clock);
  const outputs = newOutputs(ports);
  const calm = lastKnown(overview, counting);
  return {
    counts: calm.counts,
    waitingSince: calm.waitingSince,
    failures: calm.failures,
    act: (action, ids) => actOnRows(settings, action, ids, clock),
    output: (query) => outputOfRow(settings, outputs, query),
    async close() {
      outputs.close();
      await overview.close();
    },
  };
}

/** What the database tells, or while it is in trouble what it told last. */
function lastKnown(overview: Overview, counting: Counting): Pick<Tasks, "counts" | "waitingSince" | "failures"> {
  async function calmly<T>(ask: () => Promise<T>, last: T | null): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      if (last === null || !(error instanceof TransientError)) throw error;
      return last;
    }
  }
  const last: { counts: Omit<Counts, "running"> | null; failures: View["failures"] } = { counts: null, failures: [] };
  return {
    counts: async () => (last.counts = await calmly(async () => (await counting.now()).counts, last.counts)),
    waitingSince: async () => calmly<number | null>(overview.waitingSince, null).catch(() => null),
    failures: async (query) => (last.failures = await calmly(() => failuresOf(overview, query), last.failures)),
  };
}

function tasksInMemory(store: OwnStore): Tasks {
  return {
    async counts() {
      const { total, unfinished: remaining, succeeded, cancelled } = store.counts();
      return { total, remaining, succeeded, failed: total - remaining - succeeded, cancelled };
    },
    waitingSince: async () => store.waitingSince(),
    failures: null,
    async act(action, ids) {
      for (const id of ids) if (parseId(id) === null) throw runtimeError("task", `There is no task with id ${id}`);
      if (action === "revert") throw runtimeError("task", "Without a database a server forgets tasks that have ended");
      return store.cancel(ids);
    },
    async output({ id }) {
      throw runtimeError(
        "task",
        `No client that is connected has what task ${id} printed, and the server has no database`,
      );
    },
    close: async () => undefined,
  };
}
