import { run } from "hypershell";

const abortion = new AbortController();
const { signal } = abortion;
try {
  for await (const { args } of run(["true", "sleep 60"], { executors: 2, signal })) {
    console.log("ended:", args);
    abortion.abort();
  }
} catch (error) {
  // By now nothing runs any more.
  if (error !== signal.reason) throw error;
  console.log("stopped:", signal.reason.name);
}

//> ended: true
//> stopped: AbortError
