/*
 * A process that connects as fast as it can: to the port on its command line, from that address of loopback, for so
 * many milliseconds. It says nothing, and prints how often it tried.
 */
import { connect, type Socket } from "node:net";

const [port = "", localAddress = "", ms = ""] = process.argv.slice(2);
const open: Socket[] = [];
let tries = 0;
const until = performance.now() + Number(ms);

function more(): void {
  for (let n = 0; n < 50; n++) {
    tries++;
    const socket = connect({ port: Number(port), host: "127.0.0.1", localAddress });
    socket.on("error", () => undefined);
    open.push(socket);
    if (open.length > 3000) open.shift()?.resetAndDestroy();
  }
  if (performance.now() < until) setImmediate(more);
  else {
    console.log(tries);
    process.exit();
  }
}

more();
