/*
 * How long a cluster needs from kill -9 of its server until tasks start at the full rate again: a real server on SQLite, clients that start
 * nothing but hold each task for a while (bench-clients.ts) and come back by themselves.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { table } from "./bench-measure.ts";
import type { ClientsPlan, ClientsReport } from "./bench-clients.ts";

const root = resolve(import.meta.dir, "..");
const hs = join(root, "dist/hs");
const { values: flags } = parseArgs({
  options: {
    clients: { type: "string", default: "1,10,100" },
    rounds: { type: "string", default: "3" },
    rate: { type: "string", default: "4000" },
  },
});
const key = "a-key-for-measurements-only";
const place = mkdtempSync(join(tmpdir(), "hs-bench-"));
/** Rates are taken over this long, milliseconds. */
const windowMs = 500;
const taskMs = 500;

const environment = (site: string): Record<string, string | undefined> => ({
  ...process.env,
  HYPERSHELL_SITE: site,
  HYPERSHELL_LOGGING_TASKS: "false",
});

async function startServer(site: string, port: number): Promise<{ port: number; child: Bun.Subprocess }> {
  const child = Bun.spawn([hs, "server", "--restart", "-p", String(port), "-k", key], {
    env: { ...environment(site), HYPERSHELL_LOGGING_LEVEL: "info" },
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  const found = Promise.withResolvers<number>();
  void (async () => {
    let text = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      text += decoder.decode(chunk);
      const match = /Server listening on \S+:(\d+)/.exec(text);
      if (match !== null) found.resolve(Number(match[1]));
    }
    found.reject(new Error(`the server did not start: ${text}`));
  })();
  return { port: await found.promise, child };
}

interface Round {
  readonly before: number;
  /** The longest time in which no task was handed out, after the kill. */
  readonly pauseMs: number;
  /** When the rate of the last half second was the full one again, from the kill on. */
  readonly backMs: number;
}

function longestPause(progress: readonly { at: number; started: number }[], from: number): number {
  let last = from;
  let longest = 0;
  for (const { at, started } of progress) {
    if (at < from || started === 0) continue;
    longest = Math.max(longest, at - last);
    last = at;
  }
  return longest;
}

async function round(clients: number): Promise<Round> {
  const site = mkdtempSync(join(place, "site"));
  const wanted = Number(flags.rate);
  const input = join(place, "tasks.in");
  writeFileSync(input, "true\n".repeat(wanted * 20));
  const submitted = Bun.spawn([hs, "submit", "-f", input], {
    env: environment(site),
    stdout: "ignore",
    stderr: "ignore",
  });
  if ((await submitted.exited) !== 0) throw new Error("hs submit failed");

  const first = await startServer(site, 0);
  // A client asks for five times its executors and a little: together as many as give the wanted rate.
  const executors = Math.max(1, Math.round((wanted * taskMs) / 1000 / clients / 5));
  const progress: { at: number; started: number }[] = [];
  const plan: ClientsPlan = { port: first.port, key, tls: true, clients, executors, taskMs, reconnect: true };
  const child = Bun.spawn([process.execPath, join(root, "scripts/bench-clients.ts"), JSON.stringify(plan)], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  const reading = (async () => {
    let rest = "";
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      rest += decoder.decode(chunk, { stream: true });
      const lines = rest.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const report = JSON.parse(line) as ClientsReport;
        if (report.kind === "progress") progress.push(report);
      }
    }
  })();
  const rateAt = (from: number, to: number): number => {
    let started = 0;
    for (const each of progress) if (each.at > from && each.at <= to) started += each.started;
    return (started * 1000) / (to - from);
  };
  const pause = (ms: number): Promise<void> => new Promise((resume) => systemClock.after(ms, resume));

  await pause(4000);
  const killedAt = systemClock.now();
  const before = rateAt(killedAt - 2000, killedAt);
  first.child.kill("SIGKILL");
  await first.child.exited;
  const second = await startServer(site, first.port);
  let backMs = Number.NaN;
  while (Number.isNaN(backMs) && systemClock.now() - killedAt < 60_000) {
    await pause(50);
    const last = progress.at(-1)?.at ?? 0;
    for (let from = killedAt; from + windowMs <= last; from += 50) {
      if (rateAt(from, from + windowMs) < 0.9 * before) continue;
      backMs = from + windowMs - killedAt;
      break;
    }
  }
  second.child.kill("SIGKILL");
  child.kill("SIGKILL");
  await Promise.all([second.child.exited, child.exited, reading]);
  return { before, pauseMs: longestPause(progress, killedAt), backMs };
}

try {
  const rows: string[][] = [];
  for (const clients of flags.clients.split(",").map(Number)) {
    for (let n = 0; n < Number(flags.rounds); n++) {
      const { before, pauseMs, backMs } = await round(clients);
      const shown = Number.isNaN(backMs) ? "not within 60 s" : `${(backMs / 1000).toFixed(2)} s`;
      rows.push([
        String(clients),
        Math.round(before).toLocaleString("en-US"),
        `${(pauseMs / 1000).toFixed(2)} s`,
        shown,
      ]);
    }
  }
  console.log(
    table(
      "From kill -9 of the server to the full rate again",
      ["clients", "tasks/s before", "longest pause", "full rate after"],
      rows,
    ),
  );
} finally {
  rmSync(place, { recursive: true, force: true });
}
