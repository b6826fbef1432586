/*
 * A server for the fuzzer, in a process of its own. Its command line says where it listens (a Unix socket) and which
 * store it has; it tells on standard output what happens, a line each, and finishes when its standard input ends.
 */
import { writeSync } from "node:fs";
import { systemClock } from "../src/base/clock.ts";
import { passOn, type SocketStream, streamOf } from "../src/wire/socket.ts";
import { silentLog } from "../test/make.ts";
import type { Told } from "../test/integration/fuzz/ledger.ts";
import { serve } from "../test/integration/fuzz/served.ts";
import { openAt, type Where } from "../test/integration/fuzz/stores.ts";
import { binding } from "../test/integration/fuzz/target.ts";

const [path = "", where = ""] = process.argv.slice(2);
let lines = "";

/** What happens in one turn goes out together. The judge sets the pace: this process waits for room in the pipe. */
function tell(told: Told | { readonly kind: "open"; readonly serverId: string; readonly forgets: boolean }): void {
  if (lines === "") setImmediate(flush);
  lines += `${JSON.stringify(told)}\n`;
}

function flush(): void {
  let bytes = Buffer.from(lines);
  lines = "";
  while (bytes.length > 0) {
    try {
      bytes = bytes.subarray(writeSync(1, bytes));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "EAGAIN")) throw error;
      Bun.sleepSync(1);
    }
  }
}

const store = await openAt(JSON.parse(where) as Where);
const { server, serverId, attach } = await serve(store, silentLog, tell);
const listener = Bun.listen<SocketStream>({
  unix: path,
  socket: {
    ...passOn,
    open(socket) {
      socket.data = streamOf(socket, "peer", binding, systemClock);
      attach(socket.data);
    },
    close: (socket, error) => socket.data?.closed(error ?? null),
  },
});
tell({ kind: "open", serverId, forgets: !store.durable });
process.stdin.resume();
process.stdin.on("end", () => server.stop("finish"));
await server.finished;
listener.stop();
await store.close();
flush();
process.exit();
