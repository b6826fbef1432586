/*
 * A server's whole day in a few calls, and the connection to PostgreSQL cut in each exchange of it in turn: the call is
 * made again, as the server does, and in the end the database holds what it holds after a day without trouble, and no
 * task was handed out twice.
 */
import { everyFailure } from "../../src/task/retries.ts";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { systemClock } from "../../src/base/clock.ts";
import { TransientError } from "../../src/base/errors.ts";
import { newId } from "../../src/base/ids.ts";
import { openPostgres, type PostgresConnection } from "../../src/store/postgres/connection.ts";
import { openPostgresStore } from "../../src/store/postgres/postgres.ts";
import { type PostgresTarget, postgresTarget } from "../../src/store/postgres/settings.ts";
import type { Claim, Recall, Store } from "../../src/store/store.ts";
import type { NewTask } from "../../src/task/task.ts";
import {
  completion,
  ids,
  makeCommit,
  makeServer,
  makeTasks,
  mine,
  next,
  other,
  request,
  serverId,
  t0,
} from "../conformance/store.ts";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { type Answers, type Cut, startAnswers } from "./answers.ts";

/**
 * A place for days: tables of its own, and a way to them that is cut. Most of a day is waiting, so several are lived
 * side by side.
 */
interface Lane {
  readonly open: () => ReturnType<typeof openPostgresStore>;
  readonly proxy: Answers;
  /** Past the proxy. */
  readonly direct: PostgresConnection;
}

let postgres: Postgres | null = null;
let lanes: readonly Lane[] = [];

beforeAll(async () => {
  if (noPostgres !== null) return;
  postgres = await startPostgres();
  const database = await postgres.create();
  lanes = await Promise.all(["a", "b", "c", "d"].map((name) => openLane(postgres!, database, name)));
}, 60_000);
afterAll(async () => {
  for (const { direct, proxy } of lanes) {
    await direct.close();
    await proxy[Symbol.asyncDispose]();
  }
  await postgres?.[Symbol.asyncDispose]();
});

async function openLane({ user, password, port }: Postgres, database: string, schema: string): Promise<Lane> {
  const proxy = startAnswers(port);
  const more = { clock: systemClock, echo: null };
  const targetAt = (way: number): PostgresTarget => {
    const parameters = { sslmode: "disable" };
    const settings = { url: null, database, host: "127.0.0.1", port: way, user, password, schema, parameters };
    return postgresTarget(settings, {}, "nobody");
  };
  await (await openPostgresStore({ ...more, target: targetAt(port), create: true })).close();
  return {
    open: () => openPostgresStore({ ...more, target: targetAt(proxy.port), create: false }),
    proxy,
    direct: await openPostgres({ ...more, target: targetAt(port) }),
  };
}

/** As a server does: what may pass is tried again. */
async function persist<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries++) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof TransientError) || tries === 10) throw error;
    }
  }
}

interface Day {
  readonly tasks: readonly NewTask[];
  readonly handed: readonly string[];
  readonly refused: readonly string[];
  readonly unfinished: number;
}

/** People change tasks past the proxy. */
async function day(store: Store, direct: PostgresConnection): Promise<Day> {
  const tasks = makeTasks(9);
  const ofOther = makeTasks(2, { group: 1 });
  const handed: string[] = [];
  const refused: string[] = [];
  let at = t0 + 10_000;
  const claim = async (limit: number, group: number | null = null): Promise<Claim> => {
    const answer = await persist(() => store.claim(request({ limit, group, at: ++at, retries: everyFailure(2) })));
    if (answer.kind === "claimed") handed.push(...ids(answer.tasks));
    return answer;
  };
  const commit = async (fields: Parameters<typeof makeCommit>[0]): Promise<void> => {
    const order = makeCommit({ ...fields, at: ++at });
    refused.push(...(await persist(() => store.commit(order))).refused);
  };
  const [a, b, c, d, e, f, g, h] = tasks as [NewTask, NewTask, NewTask, NewTask, NewTask, NewTask, NewTask, NewTask];

  await persist(() => store.addServer(makeServer(serverId)));
  await persist(() => store.addServer(makeServer(other)));
  await persist(() => store.insert([...tasks, ...ofOther]));
  await claim(8);
  const assigned = [a, b, c].map(({ id }) => ({ id, clientId: other, clientHost: "node07" }));
  await commit({ assigned });
  const [waits, held] = [next(a), next(b)];
  await commit({
    completed: [
      completion(a, { exitStatus: 1, retry: { task: waits, claimed: false } }),
      completion(b, { exitStatus: 2, retry: { task: held, claimed: true } }),
      completion(c),
    ],
    reverted: [d.id],
  });
  // A person takes two back: one whose outcome is under way, and one that nobody has begun.
  await direct.transaction(async (query) => {
    await query("insert into recall (server_id, task_id, kind) select $1::uuid, unnest($2::uuid[]), 'reverted'", [
      serverId,
      [e.id, f.id],
    ]);
    await query(
      "update task set server_id = null, server_host = null, schedule_time = null where id = any ($1::uuid[])",
      [[e.id, f.id]],
    );
  });
  expect(await claim(5)).toEqual({ kind: "recalled" });
  const recalls: readonly Recall[] = await persist(() => store.recalls(serverId));
  expect(ids(recalls)).toEqual([e.id, f.id]);
  const recalled = recalls.map(({ number }) => number);
  await commit({ completed: [completion(e), completion(g, { exitStatus: 3 })], recalled });
  // How many there were is for a line of the log, and is not known for certain after a loss.
  await persist(() => store.retryFailures(mine, everyFailure(2), ++at, newId));
  // What another server has held, its client brings along.
  await persist(() => store.claim(request({ serverId: other, limit: 2, at: ++at })));
  const adoption = {
    ids: [h.id, d.id],
    finished: [d.id],
    from: [serverId],
    scope: mine,
    serverId,
    serverHost: "login01",
    clientId: other,
    clientHost: "node07",
  };
  handed.push(...ids(await persist(() => store.adopt({ ...adoption, at: ++at }))));
  await persist(() => store.buryServer(other));
  for (let group: number | null = null; ;) {
    const answer = await claim(50, group);
    if (answer.kind === "advance") group = answer.to;
    else if (answer.kind !== "claimed") break;
    else await commit({ completed: answer.tasks.map((task) => completion(task)) });
  }
  await commit({ completed: [h, d, held].map((task) => completion(task)) });
  for (;;) {
    const answer = await claim(50, 1);
    if (answer.kind !== "claimed") break;
    await commit({ completed: answer.tasks.map((task) => completion(task)) });
  }
  const { unfinished } = await persist(() => store.survey(mine));
  return { tasks: [...tasks, ...ofOther], handed, refused, unfinished };
}

/** What is left of it, names of tasks in place of ids. */
async function evening(direct: PostgresConnection, { tasks, handed, refused, unfinished }: Day): Promise<unknown> {
  const names = new Map(tasks.map(({ id }, i) => [id, `task ${i}`]));
  const rows = await direct.query(
    `select task.id, task.attempt, before.id, task.next_id is not null, task.retried, task.server_id, task.client_id,
       task.exit_status, task.completion_time is not null
     from task left join task as before on before.id = task.previous_id
     where coalesce(before.id, task.id) = any ($1::uuid[]) order by task.attempt`,
    [ids(tasks)],
  );
  for (const [id, , before] of rows)
    if (before !== null) names.set(String(id), `after ${names.get(String(before)) ?? "nothing"}`);
  const name = (cell: unknown): string => names.get(String(cell)) ?? String(cell);
  const history = rows.map((row) => row.map(name).join(" ")).toSorted();
  const [left] = await direct.query("select count(*) from recall");
  return { history, left, handed: handed.map(name).toSorted(), refused: refused.map(name), unfinished };
}

interface Lived {
  readonly outcome: unknown;
  readonly wasCut: boolean;
}

async function live({ open, proxy, direct }: Lane, cut: Cut): Promise<Lived> {
  const store = await open();
  try {
    store.onInsert(() => undefined);
    proxy.cut(cut);
    const lived = await day(store, direct);
    const wasCut = proxy.wasCut();
    // What the day did not come to is not for the next one.
    proxy.cut({ ...cut, exchange: Infinity });
    return { outcome: await evening(direct, lived), wasCut };
  } finally {
    await store.close();
  }
}

const reason = noPostgres === null ? "" : ` (${noPostgres})`;
describe.skipIf(noPostgres !== null)(`each exchange with PostgreSQL is lost in turn${reason}`, () => {
  for (const what of ["question", "answer"] as const) {
    test(`the ${what}: the database holds the same, and nothing was handed out twice`, async () => {
      const { outcome: undisturbed } = await live(lanes[0]!, { exchange: Infinity, what });
      let exchange = 0;
      for (let allCut = true; allCut;) {
        const days = await Promise.all(lanes.map((lane, i) => live(lane, { exchange: exchange + 1 + i, what })));
        for (const { outcome, wasCut } of days) {
          expect({ exchange: ++exchange, outcome }).toEqual({ exchange, outcome: undisturbed });
          allCut &&= wasCut;
        }
      }
      expect(exchange).toBeGreaterThan(40);
    }, 120_000);
  }
});
