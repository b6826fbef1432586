/*
 * A real server and a process of clients, for measurements: started, watched, ended. Knows nothing of what is measured.
 */
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");
export const hs = join(root, "dist/hs");
export const key = "a-key-for-measurements-only-0123456789";
/** What bench-clients.ts is told. */
export interface ClientsPlan {
  readonly port: number;
  readonly key: string;
  readonly tls: boolean;
  readonly clients: number;
  readonly executors: number;
  /** 0: at once. */
  readonly taskMs: number;
  /** Come back when the connection is lost, with what is running. */
  readonly reconnect: boolean;
}

/** What it says, a line each. */
export type ClientsReport =
  | { readonly kind: "registered"; readonly seconds: number }
  /** Since the last report. */
  | { readonly kind: "progress"; readonly at: number; readonly started: number }
  | { readonly kind: "started"; readonly args: string; readonly at: number }
  | {
      readonly kind: "done";
      readonly firstAssignAt: number;
      readonly lastAckAt: number;
      readonly acknowledged: number;
      /** Tasks of each client. */
      readonly spread: readonly number[];
    };

export interface ServerRun {
  readonly port: number;
  readonly pid: number;
  readonly write: (text: string) => void;
  /** Ends the standard input. */
  readonly close: () => void;
  readonly ended: Promise<number>;
  readonly kill: () => void;
}

export const environment = (site: string): Record<string, string | undefined> => ({
  ...process.env,
  HYPERSHELL_SITE: site,
  HYPERSHELL_LOGGING_LEVEL: "info",
  HYPERSHELL_LOGGING_TASKS: "false",
});

interface StartOptions {
  readonly port?: number;
  readonly stdin?: "pipe" | "ignore";
  /** Added to that of the site. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Resolves when it listens; port 0 is any. */
export async function startServer(
  site: string,
  words: readonly string[],
  { port = 0, stdin = "ignore", env = {} }: StartOptions = {},
): Promise<ServerRun> {
  const child = Bun.spawn([hs, "server", "-p", String(port), "-k", key, ...words], {
    env: { ...environment(site), ...env },
    stdin,
    stdout: "ignore",
    stderr: "pipe",
  });
  const found = Promise.withResolvers<number>();
  void (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk);
      const line = /Server listening on \S+:(\d+)/.exec(text);
      if (line !== null) found.resolve(Number(line[1]));
    }
    found.reject(new Error(`the server did not start: ${text}`));
  })();
  const input = (): Bun.FileSink => {
    if (child.stdin === undefined || typeof child.stdin === "number") throw new Error("standard input is closed");
    return child.stdin;
  };
  return {
    port: await found.promise,
    pid: child.pid,
    write(text) {
      void input().write(text);
      void input().flush();
    },
    close: () => void input().end(),
    ended: child.exited,
    kill: () => child.kill("SIGKILL"),
  };
}

export interface ClientsRun {
  readonly ended: Promise<void>;
  readonly kill: () => void;
}

/** Starts the clients; `onReport` sees each line. */
export function startClients(plan: ClientsPlan, onReport: (report: ClientsReport) => void): ClientsRun {
  const child = Bun.spawn([process.execPath, join(root, "scripts/bench-clients.ts"), JSON.stringify(plan)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const ended = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onReport(JSON.parse(line) as ClientsReport);
    }
    await child.exited;
  })();
  return { ended, kill: () => child.kill("SIGKILL") };
}
