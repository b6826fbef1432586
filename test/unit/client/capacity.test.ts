/* Cores and memory of a client, from recorded texts of real hosts. */
import { expect, test } from "bun:test";
import { availableParallelism, totalmem } from "node:os";
import { affinityOf, amountsOf, parseList, usableCores, usableMemory } from "../../../src/client/capacity.ts";
import { thisHost } from "../../../src/client/host.ts";
import { fakeHost } from "./hosts.ts";

const status = (list: string): Record<string, string> => ({
  "/proc/self/status": `Name:\ths\nCpus_allowed:\tffff\nCpus_allowed_list:\t${list}\nMems_allowed_list:\t0\n`,
});
const meminfo = { "/proc/meminfo": "MemTotal:       16307560 kB\nMemFree:         1048576 kB\n" };
const memTotal = 16_307_560 * 1024;

/** A host with groups of version 2, as systemd mounts them. */
const second = (path: string, files: Record<string, string>, root = "/"): Record<string, string> => ({
  ...status("0-15"),
  ...meminfo,
  "/proc/self/cgroup": `0::${path}\n`,
  "/proc/self/mountinfo":
    "22 28 0:21 / /proc rw,nosuid - proc proc rw\n" +
    `35 24 0:30 ${root} /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n`,
  ...files,
});

/** A host with groups of version 1; cpu and cpuacct share a hierarchy. */
const first = (path: string, root: string, files: Record<string, string>): Record<string, string> => ({
  ...status("0-15"),
  ...meminfo,
  "/proc/self/cgroup": `9:name=systemd:${path}\n5:cpuset:/\n4:memory:${path}\n2:cpu,cpuacct:${path}\n0::/\n`,
  "/proc/self/mountinfo":
    `32 31 0:29 ${root} /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n` +
    `35 31 0:32 ${root} /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n` +
    "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
  ...files,
});

const none = "9223372036854771712\n";

test.each([
  ["a whole host", { ...status("0-15"), ...meminfo }, 16, memTotal],
  ["an affinity with holes", { ...status("0-2,8,10-11"), ...meminfo }, 6, memTotal],
  ["nothing to read", {}, 64, 256 * 2 ** 30],
  [
    "a container with a quota of its own",
    second("/", { "/sys/fs/cgroup/cpu.max": "400000 100000\n", "/sys/fs/cgroup/memory.max": "2147483648\n" }),
    4,
    2 ** 31,
  ],
  [
    "no limits",
    second("/user.slice", {
      "/sys/fs/cgroup/user.slice/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/user.slice/memory.max": "max\n",
    }),
    16,
    memTotal,
  ],
  [
    "a limit of a group far above",
    second("/slurm/job_1/step_0/task_0", {
      "/sys/fs/cgroup/slurm/job_1/step_0/task_0/cpu.max": "max 100000\n",
      "/sys/fs/cgroup/slurm/job_1/cpu.max": "250000 100000\n",
      "/sys/fs/cgroup/slurm/job_1/memory.max": "4294967296\n",
      "/sys/fs/cgroup/slurm/job_1/step_0/memory.max": "8589934592\n",
    }),
    2,
    2 ** 32,
  ],
  ["half a processor", second("/", { "/sys/fs/cgroup/cpu.max": "50000 100000\n" }), 1, memTotal],
  [
    "a group that is out of sight",
    second("/../../other", { "/sys/fs/cgroup/cpu.max": "300000 100000\n" }),
    3,
    memTotal,
  ],
  [
    "version 1",
    first("/docker/abc", "/", {
      "/sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us": "-1\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us": "600000\n",
      "/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_period_us": "100000\n",
      "/sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes": "1073741824\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": none,
    }),
    6,
    2 ** 30,
  ],
  [
    "version 1 in a container that sees its own group only",
    first("/docker/abc", "/docker/abc", {
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "150000\n",
      "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "50000\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": "536870912\n",
    }),
    3,
    2 ** 29,
  ],
] as [string, Record<string, string>, number, number][])("%s", (_, files, cores, memory) => {
  const host = fakeHost({ files });
  expect([usableCores(host), usableMemory(host)]).toEqual([cores, memory]);
});

const gigabytes = (bytes: number): number => bytes / 2 ** 30;

test.each([
  ["a batch script", { SLURM_CPUS_ON_NODE: "8", SLURM_MEM_PER_NODE: "4096", SLURM_CPUS_PER_TASK: "2" }, 8, 4],
  ["memory for each core", { SLURM_CPUS_ON_NODE: "8", SLURM_MEM_PER_CPU: "1024" }, 8, 8],
  ["all the memory of the node", { SLURM_CPUS_ON_NODE: "8", SLURM_MEM_PER_NODE: "0" }, 8, 16],
  ["more than there is", { SLURM_CPUS_ON_NODE: "32", SLURM_MEM_PER_NODE: "65536" }, 16, 16],
  ["salloc on a login node", { SLURM_JOB_ID: "7", SLURM_CPUS_PER_TASK: "2", SLURM_MEM_PER_NODE: "1024" }, 16, 16],
  [
    "one of four processes of a step",
    { SLURM_CPUS_ON_NODE: "8", SLURM_MEM_PER_NODE: "8192", SLURM_STEP_TASKS_PER_NODE: "4(x2)", SLURM_NODEID: "1" },
    2,
    2,
  ],
  [
    "one of three, each of which was given two",
    { SLURM_CPUS_ON_NODE: "8", SLURM_CPUS_PER_TASK: "2", SLURM_STEP_TASKS_PER_NODE: "1,3", SLURM_NODEID: "1" },
    2,
    16,
  ],
  ["alone on its node", { SLURM_CPUS_ON_NODE: "8", SLURM_STEP_TASKS_PER_NODE: "1(x3)", SLURM_NODEID: "2" }, 8, 16],
] as [string, Record<string, string>, number, number][])("Slurm: %s", (_, env, cores, memory) => {
  const host = fakeHost({ env, files: { ...status("0-15"), "/proc/meminfo": "MemTotal:       16777216 kB\n" } });
  expect([usableCores(host), gigabytes(usableMemory(host))]).toEqual([cores, memory]);
});

test("a limit of address space counts", () => {
  const limits = {
    "/proc/self/limits": "Limit  Soft  Hard  Units\nMax address space         1073741824  unlimited  bytes\n",
  };
  expect(usableMemory(fakeHost({ files: { ...meminfo, ...limits } }))).toBe(2 ** 30);
  const endless = {
    "/proc/self/limits": "Max address space         unlimited            unlimited            bytes\n",
  };
  expect(usableMemory(fakeHost({ files: { ...meminfo, ...endless } }))).toBe(memTotal);
});

test("what the user says counts as it is, also where it is more than there is", () => {
  const host = fakeHost({ files: { ...status("0-3"), ...meminfo } });
  expect(amountsOf(host, { cores: 16, memory: null })).toEqual({ cores: 16, memory: memTotal });
  expect(amountsOf(host, { cores: null, memory: 1024 })).toEqual({ cores: 4, memory: 1024 });
});

test("other systems tell by the runtime", () => {
  const host = fakeHost({ platform: "darwin", files: status("0-1") });
  expect([usableCores(host), usableMemory(host)]).toEqual([64, 256 * 2 ** 30]);
});

test("this host has no more than the runtime says", () => {
  const host = thisHost(process.env);
  expect(usableCores(host)).toBeWithin(1, availableParallelism() + 1);
  expect(usableMemory(host)).toBeWithin(1, totalmem() + 1);
  if (process.platform === "linux") expect(affinityOf(host).length).toBeGreaterThan(0);
});

test.each([
  ["0-3,8", [0, 1, 2, 3, 8]],
  ["5", [5]],
  ["", []],
  ["x,2-,3", [3]],
] as [string, number[]][])("the list '%s'", (text, numbers) => expect(parseList(text)).toEqual(numbers));
