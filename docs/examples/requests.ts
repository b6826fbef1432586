import { run, type TaskRequest } from "hypershell";

const tasks: TaskRequest[] = [
  { args: "echo prepare", tags: { step: "first" } },
  { args: 'test "$TASK_ATTEMPT" = 2', group: 1, timeout: 60 },
  { args: "echo finish", group: 2, cores: 1, memory: 100 * 2 ** 20 },
];

for await (const { args, group, attempt, tags } of run(tasks, { retries: 3, capture: true })) {
  console.log(group, attempt, args, JSON.stringify(tags));
}

//> 0 1 echo prepare {"step":"first"}
//> 1 2 test "$TASK_ATTEMPT" = 2 {}
//> 2 1 echo finish {}
