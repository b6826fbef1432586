/* What is decided about processes of Windows, against a kernel that is only remembered. */
import { expect, test } from "bun:test";
import { newJobs } from "../../../src/base/windows.ts";
import { fakeSystem } from "./fake-windows.ts";

test("the exit status is that of the system, not the 8 bits that Bun tells", () => {
  const system = fakeSystem();
  const jobs = newJobs(system.kernel);
  for (const [status, told] of [
    [0, 0],
    [1, 1],
    [256, 0],
    [259, 3],
    [0xc000_0005, 5],
    [0xffff_ffff, 255],
  ] as const) {
    const { job } = jobs.start(() => system.add(10, 1));
    system.end(10, status);
    expect(job.exitStatus(told)).toBe(status);
  }
  // The job of this process.
  expect(system.open()).toBe(1);
});

test("a process that cannot be asked is not believed to have succeeded", () => {
  const system = fakeSystem(new Set(["open"]));
  const jobs = newJobs(system.kernel);
  const exits = (told: number | null): number => jobs.start(() => system.add(10, 1)).job.exitStatus(told);
  expect([exits(0), exits(7), exits(null)]).toEqual([255, 7, 255]);
});

test("a task ends with all that it has started, also before it was in its job", () => {
  const system = fakeSystem();
  const jobs = newJobs(system.kernel);
  system.add(30, 10);
  const { job } = jobs.start(() => {
    const child = system.add(10, 1);
    system.add(11, 10);
    system.add(12, 11);
    return child;
  });
  system.add(13, 10);
  system.add(20, 1);
  job.end(130);
  // 30 is older than 10: its parent had the same number once. 20 is no part of the task.
  expect([10, 11, 12, 13, 20, 30].map(system.status)).toEqual([130, 130, 130, 130, null, null]);
  expect(job.alive()).toBe(false);
  expect(job.exitStatus(130)).toBe(130);
  // The job of this process.
  expect(system.open()).toBe(1);
});

test("what outlives the first process of a task is seen and ended", () => {
  const system = fakeSystem();
  const { job } = newJobs(system.kernel).start(() => system.add(10, 1));
  system.add(11, 10);
  system.end(10, 3);
  expect([job.exitStatus(3), job.alive()]).toEqual([3, true]);
  job.end(137);
  expect([system.status(10), system.status(11), job.alive()]).toEqual([3, 137, false]);
});

test("jobs of tasks that have left something are given up when that has ended", () => {
  const system = fakeSystem();
  const jobs = newJobs(system.kernel);
  for (let pid = 100; pid < 200; pid++) {
    const { job } = jobs.start(() => system.add(pid, 1));
    system.add(pid + 1000, pid);
    system.end(pid, 0);
    job.exitStatus(0);
    system.end(pid + 1000, 0);
  }
  expect(system.open()).toBeLessThan(64);
});

test("all ends with this program, until it ends in order", () => {
  const system = fakeSystem();
  const jobs = newJobs(system.kernel);
  expect([jobs.endWithUs, system.endingWithUs.size]).toEqual([true, 1]);
  jobs.close();
  expect(system.endingWithUs.size).toBe(0);
});

test("without jobs a task ends without what it has started", () => {
  for (const refused of ["newJob", "join"]) {
    const system = fakeSystem(new Set([refused]));
    const jobs = newJobs(system.kernel);
    expect(jobs.endWithUs).toBe(false);
    const { job } = jobs.start(() => system.add(10, 1));
    expect(job.alive()).toBe(true);
    job.end(143);
    expect([job.alive(), system.status(10), job.exitStatus(143)]).toEqual([false, 143, 143]);
    jobs.close();
  }
});

test("only what is started does not hear Ctrl-C", () => {
  const system = fakeSystem();
  const jobs = newJobs(system.kernel);
  expect(system.calls).toEqual([]);
  jobs.start(() => {
    system.calls.push("start");
    return system.add(10, 1);
  });
  const fails = (): never => {
    throw new Error("no such program");
  };
  expect(() => jobs.start(fails)).toThrow("no such program");
  expect(system.calls).toEqual(["deaf", "start", "hearing", "deaf", "hearing"]);
});

test("a program that was started without Ctrl-C stays so", () => {
  const system = fakeSystem(new Set(["hearing"]));
  newJobs(system.kernel).start(() => system.add(10, 1));
  expect(system.calls).toEqual([]);
});
