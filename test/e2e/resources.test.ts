/* What tasks need, how that is said, and which client of a server gets them; within one client: pool.test.ts. */
import { expect, test } from "bun:test";
import { openSite, type Site } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

/** The columns of all tasks, in order of submission. */
async function listed(site: Site, ...columns: string[]): Promise<readonly string[]> {
  const { stdout } = await site.hs(["list", ...columns, "--csv", "-s", "submit_time"]);
  return stdout.trimEnd().split(/\r?\n/).slice(1);
}

test("a line says what its task needs before an option does, and an option before the configuration", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_TASK_CORES: "1", HYPERSHELL_TASK_MEMORY: "1024" };
  const stdin = "true\ntrue # HYPERSHELL: cores:2 memory:2KB\ntrue # HYPERSHELL: cores:0 timeout:9\n";
  await site.hs(["submit", "-W", "5"], { stdin, env });
  await site.hs(["submit", "-c", "3", "-m", "3KB"], { stdin, env });
  await site.hs(["submit", "-c", "3", "-t", "cores:4"], { stdin, env });
  await site.hsx(["-c2", "-m", "4KB", "-N1"], { stdin: "true\n", env });
  const found = await listed(site, "cores", "memory", "timeout");
  expect(found.slice(0, 3)).toEqual(["1,1024,5", "2,2048,5", "null,1024,9"]);
  expect(found.slice(3, 6)).toEqual(["3,3072,null", "2,2048,null", "null,3072,9"]);
  expect(found.slice(6, 9)).toEqual(["4,1024,null", "2,2048,null", "null,1024,9"]);
  expect(found.slice(9)).toEqual(["2,4096,null"]);
});

test("what is no amount of a resource is refused with its place, if its name is known", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_TASK_RESOURCES: "license, tape" };
  const refused = async (words: readonly string[], stdin = "", more = env): Promise<string> => {
    const { status, stderr } = await site.hs(words, { stdin, env: more });
    expect(status).toBe(2);
    return stderr;
  };
  site.write("tasks.in", "true\ntrue # HYPERSHELL: gpus:many\ntrue # HYPERSHELL: license:-1\n");
  const told = await refused(["submit", "-f", "tasks.in"]);
  expect(told).toContain('tasks.in, line 2: bad tag "gpus:many": gpus is a whole number, 0 or more, or a part of one');
  expect(told).toContain('tasks.in, line 3: bad tag "license:-1": license is a resource, so it needs a number');
  expect(await refused(["submit", "-t", "gpus:1.5", "--", "true"])).toContain('bad tag "gpus:1.5"');
  expect(await refused(["submit", "-t", "tape", "--", "true"])).toContain('bad tag "tape": tape is a resource');
  expect(await refused(["update", "gpus:-1", "--no-confirm"])).toContain('bad tag "gpus:-1"');
  const bad = await site.hs(["submit", "--", "true"], { env: { HYPERSHELL_TASK_RESOURCES: "cores" } });
  expect([bad.status, bad.stderr]).toEqual([3, expect.stringContaining("task.resources names no resource: cores is")]);
  // Without the setting it is a tag like any other.
  expect((await site.hs(["submit", "-t", "license:yes", "gpus:0.50", "--", "true"])).status).toBe(0);
});

test("a run on one machine ends at once what can never run there", async () => {
  await using site = openSite();
  const stdin =
    "echo 1 # HYPERSHELL: cores:2\necho 2 # HYPERSHELL: cores:3\necho 3 # HYPERSHELL: license:1\n" +
    "echo 4 # HYPERSHELL: group:1\n";
  const { status, stdout, stderr } = await site.hsx(["-N2", "-C2", "-r1"], {
    stdin,
    env: { HYPERSHELL_TASK_RESOURCES: "license" },
  });
  expect([status, stdout]).toEqual([7, "1\n"]);
  const errors = stderr.split("\n").filter((line) => line.includes("Insufficient"));
  expect(errors).toHaveLength(4);
  expect(errors[0]).toMatch(
    /^ {3}ERROR \[hypershell.client\] Insufficient resources for task \([-0-9a-f]{36}\): cores: 2 < 3 \(cancelled\)$/,
  );
  expect(stderr).toContain("license: 0 < 1 (cancelled)");
  expect(await listed(site, "args", "exit_status")).toEqual(
    expect.arrayContaining(["echo 2,-3", "echo 3,-3", "echo 4,null"]),
  );
});

test("a server that runs forever keeps what is too large for a larger client, and runs the rest", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const small = startClient(site, port, ["-N4", "-C1", "--no-tls"]);
  await site.hs(["submit", "--", "echo large # HYPERSHELL: cores:2"]);
  await server.line(
    /WARNING .* Tasks wait for a client that is large enough: cores: 1 < 2 \([-0-9a-f]{36}\) - all others/,
  );
  await site.hs(["submit", "--", "echo huge # HYPERSHELL: cores:1000"]);
  await site.hs(["submit", "--", "echo small # HYPERSHELL: cores:1"]);
  // The server has the task before it, too.
  await small.line(/^small$/);
  const large = startClient(site, port, ["-N4", "-C2", "--no-tls"]);
  await large.line(/^large$/);
  server.kill("SIGUSR1");
  const { status, stderr } = await server.ended;
  expect(status).toBe(0);
  expect(stderr.match(/Tasks wait for/g)).toHaveLength(1);
  await Promise.all([small.ended, large.ended]);
  expect(await listed(site, "args", "exit_status")).toEqual(["echo large,0", "echo huge,null", "echo small,0"]);
});

test("a server that ends waits a while for a larger client, and tells how long", async () => {
  await using site = openSite();
  site.write("tasks.in", "true # HYPERSHELL: cores:2\ntrue\n");
  const env = { HYPERSHELL_SERVER_GRACE: "1" };
  const { server, port } = await startServer(site, ["tasks.in", "--no-tls"], { env });
  const client = startClient(site, port, ["-C1", "--no-tls"]);
  const { status, stderr } = await server.ended;
  expect(status).toBe(7);
  expect(stderr).toContain("Waiting up to 1 s for a client that is large enough: cores: 1 < 2 (");
  expect(stderr).toContain("cores: 1 < 2 (cancelled)");
  await client.ended;
  expect(await listed(site, "exit_status")).toEqual(["-3", "0"]);
});
