/* The output of tasks as it is printed: whole lines, whole tasks, in order, from this host and from others. */
import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { openSite, sorted, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n + 1);
const lines = (texts: readonly unknown[]): string => texts.map((text) => `${String(text)}\n`).join("");

test("in order, hundreds of short tasks print what one after the other would, in shells that live", async () => {
  await using site = openSite();
  site.write("in", lines(numbers(800).map((n) => `echo ${n}${n % 3 === 0 ? "; echo x | tr x y" : ""}`)));
  const want = lines(numbers(800).flatMap((n) => (n % 3 === 0 ? [n, "y"] : [n])));
  for (const words of [["--no-db"], ["--no-db", "--shell", "/bin/bash"], []]) {
    const ended = await site.hsx(["in", "-N4", "-k", ...words]);
    expect([words, ended.status, ended.stdout === want]).toEqual([words, 0, true]);
  }
}, 60_000);

test("tasks that end out of order are printed whole or in order, each stream where it belongs", async () => {
  await using site = openSite();
  const first = "until [ -e last ]; do sleep 0.01; done; sleep 0.3; printf 'a\\na2'; echo ea >&2";
  site.write("in", `${first}\necho b; echo eb >&2\necho c; exit 3\necho d; touch last\n`);
  for (const [mode, out, err] of [
    ["ordered", "a\na2b\nc\nd\n", "ea\neb\n"],
    ["group", "b\nc\nd\na\na2", "eb\nea\n"],
  ] as const) {
    const ended = await site.hsx(["in", "-N2", "--no-db", "--output-mode", mode, "-o", "out", "-e", "err"]);
    expect([mode, site.read("out"), site.read("err"), ended.status]).toEqual([mode, out, err, 7]);
    rmSync(join(site.work, "last"));
  }
});

test("lines are whole, come while their task runs, and have their tag; the last one gets an end", async () => {
  await using site = openSite();
  site.write("in", "printf 'one '; echo line; until [ -e go ]; do sleep 0.01; done; printf end\n");
  await using run = site.start(["hsx", "in", "--output-mode", "line", "--no-db"]);
  await until(() => run.stdout() === "one line\n", "the first line");
  site.write("go", "");
  expect((await run.ended).stdout).toBe("one line\nend\n");
  const tagged = await site.hsx(["-N2", "--tag", "-k", "--no-db", "-t", "seq {}", ":::", "1", "2"]);
  expect(tagged.stdout).toBe("1\t1\n2\t1\n2\t2\n");
});

test("what is printed is captured, too, and a second attempt takes the place of the first in order only", async () => {
  await using site = openSite();
  site.write("in", "echo $TASK_ATTEMPT; [ $TASK_ATTEMPT = 2 ]\necho b\n");
  for (const [mode, out] of [
    ["ordered", ["2", "b"]],
    ["group", ["1", "2", "b"]],
    ["line", ["1", "2", "b"]],
  ] as const) {
    const ended = await site.hsx(["in", "-r1", "--capture", "--output-mode", mode]);
    expect([mode, sorted(ended.stdout)]).toEqual([mode, out]);
    if (mode === "ordered") expect(ended.stdout).toBe("2\nb\n");
  }
  const found = await site.shell("cat ../site/lib/task/*.out | sort | uniq -c | awk '{print $1, $2}'");
  expect(found.stdout).toBe("3 1\n3 2\n3 b\n");
});

test("a task that somebody cancels while it waits holds up nobody in order", async () => {
  await using site = openSite();
  site.write(
    "in",
    "echo a; touch began; until [ -e go ]; do sleep 0.01; done\necho b # HYPERSHELL: which:b\necho c; touch go\n",
  );
  await using run = site.start(["hsx", "in", "-k"]);
  await until(() => site.exists("began"), "the first task");
  const cancelled = await site.hs(["update", "--cancel", "-t", "which:b", "--no-confirm"]);
  expect(cancelled.status).toBe(0);
  site.write("go", "");
  expect((await run.ended).stdout).toBe("a\nc\n");
});

test("modes that are none, and words that contradict each other, are refused", async () => {
  await using site = openSite();
  for (const [words, text] of [
    [["--output-mode", "lines"], "invalid choice: 'lines' (choose from 'inherit', 'line', 'group', 'ordered')"],
    [["--output-mode", "line", "-k"], "argument --keep-order: not allowed with argument --output-mode=line"],
    [["--output-mode", "inherit", "--tag"], "argument --tag: not allowed with argument --output-mode=inherit"],
  ] as const) {
    const ended = await site.hsx([...words, "-"], { stdin: "true\n" });
    expect([ended.status, ended.stderr.includes(text)]).toEqual([2, true]);
  }
});

test("a run whose output could not be written has not done all, in every mode", async () => {
  await using site = openSite();
  for (const words of ["-k", "--output-mode group", "--output-mode line", "-k -o /dev/full"]) {
    const to = words.endsWith("full") ? "" : ">/dev/full";
    const { status, stderr } = await site.shell(`hsx --no-db ${words} -t 'echo {}' ::: a b ${to}`);
    expect([words, status, stderr.split("The output of tasks cannot be written to").length - 1]).toEqual([words, 7, 1]);
  }
});

test("a reader who goes away ends the run", async () => {
  await using site = openSite();
  const ended = await site.shell(`yes 'seq 1000' | hsx -N2 -k --no-db | head -1; echo "\${PIPESTATUS[@]}"`);
  expect(ended.stdout).toBe("1\n141 141 0\n");
  expect(ended.stderr).toContain("Nobody reads the output any more");
});

test("from two clients on other hosts, one of which is killed, in order and each once", async () => {
  await using site = openSite();
  const count = 600;
  site.write("in", lines(numbers(count).map((n) => `seq ${n} ${n + 2}`)));
  const env = { ...secured, HYPERSHELL_SERVER_GRACE: "1" };
  const { server, port } = await startServer(site, ["in", "--no-tls", "--keep-order"], { env });
  await using first = startClient(site, port, ["--no-tls", "-N2"], { env });
  await using second = startClient(site, port, ["--no-tls", "-N2"], { env });
  await until(() => server.stdout().length > 1000, "some output");
  first.kill("SIGKILL");
  const ended = await server.ended;
  const want = lines(numbers(count).flatMap((n) => [n, n + 1, n + 2]));
  expect([ended.status, ended.stdout === want]).toEqual([0, true]);
  await second.ended;
}, 60_000);

test("a client that keeps its output to itself is told of", async () => {
  await using site = openSite();
  site.write("in", "echo a\n");
  const { server, port } = await startServer(site, ["in", "--no-tls", "--output-mode", "group"], {
    env: secured,
  });
  await using client = startClient(site, port, ["--no-tls", "-o", "out"], { env: secured });
  const ended = await server.ended;
  expect([ended.stdout, ended.status, site.read("out")]).toEqual(["", 0, "a\n"]);
  expect(ended.stderr).toMatch(/What tasks print stays where client \S+ runs, on \S+: it writes to files of its own/);
  await client.ended;
});
