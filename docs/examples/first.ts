import { run } from "hypershell";

for await (const { args, exitStatus, ok } of run(["echo one", "exit 3"], { executors: 1 })) {
  console.log(`${ok ? "done" : "FAILED"} ${exitStatus} ${args}`);
}

//> one
//> done 0 echo one
//> FAILED 3 exit 3
