/*
 * Files of captured output: empty ones are not kept, and `hs clean` removes those that nobody needs any more, but
 * nothing else.
 */
import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openSite, type Site, until } from "./harness.ts";
import { ask } from "./tables.ts";

const folderOf = (site: Site): string => join(site.path, "site", "lib", "task");
const filesOf = (site: Site): readonly string[] => readdirSync(folderOf(site)).toSorted();
const quiet = { HYPERSHELL_LOGGING_LEVEL: "warning" };

interface Row {
  readonly id: string;
  readonly args: string;
  readonly outpath: string | null;
  readonly errpath: string | null;
}
const rowsOf = (site: Site): Row[] => ask<Row>(site.database, "select id, args, outpath, errpath from task");

async function capture(site: Site, ...lines: readonly string[]): Promise<void> {
  await site.hsx(["--capture", "-N1"], { stdin: `${lines.join("\n")}\n` });
}

test("only what was printed is kept and recorded, and hs info prints nothing of what was empty", async () => {
  await using site = openSite();
  await capture(site, "echo out", "echo err >&2", "true", "echo both; echo both >&2; exit 3");
  const kept: string[] = [];
  for (const { id, args, outpath, errpath } of rowsOf(site)) {
    const expected = [/out|both/.test(args), /err|both/.test(args)];
    expect([args, outpath !== null, errpath !== null]).toEqual([args, ...expected] as [string, boolean, boolean]);
    if (outpath !== null) kept.push(`${id}.out`);
    if (errpath !== null) kept.push(`${id}.err`);
    for (const [at, option] of ["--stdout", "--stderr"].entries()) {
      const shown = await site.hs(["info", id, option], { env: quiet });
      expect([args, option, shown.status, `${shown.stdout}${shown.stderr}`.trim() !== ""]).toEqual([
        args,
        option,
        0,
        expected[at]!,
      ]);
    }
  }
  expect(filesOf(site)).toEqual(kept.toSorted());
  const silent = rowsOf(site).find(({ args }) => args === "true")!;
  expect((await site.hs(["info", silent.id, "--stdout"])).stderr).toContain(
    "printed nothing, or its client ran without",
  );
});

test("a file stays, though empty, while something that the task left may still write to it", async () => {
  await using site = openSite();
  await capture(site, "(until [ -e go ]; do sleep 0.05; done; echo late) & exit 0");
  const [row] = rowsOf(site);
  expect([row!.outpath !== null, filesOf(site).length]).toEqual([true, 2]);
  site.write("go", "");
  await until(async () => (await site.hs(["info", row!.id, "--stdout"])).stdout === "late\n", "what was printed late");
});

test("hs clean removes files of tasks that were deleted or rotated, and nothing else", async () => {
  await using site = openSite();
  await capture(site, "echo deleted", "echo rotated; echo rotated >&2");
  await site.hs(["update", "--delete", "-w", "args==echo deleted", "--yes"]);
  await site.hs(["initdb", "--rotate", "--yes"]);
  await capture(site, "echo stays");
  const [stays] = rowsOf(site);
  const gone = "0192aaaa-0000-7000-8000-00000000000";
  // What no client has made: other names, a folder, a link.
  const others = ["notes.txt", `${gone}1.out.bak`, `x${gone}2.out`];
  for (const name of others) writeFileSync(join(folderOf(site), name), "mine");
  mkdirSync(join(folderOf(site), `${gone}3.out`));
  symlinkSync(join(folderOf(site), "notes.txt"), join(folderOf(site), `${gone}4.out`));
  const left = [...others, `${gone}3.out`, `${gone}4.out`, `${stays!.id}.out`].toSorted();

  const what = "3 captured files of 2 tasks (24.0B)";
  const question = `Remove ${what} that are not in sqlite (${site.database}) from ${folderOf(site)}`;
  const asked = await site.hs(["clean"]);
  expect([asked.status, asked.stdout]).toEqual([5, `${question}? yes/[no]: \n`]);
  expect(asked.stderr).toContain("This asks a question and there is no terminal: repeat with --yes");
  expect((await site.hs(["clean"], { stdin: "no\n" })).status).toBe(0);
  expect(filesOf(site)).toHaveLength(left.length + 3);
  const done = await site.hs(["clean", "--yes"]);
  expect([done.status, done.stdout]).toEqual([0, ""]);
  expect(done.stderr).toContain("Removed 3 captured files of 2 tasks (24.0B)");
  expect(filesOf(site)).toEqual(left);
  const again = await site.hs(["clean", "--yes"]);
  expect([again.status, again.stderr.includes("There are no captured files to remove")]).toEqual([0, true]);
});

test("hs clean with a filter: of tasks that have ended, in partitions too", async () => {
  await using site = openSite();
  await capture(site, "echo a # HYPERSHELL: site:a", "echo b # HYPERSHELL: site:b");
  await site.hs(["initdb", "--rotate", "--yes"]);
  await capture(site, "echo c # HYPERSHELL: site:b", "echo d; exit 1 # HYPERSHELL: site:a");
  const { stderr } = await site.hs(["clean", "-t", "site:b", "-S", "-y"]);
  expect(stderr).toContain("Removed 2 captured files of 2 tasks (4.00B)");
  expect(filesOf(site)).toHaveLength(2);
  expect((await site.hs(["clean", "-F", "-y"])).stderr).toContain("Removed 1 captured file of 1 task (2.00B)");
  expect((await site.hs(["clean", "-w", "nothing"])).status).toBe(2);
});

test("hs clean leaves the files of what runs, with a database and without", async () => {
  await using site = openSite();
  for (const more of [[], ["--no-db"]]) {
    await using run = site.start(["hsx", "--capture", ...more], { keepOpen: true });
    run.type("echo here; touch running; until [ -e end ]; do sleep 0.05; done\n");
    await until(() => site.exists("running"), "the task");
    await site.hs(["initdb"]);
    const cleaned = [await site.hs(["clean", "--yes"]), await site.hs(["clean", "-w", "attempt==1", "--yes"])];
    expect(cleaned.map(({ status }) => status)).toEqual([0, 0]);
    expect(filesOf(site).some((name) => name.endsWith(".out"))).toBe(true);
    site.write("end", "");
    run.closeStdin();
    expect((await run.ended).status).toBe(0);
    await site.shell("rm end running");
    await site.hs(["clean", "-C", "--yes"]);
  }
});

test("a site without captured files, or without a database", async () => {
  await using site = openSite();
  await site.hsx([], { stdin: "true\n" });
  expect((await site.hs(["clean", "-y"])).stderr).toContain("There are no captured files to remove");
  await using other = openSite();
  expect((await other.hs(["clean", "-C"])).status).toBe(0);
  const nowhere = { HYPERSHELL_DATABASE_FILE: join(other.path, "no", "where.db") };
  expect((await other.hs(["clean", "-y"], { env: nowhere })).status).toBe(0);
  writeFileSync(join(folderOf(other), "0192aaaa-0000-7000-8000-000000000001.out"), "text");
  expect((await other.hs(["clean", "-y"], { env: nowhere })).status).toBe(3);
  // A database that is not there is not made: it would know none of the tasks whose files these are.
  const mistyped = { HYPERSHELL_DATABASE_FILE: join(other.path, "mistyped.db") };
  const refused = await other.hs(["clean", "-y"], { env: mistyped });
  expect([refused.status, refused.stderr.includes(`There is no database '${other.path}/mistyped.db'`)]).toEqual([
    3,
    true,
  ]);
  expect(filesOf(other)).toHaveLength(1);
  expect((await other.hs(["initdb"], { env: mistyped })).status).toBe(0);
  expect((await other.hs(["clean", "-y"], { env: mistyped })).status).toBe(0);
  expect(filesOf(other)).toHaveLength(0);
});
