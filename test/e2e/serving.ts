/* A server and clients as a user starts them, on a port of their own; for tests of what they do together. */
import type { Running, Site, StartOptions } from "./harness.ts";

/** The key that they share, in the environment. */
export const secured = { HYPERSHELL_SERVER_AUTH: "0123456789abcdef-key-of-tests-long" } as const;

export interface Served {
  readonly server: Running;
  readonly port: string;
}

const timeoutMs = 60_000;

/** Resolves when the server listens, on any free port. */
export async function startServer(site: Site, words: readonly string[], options: StartOptions = {}): Promise<Served> {
  const server = site.start(["hs", "server", "-p", "0", ...words], {
    timeoutMs,
    ...options,
    env: { ...secured, ...options.env },
  });
  const line = await server.line(/Server listening on .*:\d+$/);
  return { server, port: line.slice(line.lastIndexOf(":") + 1) };
}

export function startClient(site: Site, port: string, words: readonly string[], options: StartOptions = {}): Running {
  return site.start(["hs", "client", "-p", port, ...words], {
    timeoutMs,
    ...options,
    env: { ...secured, ...options.env },
  });
}
