/*
 * Whoever reads the output of a run goes away, as `head -1` does, or a pager. Nothing more is started then, input that
 * may never end is not read on, the status is that of SIGPIPE, and no task counts as failed because nobody read it.
 */
import { expect, test } from "bun:test";
import { openSite, until } from "./harness.ts";
import { secured, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

/** How many tasks have ended with which status; null: those that have not. */
const statuses = (database: string) =>
  new Map(
    ask<{ status: number | null; n: number }>(
      database,
      "select exit_status status, count(*) n from task group by exit_status",
    ).map(({ status, n }) => [status, n]),
  );

test("a stream of tasks for `head -1`: the run ends with 141, and what waits is there for --restart", async () => {
  for (const [task, words] of [
    ["echo a", ""],
    ["echo a", "-N4"],
    ["echo a", "--forever"],
    // The program that dies is not the last of its task, so the task succeeds.
    ["/bin/echo a; true", "-N2"],
  ] as const) {
    await using site = openSite();
    const ended = await site.shell(`yes '${task}' | hsx ${words} | head -1; echo "\${PIPESTATUS[@]}"`);
    expect([task, words, ended.stdout]).toEqual([task, words, "a\n141 141 0\n"]);
    expect(ended.stderr).toContain("Nobody reads the output any more: nothing more is started, what runs may end");
    const found = statuses(site.database);
    expect(new Set(found.keys())).toEqual(new Set([0, null]));
    expect(found.get(null)).toBeGreaterThan(0);
  }
}, 60_000);

test("without a database the run ends too, and says what was not run", async () => {
  await using site = openSite();
  const ended = await site.shell(`yes 'echo a' | hsx --no-db | head -1; echo "\${PIPESTATUS[@]}"`);
  expect(ended.stdout).toBe("a\n141 141 0\n");
  expect(ended.stderr).toMatch(/Stopped reading <stdin> after \d+ lines - what follows is not run/);
  expect(ended.stderr).toMatch(/\d+ tasks were not run/);
  expect(ended.stderr).not.toContain("Non-zero exit status");
});

test("a file is stored to its end, what runs may end, and --restart does the rest", async () => {
  await using site = openSite();
  const first = "echo a; until [ -e gone ]; do sleep 0.01; done; touch done";
  site.write("in", `${first}\n${Array.from({ length: 20 }, (_, n) => `echo ${n}`).join("\n")}\n`);
  const line = `hsx in -N2 | { head -1 >/dev/null; exec <&-; touch gone; }; echo "\${PIPESTATUS[0]}"`;
  expect((await site.shell(line)).stdout).toBe("141\n");
  expect(site.exists("done")).toBe(true);
  const left = statuses(site.database);
  expect((left.get(0) ?? 0) + (left.get(null) ?? 0)).toBe(21);
  expect((await site.hsx(["--restart"])).status).toBe(0);
  expect(statuses(site.database)).toEqual(new Map([[0, 21]]));
});

test("a run that waits for work ends when its reader goes, and one whose tasks print elsewhere does not", async () => {
  await using site = openSite();
  expect((await site.shell(`hsx --forever | true; echo "\${PIPESTATUS[@]}"`)).stdout).toBe("141 0\n");
  const line = `seq 3 | hsx -t 'echo {}; sleep 0.2' -o out | true; echo "\${PIPESTATUS[@]}"; cat out`;
  expect((await site.shell(line)).stdout).toBe("0 0 0\n1\n2\n3\n");
  const captured = `seq 3 | hsx -t 'echo {}; sleep 0.2' --capture | true; echo "\${PIPESTATUS[@]}"`;
  expect((await site.shell(captured)).stdout).toBe("0 0 0\n");
});

test("tasks that write to a standard error that nobody reads", async () => {
  await using site = openSite();
  const line = `(yes 'echo a >&2' | hsx --no-db; echo "\${PIPESTATUS[@]}" >&3) 3>&1 2> >(head -1 >first)`;
  expect((await site.shell(line)).stdout).toBe("141 141\n");
  await until(() => site.exists("first") && site.read("first") === "a\n", "the first line on standard error");
});

test("a log that nobody reads for a while holds nothing up, and nothing of it is lost", async () => {
  await using site = openSite();
  site.write("t.in", "echo >>ran; exit 1\n".repeat(150));
  const env = { HYPERSHELL_LOGGING_LEVEL: "debug" };
  const line = "mkfifo p; exec 3<>p; hsx t.in -N2 2>p 3>&-; echo $? >status";
  await using run = site.start(["sh", "-c", line], { env });
  await until(() => site.lines("ran").length === 150, "all tasks have run");
  await using reader = site.start(["sh", "-c", "exec cat p"]);
  await run.ended;
  const { stdout } = await reader.ended;
  expect(site.read("status")).toBe("7\n");
  // More than a pipe holds.
  expect([stdout.length > 65_536, stdout.match(/Completed task/g)?.length]).toEqual([true, 300]);
});

test("a socket as standard output", async () => {
  await using site = openSite();
  using listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => socket.terminate() },
  });
  const line = `yes 'echo a' | hsx >/dev/tcp/127.0.0.1/${listener.port}; echo "\${PIPESTATUS[@]}"`;
  expect((await site.shell(line)).stdout).toBe("141 141\n");
  // The first that writes may hear of a connection that was reset, which is no SIGPIPE.
  expect(statuses(site.database).has(141)).toBe(false);
  expect(statuses(site.database).get(null)).toBeGreaterThan(0);
});

test("clients that a launcher brings up", async () => {
  await using site = openSite();
  for (const task of ["echo a", "/bin/echo a; true"]) {
    const run = `hsx --launcher='env A=b' -H 127.0.0.1`;
    const ended = await site.shell(`yes '${task}' | ${run} | head -1; echo "\${PIPESTATUS[@]}"`, { timeoutMs: 60_000 });
    expect([task, ended.stdout]).toEqual([task, "a\n141 141 0\n"]);
  }
  expect(new Set(statuses(site.database).keys())).toEqual(new Set([0, null]));
}, 90_000);

test("a client leaves with 141 when nobody reads its tasks, and another runs what it gave back", async () => {
  await using site = openSite();
  site.write("in", "echo a\n".repeat(50));
  const { server, port } = await startServer(site, ["in"], { env: { HYPERSHELL_LOGGING_LEVEL: "info" } });
  const env = secured;
  const left = await site.shell(`hs client -p ${port} | head -1; echo "\${PIPESTATUS[@]}"`, { env });
  expect(left.stdout).toBe("a\n141 0\n");
  expect((await site.hs(["client", "-p", port], { env })).status).toBe(0);
  expect((await server.ended).status).toBe(0);
  expect(statuses(site.database)).toEqual(new Map([[0, 50]]));
});

test("lists for `head -1` end in silence", async () => {
  await using site = openSite();
  await site.hsx([], { stdin: "true\n".repeat(3000) });
  const ended = await site.shell(`hs list id -f csv | head -1 | wc -l; echo "\${PIPESTATUS[0]}"`);
  expect(ended).toEqual({ status: 0, stdout: "1\n0\n", stderr: "" });
});
