import { run } from "hypershell";

/** Numbers without an end: no more are made than are needed. */
function* numbers(): Generator<string> {
  for (let number = 1; ; number++) yield String(number);
}

for await (const { args, stdout } of run(numbers(), { template: "echo $(({} * {}))", capture: true })) {
  if (Number(stdout) < 50) continue;
  console.log("a square of 50 or more was found", Number(args) >= 8);
  break;
}

//> a square of 50 or more was found true
