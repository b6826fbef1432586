/*
 * Which devices (GPUs) this host has for the tasks of a client, and how a task is told which of them are its own. What
 * the variables of the environment already restrict is obeyed; where there are none, what is found in /dev and /sys
 * counts, as far as this process may use it. Knows nothing of tasks.
 *
 * A process is restricted by the same variables as the client itself. Where it is known whose devices they are, only
 * the variable of that maker is set: ROCm reads CUDA_VISIBLE_DEVICES too, as numbers among what ROCR_VISIBLE_DEVICES
 * has left.
 *
 * Sources: CUDA C++ Programming Guide, "CUDA Environment Variables"; NVIDIA MIG User Guide, "Device Names"; ROCm, "GPU
 * isolation techniques"; oneAPI Level Zero, ZE_AFFINITY_MASK; Slurm, gres.html; Linux, drivers/gpu/drm/amd/amdkfd.
 */
import { parseList } from "./capacity.ts";
import type { Host } from "./host.ts";

export interface DeviceVariable {
  readonly name: string;
  /** What stands in it for each device, by its position. */
  readonly values: readonly string[];
}

/** The devices of a host, as the variables name them. All of the variables have as many values. */
export interface DeviceList {
  readonly count: number;
  readonly variables: readonly DeviceVariable[];
}

const cuda = "CUDA_VISIBLE_DEVICES";
const rocr = "ROCR_VISIBLE_DEVICES";
const hip = "HIP_VISIBLE_DEVICES";
const ordinal = "GPU_DEVICE_ORDINAL";
const levelZero = "ZE_AFFINITY_MASK";

/** What a value of each variable looks like. A driver reads a list up to the first that does not. */
const shapes: Readonly<Record<string, RegExp>> = {
  [cuda]: /^(?:\d+|GPU-[\da-fA-F-]+|MIG-[\w/-]+)$/,
  [rocr]: /^(?:\d+|GPU-[\da-fA-FX]+)$/,
  [hip]: /^(?:\d+|GPU-[\da-fA-FX]+)$/,
  [ordinal]: /^\d+$/,
  [levelZero]: /^\d+(?:\.\d+)*$/,
};

/**
 * The devices of this host. `wished`: how many there are according to the user, or null. Fewer than were found are the
 * first of them; of more, several are the same device, in turn.
 */
export function listDevices(host: Host, wished: number | null): DeviceList {
  const found = fromVariables(host.env) ?? fromSystem(host);
  if (wished === null || wished === found.count) return found;
  const { variables } = found.count > 0 ? found : numbered([cuda, rocr], wished);
  const many = (values: readonly string[]): string[] =>
    Array.from({ length: wished }, (_, at) => values[at % values.length]!);
  return { count: wished, variables: variables.map(({ name, values }) => ({ name, values: many(values) })) };
}

/** The variables of a task that has the devices at these positions; TASK_GPUS is for its own use. */
export function variablesFor({ variables }: DeviceList, positions: readonly number[]): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, values } of variables) found[name] = positions.map((at) => values[at]!).join(",");
  const first = variables[0];
  found["TASK_GPUS"] = first === undefined ? positions.join(",") : found[first.name]!;
  return found;
}

/** What the variables say; null: there are none. */
function fromVariables(env: Host["env"]): DeviceList | null {
  const given = Object.keys(shapes)
    .filter((name) => env[name] !== undefined)
    .map((name) => ({ name, values: valuesOf(env[name]!, shapes[name]!) }));
  if (given.length === 0) return null;
  // An empty one hides the devices of its maker. Numbers of HIP count among what ROCR has left, so that one restricts.
  const some = given.filter(({ values }) => values.length > 0);
  const isNested = some.some(({ name }) => name === hip);
  const variables = isNested ? some.filter(({ name }) => name !== rocr) : some;
  const count = Math.min(...variables.map(({ values }) => values.length));
  if (variables.length === 0) return { count: 0, variables: [] };
  return { count, variables: variables.map(({ name, values }) => ({ name, values: values.slice(0, count) })) };
}

function valuesOf(text: string, shape: RegExp): string[] {
  const words = text.split(",").map((word) => word.trim());
  const end = words.findIndex((word) => !shape.test(word));
  return [...new Set(end < 0 ? words : words.slice(0, end))];
}

/** What the system shows: the devices of NVIDIA, else those of AMD, else those of Intel. */
function fromSystem(host: Host): DeviceList {
  const nodes = host.list("/dev").filter((name) => /^nvidia\d+$/.test(name));
  const usable = nodes.filter((name) => host.mayUse(`/dev/${name}`)).length;
  const given = parseList(host.env["SLURM_STEP_GPUS"] ?? host.env["SLURM_JOB_GPUS"] ?? "");
  if (given.length > 0) return ofJob(host, given, { nodes: nodes.length, usable });
  if (usable > 0) return hasInstances(host) ? (fromNvidia(host) ?? numbered([cuda], usable)) : numbered([cuda], usable);
  // A driver without nodes makes them when it is first used; WSL and Windows have none.
  const isUnclear = nodes.length === 0 && (host.platform === "win32" || hasDriver(host));
  const named = isUnclear ? fromNvidia(host) : null;
  if (named !== null) return named;
  const amd = radeons(host);
  return amd > 0 ? numbered([rocr], amd) : numbered([levelZero], arcs(host));
}

/**
 * The devices that Slurm gave to the job, whose variables somebody has taken away. Where a control group withholds the
 * others, those that are left count from 0.
 */
function ofJob(
  host: Host,
  given: readonly number[],
  { nodes, usable }: { readonly nodes: number; readonly usable: number },
): DeviceList {
  const names = nodes > 0 ? [cuda] : radeons(host) > 0 ? [rocr] : [cuda, rocr];
  if (usable < nodes) return numbered(names, Math.min(usable, given.length));
  return { count: given.length, variables: names.map((name) => ({ name, values: given.map(String) })) };
}

function numbered(names: readonly string[], count: number): DeviceList {
  const values = Array.from({ length: count }, (_, at) => `${at}`);
  return { count, variables: count === 0 ? [] : names.map((name) => ({ name, values })) };
}

function hasDriver(host: Host): boolean {
  return host.read("/proc/driver/nvidia/version") !== null || host.mayUse("/dev/dxg");
}

/** Whether a device is divided into instances (MIG), of which each is a device of its own. */
function hasInstances(host: Host): boolean {
  const folder = "/proc/driver/nvidia/capabilities";
  const devices = host.list(folder).filter((name) => /^gpu\d+$/.test(name));
  return devices.some((name) => host.list(`${folder}/${name}/mig`).some((each) => /^gi\d+$/.test(each)));
}

/**
 * What `nvidia-smi -L` lists; null: it cannot be asked. An instance takes the place of the device that it is part of.
 */
function fromNvidia(host: Host): DeviceList | null {
  const answer = host.ask(["nvidia-smi", "-L"]);
  if (answer === null) return null;
  const values = parseNvidia(answer);
  return { count: values.length, variables: values.length === 0 ? [] : [{ name: cuda, values }] };
}

/** The UUIDs in what `nvidia-smi -L` prints. */
export function parseNvidia(text: string): string[] {
  const found: { readonly uuid: string; readonly instances: string[] }[] = [];
  for (const line of text.split("\n")) {
    const uuid = /\(UUID: ([\w/-]+)\)/.exec(line)?.[1];
    if (uuid === undefined) continue;
    if (/^\s*MIG /.test(line)) found.at(-1)?.instances.push(uuid);
    else found.push({ uuid, instances: [] });
  }
  return found.flatMap(({ uuid, instances }) => (instances.length > 0 ? instances : [uuid]));
}

/** How many devices of AMD may be used for computing. */
function radeons(host: Host): number {
  if (!host.mayUse("/dev/kfd")) return 0;
  const folder = "/sys/class/kfd/kfd/topology/nodes";
  const nodes = host.list(folder);
  if (nodes.length === 0) {
    const answer = host.ask(["rocm-smi", "--showid"]) ?? "";
    return new Set(answer.match(/^GPU\[\d+\]/gm)).size;
  }
  // The processors of the host are nodes too, with the id 0.
  return nodes.filter((node) => {
    const minor = /^drm_render_minor (\d+)/m.exec(host.read(`${folder}/${node}/properties`) ?? "")?.[1];
    const isDevice = Number(host.read(`${folder}/${node}/gpu_id`) ?? "0") > 0;
    return isDevice && (minor === undefined || host.mayUse(`/dev/dri/renderD${minor}`));
  }).length;
}

/** The number that makers of hardware have of PCI-SIG: Intel. */
const intel = "0x8086";
/** Where the graphics of an Intel processor sits, which is a display and no device for tasks. */
const builtIn = /\/0000:00:02\.\d$/;

function arcs(host: Host): number {
  return host.list("/dev/dri").filter((name) => {
    if (!/^renderD\d+$/.test(name)) return false;
    const device = `/sys/class/drm/${name}/device`;
    if (host.read(`${device}/vendor`)?.trim() !== intel || builtIn.test(host.link(device) ?? "")) return false;
    return host.mayUse(`/dev/dri/${name}`);
  }).length;
}
