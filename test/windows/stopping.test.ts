/* Tasks of hs.exe that are ended before their time, with all that they have started. */
import { expect } from "bun:test";
import { until } from "../e2e/harness.ts";
import { openPlace, type Place, testOnWindows } from "./place.ts";

const long = "ping -n 60 127.0.0.1 >nul";

/** How many programs run that only wait. */
const waiting = ({ linux }: Place): number => linux.left().filter((line) => /^\d+ ping -n 60/.test(line)).length;

async function isWaiting(place: Place): Promise<void> {
  await until(
    () => waiting(place) > 0,
    () => `no task runs: ${place.linux.left().join("; ")}`,
  );
}

async function nobodyWaits(place: Place): Promise<void> {
  await until(
    () => waiting(place) === 0,
    () => `a task goes on: ${place.linux.left().join("; ")}`,
  );
}

async function statuses(place: Place): Promise<readonly string[]> {
  const { stdout } = await place.hs(["list", "exit_status"]);
  return stdout.split(/\r?\n/).filter(Boolean);
}

testOnWindows("Ctrl-C leaves the interrupted task and those that wait unfinished", async () => {
  await using place = await openPlace();
  // The program in the task would say that it has succeeded.
  place.write("tasks", `${long} & exit 0\r\necho second\r\n`);
  const run = place.inConsole(["hsx", "tasks", "-N1"]);
  await isWaiting(place);
  run.type("\x03");
  expect((await run.ended).status).toBe(4);
  expect(run.stdout()).toContain("keyboard-interrupt: going down now!");
  await nobodyWaits(place);
  expect(await statuses(place)).toEqual(["null", "null"]);
});

testOnWindows("a task over its time ends with all its processes, and has the status of that", async () => {
  await using place = await openPlace();
  place.write("tasks", `${long} & exit 0\r\n`);
  const { status, stderr } = await place.hsx(["tasks", "-N1", "-W", "1"]);
  expect(status).toBe(7);
  expect(stderr).toContain("Walltime limit exceeded");
  expect(waiting(place)).toBe(0);
  expect(await statuses(place)).toEqual(["-4"]);
});

testOnWindows("nothing goes on when a client is killed", async () => {
  await using place = await openPlace();
  place.write("tasks", `if exist go (echo again) else (cmd /c "${long} & exit 0" & exit 0)\r\n`);
  const run = place.start(["hsx", "tasks", "-N1"]);
  await isWaiting(place);
  run.kill("SIGKILL");
  await nobodyWaits(place);
  expect(await statuses(place)).toEqual(["null"]);
  // The next one need not wait until the killed one would have been heard of.
  place.write("go", "");
  expect((await place.hsx(["--restart", "-N1"])).stdout).toBe("again\r\n");
});
