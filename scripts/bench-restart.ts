/*
 * How long a cluster needs from kill -9 of its server until tasks start at the full rate again: a real server on
 * SQLite, clients that start nothing but hold each task for a while (bench-clients.ts) and come back by themselves.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { systemClock } from "../src/base/clock.ts";
import { table } from "./bench-measure.ts";
import { environment, hs, key, startClients, startServer } from "./bench-server.ts";

const { values: flags } = parseArgs({
  options: {
    clients: { type: "string", default: "1,10,100" },
    rounds: { type: "string", default: "3" },
    rate: { type: "string", default: "4000" },
  },
});
const place = mkdtempSync(join(tmpdir(), "hs-bench-"));
/** Rates are taken over this long, milliseconds. */
const windowMs = 500;
const taskMs = 500;

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

  const first = await startServer(site, ["--restart"]);
  // A client asks for five times its executors and a little: together as many as give the wanted rate.
  const executors = Math.max(1, Math.round((wanted * taskMs) / 1000 / clients / 5));
  const progress: { at: number; started: number }[] = [];
  const plan = { port: first.port, key, tls: true, clients, executors, taskMs, reconnect: true };
  const running = startClients(plan, (report) => {
    if (report.kind === "progress") progress.push(report);
  });
  const rateAt = (from: number, to: number): number => {
    let started = 0;
    for (const each of progress) if (each.at > from && each.at <= to) started += each.started;
    return (started * 1000) / (to - from);
  };
  const pause = (ms: number): Promise<void> => new Promise((resume) => systemClock.after(ms, resume));

  await pause(4000);
  const killedAt = systemClock.now();
  const before = rateAt(killedAt - 2000, killedAt);
  first.kill();
  await first.ended;
  const second = await startServer(site, ["--restart"], { port: first.port });
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
  second.kill();
  running.kill();
  await Promise.all([second.ended, running.ended]);
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
