/*
 * `--joblog`: the log of jobs that GNU Parallel writes, for scripts which read that. The real one is asked what it
 * writes for the same tasks.
 */
import { expect, test } from "bun:test";
import { needs, openSite, type Site } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

const header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand";

/** The rows of a job log, in the order of their numbers. */
function rowsOf(site: Site, path: string): readonly (readonly string[])[] {
  const [first, ...lines] = site.read(path).split("\n");
  expect([first, lines.pop()]).toEqual([header, ""]);
  const rows = lines.map((line) => line.split("\t"));
  return rows.toSorted((a, b) => Number(a[0]) - Number(b[0]));
}

const withoutTimes = (rows: ReturnType<typeof rowsOf>) => rows.map((row) => [...row.slice(0, 2), ...row.slice(4)]);

const commands = [
  "true",
  "exit 3",
  "kill -9 $$",
  "kill -TERM $$",
  "printf 'a\tb' >&2",
  "./nosuch",
  'sh -c "exit 200"',
  "echo 'ü \\' >&2; false",
  "sh -c 'kill -9 $$'; exit 0",
  "echo '\n' >&2\nexit 4",
];

const withParallel = needs(["parallel"]);

withParallel("the same tasks give the same table as with GNU Parallel, apart from the times", async () => {
  await using site = openSite();
  const stdin = commands.join("\0");
  // --ungroup: what jobs print goes through neither program, so that neither counts it.
  const theirs = await site.shell("parallel --will-cite -0 -u -j2 --joblog theirs.log 2>/dev/null", { stdin });
  expect(theirs.status).toBeGreaterThan(0);
  for (const [path, words] of [
    ["database.log", []],
    ["memory.log", ["--no-db"]],
  ] as const) {
    expect((await site.hsx(["-0", "-N2", "--joblog", path, ...words], { stdin })).status).toBe(7);
    expect(withoutTimes(rowsOf(site, path))).toEqual(withoutTimes(rowsOf(site, "theirs.log")));
    for (const [, , startedAt, runtime] of rowsOf(site, path)) {
      expect(startedAt).toMatch(/^\d{10}\.\d{3}$/);
      expect(runtime).toMatch(/^ {0,9}\d+\.\d{3}$/);
    }
  }
});

withParallel("scripts read it: awk by columns, and the real --retry-failed", async () => {
  await using site = openSite();
  await site.hsx(["-N2", "--joblog", "a.log", "-t", "test {} != 2 && touch made.{}", ":::", "1", "2", "3"]);
  const failed = await site.shell(`awk -F'\\t' 'NR > 1 && ($7 || $8) { print $1, $9 }' a.log`);
  expect(failed.stdout).toBe("2 test 2 != 2 && touch made.2\n");
  const sum = await site.shell(`awk 'NR > 1 { n += $4; if ($3 < 1e9) bad++ } END { print (n >= 0), bad + 0 }' a.log`);
  expect(sum.stdout).toBe("1 0\n");
  const again = await site.shell("parallel --will-cite --retry-failed --joblog a.log; echo $?");
  expect(again.stdout).toBe("1\n");
});

test("a line for each attempt and for what never ran, with the number of the task", async () => {
  await using site = openSite();
  const stdin = "exit 1\nsleep 30  # HYPERSHELL: timeout:1\ntrue  # HYPERSHELL: cores:99999\necho b {oops\n";
  await site.hsx(["-N3", "-r1", "--retry-on", "exit=1", "--joblog", "a.log"], { stdin });
  expect(rowsOf(site, "a.log").map((row) => [row[0], row[6], row[7], row[8]])).toEqual([
    ["1", "1", "0", "exit 1"],
    ["1", "1", "0", "exit 1"],
    ["2", "-1", "15", "sleep 30"],
    ["3", "-2", "0", "true"],
    ["4", "0", "0", "echo b {oops"],
  ]);
});

test("a server writes it, too, with the hosts of its clients; tasks of others are numbered as they end", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--joblog", "a.log", ":::", "true", "exit 5"]);
  const client = startClient(site, port, []);
  expect([(await server.ended).status, (await client.ended).status]).toEqual([7, 0]);
  const host = (await site.shell("hostname")).stdout.trim();
  expect(rowsOf(site, "a.log").map((row) => [row[0], row[1], row[6], row[8]])).toEqual([
    ["1", host, "0", "true"],
    ["2", host, "5", "exit 5"],
  ]);
  await site.shell("hs submit -- true; hs submit -- exit 6; hsx --restart --joblog +a.log");
  const rows = site.read("a.log").trimEnd().split("\n").slice(3);
  expect(rows.map((row) => row.replace(/\t.*\t/, " "))).toEqual(["1 true", "2 exit 6"]);
});

test("what is no job log stays; an old job log is written anew; - is standard output", async () => {
  await using site = openSite();
  site.write("precious", "data\n");
  const refused = await site.hsx(["--joblog", "precious", "-f", "failed", ":::", "true"]);
  expect([refused.status, refused.stderr]).toEqual([
    2,
    expect.stringContaining("--joblog: 'precious' has something else in it than a job log, and is left as it is"),
  ]);
  const nameless = await site.hsx(["--joblog", "", ":::", "true"]);
  expect([nameless.status, nameless.stderr]).toEqual([2, expect.stringContaining("--joblog: names no file")]);
  expect((await site.shell("cat precious; ls failed")).stdout).toBe("data\n");
  expect((await site.hsx(["tasks", "--joblog", "tasks"])).status).not.toBe(0);
  expect((await site.hsx(["-f", "same", "--joblog", "./same", ":::", "true"])).status).toBe(2);
  for (const word of ["a", "b"]) await site.hsx(["--joblog", "a.log", ":::", `: ${word}`]);
  expect(rowsOf(site, "a.log").map((row) => row[8])).toEqual([": b"]);
  const shown = await site.hsx(["--joblog", "-", ":::", "echo hi"]);
  expect(shown.stdout.replaceAll(/\t.*\t/g, " ")).toBe("Seq Command\nhi\n1 echo hi\n");
});

test.skipIf(process.platform !== "linux")("a full disk costs one line, and all tasks run", async () => {
  await using site = openSite();
  const ended = await site.hsx(["--joblog", "/dev/full", "-t", "touch made.{}", ":::", "1", "2", "3"]);
  expect(ended.status).toBe(0);
  expect(ended.stderr.split("\n").map((line) => line.replace(/^.*\] /, ""))).toEqual([
    "Cannot write the job log '/dev/full': no space left on device - the run goes on, outcomes are in the database " +
      "(hs list)",
    "The job log lacks 4 lines",
    "",
  ]);
  expect((await site.shell("ls made.*")).stdout).toBe("made.1\nmade.2\nmade.3\n");
});
