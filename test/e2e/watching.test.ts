/*
 * Watching a compiled server over TCP and TLS, as `hs top` does: numbers that equal `hs list`, output from the client
 * that runs a task, and tasks that are cancelled and reverted.
 */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { UserError } from "../../src/base/errors.ts";
import { viewRemote } from "../../src/cluster/viewing/remote.ts";
import type { View, ViewSource } from "../../src/view/view.ts";
import { anyCertificate } from "../make.ts";
import { openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

const key: string = secured.HYPERSHELL_SERVER_AUTH;

function watch(port: string, { key: own = key, tls = true } = {}): Promise<ViewSource> {
  const security = { key: own, tls: tls ? anyCertificate : null };
  return viewRemote({ host: "127.0.0.1", port: Number(port), security, logger: "top" });
}

const everything = { most: 100, filter: "" };

/** Looks until what is seen fits. */
async function seen(source: ViewSource, fits: (view: View) => boolean): Promise<View> {
  let view = await source.look(everything);
  await until(
    async () => fits((view = await source.look(everything))),
    () => JSON.stringify(view),
  );
  return view;
}

async function listed(site: Site, ...words: string[]): Promise<number> {
  return Number((await site.hs(["list", "--count", ...words])).stdout);
}

async function reasonOf(asked: Promise<unknown>): Promise<string> {
  const error = await asked.then(
    () => new Error("no error"),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UserError);
  return (error as Error).message;
}

/** Prints a line, and goes on when the file is there. */
const printing = (site: Site): string => `echo begun; while [ ! -e ${join(site.path, "go")} ]; do sleep 0.05; done`;

test("with a database all numbers are those of hs list, and tasks are read, cancelled and reverted", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever"]);
  const source = await watch(port);
  await site.hs(["submit", site.write("in", `true\ntrue\nexit 3\n${printing(site)}; echo over\nsleep 600\n`)]);
  const client = startClient(site, port, ["-N4", "--capture"]);
  const view = await seen(source, ({ counts }) => counts.remaining === 2 && counts.running === 2);
  expect(view.clients.map(({ executors, running, ended, failed }) => [executors, running, ended, failed])).toEqual([
    [4, 2, 3, 1],
  ]);
  expect(view.failures.map(({ exitStatus, text }) => [exitStatus, text])).toEqual([[3, "exit 3"]]);
  expect(view.source).toEqual({ kind: "server", title: `127.0.0.1:${port}` });
  expect(view.storeLatency?.counts.some((count) => count > 0)).toBe(true);
  const id = view.running.find(({ text }) => text.startsWith("echo begun"))!.id;
  const sleeper = view.running.find(({ text }) => text === "sleep 600")!.id;
  const read = (from: number) => source.output({ id, stream: "stdout", from, most: 1000 });
  let piece = await read(0);
  while (piece.next === 0) piece = await read(0);
  expect(piece).toEqual({ text: "begun\n", next: 6, more: false, over: false });
  expect(await source.act("cancel", [sleeper])).toBe(1);
  site.write("../go", "");
  const rest = await seen(source, ({ counts }) => counts.remaining === 0 && counts.running === 0);
  expect(await read(6)).toEqual({ text: "over\n", next: 11, more: false, over: true });
  const { total, remaining, succeeded, failed, cancelled } = rest.counts;
  expect([total, remaining, succeeded, failed, cancelled]).toEqual([
    await listed(site),
    await listed(site, "-R"),
    await listed(site, "-S"),
    await listed(site, "-F"),
    1,
  ]);
  // What others change in the database counts, too.
  await site.hs(["update", "--delete", "--no-confirm", "-S"]);
  await seen(source, ({ counts }) => counts.total === 2 && counts.succeeded === 0);
  expect(await source.act("revert", [rest.failures[0]!.id])).toBe(1);
  await seen(source, ({ counts, durations }) => counts.failed === 2 && durations.counts.length > 0);
  await source.close();
  server.kill("SIGTERM");
  await Promise.all([server.ended, client.ended]);
}, 60_000);

test("without a database the client tells what a task prints, and what waits and runs is cancelled", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--no-db", "--no-tls", "--forever"]);
  const source = await watch(port, { tls: false });
  const env = { ...secured, HYPERSHELL_SITE: join(site.path, "elsewhere"), HYPERSHELL_DATABASE_FILE: "" };
  await site.hs(["submit", "--queue", "--no-tls", "-p", port], {
    env,
    stdin: `${printing(site)}\nsleep 600\nsleep 600\nfalse\n`,
  });
  const client = startClient(site, port, ["-N1", "--capture", "--no-tls"]);
  const view = await seen(source, ({ counts }) => counts.running === 1);
  const [{ id } = { id: "" }] = view.running;
  let piece = await source.output({ id, stream: "stdout", from: 0, most: 5 });
  while (piece.text === "") piece = await source.output({ id, stream: "stdout", from: 0, most: 5 });
  expect(piece).toEqual({ text: "begun", next: 5, more: true, over: false });
  site.write("../go", "");
  const next = await seen(source, ({ counts, running }) => counts.succeeded === 1 && running[0]?.text === "sleep 600");
  expect((await source.output({ id, stream: "stdout", from: 5, most: 5 })).over).toBe(true);
  expect(await source.act("cancel", [next.running[0]!.id])).toBe(1);
  const other = await seen(source, ({ running }) => running.length > 0 && running[0]!.id !== next.running[0]!.id);
  expect(await source.act("cancel", [other.running[0]!.id])).toBe(1);
  const { counts } = await seen(source, (found) => found.counts.remaining === 0);
  expect([counts.total, counts.succeeded, counts.failed, counts.cancelled]).toEqual([4, 1, 3, 2]);
  expect(await reasonOf(source.act("revert", [id]))).toContain("Without a database");
  expect(
    await reasonOf(source.output({ id: secured.HYPERSHELL_SERVER_AUTH, stream: "stdout", from: 0, most: 1 })),
  ).toContain("There is no task");
  server.kill("SIGTERM");
  await Promise.all([server.ended, client.ended]);
  expect(await reasonOf(source.look(everything))).toContain("disconnected");
  await source.close();
}, 60_000);

test("a watcher keeps no server from its end, and without the key it sees nothing", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, [site.write("in", "true\n")]);
  expect(await reasonOf(watch(port, { key: "another-key-that-is-long-enough-too" }))).toContain("key");
  const source = await watch(port);
  expect((await source.look(everything)).counts.remaining).toBe(1);
  const client = startClient(site, port, ["-N1"]);
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect(await reasonOf(source.look(everything))).toContain("disconnected");
  await source.close();
}, 60_000);

test("tasks whose client keeps no output have none to show", async () => {
  await using site = openSite();
  const { port } = await startServer(site, ["--forever"]);
  const source = await watch(port);
  await site.hs(["submit", "sleep 600"]);
  startClient(site, port, ["-N1"]);
  const { running } = await seen(source, ({ counts }) => counts.running === 1);
  const asked = source.output({ id: running[0]!.id, stream: "stdout", from: 0, most: 10 });
  expect(await reasonOf(asked)).toContain("without --capture");
  await source.close();
}, 60_000);
