/*
 * Servers, clients and submitters of the library in one process, what it finds and changes in a database, and that a
 * process ends by itself when it has nothing else to do.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { cancel, connect, count, remove, revert, run, search, serve, submit, type Task, UserError } from "hypershell";
import { all, failureOf, newSite, processesWith } from "./surroundings.ts";

const key = "k".repeat(32);

test("tasks go from a submitter over a server to a client, are stopped, and run again", async () => {
  using place = newSite();
  const database = join(place.site, "tasks.db");
  const stored = { ...place, database };
  const word = `45.${process.pid}`;
  const ended: Task[] = [];
  let more = Promise.withResolvers<void>();
  const until = async (number: number): Promise<void> => {
    while (ended.length < number) await more.promise;
  };
  const onOutcome = (task: Task): void => {
    ended.push(task);
    more.resolve();
    more = Promise.withResolvers();
    // It is ignored.
    throw new Error("somebody who looks on");
  };
  {
    await using server = await serve({ ...stored, key, onOutcome });
    const { address } = server;
    await using client = await connect({ ...place, address, key, executors: 2, capture: true });
    const tasks = ["true", "exit 3", { args: `sleep ${word}`, tags: { slow: true } }];
    const sent = await submit(tasks, { ...place, server: { address, key }, tags: { site: "b", number: "7" } });
    expect(sent.count).toBe(3);
    await until(2);
    const where = `submit_id == ${sent.id}`;
    expect(await count({ ...stored, where })).toBe(3);
    expect(await count({ ...stored, where, status: "remaining" })).toBe(1);
    expect(await count({ ...stored, tags: { site: "b", number: 7, slow: true } })).toBe(1);
    expect(await count({ ...stored, tags: { number: "7" }, group: 0 })).toBe(3);
    expect(await cancel({ ...stored, where: [], tags: { slow: true } })).toBe(1);
    await until(3);
    expect(await revert({ ...stored, where: "exit_status == 3" })).toBe(1);
    await until(4);
    expect(ended.map(({ args, exitStatus }) => [args, exitStatus])).toEqual([
      ["true", 0],
      ["exit 3", 3],
      [`sleep ${word}`, -1],
      ["exit 3", 3],
    ]);
    expect(await failureOf(connect({ ...place, address, key: "x".repeat(32) }))).toBeInstanceOf(UserError);
    expect(await failureOf(serve({ ...place, key, port: server.port }))).toBeInstanceOf(UserError);
    await server.drain();
    // Its server sends it away.
    await client.done;
    expect(await server.done).toMatchObject({ succeeded: 1, failed: 2 });
  }
  expect(processesWith(`sleep ${word}`)).toEqual([]);
  const found = await all(search({ ...stored, orderBy: "exitStatus", descending: true, limit: 2 }));
  expect(found.map(({ exitStatus, tags }) => [exitStatus, tags])).toEqual([
    [3, { site: "b", number: 7 }],
    [0, { site: "b", number: 7 }],
  ]);
  expect(await remove({ ...stored, where: [] })).toBe(3);
  expect(await count(stored)).toBe(0);
});

test("a server with tasks of its own ends with them; stopped, it leaves them", async () => {
  using place = newSite();
  const options = { ...place, key, tls: false, database: join(place.site, "own.db") };
  const server = await serve({ ...options, tasks: ["true", { args: "exit 1" }] });
  await using client = await connect({ ...options, address: server.address });
  expect(await server.done).toEqual({ succeeded: 1, failed: 1, cancelled: 0, left: 0 });
  await client.done;
  const abortion = new AbortController();
  const stopped = await serve({ ...options, tasks: ["touch never"], signal: abortion.signal });
  while ((await count({ ...options, status: "remaining" })) === 0);
  abortion.abort(new Error("enough"));
  expect((await failureOf(stopped.done)).message).toBe("enough");
  expect(await count({ ...options, status: "remaining" })).toBe(1);
  // Another server takes what the database holds.
  const next = await serve({ ...options, restart: true });
  await using worker = await connect({ ...options, address: next.address, cwd: place.site });
  expect(await next.done).toMatchObject({ succeeded: 1, left: 0 });
  await worker.done;
});

test("what cannot be looked at or changed is refused", async () => {
  using place = newSite();
  const refused = async (promise: Promise<unknown>): Promise<string> => {
    const error = await failureOf(promise);
    expect(error).toBeInstanceOf(UserError);
    return error.message;
  };
  expect(await refused(all(search({ ...place, where: "nope == 1" })))).toMatch(/there is no field 'nope'/);
  expect(await refused(all(search({ ...place, orderBy: "nope" as never })))).toBe("orderBy: there is no 'nope'");
  expect(await refused(count({ ...place, status: "broken" as never }))).toMatch(/^status: must be one of failed/);
  expect(await refused(count({ ...place, tags: { "a b": 1 } }))).toMatch(/^tags: a key may only hold/);
  expect(await refused(cancel({ ...place } as never))).toBe("where: must be given; [] means every task");
  expect(await refused(count({ ...place, database: false }))).toMatch(/^database: must not be false/);
  expect(await refused(submit(["true"], { ...place, database: false }))).toMatch(/^database: must not be false/);
  expect(await refused(submit(["true"], { ...place, database: "a", server: {} }))).toMatch(/^server: not together/);
  expect(await refused(connect({ ...place, address: "a:0", key }))).toMatch(/^address: the port of 'a:0' must be/);
  expect(await refused(serve({ ...place, port: 70_000 }))).toMatch(/^port: must be a whole number from 0 to 65535/);
  expect(await refused(serve({ ...place, tasks: ["a"], restart: true }))).toBe("restart: not together with tasks");
  expect(await refused(serve({ ...place, restart: true }))).toMatch(/^restart: needs a database/);
  expect(await refused(submit(["true", ""], { ...place }))).toBe("task 2: the command is empty");
  // What came before it is stored.
  expect(await count(place)).toBe(1);
});

/** A program that leaves things in every way, and then has nothing else to do. */
const leaver = `
import { connect, run, serve, submit } from "hypershell";
const key = "k".repeat(32);
const ignore = () => undefined;
const server = await serve({ key, tls: false });
const { address } = server;
await connect({ address, tls: false, key: "wrong".repeat(8) }).catch(ignore);
await submit(["true"], { server: { address, tls: false, key: "wrong".repeat(8) } }).catch(ignore);
const client = await connect({ address, tls: false, key });
for await (const _ of run(["true", "sleep 60"])) break;
await run(["true"], { database: "left.db" }).next().then(({ value }) => console.log(value.args));
run(["touch never"]);
await connect({ address: "localhost:1", tls: false, key, signal: AbortSignal.timeout(50) }).catch(ignore);
await server.stop();
await client.done;
const since = performance.now();
process.on("exit", () => console.log(performance.now() - since < 10_000 ? "at once" : "late"));
`;

test("a program ends when nothing of the library is at work", async () => {
  using place = newSite();
  const path = join(import.meta.dir, "../../dist", `leaver-${process.pid}.ts`);
  // Within the checkout, the name of the package leads to its source.
  await Bun.write(path, leaver);
  try {
    const env = { ...process.env, HYPERSHELL_SITE: place.site };
    const child = Bun.spawn([process.execPath, path], { cwd: place.site, env, stdout: "pipe", stderr: "pipe" });
    const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    // The generator whose loop was not left goes with the process, and its run with it.
    expect([status, errors, out]).toEqual([0, "", "true\nat once\n"]);
    expect(existsSync(join(place.site, "never"))).toBe(false);
  } finally {
    await Bun.file(path).delete();
  }
});

test("a process that runs tasks answers others meanwhile", async () => {
  using place = newSite();
  using web = Bun.serve({ port: 0, fetch: () => new Response("here") });
  let answers = 0;
  let isOver = false;
  const asking = (async () => {
    while (!isOver) {
      if ((await (await fetch(web.url)).text()) === "here") answers++;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  })();
  const tasks = Array.from({ length: 200 }, (_, at) => `: ${at}`);
  expect((await all(run(tasks, { ...place, database: join(place.site, "busy.db"), executors: 2 }))).length).toBe(200);
  isOver = true;
  await asking;
  expect(answers).toBeGreaterThan(20);
});
