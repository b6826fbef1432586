import { afterAll, beforeAll, expect, test } from "bun:test";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { hostName } from "../../src/base/process.ts";
import { silentLog } from "../make.ts";
import { viewDatabase } from "../../src/cluster/viewing/database.ts";
import { viewServer } from "../../src/cluster/viewing/server.ts";
import { watch } from "../../src/cluster/viewing/remote.ts";
import type { ViewSource } from "../../src/view/view.ts";
import { needs } from "../e2e/harness.ts";
import { noPostgres } from "../systems/postgres.ts";
import { sessionPair } from "../unit/wire/ends.ts";
import { type HistoryRow, endedRow, heldRow, newRow, type OpenedHistory, uuid } from "./history.ts";
import { openSqliteHistory, type PostgresHistories, startPostgresHistories } from "./histories.ts";
import { stage, type Staged } from "./view-server.ts";
import { runningTexts, type Scene, viewConformance } from "./view.ts";

const [serverId, clientId] = [uuid(2_000_000), uuid(3_000_000)];

/** The rows of a scene, and of the server and the client that run it. */
async function fill(history: OpenedHistory): Promise<readonly HistoryRow[]> {
  const now = Date.now();
  const host = hostName();
  const ended = (fields: Partial<HistoryRow>) => endedRow({ command: null, outpath: null, errpath: null, ...fields });
  const runs = (text: string, startTime: number) =>
    heldRow({ args: text, client_host: host, start_time: startTime, schedule_time: now - 60_000 });
  const rows = [
    ...Array.from({ length: 3 }, () => ended({ exit_status: 0 })),
    ended({ exit_status: 3, completion_time: now - 5000 }),
    ended({ exit_status: 70, completion_time: now - 4000, attempt: 2 }),
    ended({ exit_status: -1, start_time: null, duration: null }),
    runs(runningTexts[0], now - 30_000),
    runs(runningTexts[1], now - 20_000),
    newRow({ group: 0, submit_time: now - 60_000 }),
    newRow({ group: 1, submit_time: now - 50_000 }),
  ];
  await history.add(rows);
  const server = "id, host, pid, reserves, started_at, beat_at";
  await history.run(
    `insert into server (${server}) values ('${serverId}', '${host}', ${process.pid}, true, ${now}, ${now})`,
  );
  const client = "id, host, server_id, server_host, evicted";
  await history.run(
    `insert into client (${client}) values ('${clientId}', '${host}', '${serverId}', 'server01', false)`,
  );
  return rows;
}

async function sceneOf(history: OpenedHistory): Promise<Scene> {
  const folder = mkdtempSync(join(tmpdir(), "hs-view-"));
  const ids = (await fill(history)).map(({ id }) => String(id)) as [string, ...string[]];
  const source = await viewDatabase({
    settings: history.settings,
    ports: {
      captureFolder: () => folder,
      host: hostName(),
      fetch: async () => ({ kind: "failed", reason: "there is no other host" }),
      log: silentLog,
      clock: systemClock,
    },
    clock: systemClock,
  });
  return {
    source,
    failed: [ids[3]!, ids[4]!],
    running: [ids[6]!, ids[7]!],
    waiting: [ids[8]!, ids[9]!],
    print: async (text) => appendFileSync(join(folder, `${ids[6]}.out`), text),
    canRevert: true,
    async [Symbol.asyncDispose]() {
      rmSync(folder, { recursive: true });
      await history[Symbol.asyncDispose]();
    },
  };
}

viewConformance("sqlite", async () => sceneOf(await openSqliteHistory()));

async function serverScene(
  database: boolean,
  open: (staged: Staged) => Promise<ViewSource> = ({ viewing }) => viewServer(viewing),
): Promise<Scene> {
  const staged = await stage(database);
  const { ids } = staged;
  return {
    source: await open(staged),
    failed: [ids[3]!, ids[4]!],
    running: [ids[6]!, ids[7]!],
    waiting: [ids[8]!, ids[9]!],
    print: staged.print,
    canRevert: database,
    [Symbol.asyncDispose]: () => staged[Symbol.asyncDispose](),
  };
}

viewConformance("a server with a database", () => serverScene(true));
viewConformance("a server without a database", () => serverScene(false));

/** A watcher on a real session, with frames over bytes in memory. */
async function watchOver({ server }: Staged): Promise<ViewSource> {
  const [near, far] = await sessionPair();
  server.attach(far);
  return watch(near, "there:50001", { logger: "top", clock: systemClock });
}

viewConformance("a server over the wire", () => serverScene(true, watchOver));
viewConformance("a server without a database over the wire", () => serverScene(false, watchOver));

let postgres: PostgresHistories | null = null;
beforeAll(async () => {
  if (noPostgres === null) postgres = await startPostgresHistories();
});
afterAll(() => postgres?.[Symbol.asyncDispose]());

if (noPostgres === null) viewConformance("postgresql", async () => sceneOf(await postgres!.open()));
else needs([], noPostgres)("views of PostgreSQL keep their promises", async () => undefined);

/** Counts of a view, and those of the same tasks when some were moved into a partition. */
async function countsOverRotation(history: OpenedHistory): Promise<void> {
  await using scene = await sceneOf(history);
  const query = { most: 1, filter: "" };
  const before = (await scene.source.look(query)).counts;
  await history.rotate();
  expect((await scene.source.look(query)).counts).toEqual(before);
  await scene.source.close();
}

test("view: sqlite > archived tasks count as before", async () => countsOverRotation(await openSqliteHistory()));
if (noPostgres === null)
  test("view: postgresql > archived tasks count as before", async () => countsOverRotation(await postgres!.open()));
