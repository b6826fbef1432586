/*
 * What hsx is compared with, and how each is told to do the same: run a file of commands through the shell, or
 * /bin/echo for each line of a file, so many at a time. Tools that are not there are fetched where that is possible,
 * else left out with the reason.
 */
import { existsSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

export interface Work {
  /** `shell`: each line of the input is a command. `program`: /bin/echo with each line as its argument. */
  readonly kind: "shell" | "program";
  readonly input: string;
  /** What each line says, for those that read no input. */
  readonly line: string;
  readonly tasks: number;
  readonly executors: number;
  /** Whether the lines print something. */
  readonly prints?: boolean;
}

/** A command line; `stdin` is set for tools that take their work from there. */
export interface Call {
  readonly command: readonly string[];
  readonly stdin?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface Tool {
  readonly name: string;
  /** Several times slower than the others: one round says enough. */
  readonly slow: boolean;
  /** Whether it says on stderr how long its tasks took (`seconds 1.5`), without the start of its services. */
  readonly saysSeconds?: boolean;
  /** null: this tool has no such way of working. */
  readonly call: (work: Work) => Call | null;
}

export interface Tools {
  readonly tools: readonly Tool[];
  readonly leftOut: readonly string[];
}

const dist = resolve(import.meta.dir, "../dist");
export const hs = join(dist, "hs");
export const hsx = join(dist, "hsx");

/** The yardstick: everything is put in relation to it. */
export const yardstick = "C loop, sh -c";

const referenceVersion = "2.8.2";
const reference = join(tmpdir(), `hs-bench-hypershell-${referenceVersion}`);
export const referenceHs = join(reference, "bin", "hs");
const referenceHsx = join(reference, "bin", "hsx");

async function succeeds(command: readonly string[]): Promise<boolean> {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  return (await Bun.spawn([...command], { env, stdin: "ignore", stdout: "ignore", stderr: "ignore" }).exited) === 0;
}

async function fetchDebian(program: string, name: string): Promise<boolean> {
  if (Bun.which(program) !== null) return true;
  if (process.getuid?.() !== 0 || Bun.which("apt-get") === null) return false;
  const install = ["apt-get", "install", "-y", "--no-install-recommends", name];
  return (await succeeds(install)) || ((await succeeds(["apt-get", "update"])) && (await succeeds(install)));
}

async function compileLoop(folder: string): Promise<string | null> {
  if (!(await fetchDebian("cc", "gcc"))) return null;
  const program = join(folder, "spawn");
  return (await succeeds(["cc", "-O2", "-o", program, join(import.meta.dir, "bench-spawn.c")])) ? program : null;
}

/** Installed once, outside the checkout, and kept. */
async function fetchReference(): Promise<boolean> {
  if (existsSync(referenceHsx)) return true;
  const installed =
    (await succeeds(["python3", "-m", "venv", reference])) &&
    (await succeeds([join(reference, "bin", "pip"), "install", `hypershell==${referenceVersion}`]));
  if (!installed) rmSync(reference, { recursive: true, force: true });
  return installed && existsSync(referenceHsx);
}

/**
 * HyperQueue has no package but its Python module, which has the server and the worker of `hq` in it: started here with
 * as many cores as there are executors, so that as many tasks run at once. What is measured is from submit to the end.
 */
const hyperQueueVersion = "0.27.0";
const hyperQueueFolder = join(tmpdir(), `hs-bench-hyperqueue-${hyperQueueVersion}`);
const hyperQueueScript = `
import os, sys, time
# The server says on the standard output what it is.
stdout = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig
lines = open(sys.argv[2]).read().splitlines()
with LocalCluster() as cluster:
    cluster.start_worker(WorkerConfig(cores=int(sys.argv[1])))
    job = Job()
    outputs = [f"stdout.{number}" if sys.argv[3] == "prints" else None for number in range(len(lines))]
    for line, output in zip(lines, outputs):
        job.program(["sh", "-c", line], stdout=output, stderr=None)
    client = cluster.client()
    began = time.monotonic()
    client.wait_for_jobs([client.submit(job)])
    print("\\nseconds", time.monotonic() - began, file=sys.stderr)
    for output in filter(None, outputs):
        print(open(output).read(), end="", file=stdout)
`;

async function fetchHyperQueue(): Promise<boolean> {
  const python = join(hyperQueueFolder, "bin", "python");
  if (existsSync(python)) return true;
  const installed =
    (await succeeds(["python3", "-m", "venv", hyperQueueFolder])) &&
    (await succeeds([python, "-m", "pip", "install", `hyperqueue==${hyperQueueVersion}`]));
  if (!installed) rmSync(hyperQueueFolder, { recursive: true, force: true });
  return installed;
}

const hyperQueue: Tool = {
  name: "HyperQueue",
  slow: true,
  saysSeconds: true,
  call({ kind, input, executors, prints }) {
    if (kind === "program") return null;
    const words = [String(executors), input, prints === true ? "prints" : "quiet"];
    return { command: [join(hyperQueueFolder, "bin", "python"), "-c", hyperQueueScript, ...words] };
  },
};

/** What needs nothing but this machine: loops in C, as `program`, and xargs. */
const plainTools = (program: string): Tool[] => [
  {
    name: yardstick,
    slow: false,
    call: ({ kind, line, tasks, executors }) => ({
      command: [program, String(executors), String(tasks), "shell", kind === "shell" ? line : "/bin/echo %d"],
    }),
  },
  {
    name: "C loop, no shell",
    slow: false,
    call: ({ kind, tasks, executors }) =>
      kind === "shell" ? null : { command: [program, String(executors), String(tasks), "direct", "/bin/echo"] },
  },
  {
    name: "xargs -P, sh -c",
    slow: false,
    call: ({ kind, input, executors }) => ({
      command: [
        "xargs",
        "-P",
        String(executors),
        "-n1",
        "-d",
        "\\n",
        "sh",
        "-c",
        ...(kind === "shell" ? [] : ['/bin/echo "$0"']),
      ],
      stdin: input,
    }),
  },
  {
    name: "xargs -P, no shell",
    slow: false,
    call: ({ kind, input, executors }) =>
      kind === "shell"
        ? null
        : { command: ["xargs", "-P", String(executors), "-n1", "-d", "\\n", "/bin/echo"], stdin: input },
  },
];

/** hsx, or its reference. */
const own = (name: string, file: string, slow: boolean, words: readonly string[], env = {}): Tool => ({
  name,
  slow,
  call: ({ kind, input, executors }) => ({
    command: [file, input, "-N", String(executors), ...words, ...(kind === "shell" ? [] : ["-t", "/bin/echo {}"])],
    env,
  }),
});

/** hsx with the output of each task in files. */
export const captured: Tool = own("hsx --capture", hsx, false, ["--capture"]);
/** hsx with a shell for each task, as it was before shells were kept. */
export const freshShells: Tool = own("hsx, task.shell_reuse = false", hsx, false, [], {
  HYPERSHELL_TASK_SHELL_REUSE: "false",
});

function gnuParallel(name: string, words: readonly string[]): Tool {
  return {
    name,
    slow: true,
    call: ({ kind, input, executors }) => ({
      command: [
        "parallel",
        "--will-cite",
        "-j",
        String(executors),
        ...words,
        ...(kind === "shell" ? [] : ["/bin/echo", "{}"]),
      ],
      stdin: input,
    }),
  };
}

/** hsx, and GNU Parallel if it is among `tools`, with each way to print the output of tasks. */
export function printing(tools: readonly Tool[]): readonly Tool[] {
  const ours = ["line", "group", "ordered"].map((mode) => `--output-mode=${mode}`);
  const theirs = tools.some(({ name }) => name === "GNU Parallel") ? ["-u", "--line-buffer", "--group", "-k"] : [];
  return [
    ...ours.map((word) => own(`hsx --no-db ${word}`, hsx, false, ["--no-db", word])),
    ...theirs.map((word) => gnuParallel(`GNU Parallel ${word}`, [word])),
  ];
}

/**
 * The tools that are here, the yardstick first. What is compiled is put into `folder`. Throws an Error without a C
 * compiler.
 */
export async function findTools(folder: string): Promise<Tools> {
  const program = await compileLoop(folder);
  if (program === null) throw new Error("the yardstick is a C program, and there is no C compiler: install cc");
  const tools = plainTools(program);
  const leftOut: string[] = [];
  if (await fetchDebian("parallel", "parallel")) {
    tools.push(gnuParallel("GNU Parallel", []));
  } else leftOut.push("GNU Parallel (Debian package parallel) is not installed");
  if (await fetchHyperQueue()) tools.push(hyperQueue);
  else leftOut.push(`HyperQueue ${hyperQueueVersion} could not be installed (python3 -m venv, pip)`);
  if (await fetchReference()) {
    // Its default is a line on stderr for each task.
    const quiet = { HYPERSHELL_LOGGING_LEVEL: "warning" };
    tools.push(own(`HyperShell ${referenceVersion} --no-db`, referenceHsx, true, ["--no-db", "--no-confirm"], quiet));
  } else leftOut.push(`HyperShell ${referenceVersion} could not be installed (python3 -m venv, pip)`);
  tools.push(own("hsx --no-db", hsx, false, ["--no-db"]), own("hsx", hsx, false, []));
  return { tools, leftOut };
}
