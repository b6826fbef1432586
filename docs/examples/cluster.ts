import { connect, serve, submit } from "hypershell";

const ended = Promise.withResolvers<void>();
let left = 3;
await using server = await serve({
  onOutcome({ args, exitStatus }) {
    console.log(args, exitStatus);
    if (--left === 0) ended.resolve();
  },
});
// The address and the key are all that a client needs to know, on this host or another one.
const { address, key } = server;
await using client = await connect({ address, key, executors: 1 });
await submit(["true", "exit 2", "exit 3"], { server: { address, key } });
await ended.promise;
await client.drain();
console.log("the client has left");

//> true 0
//> exit 2 2
//> exit 3 3
//> the client has left
