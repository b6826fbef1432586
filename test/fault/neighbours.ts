/*
 * Two servers on one database, each with four clients that know both, and what must be true of what they do together.
 * The database is a parameter: what a server needs in its environment to find it. Each task writes a line when it
 * starts: its id, its server's id, and the name of its client.
 */
import { statSync } from "node:fs";
import { join } from "node:path";
import { type Running, type Site, until } from "../e2e/harness.ts";
import { type Served, startClient, startServer } from "../e2e/serving.ts";
import { openSoundSite } from "./sound.ts";

export interface Pair extends AsyncDisposable {
  readonly site: Site;
  readonly tasks: number;
  readonly env: Readonly<Record<string, string>>;
  readonly servers: readonly [Running, Running];
  readonly clients: readonly Running[];
}

/** A task that has ended, as `hs list` has it. */
interface Row {
  readonly id: string;
  readonly serverId: string;
  readonly status: string;
}

const timeoutMs = 240_000;
const executors = 2;
/** Of each server: who belongs to the first is named `a0` to `a3`, to the second `b0` to `b3`. */
const clientsEach = 4;

/** Tasks of a millisecond; every fiftieth goes on for half a second after its line. */
export async function openPair(tasks: number, env: Readonly<Record<string, string>>): Promise<Pair> {
  const site = openSoundSite();
  const all = { HYPERSHELL_CLIENT_HEARTRATE: "1", HYPERSHELL_SERVER_GRACE: "8", ...env };
  const line = (n: number): string =>
    `: ${n}; echo $TASK_ID $TASK_SERVER_ID $NODE >> ran${n % 50 === 49 ? "; sleep 0.5" : ""}\n`;
  site.write("tasks.in", Array.from({ length: tasks }, (_, n) => line(n)).join(""));
  const submitted = await site.hs(["submit", "-f", "tasks.in", "--initdb"], { env: all, timeoutMs });
  if (submitted.status !== 0) throw new Error(`hs submit: ${submitted.stderr}`);
  const serve = (): Promise<Served> => startServer(site, ["--forever", "-H", "127.0.0.1"], { env: all, timeoutMs });
  const [first, second] = [await serve(), await serve()];
  const start = (own: Served, other: Served, name: string): Running =>
    startClient(site, own.port, ["-H", "127.0.0.1", "-H", `127.0.0.1:${other.port}`, "-N", String(executors)], {
      env: { ...all, NODE: name },
      timeoutMs,
    });
  const numbers = Array.from({ length: clientsEach }, (_, n) => n);
  const clients = [
    ...numbers.map((n) => start(first, second, `a${n}`)),
    ...numbers.map((n) => start(second, first, `b${n}`)),
  ];
  return {
    site,
    tasks,
    env: all,
    servers: [first.server, second.server],
    clients,
    [Symbol.asyncDispose]: () => site[Symbol.asyncDispose](),
  };
}

function said({ servers, clients }: Pair): string {
  return [...servers, ...clients].map((one, n) => `--- ${n}\n${one.stderr().slice(-1500)}`).join("\n");
}

/** Waits until this part of the tasks has started. */
export async function someOf(pair: Pair, part: number): Promise<void> {
  // Two ids and the name of a client, with what stands between them.
  const lineBytes = 36 + 1 + 36 + 1 + 2 + 1;
  const started = (): number =>
    (statSync(join(pair.site.work, "ran"), { throwIfNoEntry: false })?.size ?? 0) / lineBytes;
  const otherwise = (): string => `${started()} of ${pair.tasks} tasks have started\n${said(pair)}`;
  await until(() => started() >= pair.tasks * part, otherwise, timeoutMs);
}

export interface Verdict {
  /** Tasks with exactly one outcome, which is success. */
  readonly succeeded: number;
  /** Tasks that were started more than once. */
  readonly ranTwice: readonly string[];
  /** Part of the tasks that the first server has on record. */
  readonly share: number;
  readonly log: string;
}

/** Waits for the last outcome, ends everybody who is left, and tells how it was. */
export async function conclude(pair: Pair): Promise<Verdict> {
  const { site, env, tasks, clients, servers } = pair;
  const listed = async (...words: string[]): Promise<string> => {
    const { status, stdout, stderr } = await site.hs(["list", ...words], { env, timeoutMs });
    if (status !== 0) throw new Error(`hs list: ${stderr}`);
    return stdout;
  };
  await someOf(pair, 1);
  const startedAt = performance.now();
  for (let left = tasks; left > 0; left = Number(await listed("--count", "--remaining")))
    if (performance.now() - startedAt > timeoutMs) throw new Error(`${left} of ${tasks} tasks are left\n${said(pair)}`);
  for (const client of clients) client.kill("SIGTERM");
  await Promise.all(clients.map(({ ended }) => ended));
  for (const server of servers) server.kill("SIGTERM");
  await Promise.all(servers.map(({ ended }) => ended));

  const rows = (await listed("id", "server_id", "exit_status"))
    .split("\n")
    .filter((line) => line !== "")
    .map((line): Row => {
      const [id = "", serverId = "", status = ""] = line.split("\t");
      return { id, serverId, status };
    });
  const starts = new Map<string, number>();
  for (const line of site.lines("ran")) {
    const id = line.split(" ")[0]!;
    starts.set(id, (starts.get(id) ?? 0) + 1);
  }
  const byServer = Object.values(Object.groupBy(rows, ({ serverId }) => serverId)).map((some) => some?.length ?? 0);
  return {
    succeeded: new Set(rows.filter(({ status }) => status === "0").map(({ id }) => id)).size,
    ranTwice: [...starts].filter(([, count]) => count > 1).map(([id]) => id),
    share: (byServer[0] ?? 0) / tasks,
    log: said(pair),
  };
}
