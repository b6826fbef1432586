/*
 * A process to be killed: rotates the database named on its command line, says each step on stdout, and dies at the one
 * whose number comes second (0: at none). With a third word it rather dies in the middle of a transaction of that
 * partition, some pages of which are written.
 */
import { Database } from "bun:sqlite";
import { writeSync } from "node:fs";
import { systemClock } from "../../src/base/clock.ts";
import { openSqliteUpkeep } from "../../src/history/sqlite/upkeep.ts";

const [file, last, partition] = process.argv.slice(2);
const die = (): void => void process.kill(process.pid, "SIGKILL");

if (partition !== undefined) {
  const db = new Database(partition);
  db.run("pragma cache_size = 5");
  db.run("begin immediate");
  db.run("update task set args = args || hex(randomblob(500))");
  die();
}

let steps = 0;
const upkeep = openSqliteUpkeep({
  file: file!,
  pragmas: {},
  clock: systemClock,
  step(name) {
    steps += 1;
    writeSync(1, `${name}\n`);
    if (steps === Number(last)) die();
  },
});
const moved = await upkeep.rotate(await upkeep.nextPartition(), 1);
writeSync(1, `moved ${moved}\n`);
await upkeep.close();
