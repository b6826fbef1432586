/*
 * Input on the command line, after ":::", for every command that reads tasks: single words, all combinations, pairs.
 */
import { expect, test } from "bun:test";
import { linesOf, openSite, sorted } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

test("each word after ::: is a line, exactly as it is, and without a template a command", async () => {
  await using site = openSite();
  expect(await site.hsx(["-N1", "-t", "echo {}", ":::", "1", "2", "3"])).toEqual({
    status: 0,
    stdout: "1\n2\n3\n",
    stderr: "",
  });
  const commands = await site.hsx(["-N1", ":::", "echo a", "echo '#'  b # HYPERSHELL: site:b"]);
  expect(commands).toEqual({ status: 0, stdout: "a\n# b\n", stderr: "" });
  const odd = ["a b", "run #3.csv", "  edges ", "$(touch x);", "-N7", "--", "--help", "a\nb", ""];
  const names = await site.hsx(["-N1", "-t", "printf '<%s>' {Q}", ":::", ...odd]);
  expect(names).toEqual({
    status: 0,
    stdout: odd.map((word) => `<${word}>`).join(""),
    stderr: "",
  });
  expect(site.exists("x")).toBe(false);
});

test("several ::: give all combinations, :::+ gives pairs", async () => {
  await using site = openSite();
  const run = async (line: string) => linesOf((await site.shell(`hsx --no-db -N1 ${line}`)).stdout);
  expect(await run("-t 'echo {}' ::: a b ::: 1 2 3")).toEqual(["a 1", "a 2", "a 3", "b 1", "b 2", "b 3"]);
  expect(await run("-t 'echo {[1]}-{[0]}' ::: a b ::: 1 2")).toEqual(["1-a", "2-a", "1-b", "2-b"]);
  expect(await run("-t 'echo {}' ::: a b :::+ 1 2 ::: x y")).toEqual(["a 1 x", "a 1 y", "b 2 x", "b 2 y"]);
  expect(await run("::: echo ::: a b")).toEqual(["a", "b"]);
  expect(await site.hsx(["-N1", "-t", "echo {}", ":::", "a", "b", ":::+", "1"])).toEqual({
    status: 0,
    stdout: "a 1\n",
    stderr: " WARNING [hypershell.cluster] :::+ pairs 1 word with 2 words before it: 1 word left out\n",
  });
});

test("a word with blanks stays one word for a template, and is shown with its blanks", async () => {
  await using site = openSite();
  const template = "printf '<%s>' {[0]Q} {2Q} {Q} {[:]Q}; echo \" $TASK_ARGS {1}\"";
  const ended = await site.hsx(["-N1", "-t", template, ":::", "a  b", "c", ":::", "1 2"]);
  expect(ended.stdout).toBe("<a  b><1 2><a  b 1 2><a  b><1 2> a  b 1 2 a  b\n<c><1 2><c 1 2><c><1 2> c 1 2 c\n");
  expect((await site.hs(["list", "args", "--csv"])).stdout.replaceAll("\r", "")).toBe("args\na  b 1 2\nc 1 2\n");
  expect((await site.hs(["list", "args", "-w", "args == a  b 1 2"])).stdout).toContain("a  b 1 2");
  expect((await site.hs(["list", "-c", "-w", "args ~ ^a  b 1"])).stdout).toBe("1\n");
  const single = await site.hsx(["-N1", "-t", "printf '<%s>' {[0]}", ":::", "a b"]);
  expect(single.stdout).toBe("<a><b>");
  const quoted = await site.hsx(["-N1", "-t", "printf '<%s>' {[0]Q}", ":::", "a b"]);
  expect(quoted.stdout).toBe("<a b>");
});

test("numbers in braces that name no word are text", async () => {
  await using site = openSite();
  const ended = await site.hsx(["-N1", "-t", "echo x{3} \\{1} {1}", ":::", "a", ":::", "b"]);
  expect(ended).toEqual({ status: 0, stdout: "x{3} {1} a\n", stderr: "" });
});

test("the lines of failures can be input again, with their words", async () => {
  await using site = openSite();
  const first = await site.hsx(["-f", "failed", "-t", "test {[0]Q} != 'a b'", ":::", "a b", "c", ":::", "1", "2 3"]);
  expect(first.status).toBe(7);
  expect(first.stderr).toContain("): a b 2 3\n");
  const again = await site.hsx(["failed", "-N1", "-t", "echo {[0]Q},{[1]Q}"]);
  expect(again).toEqual({ status: 0, stdout: "a b,1\na b,2 3\n", stderr: "" });
});

test("an empty word is a word for a template, and what GNU Parallel has of a single word is refused", async () => {
  await using site = openSite();
  const ended = await site.hsx(["-N1", "-t", "printf '[%s]' {Q}", ":::", "a", "", "b"]);
  expect(ended).toEqual({ status: 0, stdout: "[a][][b]", stderr: "" });
  expect((await site.hs(["list", "--count"])).stdout).toBe("3\n");
  for (const pattern of ["{1/}", "{1//}", "{2.}", "{ 1/.Q }"]) {
    const wrong = await site.hsx(["-t", `echo ${pattern}`, ":::", "/x/a.b", ":::", "c"]);
    expect([wrong.status, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toContain(`argument -t/--template: '${pattern}' is no pattern`);
  }
  const text = await site.hsx(["-N1", "-t", "echo \\{1/} {3/} {= os.path.basename(x.split()[0]) =}", ":::", "/x/a.b"]);
  expect(text.stdout).toBe("{1/} {3/} a.b\n");
});

test("no words are no tasks", async () => {
  await using site = openSite();
  const nothing = { status: 0, stdout: "", stderr: "" };
  expect(await site.hsx([":::"])).toEqual(nothing);
  expect(await site.hsx(["-t", "echo {}", ":::", "a", ":::"])).toEqual(nothing);
  expect(await site.hsx([":::", ""])).toEqual(nothing);
  const submitted = await site.hs(["submit", ":::"]);
  expect([submitted.status, linesOf(submitted.stderr).at(-1)]).toEqual([
    0,
    "    INFO [hypershell.submit] Submitted 0 tasks",
  ]);
});

test("words are the only input, and what is wrong with them ends with 2 before anything runs", async () => {
  await using site = openSite();
  site.write("tasks.in", "echo 1\n");
  const wrong = [
    ["hsx", "tasks.in", ":::", "a"],
    ["hsx", "-", ":::", "a"],
    ["hsx", "echo {}", ":::", "a"],
    ["hsx", "--restart", ":::", "a"],
    ["hsx", ":::+", "a"],
    ["hsx", "::::", "tasks.in"],
    ["hs", "submit", "-f", "tasks.in", ":::", "a"],
    ["hs", "submit", "echo", ":::", "a"],
    ["hs", "server", "tasks.in", ":::", "a"],
    ["hs", "server", "--forever", ":::", "a"],
  ] as const;
  for (const [program, ...words] of wrong) {
    const { status, stdout, stderr } = await site[program](words, { stdin: "echo 2\n" });
    expect([words, status, stdout]).toEqual([words, 2, ""]);
    expect(stderr).toContain(":::");
  }
  expect(site.exists("../site/lib/main.db")).toBe(false);
});

test("hs submit takes words too, into the database and to a server", async () => {
  await using site = openSite();
  const words = ["--template", "echo {2Q} {1}", ":::", "a", ":::", "b  c", "d"];
  expect((await site.hs(["submit", "-t", "site:b", ...words])).status).toBe(0);
  expect((await site.hs(["submit", ":::", "echo e # f"])).status).toBe(0);
  expect(
    ask<{ args: string }>(site.database, "select args from task order by submit_time").map((row) => row.args),
  ).toEqual(["echo 'b  c' a", "echo d a", "echo e # f"]);
  const { server, port } = await startServer(site, ["--no-db", "--forever"]);
  const sent = await site.hs(["submit", "--queue", "-p", port, ...words], { env: secured });
  expect(sent.status).toBe(0);
  const client = startClient(site, port, ["-N1"]);
  await client.line(/^d a$/);
  server.kill("SIGUSR1");
  expect(linesOf((await client.ended).stdout)).toEqual(["b  c a", "d a"]);
  await server.ended;
});

test("hs server hands words to its clients, whose template asks for them", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, [":::", "a  b", "c", ":::", "1"]);
  const client = startClient(site, port, ["-N1", "-t", "printf '%s,%s\\n' {[1]Q} {[0]Q}"]);
  expect(linesOf((await client.ended).stdout)).toEqual(["1,a  b", "1,c"]);
  expect((await server.ended).status).toBe(0);
});

test("words reach clients of a launcher", async () => {
  await using site = openSite();
  const ended = await site.hsx(["--launcher=env", "-N1", "-t", "echo {2}{1}", ":::", "a", "b", ":::", "1"]);
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["1a", "1b"]]);
});

test("a million combinations are made while they run", async () => {
  await using site = openSite();
  const many = Array.from({ length: 1000 }, (_, at) => `${at}`);
  const run = site.start(["hsx", "--no-db", "-N2", "-t", "echo {}", ":::", ...many, ":::", ...many, ":::", ...many]);
  await run.line(/^0 0 9$/);
  run.kill("SIGINT");
  expect((await run.ended).status).toBe(4);
  await site.deserted();
});

test("tags in a template of hsx are told of, because they mean nothing", async () => {
  await using site = openSite();
  const words = ["--no-db", "-t", "echo {} # HYPERSHELL: cores:99"];
  const { status, stdout, stderr } = await site.hsx(words, { stdin: "1\n" });
  expect([status, stdout]).toEqual([0, "1\n"]);
  expect(stderr).toContain("Tags in a template do nothing ('# HYPERSHELL: cores:99')");
});
