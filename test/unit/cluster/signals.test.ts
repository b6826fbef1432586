import { expect, test } from "bun:test";
import { drainText, moreUrgent, onSignals } from "../../../src/cluster/signals.ts";

test("a run ends as its most urgent signal says, and of two equal ones as the last", () => {
  expect(moreUrgent(null, "SIGUSR1")).toBe("SIGUSR1");
  expect(moreUrgent("SIGUSR1", "SIGINT")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGUSR2")).toBe("SIGINT");
  expect(moreUrgent("SIGINT", "SIGTERM")).toBe("SIGTERM");
});

test("a run that drains says how many tasks still run, or are stopped", () => {
  expect([0, 1, 2].map((running) => drainText("SIGUSR1", running))).toEqual([
    "SIGUSR1: draining, no task runs",
    "SIGUSR1: draining, 1 task still runs",
    "SIGUSR1: draining, 2 tasks still run",
  ]);
  expect([0, 1, 2].map((running) => drainText("SIGUSR2", running))).toEqual([
    "SIGUSR2: draining, no task runs",
    "SIGUSR2: draining, 1 task is stopped",
    "SIGUSR2: draining, 2 tasks are stopped",
  ]);
});

test("on Windows Ctrl-Break and the end of the window stop a run, elsewhere SIGHUP does not", () => {
  const said: string[] = [];
  const quiet = (): void => undefined;
  const log = { enabled: () => false, trace: quiet, debug: quiet, info: quiet, warning: quiet, error: quiet };
  const critical = (text: string | (() => string)): void => void said.push(typeof text === "string" ? text : text());
  const loggers = () => ({ ...log, critical });
  function heard(platform: NodeJS.Platform, signal: NodeJS.Signals): readonly string[] {
    const stops: string[] = [];
    const actions = {
      stop: (how: string, name: string) => void stops.push(`${how} ${name}`),
      running: () => 1,
      kill: () => void stops.push("kill"),
    };
    const release = onSignals(actions, loggers, "client", platform);
    process.emit(signal);
    release();
    return stops;
  }
  expect([heard("linux", "SIGHUP"), heard("win32", "SIGHUP"), heard("win32", "SIGBREAK")]).toEqual([
    [],
    ["abort SIGTERM"],
    ["abort SIGINT"],
  ]);
  expect(said).toEqual(["the window was closed: going down now!", "keyboard-interrupt: going down now!"]);
});
