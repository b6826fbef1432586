/*
 * Input as people have it: names of files with any character, as items that end with NUL or as lines that are taken
 * exactly as they are. Nothing of a name is run, and nothing of it is lost.
 */
import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSite } from "./harness.ts";
import { ask } from "./tables.ts";

/** Names made of every ASCII character but NUL and slash, `count` of them, each different. */
function oddNames(count: number): readonly string[] {
  const codes = Array.from({ length: 127 }, (_, at) => at + 1).filter((code) => code !== 47);
  return Array.from({ length: count }, (_, at) => {
    const drawn = Array.from({ length: 6 }, (_each, place) => codes[(at * (place + 1) + place * 31) % codes.length]!);
    return `${String.fromCharCode(...drawn)}${at}`;
  });
}

test("find -print0 over a thousand odd names: each is read, nothing fails, and nothing else runs", async () => {
  await using site = openSite();
  const names = oddNames(1000);
  site.write("in/first", "first");
  names.forEach((name, at) => writeFileSync(join(site.work, "in", name), `${at}\n`));
  const line = "find in -type f ! -name first -print0 | hsx -0 -N4 -t 'cat {Q}' | sort -n | uniq | wc -l; ls | wc -l";
  const ended = await site.shell(`set -o pipefail; ${line}`, { timeoutMs: 60_000 });
  expect({ ...ended, stdout: ended.stdout.replace(/ /g, "") }).toEqual({ status: 0, stdout: "1000\n1\n", stderr: "" });
  const args = ask<{ args: string }>(site.database, "select args from task").map((row) => row.args);
  expect(args.toSorted()).toEqual(names.map((name) => `in/${name}`).toSorted());
}, 90_000);

test("--verbatim takes lines exactly as they are", async () => {
  await using site = openSite();
  const lines = ["run #3.csv", "#start.csv", "  edges  ", "# HYPERSHELL: site:b", "a # HYPERSHELL: group:1"];
  site.write("names", `${lines.join("\n")}\n\n`);
  const ended = await site.hsx(["names", "--verbatim", "-t", "printf '<%s>\\n' {Q}"]);
  expect(ended).toEqual({ status: 0, stdout: lines.map((line) => `<${line}>\n`).join(""), stderr: "" });
});

test("the failure file is separated as the input was, so that it can be input again", async () => {
  await using site = openSite();
  site.write("names", "a\nb\0 #c \0d");
  const first = await site.hsx(["names", "-0", "-t", "test {Q} = d", "-f", "failed"]);
  expect([first.status, site.read("failed")]).toEqual([7, "a\nb\0 #c \0"]);
  const again = await site.hsx(["failed", "--null", "-t", "printf '<%s>' {Q}"]);
  expect(again).toEqual({ status: 0, stdout: "<a\nb>< #c >", stderr: "" });
});

test("hs submit takes items as they are too, from a file, a pipe and the command line", async () => {
  await using site = openSite();
  site.write("names", "a\nb\0 #c \0");
  expect((await site.hs(["submit", "-0", "-f", "names", "--template", "echo {Q} # kept"])).status).toBe(0);
  expect((await site.hs(["submit", "--verbatim"], { stdin: " echo 1 # HYPERSHELL: site:b\n" })).status).toBe(0);
  expect((await site.hs(["submit", "--verbatim", " echo 2 #2"])).status).toBe(0);
  const args = ask<{ args: string }>(site.database, "select args from task order by submit_time").map(
    (row) => row.args,
  );
  const expanded = ["echo 'a\nb' # kept", "echo ' #c ' # kept"];
  expect(args).toEqual([...expanded, " echo 1 # HYPERSHELL: site:b", " echo 2 #2"]);
});

test("hs server takes items as they are too", async () => {
  await using site = openSite();
  site.write("names", "echo a\nb\0echo 2 #2\0");
  const key = "0123456789abcdef0123456789abcdef";
  const env = { HYPERSHELL_SERVER_AUTH: key, HYPERSHELL_LOGGING_LEVEL: "info" };
  await using server = site.start(["hs", "server", "names", "-0", "-p", "0"], { env });
  const port = /:(\d+)$/.exec(await server.line(/listening on .*:\d+$/))?.[1] ?? "";
  const client = await site.hs(["client", "-p", port], { env });
  expect([client.status, (await server.ended).status, client.stdout]).toEqual([0, 7, "a\n2\n"]);
  const args = ask<{ args: string }>(site.database, "select args from task order by submit_time").map(
    (row) => row.args,
  );
  expect(args).toEqual(["echo a\nb", "echo 2 #2"]);
});

test("tasks run by the shell that --shell or task.shell names", async () => {
  await using site = openSite();
  const line = "echo {1..3} && [[ a < b ]] && echo $0\n";
  expect(await site.hsx(["--shell", "/bin/bash"], { stdin: line })).toEqual({
    status: 0,
    stdout: "1 2 3\n/bin/bash\n",
    stderr: "",
  });
  const env = { HYPERSHELL_TASK_SHELL: "bash" };
  expect((await site.hsx([], { stdin: line, env })).stdout).toMatch(/^1 2 3\n\/.*\/bash\n$/);
  expect((await site.hsx(["-t", "{% echo {1..@} %}"], { stdin: "3\n", env })).status).toBe(7);
  const inner = await site.hsx(["-t", "echo {% echo {1..@} %}"], { stdin: "3\n", env });
  expect(inner).toEqual({ status: 0, stdout: "1 2 3\n", stderr: "" });
});

test("a shell that is not there ends the run before a task is stored, status 3", async () => {
  await using site = openSite();
  const ended = await site.hsx(["--shell", "/bin/none"], { stdin: "echo 1\n" });
  expect([ended.status, ended.stdout]).toEqual([3, ""]);
  expect(ended.stderr).toContain("the shell '/bin/none' does not exist or is not a program");
});

test("a task reads every tag in its shell, also one with a dash in its key", async () => {
  await using site = openSite();
  const stdin = "/bin/echo 1\n".repeat(20) + 'echo "$TASK_TAG_SAMPLE_ID" # HYPERSHELL: sample-id:s7\n';
  expect((await site.hsx([], { stdin })).stdout).toBe(`${"1\n".repeat(20)}s7\n`);
  const plain = await site.hsx([], { stdin: `${"/bin/true\n".repeat(20)}/usr/bin/env # HYPERSHELL: sample-id:s8\n` });
  expect(plain.stdout).toContain("TASK_TAG_SAMPLE_ID=s8\n");
});

test("a tag is stored, shown, searched and exported as it was written", async () => {
  await using site = openSite();
  const written = {
    a: "007",
    b: "1.10",
    c: "1_000",
    d: "123e45",
    e: "12345678901234567890",
    f: "1e3",
    g: "1.5",
    h: "7",
  };
  const words = Object.entries(written).map(([key, value]) => `${key}:${value}`);
  const names = Object.keys(written).map((key) => `$TASK_TAG_${key.toUpperCase()}`);
  site.write("t.in", `echo ${names.join(" ")}\n`);
  expect((await site.hs(["submit", "-f", "t.in", "-t", ...words])).status).toBe(0);
  expect((await site.hsx(["--restart"])).stdout).toBe(`${Object.values(written).join(" ")}\n`);
  const [row] = ask<{ tag: string }>(site.database, "select tag from task");
  expect(JSON.parse(row!.tag)).toEqual({ ...written, g: 1.5, h: 7, part: 0 });
  for (const word of words) expect((await site.hs(["list", "--count", "-t", word])).stdout).toBe("1\n");
  for (const word of ["a:7", "b:1.1", "b:1.100", "c:1000", "f:1000", "h:07"])
    expect((await site.hs(["list", "--count", "-t", word])).stdout).toBe("0\n");
});
