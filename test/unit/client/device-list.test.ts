/* Which devices a host has, from recorded trees and variables, and which of them a task is shown. */
import { expect, test } from "bun:test";
import { listDevices, parseNvidia, variablesFor } from "../../../src/client/device-list.ts";
import { fakeHost } from "./hosts.ts";

const cuda = "CUDA_VISIBLE_DEVICES";
const rocr = "ROCR_VISIBLE_DEVICES";
const hip = "HIP_VISIBLE_DEVICES";

type Env = Record<string, string>;

/** What the tasks of a host are shown, device by device. */
function shown(env: Env, wished: number | null = null, files: Record<string, string> = {}): Env[] {
  const list = listDevices(fakeHost({ env, files }), wished);
  return Array.from({ length: list.count }, (_, at) => {
    const { TASK_GPUS: _gpus, ...variables } = variablesFor(list, [at]);
    return variables;
  });
}

test.each([
  ["numbers", { [cuda]: "2,3" }, [{ [cuda]: "2" }, { [cuda]: "3" }]],
  ["blanks", { [cuda]: " 0 , 1 " }, [{ [cuda]: "0" }, { [cuda]: "1" }]],
  [
    "UUIDs and instances",
    { [cuda]: "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6,MIG-GPU-8932f937/1/0,MIG-7089d0f3" },
    [
      { [cuda]: "GPU-8932f937-d72c-4106-c12f-20bd9faed9f6" },
      { [cuda]: "MIG-GPU-8932f937/1/0" },
      { [cuda]: "MIG-7089d0f3" },
    ],
  ],
  ["none", { [cuda]: "" }, []],
  ["none, as Slurm has it", { [cuda]: "NoDevFiles" }, []],
  ["none, as users have it", { [cuda]: "-1" }, []],
  ["a list up to what is no device", { [cuda]: "1,-1,2" }, [{ [cuda]: "1" }]],
  ["one of both makers, from Slurm", { [cuda]: "1", [rocr]: "1" }, [{ [cuda]: "1", [rocr]: "1" }]],
  ["numbers of HIP among those of ROCR", { [rocr]: "4,5", [hip]: "1" }, [{ [hip]: "1" }]],
  ["one maker hidden", { [cuda]: "", [rocr]: "0" }, [{ [rocr]: "0" }]],
  ["tiles of Intel", { ZE_AFFINITY_MASK: "0.0,0.1" }, [{ ZE_AFFINITY_MASK: "0.0" }, { ZE_AFFINITY_MASK: "0.1" }]],
  ["twice the same", { [cuda]: "0,0" }, [{ [cuda]: "0" }]],
  [
    "a job of Slurm, variables taken away",
    { SLURM_JOB_GPUS: "0-1" },
    [0, 1].map((at) => ({ [cuda]: `${at}`, [rocr]: `${at}` })),
  ],
  ["a step before its job", { SLURM_JOB_GPUS: "0,1", SLURM_STEP_GPUS: "1" }, [{ [cuda]: "1", [rocr]: "1" }]],
  ["nothing", {}, []],
] as [string, Env, Env[]][])("variables: %s", (_, env, devices) => expect(shown(env)).toEqual(devices));

test("what the user says takes the place of what is found", () => {
  const both = (at: number): Env => ({ [cuda]: `${at}`, [rocr]: `${at}` });
  expect(shown({}, 2)).toEqual([both(0), both(1)]);
  expect(shown({ [cuda]: "4,5,6" }, 2)).toEqual([{ [cuda]: "4" }, { [cuda]: "5" }]);
  expect(shown({ [cuda]: "4,5" }, 4)).toEqual(["4", "5", "4", "5"].map((at) => ({ [cuda]: at })));
  expect(shown({ [cuda]: "4,5" }, 0)).toEqual([]);
});

const nodes = (...names: string[]): Record<string, string> =>
  Object.fromEntries(
    ["null", "nvidiactl", "nvidia-uvm", "nvidia-caps/nvidia-cap1", ...names].map((name) => [`/dev/${name}`, ""]),
  );

test("NVIDIA: the nodes that may be used are counted from 0, as the driver does", () => {
  const files = nodes("nvidia0", "nvidia1", "nvidia2");
  const host = fakeHost({ files, withheld: ["/dev/nvidia0"] });
  const list = listDevices(host, null);
  expect(list).toEqual({ count: 2, variables: [{ name: cuda, values: ["0", "1"] }] });
  expect(variablesFor(list, [0, 1])).toEqual({ [cuda]: "0,1", TASK_GPUS: "0,1" });
  // A job that was given the second and third.
  const inJob = fakeHost({ files, withheld: ["/dev/nvidia0"], env: { SLURM_JOB_GPUS: "1,2" } });
  expect(listDevices(inJob, null).variables).toEqual([{ name: cuda, values: ["0", "1"] }]);
  const open = fakeHost({ files, env: { SLURM_JOB_GPUS: "1,2" } });
  expect(listDevices(open, null).variables).toEqual([{ name: cuda, values: ["1", "2"] }]);
});

const smi =
  "GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77)\n" +
  "  MIG 3g.20gb     Device  0: (UUID: MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde)\n" +
  "  MIG 2g.10gb     Device  1: (UUID: MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0)\n" +
  "GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-b9fe3264-3fd6-04da-6c41-9cb8de5d0a2d)\n";

test("NVIDIA: instances take the place of the device that they are part of", () => {
  const names = [
    "MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde",
    "MIG-56c30729-347f-5dd6-8da0-c3cc59e969e0",
    "GPU-b9fe3264-3fd6-04da-6c41-9cb8de5d0a2d",
  ];
  expect(parseNvidia(smi)).toEqual(names);
  const divided = { ...nodes("nvidia0", "nvidia1"), "/proc/driver/nvidia/capabilities/gpu0/mig/gi1/access": "" };
  const host = fakeHost({ files: divided, answers: { "nvidia-smi -L": smi } });
  expect(listDevices(host, null).variables).toEqual([{ name: cuda, values: names }]);
  expect(listDevices(fakeHost({ files: divided }), null).count).toBe(2);
});

test("NVIDIA: a driver without nodes is asked", () => {
  const answers = { "nvidia-smi -L": "GPU 0: NVIDIA GeForce (UUID: GPU-aa)\n" };
  const files = { "/proc/driver/nvidia/version": "NVRM version\n" };
  expect(listDevices(fakeHost({ files, answers }), null).variables).toEqual([{ name: cuda, values: ["GPU-aa"] }]);
  expect(listDevices(fakeHost({ platform: "win32", answers }), null).count).toBe(1);
  expect(listDevices(fakeHost({ answers }), null).count).toBe(0);
});

const node = (at: number, id: number, minor: number): Record<string, string> => ({
  [`/sys/class/kfd/kfd/topology/nodes/${at}/gpu_id`]: `${id}\n`,
  [`/sys/class/kfd/kfd/topology/nodes/${at}/properties`]: `cpu_cores_count 0\ndrm_render_minor ${minor}\n`,
  ...(minor > 0 ? { [`/dev/dri/renderD${minor}`]: "" } : {}),
});

test("AMD: nodes with an id whose render node may be used", () => {
  const files = { "/dev/kfd": "", ...node(0, 0, 0), ...node(1, 51140, 128), ...node(2, 29922, 129) };
  expect(shown({}, null, files)).toEqual([{ [rocr]: "0" }, { [rocr]: "1" }]);
  const host = fakeHost({ files, withheld: ["/dev/dri/renderD128"] });
  expect(listDevices(host, null).count).toBe(1);
  expect(listDevices(fakeHost({ files, withheld: ["/dev/kfd"] }), null).count).toBe(0);
  const masked = fakeHost({
    files: { "/dev/kfd": "" },
    answers: { "rocm-smi --showid": "GPU[0]\t\t: Device Name: x\nGPU[0]\t\t: GUID: 1\nGPU[1]\t\t: Device Name: x\n" },
  });
  expect(listDevices(masked, null).count).toBe(2);
});

test("Intel: cards, but not the graphics of the processor", () => {
  const files = {
    "/dev/dri/renderD128": "",
    "/dev/dri/renderD129": "",
    "/dev/dri/card0": "",
    "/sys/class/drm/renderD128/device/vendor": "0x8086\n",
    "/sys/class/drm/renderD129/device/vendor": "0x8086\n",
  };
  const links = {
    "/sys/class/drm/renderD128/device": "../../../0000:00:02.0",
    "/sys/class/drm/renderD129/device": "../../../0000:4d:00.0",
  };
  expect(listDevices(fakeHost({ files, links }), null).variables).toEqual([
    { name: "ZE_AFFINITY_MASK", values: ["0"] },
  ]);
});
