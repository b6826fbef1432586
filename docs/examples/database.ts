import { count, revert, run, search, submit } from "hypershell";

const database = "tasks.db";
for await (const { ok } of run(["true", "exit 7"], { database, tags: { day: 1 } })) if (!ok) console.log("a failure");

console.log(await count({ database }), "tasks,", await count({ database, status: "failed" }), "failed");
for await (const task of search({ database, where: "exit_status == 7", tags: { day: 1 } })) {
  console.log(task.args, task.exitStatus, task.completionTime instanceof Date);
}

// They are run again by whoever runs what the database holds: serve({ database, restart: true }), hsx --restart.
console.log(await revert({ database, status: "failed", where: [] }), "reverted");
const { count: stored } = await submit(["echo later"], { database });
console.log(stored, "submitted,", await count({ database, status: "remaining" }), "remaining");

//> a failure
//> 2 tasks, 1 failed
//> exit 7 7 true
//> 1 reverted
//> 1 submitted, 2 remaining
