import { run, UnfinishedError, UserError } from "hypershell";

async function tryOut(tasks: Parameters<typeof run>[0], options: Parameters<typeof run>[1] = {}): Promise<void> {
  try {
    for await (const { args, exitStatus } of run(tasks, options)) console.log(args, exitStatus);
  } catch (error) {
    if (error instanceof UnfinishedError) console.log(`${error.left} not run`);
    else if (error instanceof UserError) console.log(error.message);
    else throw error;
  }
}

await tryOut([{ args: "false" }, { args: "echo later", group: 1 }]);
await tryOut(["true"], { executors: -1 });
await tryOut([""]);

//> false 1
//> 1 not run
//> executors: must be a whole number from 0 to 100000, not -1
//> task 1: the command is empty
