/*
 * `hs client`: connects to a server and runs its tasks on this host. Here are the options and what they mean together;
 * cluster/remote.ts does the work.
 */
import { systemClock } from "../base/clock.ts";
import { isLoopback } from "../base/loopback.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import { saveThreads } from "../base/threads.ts";
import { usableCores } from "../client/capacity.ts";
import { thisHost } from "../client/host.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { startDelay } from "./delay.ts";
import { hostWishes } from "./host-words.ts";
import { instanceId } from "./instance.ts";
import {
  clientOptions,
  delayOption,
  executorsOption,
  hostOptions,
  idleOption,
  limitOptions,
  noConfirmOption,
  outputOptions,
  rateLimitOf,
  returnOptions,
  taskOptions,
  taskTimeoutOption,
  templateOption,
} from "../args/options.ts";
import { reader, valuesOf } from "../args/settled.ts";
import {
  clientTlsOptions,
  addressesOf,
  hostsOption,
  keyFileOption,
  keyFromStdin,
  keyOption,
  keyOptions,
  networkWords,
  portOption,
} from "./network.ts";
import { openOutput } from "../print/output.ts";
import { refuseOtherOutput, resultsGiven } from "./results.ts";

const spec = {
  name: "hs client",
  summary: "Connects to a server and runs its tasks on this host, several at a time.",
  usage: ["hs client [-H ADDR] [-p PORT] [--auth-file PATH] [-N NUM] [-t CMD] [-T SEC] [options]"],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [executorsOption, templateOption, idleOption, delayOption, ...returnOptions, noConfirmOption],
    },
    {
      title: "Server",
      options: [
        hostsOption,
        portOption,
        keyOption,
        keyFileOption,
        {
          key: "authStdin",
          names: ["--auth-stdin"],
          kind: "flag",
          help: "Read the key from the first line of standard input.",
          hidden: true,
        },
        ...clientTlsOptions,
      ],
    },
    {
      title: "Limits",
      options: [taskTimeoutOption, ...taskOptions, ...limitOptions],
    },
    {
      title: "Host",
      options: hostOptions,
    },
    {
      title: "Output",
      options: [
        ...outputOptions,
        {
          key: "availableCores",
          names: ["--available-cores"],
          kind: "flag",
          help: "Print the number of cores and stop.",
          hidden: true,
        },
        {
          key: "availableSshGroups",
          names: ["--available-ssh-groups"],
          kind: "flag",
          help: "Print the names in ssh.nodelist and stop.",
          hidden: true,
        },
      ],
    },
  ],
  exclusive: [[...keyOptions, "authStdin"]],
  epilog: [
    "Examples:",
    "  hs client -H login07 -N16 -T60 --capture                 (the key: server.auth, as the server has it)",
    "  hs client -H login07 -N16 -T60 --auth-file ~/key         (a file with the key, chmod 600)",
    "  hs client -H login07 -p 50002 -N0 -t 'singularity exec image.sif sh -c {Q}'",
    "",
    "Pilot jobs of Slurm:",
    "  Warned five minutes before its time is up, a client takes no more tasks and lets those that run end:",
    "",
    "    #SBATCH -c48 --signal=B:USR1@300",
    "    exec hs client -H login07 -N48 -T60 --capture 2>>client.log",
    "",
    "  By itself it starts no task whose time limit reaches beyond the end of the job, and tasks find that in " +
      "$TASK_DEADLINE (seconds since 1970). On every node of a job; --overlap lets srun work in its tasks, too:",
    "",
    "    srun --overlap hs client -H login07 -N0 -T60",
    "",
    "Connection:",
    "  A server that is not there yet is tried for client.connect seconds (15). When the connection breaks " +
      "tasks go on, and the server (or the one",
    "  that was started in its place) is tried for client.reconnect seconds (600); it then hears what has " +
      "finished meanwhile. Of several servers",
    "  (-H A -H B) the next is asked when one is gone, or sends its clients away; with tasks in hand after " +
      "half of server.grace (15). Give several",
    "  only if they share a database, or are to be served one after the other.",
    "",
    "Signals:",
    "  Ctrl-C, TERM   stop every task, give it back and go (a second Ctrl-C: at once)",
    "  USR1           take nothing more, let running tasks end, go",
    "  USR2           take nothing more, stop running tasks, return their outcomes, go",
    "  HUP            begin a new log file (logging.file), nothing else",
    "",
    "  A signal to the whole job (a time limit, scancel, systemd): a task that it ended within 2 seconds of the " +
      "client is given back, not failed.",
    "",
    "Exit status: 0 left in order, 4 interrupted (Ctrl-C), 143 terminated, 141 nobody reads its tasks' output " +
      "any more, 2 bad argument, 3 bad configuration, 5 server not reached or other errors.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

function checkTogether(parsed: Words): void {
  refuseOtherOutput(parsed);
  if (!parsed.flag("capture")) return;
  for (const [key, names] of [
    ["output", "-o/--output"],
    ["errors", "-e/--errors"],
  ] as const) {
    if (parsed.given(key)) throw argumentError(`argument --capture: not allowed with argument ${names}`);
  }
}

async function run(parsed: Words, context: Context): Promise<number> {
  if (parsed.flag("availableCores")) return print([`${usableCores(thisHost(context.env))}`], context);
  if (parsed.flag("availableSshGroups")) return print(sshGroups(context), context);
  checkTogether(parsed);
  const host = hostWishes(parsed, context.config(), systemClock.now());
  // This comes before anything is said or done: the program may start anew.
  saveThreads(parsed.number("executors") ?? 0);
  const config = context.config();
  const servers = addressesOf(parsed, config);
  const read = reader(spec, parsed, config);
  const results = await resultsGiven(read("results"), null, context.cwd);
  const delay = startDelay(read("delay"), context.loggers("client"));
  const idle = read("timeout") ?? 0;
  const words = await networkWords(parsed, null, context.loggers("client"));
  const { keyVariable, launchVariable } = await import("../launch/launcher.ts");
  const { [keyVariable]: runKey, [launchVariable]: launch = "", ...env } = context.env;
  const given = parsed.flag("authStdin") ? await keyFromStdin() : null;
  const key = given ?? words.key ?? runKey ?? null;
  const isLaunched = given !== null || (words.key === null && runKey !== undefined);
  // Who has launched it has been told.
  const { clientSecurity } = await import("../cluster/security.ts");
  // What would be too little on the way to any of them is too little.
  const farthest = servers.find((each) => !isLoopback(each.host)) ?? servers[0]!;
  const about = { config, loggers: context.loggers, host: farthest.host, role: "client" } as const;
  const security = await clientSecurity({ ...words, key, ...about });
  const { jobOfClient } = await import("../launch/submitted.ts");
  const { runClientAlone } = await import("../cluster/remote.ts");
  const { onSignals } = await import("../cluster/signals.ts");
  const { stoppedBy } = await runClientAlone({
    instanceId,
    env,
    cwd: context.cwd,
    config,
    loggers: context.loggers,
    servers,
    security,
    wishes: { ...valuesOf(clientOptions, read), results },
    executors: read("executors"),
    clientCores: read("clientCores"),
    clientMemory: read("clientMemory"),
    ratelimit: rateLimitOf(parsed, config),
    bundleSize: read("bundleSize"),
    bundleWaitMs: read("bundleWait") * 1000,
    launched: isLaunched,
    job: jobOfClient(launch, env),
    delayMs: delay * 1000,
    output: read("output"),
    errors: read("errors"),
    idleMs: idle === 0 ? null : idle * 1000,
    taskTimeout: read("taskTimeout"),
    host,
    signalWaitMs: read("signalWait") * 1000,
    hearStop: onSignals,
  });
  if (stoppedBy === "SIGINT") return exitStatus.interrupted;
  if (stoppedBy === "SIGPIPE") return exitStatus.unread;
  return stoppedBy === "SIGTERM" ? exitStatus.terminated : exitStatus.success;
}

function print(lines: readonly string[], context: Context): number {
  const output = openOutput(1, context.env);
  for (const line of lines) output.write(`${line}\n`);
  return exitStatus.success;
}

/** For shell completion. A list or a pattern has no groups. */
function sshGroups(context: Context): readonly string[] {
  const nodes = context.config().raw("ssh.nodelist");
  return typeof nodes === "object" && nodes !== null && !Array.isArray(nodes) ? Object.keys(nodes) : [];
}

export const command: Command = { spec, bare: "usage", run };
