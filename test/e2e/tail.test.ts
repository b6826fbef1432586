/* `hs tail`: what a task prints while it runs. Tasks wait for files here, so that nothing depends on their speed. */
import { expect, test } from "bun:test";
import { openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

/** The id of the task that was stored last, once there is one. */
async function lastId(site: Site, conditions = ""): Promise<string> {
  let id = "";
  const look = async (): Promise<boolean> => {
    id = (await site.shell(`hs list id -l1 --desc ${conditions}`)).stdout.trim();
    return id !== "";
  };
  await until(look, "there is no task");
  return id;
}

const waitFor = (path: string): string => `until test -e ${path}; do sleep 0.02; done`;

test("a running task is followed to its end, both outputs each on its own, and Ctrl-C leaves it running", async () => {
  await using site = openSite();
  const line = `seq 20; echo err >&2; ${waitFor("go")}; echo more; exit 3`;
  const run = site.start(["hsx", "--capture", ":::", line]);
  const id = await lastId(site);
  const tail = site.start(["hs", "tail", id, "-n2", "-r"]);
  const left = site.start(["hs", "tail", id.slice(0, 20), "--stdout"]);
  await Promise.all([tail.line(/^20$/), tail.line(/^err$/), left.line(/^20$/)]);
  left.kill("SIGINT");
  expect(await left.ended).toEqual({ status: 130, stdout: "11\n12\n13\n14\n15\n16\n17\n18\n19\n20\n", stderr: "" });
  site.write("go", "");
  expect(await tail.ended).toMatchObject({ status: 3, stdout: "19\n20\nmore\n", stderr: "err\n" });
  expect((await run.ended).status).toBe(7);
  // What was rotated out of the database is found, too.
  await site.shell("hs initdb --rotate --yes");
  const after = await site.hs(["tail", id, "-n", "+20", "--stdout"]);
  expect(after).toEqual({ status: 0, stdout: "20\nmore\n", stderr: "" });
  expect((await site.hs(["tail", id, "-c", "3", "--no-follow"])).stdout).toBe("re\n");
});

test("a task that waits is waited for, and the attempts after a failure are followed", async () => {
  await using site = openSite();
  await site.shell("hs submit -- 'echo attempt $TASK_ATTEMPT; test -e again || { touch again; exit 5; }'");
  const tail = site.start(["hs", "tail", await lastId(site), "-r"]);
  await tail.line(/Waiting for task .* to start/);
  await site.hsx(["--restart", "--capture", "-r1"]);
  const { status, stdout, stderr } = await tail.ended;
  expect([status, stdout]).toEqual([0, "attempt 1\nattempt 2\n"]);
  expect(stderr.match(/Waiting for task/g)).toHaveLength(1);
  expect(stderr).toMatch(/failed with status 5, the next attempt follows/);
});

test("what is not kept, not there, or no number is one line; a task of a client by itself is followed", async () => {
  await using site = openSite();
  await site.hsx([":::", "exit 0"]);
  const silent = await site.hs(["tail", await lastId(site)]);
  expect([silent.status, silent.stderr]).toEqual([0, expect.stringContaining("or its client ran without --capture")]);
  expect(await site.hs(["tail", "01234567"])).toMatchObject({ status: 5, stdout: "" });
  expect(await site.hs(["tail", "01234567", "-n", "x"])).toMatchObject({ status: 2 });
  expect(await site.hs(["tail", "01234567", "-p", "1", "-r"])).toMatchObject({ status: 2 });
  const run = site.start(["hsx", ":::", waitFor("go")]);
  const loud = await site.hs(["tail", await lastId(site, "-R")]);
  expect([loud.status, loud.stderr]).toEqual([5, expect.stringContaining("that runs without --capture")]);
  site.write("go", "");
  expect((await run.ended).status).toBe(0);
  const { server, port } = await startServer(site, [":::", `echo served; ${waitFor("on")}; echo on`]);
  const client = startClient(site, port, ["--capture"]);
  const id = await lastId(site, "-R");
  const tail = site.start(["hs", "tail", id]);
  await tail.line(/^served$/);
  // The server knows of tasks that run by the beginnings of their ids; it may end before its watcher has heard all.
  const watching = site.start(["hs", "tail", id.slice(0, 30), "-p", port], { env: secured });
  await watching.line(/^served$/);
  site.write("on", "");
  expect((await tail.ended).stdout).toBe("served\non\n");
  expect((await watching.ended).stdout).toStartWith("served\n");
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
});
