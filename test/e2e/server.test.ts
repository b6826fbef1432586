/*
 * A server and its clients, each started by hand, as on a login node and its compute nodes. Names that begin with W and
 * a number are ways to use the program that users of HyperShell know; each number is one of them in all tests.
 */
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { linesOf, openSite, type Site, sorted, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

const uuid = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const debug = { HYPERSHELL_LOGGING_LEVEL: "debug" };

interface Row {
  readonly args: string;
  readonly exit_status: number | null;
  readonly client_id: string | null;
  readonly attempt: number;
}

const rows = (site: Site): readonly Row[] =>
  ask(site.database, "select args, exit_status, client_id, attempt from task order by rowid");

const finished = (site: Site): number => rows(site).filter((row) => row.exit_status !== null).length;

const echoes = (count: number): string => Array.from({ length: count }, (_, n) => `echo ${n + 1}\n`).join("");
const numbers = (count: number): readonly string[] => Array.from({ length: count }, (_, n) => `${n + 1}`);

test("a server runs its file on the clients that come, and all end when it is done", async () => {
  await using site = openSite();
  site.write("tasks.in", echoes(60).replaceAll("echo", "sleep 0.02; echo"));
  const { server, port } = await startServer(site, ["tasks.in"]);
  const clients = [startClient(site, port, ["-N2"]), startClient(site, port, ["-N2"])];
  const ends = await Promise.all(clients.map(({ ended }) => ended));
  const { status, stdout, stderr } = await server.ended;
  expect([status, stdout]).toEqual([0, ""]);
  expect(linesOf(stderr).filter((line) => !line.includes("core.tls"))).toEqual([
    `    INFO [hypershell.server] Server listening on localhost:${port}`,
  ]);
  expect(ends.map((end) => [end.status, end.stderr])).toEqual([
    [0, ""],
    [0, ""],
  ]);
  expect(sorted(ends.map((end) => end.stdout).join(""))).toEqual(numbers(60));
  expect(new Set(rows(site).map((row) => row.client_id)).size).toBe(2);
});

test("tasks come from standard input, and failures are printed once, when they are final", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--print", "-r1", "--no-tls"], {
    stdin: "true\nexit 3\necho once >> ran; test $(wc -l < ran) = 2\n",
  });
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  const { status, stdout, stderr } = await server.ended;
  expect([status, stdout]).toEqual([7, "exit 3\n"]);
  expect(linesOf(stderr).at(-1)).toMatch(
    /^ WARNING \[hypershell.server\] 1 of 3 tasks failed \(hs list -F -w submit_id==[-0-9a-f]{36} retried==false\)$/,
  );
  expect((await client.ended).status).toBe(0);
  expect(rows(site).map((row) => [row.args.slice(0, 6), row.attempt, row.exit_status])).toEqual([
    ["true", 1, 0],
    ["exit 3", 1, 3],
    ["echo o", 1, 1],
    ["exit 3", 2, 3],
    ["echo o", 2, 0],
  ]);
});

test("without a database failures are tried again too, and end up in the failure file", async () => {
  await using site = openSite();
  site.write("tasks.in", "exit 5\ntrue\necho once >> ran; test $(wc -l < ran) = 3\n");
  const words = ["tasks.in", "--no-db", "-f", "failed", "-r2", "--no-tls", "--no-confirm"];
  const { server, port } = await startServer(site, words);
  const client = startClient(site, port, ["--no-tls", "--no-confirm"]);
  expect((await server.ended).status).toBe(7);
  expect((await client.ended).status).toBe(0);
  expect(site.lines("failed")).toEqual(["exit 5"]);
  expect((await site.hs(["list", "--count"])).stdout).toBe("0\n");
});

test("with nothing to do a server ends without any client", async () => {
  await using site = openSite();
  site.write("empty.in", "\n# nothing\n");
  for (const words of [["empty.in"], ["empty.in", "--no-db"], ["-"], ["--restart"]]) {
    const { status, stdout } = await site.hs(["server", "-p", "0", ...words], { stdin: "", env: secured });
    expect([words, status, stdout]).toEqual([words, 0, ""]);
  }
});

test("--restart continues with what the database holds, and then ends", async () => {
  await using site = openSite();
  site.write("tasks.in", echoes(20));
  expect((await site.hs(["submit", "-f", "tasks.in"])).status).toBe(0);
  const { server, port } = await startServer(site, ["--restart", "--no-tls"]);
  await server.line(/Found 20 unfinished tasks/);
  const client = startClient(site, port, ["--no-tls", "-N4"]);
  expect((await server.ended).status).toBe(0);
  expect(sorted((await client.ended).stdout)).toEqual(numbers(20));
  const again = await site.hs(["server", "--restart", "-p", "0"], { env: secured });
  expect([again.status, again.stderr]).toEqual([
    0,
    expect.stringContaining("All previous tasks completed (20) - stopping"),
  ]);
});

test("W16 to W18: a server that runs forever, clients that come and leave, and one that is killed", async () => {
  await using site = openSite();
  const words = ["--forever", "-k", "mykey123", "--bind", "0.0.0.0", "--max-retries", "2"];
  const env = { ...debug, HYPERSHELL_SERVER_AUTH: undefined, HYPERSHELL_SERVER_GRACE: "1" };
  const { server, port } = await startServer(site, words, { env });
  for (const line of [
    /^ +DEBUG \[hypershell.server\] Started$/,
    /Started \(scheduler\)/,
    /Scheduler will run forever/,
    /Empty database - waiting for initial tasks/,
  ])
    await server.line(line);
  const mine = ["--host", "localhost", "-k", "mykey123", "--timeout", "60", "--capture"];
  const first = startClient(site, port, ["-N4", ...mine], { env: { HYPERSHELL_SERVER_AUTH: undefined } });
  await server.line(new RegExp(`Registered client \\(.*: ${uuid}\\)`));
  site.write("tasks.in", Array.from({ length: 8 }, (_, n) => `echo ${n} >> started; sleep 1\n`).join(""));
  expect((await site.hs(["submit", "-f", "tasks.in"])).status).toBe(0);
  await until(
    () => site.lines("started").length >= 4,
    () => server.stderr(),
  );
  first.kill("SIGKILL");
  const second = startClient(site, port, ["-N8", ...mine], { env: { HYPERSHELL_SERVER_AUTH: undefined } });
  await until(
    () => finished(site) === 8,
    () => server.stderr(),
  );
  expect(rows(site).map((row) => row.exit_status)).toEqual(Array(8).fill(0));
  server.kill("SIGINT");
  expect((await server.ended).status).toBe(4);
  expect((await second.ended).status).toBe(0);
  expect(server.stderr()).toContain("CRITICAL [hypershell] keyboard-interrupt: going down now!");
});

test("W17: a client leaves when it has been idle for long, not while it runs a long task", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  expect((await site.hs(["submit", "sleep 3"])).status).toBe(0);
  const client = startClient(site, port, ["-T1", "--no-tls"], { env: debug });
  const { status, stderr } = await client.ended;
  expect(status).toBe(0);
  expect(stderr).toMatch(/Completed task[\s\S]*Timeout reached \(/);
  expect(rows(site)[0]?.exit_status).toBe(0);
  server.kill("SIGTERM");
  expect((await server.ended).status).toBe(143);
});

test("W26: a pilot that is warned ends what it runs, and the rest runs elsewhere", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], {
    stdin: Array.from({ length: 6 }, (_, n) => `echo ${n} >> started; sleep 0.5; echo ${n} >> ended\n`).join(""),
  });
  site.write("job.sh", `exec hs client -N2 -T60 --no-tls -p ${port} --capture -k $(cat key) 2>>log\n`);
  site.write("key", secured.HYPERSHELL_SERVER_AUTH);
  const job = site.start(["sh", "job.sh"], { env: debug });
  await until(() => site.lines("started").length >= 2, "nothing started");
  job.kill("SIGUSR1");
  expect((await job.ended).status).toBe(0);
  expect(site.read("log")).toContain("WARNING [hypershell.client] SIGUSR1: draining, 2 tasks still run");
  expect(site.lines("ended").length).toBe(site.lines("started").length);
  const other = startClient(site, port, ["-N4", "--no-tls"]);
  expect((await server.ended).status).toBe(0);
  expect((await other.ended).status).toBe(0);
  expect([...site.lines("ended")].toSorted()).toEqual(["0", "1", "2", "3", "4", "5"]);
});

test("SIGUSR2 to a client stops its tasks, and their outcomes count; SIGTERM gives them back", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], {
    stdin: "echo >> a; test -e done || sleep 100\necho >> b; test -e done || sleep 100\n",
  });
  const first = startClient(site, port, ["--no-tls"]);
  await until(() => site.lines("a").length === 1, "nothing started");
  first.kill("SIGUSR2");
  expect((await first.ended).status).toBe(0);
  const second = startClient(site, port, ["--no-tls"]);
  await until(() => site.lines("b").length === 1, "nothing started");
  second.kill("SIGTERM");
  expect((await second.ended).status).toBe(143);
  site.write("done", "");
  const third = startClient(site, port, ["--no-tls"]);
  expect([(await server.ended).status, (await third.ended).status]).toEqual([7, 0]);
  expect(rows(site).map((row) => row.exit_status)).toEqual([130, 0]);
  expect([site.lines("a").length, site.lines("b").length]).toEqual([1, 2]);
  await site.deserted();
});

test("SIGUSR1 to a server lets what runs end, sends clients away, and leaves the rest in the database", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  site.write("tasks.in", "echo >> started; sleep 1\n".repeat(9));
  expect((await site.hs(["submit", "-f", "tasks.in"])).status).toBe(0);
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  await until(() => site.lines("started").length >= 2, "nothing started");
  server.kill("SIGUSR1");
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect(server.stderr()).toContain("WARNING [hypershell.server] SIGUSR1: draining, 2 tasks still run");
  const started = site.lines("started").length;
  expect(started).toBeLessThan(9);
  expect([finished(site), rows(site).every((row) => (row.exit_status ?? 0) === 0)]).toEqual([started, true]);
  await site.deserted();
});

test("a finite server that is drained says how much it leaves in the database", async () => {
  await using site = openSite();
  site.write("tasks.in", "echo >> started; sleep 1\n".repeat(5));
  const { server, port } = await startServer(site, ["--no-tls", "tasks.in"]);
  const client = startClient(site, port, ["-N2", "--no-tls"]);
  await until(() => site.lines("started").length >= 2, "nothing started");
  server.kill("SIGUSR1");
  expect([(await server.ended).status, (await client.ended).status]).toEqual([7, 0]);
  const left = 5 - finished(site);
  expect(left).toBeGreaterThan(0);
  expect(server.stderr()).toContain(
    `INFO [hypershell.server] ${left} tasks were not run - they are in the database (run them with --restart)`,
  );
});

test("SIGUSR2 and SIGINT to a server stop the tasks of its clients", async () => {
  for (const [signal, status, outcome] of [
    ["SIGUSR2", 7, 130],
    ["SIGINT", 4, null],
  ] as const) {
    await using site = openSite();
    const { server, port } = await startServer(site, ["-", "--no-tls"], { stdin: "echo >> a; sleep 100\n" });
    const client = startClient(site, port, ["--no-tls"]);
    await until(() => site.lines("a").length === 1, "nothing started");
    server.kill(signal);
    expect([signal, (await server.ended).status, (await client.ended).status]).toEqual([signal, status, 0]);
    expect(rows(site).map((row) => row.exit_status)).toEqual([outcome]);
    await site.deserted();
  }
});

test("Ctrl-C on a client gives its tasks back, and they run elsewhere", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], {
    stdin: "echo >> a; test -e done || sleep 100\n",
  });
  const first = startClient(site, port, ["--no-tls"]);
  await until(() => site.lines("a").length === 1, "nothing started");
  first.kill("SIGINT");
  expect((await first.ended).status).toBe(4);
  expect(first.stderr()).toContain("CRITICAL [hypershell] keyboard-interrupt: going down now!");
  site.write("done", "");
  const second = startClient(site, port, ["--no-tls"]);
  expect([(await server.ended).status, (await second.ended).status]).toEqual([0, 0]);
  expect(site.lines("a")).toHaveLength(2);
});

test("a client that comes before its server waits for it", async () => {
  await using site = openSite();
  const port = linesOf((await site.hs(["server", "--available-ports"])).stdout)[3]!;
  const client = startClient(site, port, ["--no-tls"]);
  await client.line(/^ WARNING \[hypershell.client\] Cannot reach server/);
  const server = site.start(["hs", "server", "-p", port, "--no-tls"], { stdin: "echo here\n", env: secured });
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect(client.stdout()).toBe("here\n");
  expect(client.stderr()).toMatch(new RegExp(`INFO \\[hypershell.client\\] Connected to server \\(.*: ${uuid}\\)\n`));
});

test("a stranger at a dead server's address ends no client, and the successor says for whom it waits", async () => {
  await using site = openSite();
  site.write("tasks.in", "while [ ! -e over ]; do sleep 0.05; done; echo kept\n");
  expect((await site.hs(["submit", "-f", "tasks.in"])).status).toBe(0);
  const { server, port } = await startServer(site, ["--forever"]);
  const client = startClient(site, port, []);
  await until(
    () => rows(site).some((row) => row.client_id !== null),
    () => server.stderr(),
  );
  server.kill("SIGKILL");
  await server.ended;
  // The right key, but a database that is not there yet, or a run of its own on the same one.
  site.write("more.in", "echo more\n");
  for (const [words, env, what] of [
    [["--forever"], { HYPERSHELL_DATABASE_FILE: "other.db" }, "another database"],
    [["more.in"], {}, "another run"],
  ] as const) {
    const other = site.start(["hs", "server", ...words, "-p", port], { env: { ...secured, ...env } });
    await client.line(new RegExp(`Keeping 1 task from the server there .*: it has ${what} \\(.*, not .*\\)`));
    expect(other.stderr()).toMatch(/A client that has 1 task of another (run|database) looks for its own server/);
    other.kill("SIGKILL");
    await other.ended;
  }
  const successor = site.start(["hs", "server", "--restart", "-p", port], { env: secured });
  await successor.line(/Waiting up to 30 s for 1 client of the previous server, which may still hold tasks/);
  await client.line(/Connected to server again/);
  site.write("over", "");
  expect([(await successor.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect(sorted(client.stdout())).toEqual(["kept", "more"]);
  expect(rows(site).map((row) => [row.exit_status, row.attempt])).toEqual([
    [0, 1],
    [0, 1],
  ]);
});

test("what a client has finished, but could not deliver before Ctrl-C, the next one delivers", async () => {
  await using site = openSite();
  site.write("t.in", "echo >> ran; while [ ! -e over ]; do sleep 0.05; done\n".repeat(2));
  expect((await site.hs(["submit", "-f", "t.in"])).status).toBe(0);
  const { server, port } = await startServer(site, ["--forever", "--no-tls"]);
  const client = startClient(site, port, ["--no-tls", "-N2"]);
  await until(() => site.lines("ran").length === 2, "nothing started");
  server.kill("SIGKILL");
  await client.line(/Cannot reach server/);
  site.write("over", "");
  await until(() => site.left().every((each) => !each.includes("sleep")), "the tasks run on");
  client.kill("SIGINT");
  expect((await client.ended).status).toBe(4);
  expect(client.stderr()).toMatch(/has not confirmed 2 tasks that ended here: .* are kept in .*lib\/outcomes\//);
  const again = await startServer(site, ["--restart", "--no-tls"]);
  const next = startClient(site, again.port, ["--no-tls"]);
  await next.line(/Delivered 2 tasks that an earlier client here had finished/);
  expect([(await again.server.ended).status, (await next.ended).status]).toEqual([0, 0]);
  expect([site.lines("ran").length, rows(site).map((row) => row.exit_status)]).toEqual([2, [0, 0]]);
});

test("a client says why it cannot reach its server, in one line, with status 5", async () => {
  await using site = openSite();
  const port = linesOf((await site.hs(["server", "--available-ports"])).stdout)[5]!;
  const env = { ...secured, HYPERSHELL_CLIENT_CONNECT: "0" };
  const refused = await site.hs(["client", "-p", port], { env });
  expect(refused.status).toBe(5);
  expect(linesOf(refused.stderr).at(-1)).toMatch(/^CRITICAL \[hypershell.client\] Connection refused/);
  const unknown = await site.hs(["client", "-H", "no-such-host.invalid"], { env });
  expect([unknown.status, linesOf(unknown.stderr).at(-1)]).toEqual([
    5,
    "CRITICAL [hypershell.client] Could not resolve host 'no-such-host.invalid'",
  ]);
});

test("server and clients meet on IPv6", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "-H", "::1"], { stdin: "echo six\n" });
  expect(server.stderr()).toContain(`Server listening on [::1]:${port}`);
  const client = startClient(site, port, ["-H", "::1"]);
  expect([(await server.ended).status, (await client.ended).status, client.stdout()]).toEqual([0, 0, "six\n"]);
});

test("settings of the configuration hold for server and client, and options win", async () => {
  await using site = openSite();
  const port = linesOf((await site.hs(["server", "--available-ports"])).stdout)[7]!;
  const env = { HYPERSHELL_SERVER_PORT: port, HYPERSHELL_SERVER_TLS_ENABLED: "false", HYPERSHELL_SERVER_ATTEMPTS: "2" };
  const server = site.start(["hs", "server", "-"], { stdin: "exit 1\n", env: { ...secured, ...env } });
  await server.line(new RegExp(`listening on .*:${port}$`));
  const client = site.start(["hs", "client", "-N1"], { env: { ...secured, ...env } });
  expect([(await server.ended).status, (await client.ended).status]).toEqual([7, 0]);
  expect(rows(site)).toHaveLength(2);
});

test("a client's template is for tasks without one, and its options say where output goes", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], { stdin: "1\n2\n" });
  const template = `echo "out {}" '$HOME'; echo err {} >&2`;
  const client = startClient(site, port, ["--no-tls", "-t", template, "-o", "out", "-e", "err"]);
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect([client.stdout(), client.stderr()]).not.toContain("out 1");
  expect([site.lines("out"), site.lines("err")]).toEqual([
    ["out 1 $HOME", "out 2 $HOME"],
    ["err 1", "err 2"],
  ]);
});

test("--capture gives each task files of its own on the host of its client", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], { stdin: "echo 1\necho 2\n" });
  const there = join(site.path, "there");
  const client = startClient(site, port, ["--no-tls", "--capture"], { env: { HYPERSHELL_SITE: there } });
  expect([(await server.ended).status, (await client.ended).status, client.stdout()]).toEqual([0, 0, ""]);
  const files = readdirSync(join(there, "lib", "task")).filter((name) => name.endsWith(".out"));
  expect(files).toHaveLength(2);
});

test("-N0 runs as many tasks at once as there are cores", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], { stdin: "true\n" });
  const client = startClient(site, port, ["--no-tls", "-N0"], { env: debug });
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  const cores = linesOf((await site.hs(["client", "--available-cores"])).stdout)[0];
  expect(Number(cores)).toBeGreaterThan(0);
  expect(Number(cores)).toBeLessThanOrEqual(cpus().length);
  expect(client.stderr()).toContain(`Started (${cores} executors)`);
});

test("a delayed client connects later, and can be stopped before", async () => {
  await using site = openSite();
  const client = startClient(site, "9", ["-d", "1000"], { env: debug });
  await client.line(/Waiting \(1000 seconds\)/);
  client.kill("SIGTERM");
  expect((await client.ended).status).toBe(143);
});

test("a server without a key of its own does not start", async () => {
  await using site = openSite();
  const bare = await site.hs(["server", "-p", "0", "--forever"]);
  expect([bare.status, linesOf(bare.stderr).length]).toEqual([2, 1]);
  expect(bare.stderr).toContain("Refusing to run server without authentication key");
});

test("a key can come over standard input", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["-", "--no-tls"], { stdin: "cat; echo done\n" });
  const client = site.start(["hs", "client", "-p", port, "--no-tls", "--auth-stdin"], { keepOpen: true });
  client.type(`${secured.HYPERSHELL_SERVER_AUTH}\nand more\n`);
  expect([(await server.ended).status, (await client.ended).status, client.stdout()]).toEqual([0, 0, "done\n"]);
  const none = await site.hs(["client", "--auth-stdin"]);
  expect([none.status, linesOf(none.stderr).length]).toEqual([5, 1]);
});

test("what shells complete options with is printed", async () => {
  await using site = openSite();
  const { status, stdout } = await site.hs(["server", "--available-ports"]);
  const ports = linesOf(stdout).map(Number);
  expect([status, ports.length]).toEqual([0, 10]);
  expect(ports.every((port, at) => port >= 50001 && (at === 0 || port > ports[at - 1]!))).toBe(true);
  site.write("c.toml", '[ssh.nodelist]\nxyz = ["a", "b"]\nabc = "c[1-3]"\n');
  const env = { HYPERSHELL_CONFIG_FILE: join(site.work, "c.toml") };
  expect((await site.hs(["client", "--available-ssh-groups"], { env })).stdout).toBe("xyz\nabc\n");
  expect((await site.hs(["client", "--available-ssh-groups"])).stdout).toBe("");
});

test("hs server and hs client without arguments show how they are called", async () => {
  await using site = openSite();
  for (const verb of ["server", "client"]) {
    const { status, stdout } = await site.hs([verb]);
    expect([status, stdout.startsWith("Usage:")]).toEqual([1, true]);
  }
});
