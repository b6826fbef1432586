/*
 * A process is killed (kill -9) while it writes to the database: whatever the store had acknowledged is there, and
 * nothing is half-done.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { openSqlite } from "../../src/store/sqlite/sqlite.ts";
import { claimed, request } from "../conformance/store.ts";
import { expectSound } from "./sound.ts";

/**
 * Lines of the writer after which it is killed: early in the life of the log, and after it was folded back a few times.
 */
const scenes = [
  { pragmas: {}, rounds: [1, 2, 3, 50, 200, 1200] },
  // Each transaction waits for the disk.
  { pragmas: { journal_mode: "delete" }, rounds: [1, 2, 60] },
];

async function killAfter(lines: number, file: string, pragmas: object): Promise<Map<string, string[]>> {
  const writer = Bun.spawn([process.execPath, join(import.meta.dir, "writer.ts"), file, JSON.stringify(pragmas)], {
    stdout: "pipe",
    stderr: "inherit",
  });
  let text = "";
  let killed = false;
  for await (const chunk of writer.stdout.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (killed || text.split("\n").length <= lines) continue;
    killed = true;
    writer.kill("SIGKILL");
  }
  await writer.exited;
  expect(writer.signalCode).toBe("SIGKILL");
  const said = new Map<string, string[]>([
    ["inserted", []],
    ["claimed", []],
    ["completed", []],
  ]);
  // The last line may be torn.
  for (const line of text.split("\n").slice(0, -1)) {
    const [what, ...ids] = line.split(" ");
    said.get(what!)!.push(...ids);
  }
  return said;
}

for (const { pragmas, rounds } of scenes) {
  for (const lines of rounds) {
    test(`what was acknowledged survives a kill after ${lines} lines, with ${JSON.stringify(pragmas)}`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "hs-kill-"));
      try {
        const file = join(folder, "main.db");
        const said = await killAfter(lines, file, pragmas);

        const store = openSqlite({ file, pragmas, clock: systemClock });
        const db = new Database(file);
        const has = db.query("select completion_time is not null from task where id = ?");
        for (const id of said.get("inserted")!) expect(has.values(id)).toHaveLength(1);
        for (const id of said.get("completed")!) expect(has.values(id)).toEqual([[1]]);
        const count = (sql: string): unknown => db.query(`select count(*) from task ${sql}`).values()[0]![0];
        // Whole batches.
        expect(Number(count("where attempt = 1")) % 40).toBe(0);
        // The writer claims as a server that has no row, and submits without telling who it is.
        await expectSound(file, ["lostServer", "noSubmission"]);

        // What was held at the end is held by nobody now, and all that is unfinished can be had.
        await store.revertOrphans();
        const open = Number(count("where completion_time is null"));
        expect(claimed(await store.claim(request({ limit: open + 1, group: 0 })))).toHaveLength(open);
        db.close();
        await store.close();
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }, 30_000);
  }
}
