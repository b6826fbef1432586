/*
 * A Slurm of two nodes on this machine, for tests: munged, slurmctld and two slurmd with ports, key and folders of
 * their own, nothing of which touches a Slurm that may be installed here. Needs root and Debian's slurm-wlm and munge.
 * Knows nothing of hs.
 *
 *     await using slurm = await startSlurm();
 *     site.shell("srun -N2 hostname", { env: slurm.env });
 */
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../e2e/harness.ts";
import { freePorts } from "./ports.ts";

/** What tests that use it need on the PATH. */
export const slurmPrograms = ["munged", "slurmctld", "slurmd", "srun", "sbatch", "sinfo", "squeue", "scancel"] as const;

export interface Slurm extends AsyncDisposable {
  /** For commands that are to talk to it. */
  readonly env: Readonly<Record<string, string>>;
  /** Runs a program of Slurm; its standard output. Throws when it fails. */
  readonly run: (words: readonly string[]) => Promise<string>;
}

/** Processors of each node; more than there may be here, since tests mostly wait. */
const cpus = 8;

/** Where one Slurm has its things. */
interface Place {
  readonly folder: string;
  /** The settings of all its programs. */
  readonly file: string;
  /** Where munged listens. */
  readonly socket: string;
  readonly log: string;
  readonly env: Readonly<Record<string, string>>;
}

function newPlace(): Place {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-slurm-")));
  for (const name of ["run", "state", "spool", "log"]) mkdirSync(join(folder, name));
  writeFileSync(join(folder, "munge.key"), crypto.getRandomValues(new Uint8Array(1024)), { mode: 0o600 });
  // munged refuses folders that others can write to.
  chmodSync(folder, 0o755);
  const file = join(folder, "slurm.conf");
  return {
    folder,
    file,
    socket: join(folder, "run/munge.socket"),
    log: join(folder, "log"),
    env: { SLURM_CONF: file },
  };
}

/** Writes slurm.conf and gres.conf. */
function writeSettings({ folder, file, socket }: Place): void {
  const host = hostname().split(".", 1)[0] ?? "localhost";
  const [control, first, second] = freePorts(3);
  const node = (name: string, port: number | undefined): string =>
    [
      `NodeName=${name} NodeHostname=${host} NodeAddr=127.0.0.1 Port=${port}`,
      `CPUs=${cpus} RealMemory=1000 Gres=gpu:2 State=UNKNOWN`,
    ].join(" ");
  const lines = [
    "ClusterName=hs",
    `SlurmctldHost=${host}(127.0.0.1)`,
    `SlurmctldPort=${control}`,
    `SlurmctldPidFile=${folder}/run/slurmctld.pid`,
    `SlurmdPidFile=${folder}/run/slurmd-%n.pid`,
    `SlurmdSpoolDir=${folder}/spool/%n`,
    `StateSaveLocation=${folder}/state`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/%n.log`,
    "SlurmUser=root",
    "SlurmdUser=root",
    "AuthType=auth/munge",
    `AuthInfo=socket=${socket}`,
    "MailProg=/bin/true",
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core",
    "SchedulerType=sched/builtin",
    "SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0",
    "SwitchType=switch/none",
    "MpiDefault=none",
    "GresTypes=gpu",
    "ReturnToService=2",
    "KillWait=5",
    "SlurmdParameters=config_overrides",
    node("n1", first),
    node("n2", second),
    "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  // Slurm wants device files for devices that it counts one by one.
  const gres = ["NodeName=n[1-2] Name=gpu File=/dev/null", "NodeName=n[1-2] Name=gpu File=/dev/zero"];
  writeFileSync(join(folder, "gres.conf"), `${gres.join("\n")}\n`);
}

/** How its daemons are called, munged first: all others need it. */
function daemonsOf({ folder, file, socket, log }: Place): readonly (readonly string[])[] {
  const munged = ["munged", "-F", "--force", `--key-file=${join(folder, "munge.key")}`, `--socket=${socket}`];
  return [
    [
      ...munged,
      `--pid-file=${folder}/run/munged.pid`,
      `--log-file=${log}/munged.log`,
      `--seed-file=${folder}/run/munge.seed`,
    ],
    ["slurmctld", "-D", "-f", file],
    ["slurmd", "-D", "-N", "n1", "-f", file],
    ["slurmd", "-D", "-N", "n2", "-f", file],
  ];
}

function startDaemon(words: readonly string[], { env, log }: Place, number: number): Bun.Subprocess {
  const stderr = Bun.file(join(log, `${number}.err`));
  return Bun.spawn([...words], {
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "ignore",
    stderr,
  });
}

async function stopDaemon(child: Bun.Subprocess): Promise<void> {
  child.kill("SIGTERM");
  const over = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await until(over, "a daemon of Slurm does not end", 5000).catch(() => child.kill("SIGKILL"));
  await child.exited;
}

/** Starts it, and waits until both nodes are idle. Throws when they do not become so; nothing is left running then. */
export async function startSlurm(): Promise<Slurm> {
  const place = newPlace();
  const { env, socket, log } = place;
  writeSettings(place);
  const started: Bun.Subprocess[] = [];

  async function run(words: readonly string[]): Promise<string> {
    const child = Bun.spawn([...words], {
      env: { ...process.env, ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [text, said, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    if (status !== 0) throw new Error(`${words.join(" ")} ended with status ${status}: ${said}`);
    return text;
  }

  async function stop(): Promise<void> {
    if (started.length > 1) await run(["scancel", "--user=root", "--signal=KILL"]).catch(() => undefined);
    for (const child of started.toReversed()) await stopDaemon(child);
    rmSync(place.folder, { recursive: true, force: true });
  }

  try {
    for (const words of daemonsOf(place)) {
      started.push(startDaemon(words, place, started.length));
      if (started.length > 1) continue;
      await until(
        async () => (await Bun.spawn(["munge", "-n", "-S", socket], quiet).exited) === 0,
        "munged does not answer",
      );
    }
    await until(
      async () => (await run(["sinfo", "-h", "-o", "%T %D"]).catch(() => "")).trim() === "idle 2",
      () => `the nodes of Slurm do not become idle, see ${log}`,
    );
  } catch (error) {
    await stop();
    throw error;
  }
  return { env, run, [Symbol.asyncDispose]: stop };
}

const quiet = { stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
