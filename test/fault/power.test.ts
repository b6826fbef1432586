/*
 * The power is cut: what a disk has at that moment is what a copy of the image of a file system has, while the system
 * still keeps the rest in memory. What was said to be stored, and what clients may forget, is in the copy.
 */
import { Database } from "bun:sqlite";
import { expect } from "bun:test";
import { copyFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { needs, openSite, type Site, until } from "../e2e/harness.ts";
import { secured, startServer } from "../e2e/serving.ts";

function run(...words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([...words]);
  if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr.toString()}`);
}

function attach(image: string, path: string): void {
  mkdirSync(path);
  run("mount", "-o", "loop", image, path);
}

interface Counts {
  readonly tasks: number;
  readonly ended: number;
}

/** A disk at `disk` of the place. */
function diskOf(site: Site) {
  const image = join(site.path, "image");
  const path = join(site.path, "disk");
  run("truncate", "-s", "12M", image);
  run("mkfs.ext4", "-q", "-F", image);
  attach(image, path);
  let cuts = 0;
  return {
    path,
    /** How many tasks the database of a site there would have, and how many have ended, were the power cut now. */
    cut(): Counts {
      const copy = join(site.path, `copy-${++cuts}`);
      copyFileSync(image, copy);
      attach(copy, `${copy}.disk`);
      try {
        using database = new Database(join(`${copy}.disk`, "site", "lib", "main.db"));
        return database.query<Counts, []>("select count(*) tasks, count(exit_status) ended from task").get()!;
      } finally {
        run("umount", `${copy}.disk`);
      }
    },
    [Symbol.dispose]: () => void Bun.spawnSync(["umount", "-l", path]),
  };
}

const canMount = Bun.spawnSync(["losetup", "-f"]).exitCode === 0 ? null : "there are no loop devices";
const reason = process.getuid?.() === 0 ? canMount : "only root can mount a disk";
const withDisk = needs(["mkfs.ext4", "losetup", "mount"], reason);

withDisk("what was submitted, and what clients may forget, survives a power cut beside a server", async () => {
  await using site = openSite();
  using disk = diskOf(site);
  const env = { ...secured, HYPERSHELL_SITE: join(disk.path, "site") };
  const { port } = await startServer(site, ["--forever"], { env });
  site.write("t.in", "true\n".repeat(300));
  expect((await site.hs(["submit", "t.in"], { env })).status).toBe(0);
  expect(disk.cut()).toEqual({ tasks: 300, ended: 0 });
  expect((await site.hs(["submit", "t.in", "-q", "-p", port], { env })).status).toBe(0);
  expect(disk.cut()).toEqual({ tasks: 600, ended: 0 });
  expect((await site.hs(["submit", "--", "true"], { env })).status).toBe(0);
  expect(disk.cut()).toEqual({ tasks: 601, ended: 0 });
  expect((await site.hs(["client", "-N4", "-T1", "-p", port], { env })).status).toBe(0);
  expect(disk.cut()).toEqual({ tasks: 601, ended: 601 });
});

withDisk("on one machine a power cut takes what ended in the last second, at most", async () => {
  await using site = openSite();
  using disk = diskOf(site);
  const env = { HYPERSHELL_SITE: join(disk.path, "site") };
  site.write("t.in", `${"true\n".repeat(20)}echo all; while [ ! -e go ]; do sleep 0.02; done\n`);
  await using hsx = site.start(["hsx", "t.in", "-N1"], { env });
  await hsx.line(/^all$/);
  let found: Counts = { tasks: 0, ended: 0 };
  await until(
    () => {
      try {
        found = disk.cut();
      } catch {
        // The tables are not there yet.
      }
      return found.ended === 20;
    },
    () => `all outcomes are on the disk, but it has ${JSON.stringify(found)}`,
    2500,
  );
  expect(found).toEqual({ tasks: 21, ended: 20 });
  site.write("go", "");
  expect((await hsx.ended).status).toBe(0);
});
