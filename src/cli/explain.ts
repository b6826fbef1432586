/*
 * `hs explain`: why a task does not run, or what came of it, and what happened to it so far. Finds the facts in the
 * database; what they mean is in explain/.
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import { isAlive } from "../cluster/liveness.ts";
import { resourceNames } from "../config/resource-names.ts";
import { explain, explanationText } from "../explain/explain.ts";
import type { Explanation, Facts } from "../explain/facts.ts";
import type { RecordStore, TaskRecord } from "../history/history.ts";
import type { Obstacles } from "../history/obstacles.ts";
import { openOutput } from "../print/output.ts";
import { visibleLines } from "../print/value.ts";
import { shortened } from "../task/failure.ts";
import { mostShown } from "../wire/message.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import type { Command, Context } from "./command.ts";
import { openHistory } from "./history.ts";
import { addressOf, clientTlsOptions, hostOption, keyFileOption, keyOption, keyOptions } from "./network.ts";
import { networkWords, portOption } from "./network.ts";
import { fullId, idOf, idPositional, notFound } from "./one-task.ts";

const networkOptions = [hostOption, portOption, keyOption, keyFileOption, ...clientTlsOptions] as const;

const spec = {
  name: "hs explain",
  summary: "Says why a task does not run, or what came of it, and what happened to it so far.",
  usage: ["hs explain ID... [--json] [-H ADDR] [-p PORT] [--auth-file PATH]"],
  positionals: [
    { ...idPositional, max: Infinity, help: "Ids of tasks, or their beginnings: 8 characters or more of each." },
  ],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "json",
          names: ["--json"],
          kind: "flag",
          help: "A list with an object for each task: id, state, and the sentences of why, story and advice.",
        },
      ],
    },
    {
      title: "To ask a running server what its clients have",
      options: networkOptions,
    },
  ],
  exclusive: [keyOptions],
  epilog: [
    "A task waits for a server that takes it, for its turn in its group, for lower groups to end, for failures of a",
    "lower group to be dealt with, and for a client that has what it needs. What came of one that has ended is told by",
    "its status, its limits and its other attempts. All this is read in the database, and nothing is changed. What",
    "clients have is not in there: where the options name a server, that is asked, which takes its key.",
    "",
    "Examples:",
    "  hs explain 0198f3a2                                       (the beginning of an id will do)",
    "  hs explain $(hs list id -R -l1)                           (the first task that has not ended)",
    "  hs explain 0198f3a2 -H login07 --auth-file key            (has any client what it needs?)",
    "  hs explain --json $(hs list id -F -l5) | jq -r '.[].why[0]'",
    "",
    "Exit status: 0 success, 2 bad argument, 3 no database, 5 there is no such task, or the server does not answer.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = { spec, bare: "usage", run };

async function run(parsed: Words, context: Context): Promise<number> {
  const words = parsed.words("id").map(idOf);
  const resources = resourceNames(context.config());
  const seen = networkOptions.some(({ key }) => parsed.given(key)) ? await askServer(parsed, context) : null;
  const records = await openHistory(context);
  const explained: { readonly explanation: Explanation; readonly line: string }[] = [];
  try {
    for (const word of words) {
      const facts = await factsOf(word, records, { resources, seen });
      explained.push({ explanation: explain(facts), line: shortened(String(facts.task.args)) });
    }
  } finally {
    await records.close();
  }
  const output = openOutput(1, context.env);
  const text = parsed.flag("json")
    ? `${JSON.stringify(
        explained.map(({ explanation }) => explanation),
        null,
        4,
      )}\n`
    : explained.map(({ explanation, line }) => explanationText(explanation, line)).join("\n");
  output.write(output.isTerminal ? visibleLines(text) : text);
  return exitStatus.success;
}

/** The clients of a running server. Throws UserError when it cannot be reached, or does not know the key. */
async function askServer(parsed: Words, context: Context): Promise<NonNullable<Facts["seen"]>> {
  const { loggers } = context;
  const config = context.config();
  const { host, port } = addressOf(parsed, config);
  const { clientSecurity } = await import("../cluster/security.ts");
  const { viewRemote } = await import("../cluster/viewing/remote.ts");
  const words = await networkWords(parsed, null, loggers("task"));
  const security = await clientSecurity({ ...words, config, loggers, host, role: "task" });
  const source = await viewRemote({ host, port, security, logger: "task" });
  try {
    const { clients, clientsTotal } = await source.look({ most: mostShown, filter: "" });
    return { clients, total: clientsTotal };
  } finally {
    await source.close();
  }
}

/** What is known of the task that a word names. Throws UserError when there is none. */
async function factsOf(word: string, records: RecordStore, known: Pick<Facts, "resources" | "seen">): Promise<Facts> {
  const id = await fullId(word, records);
  const task = await records.find(id);
  if (task === null) throw notFound(id);
  const now = systemClock.now();
  const servers = (await records.servers()).map((server) => ({ ...server, isAlive: isAlive(server, now) }));
  const isOpen = task.exit_status === null;
  const isWithClient = isOpen && typeof task.client_id === "string";
  return {
    now,
    task,
    earlier: (await chainOf(task, "previous_id", records)).toReversed(),
    later: await chainOf(task, "next_id", records),
    servers,
    clients: isOpen ? (await records.outlook()).clients : new Map(),
    client: isWithClient ? await records.client(String(task.client_id)) : null,
    obstacles: isOpen && task.schedule_time === null ? await obstaclesOf(task, servers, records) : null,
    ...known,
  };
}

function obstaclesOf(task: TaskRecord, servers: Facts["servers"], records: RecordStore): Promise<Obstacles | null> {
  return records.obstacles({
    id: String(task.id),
    submitId: String(task.submit_id),
    group: Number(task.group),
    reserved: servers.filter(({ reserves, isAlive: lives }) => reserves && lives).map(({ id }) => id),
  });
}

/** More attempts than anybody lets a task have; a chain that bites its own tail was not made by this program. */
const longestChain = 1000;

/** The attempts on one side of a task, the nearest first. */
async function chainOf(
  task: TaskRecord,
  link: "previous_id" | "next_id",
  records: Pick<RecordStore, "find">,
): Promise<readonly TaskRecord[]> {
  const chain: TaskRecord[] = [];
  const known = new Set([String(task.id)]);
  for (let at = task[link]; typeof at === "string" && !known.has(at) && chain.length < longestChain;) {
    known.add(at);
    const found = await records.find(at);
    if (found === null) break;
    chain.push(found);
    at = found[link];
  }
  return chain;
}
