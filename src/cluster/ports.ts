/*
 * Ports that nobody listens on, found by listening on them for a moment. Another program may take one before it is
 * used.
 */
import { createServer } from "node:net";

const highest = 65535;

/** The first `count` free ports from `first` on; fewer if there are not that many. */
export async function freePorts(first: number, count: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let port = first; port <= highest && found.length < count; port++) {
    if (await isFree(port)) found.push(port);
  }
  return found;
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
  return promise;
}
