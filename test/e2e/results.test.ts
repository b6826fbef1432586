/*
 * `--results`: files with the output of each task, named as GNU Parallel names them. The real one is asked what it
 * makes for the same input.
 */
import { expect, test } from "bun:test";
import { needs, openSite, type Site } from "./harness.ts";
import { startClient, startServer } from "./serving.ts";

/** All files below a folder, each with what is in it. */
async function treeOf(site: Site, folder: string): Promise<readonly string[]> {
  const { stdout } = await site.shell(
    `cd '${folder}' && find . -type f -exec sh -c 'printf "%s: %s\\n" "$1" "$(cat "$1")"' . {} \\;`,
  );
  return stdout.split("\n").filter(Boolean).toSorted();
}

needs(["parallel"])("the same input gives the same files as with GNU Parallel", async () => {
  await using site = openSite();
  const words = `::: a 'b c' 'x/y' 'b\\c' 'ta\tb' ü '' a ::: 1 2`;
  await site.shell(
    `parallel --will-cite -j1 --results theirs 'printf %s {1}{2}; echo e{2} >&2' ${words} >/dev/null 2>&1
     parallel --will-cite -j1 --results 'named/my_{1}_{2}' echo {2} ::: p q ::: 1 >/dev/null
     printf 'echo l 1\\necho l 2\\n' | parallel --will-cite --results lines >/dev/null`,
  );
  const ours = await site.shell(
    `hsx --results ours -t 'printf %s {1Q}{2}; echo e{2} >&2' ${words} &&
     hsx --no-db --results 'named2/my_{1}_{2}' -t 'echo {2}' ::: p q ::: 1 &&
     printf 'echo l 1\\necho l 2\\n' | hsx --results lines2`,
  );
  expect(ours).toEqual({ status: 0, stdout: "", stderr: "" });
  for (const [theirs, own] of [
    ["theirs", "ours"],
    ["named", "named2"],
    ["lines", "lines2"],
  ] as const) {
    const tree = await treeOf(site, own);
    expect(tree.length).toBeGreaterThan(5);
    expect(tree).toEqual(await treeOf(site, theirs));
  }
});

test("output is found by hs info, a retry writes its own over that of the first, and empty files stay", async () => {
  await using site = openSite();
  const line = "echo try; test -e again || { touch again; echo no >&2; exit 3; }";
  expect((await site.hsx(["-r1", "--results", "out/{[0]}/", "-t", line, ":::", "v"])).status).toBe(0);
  expect(await treeOf(site, "out")).toEqual(["./v/seq: 1", "./v/stderr: ", "./v/stdout: try"]);
  const { stdout } = await site.shell('hs info "$(hs list id -l1 --desc)" --stdout; hs list errpath -l1 --desc');
  expect(stdout).toBe(`try\n${site.work}/out/v/stderr\n`);
  await site.shell("hs clean --yes");
  expect(site.exists("out/v/stdout")).toBe(true);
});

test("output is printed as well where a mode of printing is asked for, whole and in order", async () => {
  await using site = openSite();
  const words = ["-N2", "-k", "--results", "d", "--joblog", "jobs.log", "-t", "sleep 0.{}; echo {}", ":::", "2", "1"];
  expect(await site.hsx(words)).toEqual({ status: 0, stdout: "2\n1\n", stderr: "" });
  expect((await site.shell("cat d/1/1/seq d/1/1/stdout; cut -f1 jobs.log | tail -2")).stdout).toBe("21\n2\n1\n");
});

test("values that would lead out of the folder, or are too long, stay within", async () => {
  await using site = openSite();
  const long = "x".repeat(300);
  const ended = await site.hsx([
    "--results",
    "d",
    "-t",
    "printf %s {Q}",
    ":::",
    ".",
    "..",
    "n\nl",
    `${long}1`,
    `${long}2`,
  ]);
  expect(ended).toMatchObject({ status: 0, stderr: "" });
  const { stdout } = await site.shell("find . -name stdout -exec cat {} \\; | tr -d '\\n' | wc -c; ls");
  expect(stdout).toBe(`${1 + 2 + 2 + 602}\nd\n`);
  expect((await site.shell("ls -d d/1/* | wc -l")).stdout.trim()).toBe("6");
});

test("clients elsewhere make the same files, from the directory that they are in", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, [":::", "echo 1", "echo 2"]);
  const client = startClient(site, port, ["--results", "d"]);
  expect([(await server.ended).status, (await client.ended).status]).toEqual([0, 0]);
  expect(await treeOf(site, "d")).toEqual([
    "./1/echo 1/stderr: ",
    "./1/echo 1/stdout: 1",
    "./1/echo 2/stderr: ",
    "./1/echo 2/stdout: 2",
  ]);
});

test("what cannot be made costs one task, and what cannot be meant is refused before any runs", async () => {
  await using site = openSite();
  await site.shell("mkdir -p d/1; touch d/1/true file");
  const ended = await site.hsx(["--results", "d", ":::", "true", ":"]);
  expect(ended.status).toBe(7);
  expect(ended.stderr).toContain(`no files can be made for its results: '${site.work}/d/1/true': file already exists`);
  expect(site.exists("d/1/:/stdout")).toBe(true);
  for (const [words, status, text] of [
    [["--results", "x.csv"], 2, "no table is made"],
    [["--results", "o-{#}"], 2, "'{#}' is no pattern here"],
    [["--results", "o-{3}"], 2, "'{3}' is no pattern here"],
    [["--results", "d", "--capture"], 2, "not allowed with argument --capture"],
    [["--results", "file"], 5, "Cannot write files of tasks to folder"],
  ] as const) {
    const refused = await site.hsx([...words, ":::", "touch ran"]);
    expect([words, refused.status, refused.stderr]).toEqual([[...words], status, expect.stringContaining(text)]);
  }
  const dry = await site.hsx(["--dry-run", "--results", "dry", ":::", "touch ran"]);
  expect(dry.stderr).toContain(`# output: files for each task by its input: ${site.work}/dry\n`);
  expect([site.exists("ran"), site.exists("dry")]).toEqual([false, false]);
});
