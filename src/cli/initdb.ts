/*
 * `hs initdb`: makes the database, and keeps house in it: compacts it, copies it, moves what has ended to a partition, empties it. What takes
 * something away is asked about first; making tables in a file of our own is not.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError, configurationError, exitStatus, runtimeError, UserError } from "../base/errors.ts";
import { hostName } from "../base/process.ts";
import { formatSize } from "../base/units.ts";
import { databaseSettings } from "../cluster/database.ts";
import { isAlive } from "../cluster/liveness.ts";
import type { Logger } from "../log/logger.ts";
import type { UpkeepStore } from "../history/history.ts";
import type { ServerRow } from "../store/store.ts";
import type { Command, Context } from "./command.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { openOutput } from "../print/output.ts";
import { ask, openPrompt } from "./prompt.ts";
import type { PromptPorts } from "./prompt.ts";

const spec: CommandSpec = {
  name: "hs initdb",
  summary: "Create the database if it is missing and tune its searches, or keep house in it.",
  usage: ["hs initdb [-v | -b PATH | -r | -t] [-y]"],
  positionals: [],
  sections: [
    {
      title: "Actions",
      options: [
        { key: "vacuum", names: ["-v", "--vacuum"], kind: "flag", help: "Give back unused space." },
        {
          key: "backup",
          names: ["-b", "--backup"],
          kind: "text",
          metavar: "PATH",
          help: "Write a compact copy to PATH, where nothing may be yet (SQLite).",
        },
        {
          key: "rotate",
          names: ["-r", "--rotate"],
          kind: "flag",
          help: "Move tasks that have ended to the next partition: main.1, main.2, ... beside main.db (PostgreSQL: a table).",
        },
        { key: "truncate", names: ["-t", "--truncate"], kind: "flag", help: "Remove all tasks; partitions stay." },
      ],
    },
    {
      title: "Options",
      options: [{ key: "yes", names: ["-y", "--yes"], kind: "flag", help: "Answer every question with yes." }],
    },
  ],
  exclusive: [["vacuum", "backup", "rotate", "truncate"]],
  epilog: [
    "Without an action, tables are made where they are missing, and existing tasks are never changed. An SQLite database is also made when it is first used.",
    "",
    "hs list and hs info look into partitions too. A failed task stays while it may still be tried again (server.attempts), or keeps tasks",
    "of a higher group from running. Servers may run while tasks are moved; before a database is truncated they have to be stopped.",
    "",
    "Exit status: 0 success, or the answer was no; 2 bad argument, 3 no database, 4 Ctrl-C, 5 an error, or nobody there to answer (see --yes).",
  ].join("\n"),
};

/** What `hs initdb` needs of its surroundings, so that tests can hand it other ones. */
export interface InitdbPorts {
  readonly log: Logger;
  /** Whether there is somebody to see the question. */
  readonly isTerminal: boolean;
  readonly prompt: PromptPorts;
  /** Provider and place; null: no database. */
  readonly database: () => Promise<Pick<UpkeepStore, "provider" | "place"> | null>;
  /** `create`: tables may be made, where that is not done in any case. */
  readonly open: (create: boolean) => Promise<UpkeepStore>;
  /** Servers that use the database now. */
  readonly servers: () => Promise<readonly ServerRow[]>;
  /** Attempts that a run with the present settings allows. */
  readonly attempts: () => number;
}

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed, context) => initdb(parsed, portsOf(context)),
};

function portsOf(context: Context): InitdbPorts {
  const log = context.loggers("data");
  const settings = {
    ...databaseSettings(context.config(), log),
    clock: systemClock,
    debug: (text: string) => log.debug(text),
  };
  return {
    log,
    isTerminal: openOutput(1, context.env).isTerminal,
    prompt: openPrompt(context.env),
    async database() {
      const { hasDatabase, placeOf } = await import("../store/open.ts");
      return hasDatabase(settings) ? placeOf(settings) : null;
    },
    async open(create) {
      const { openUpkeep } = await import("../history/open.ts");
      return openUpkeep({ ...settings, create });
    },
    async servers() {
      const { openStore } = await import("../store/open.ts");
      const store = await openStore(settings);
      try {
        return (await store.servers()).filter((server) => isAlive(server, hostName(), systemClock.now()));
      } finally {
        await store.close();
      }
    },
    attempts: () => context.config().integer("server.attempts") ?? 1,
  };
}

type Action = "vacuum" | "backup" | "rotate" | "truncate";
const actions: readonly Action[] = ["vacuum", "backup", "rotate", "truncate"];

export async function initdb(parsed: Parsed, ports: InitdbPorts): Promise<number> {
  const action = actions.find((each) => parsed.given(each)) ?? null;
  const path = parsed.text("backup") ?? "";
  if (action === "backup" && path === "") throw argumentError("argument -b/--backup: expected the path of a new file");
  const database = await ports.database();
  if (database === null)
    throw configurationError(
      "data",
      "No database configured - set database.file (or HYPERSHELL_DATABASE_FILE) to a path",
    );
  const confirm = (question: string): Promise<boolean> => confirmed(question, parsed.flag("yes"), ports);
  if (action === null) return initialize(database, confirm, ports);
  if (!parsed.flag("yes")) expectTerminal(ports);
  const store = await ports.open(false);
  try {
    return await acts[action]({ store, path, confirm, ports });
  } finally {
    await store.close();
  }
}

function expectTerminal({ isTerminal }: InitdbPorts): void {
  if (!isTerminal) throw runtimeError("data", "RuntimeError", "Non-interactive prompt cannot confirm (see --yes).");
}

async function confirmed(question: string, yes: boolean, ports: InitdbPorts): Promise<boolean> {
  if (yes) return true;
  expectTerminal(ports);
  const answer = await ask(question, "yes", ports.prompt);
  if (answer.kind === "other")
    throw runtimeError("data", "RuntimeError", `Stopping: '${answer.text}' is neither yes nor no`);
  ports.prompt.write(answer.kind === "yes" ? "Ok\n" : "Stopping\n");
  return answer.kind === "yes";
}

type Confirm = (question: string) => Promise<boolean>;

/** The only statement that is made of a database without tables. */
const uninitialized = /^DatabaseUninitialized:/;

async function initialize(
  { provider, place }: Pick<UpkeepStore, "provider" | "place">,
  confirm: Confirm,
  ports: InitdbPorts,
): Promise<number> {
  const { log, open } = ports;
  const store = await open(false).catch(async (error: unknown) => {
    if (!(error instanceof UserError) || !uninitialized.test(error.message)) throw error;
    return (await confirm(`Initialize ${provider} (${place})`)) ? open(true) : null;
  });
  if (store === null) return exitStatus.success;
  try {
    if (provider === "sqlite") log.info("SQLite database initialized automatically");
    else log.info(store.created ? `Created the tables in ${store.title}` : `The tables are there in ${store.title}`);
    log.info(`Optimizing database ${store.place}`);
    await store.optimize();
  } finally {
    await store.close();
  }
  return exitStatus.success;
}

interface Act {
  readonly store: UpkeepStore;
  readonly path: string;
  readonly confirm: Confirm;
  readonly ports: InitdbPorts;
}

/** What each action does: asks, says what it begins, does it, says what came of it. */
const acts: Readonly<Record<Action, (act: Act) => Promise<number>>> = {
  async vacuum({ store, confirm, ports: { log } }) {
    if (!(await confirm(`Vacuum ${named(store)}`))) return exitStatus.success;
    log.info(`Vacuuming database ${store.place}`);
    log.info(`Cleaned ${formatSize(await store.vacuum())} from ${store.place}`);
    return exitStatus.success;
  },

  async backup({ store, path, confirm, ports: { log } }) {
    // Where it cannot be done, nobody is asked whether it should be.
    if (store.provider !== "sqlite") await store.backup(path);
    if (!(await confirm(`Backup ${named(store)} into '${path}'`))) return exitStatus.success;
    log.info(`Backing up ${store.place} into ${path}`);
    await store.backup(path);
    return exitStatus.success;
  },

  async rotate({ store, confirm, ports: { log, attempts } }) {
    const into = await store.nextPartition();
    if (!(await confirm(`Rotate ${named(store)} to '${into}'`))) return exitStatus.success;
    log.info(`Rotating database ${store.place} into ${into}`);
    const moved = await store.rotate(into, attempts());
    log.info(moved === 0 ? "There are no finished tasks to move" : `Moved ${counted(moved)} to ${into}`);
    return exitStatus.success;
  },

  async truncate({ store, confirm, ports: { log, servers } }) {
    expectNoServers(await servers());
    if (!(await confirm(`Truncate ${named(store)} with ${counted(await store.total())}`))) return exitStatus.success;
    // Somebody may have thought about it for long.
    expectNoServers(await servers());
    await store.truncate();
    log.warning("Truncated database");
    return exitStatus.success;
  },
};

function named({ provider, place }: UpkeepStore): string {
  return `${provider} (${place})`;
}

function counted(tasks: number): string {
  return `${tasks} ${tasks === 1 ? "task" : "tasks"}`;
}

/** The tasks that they hold would be gone, and their results with them. */
function expectNoServers(servers: readonly ServerRow[]): void {
  if (servers.length === 0) return;
  const listed = servers.map(({ host, pid }) => `${host}, process ${pid}`).join("; ");
  throw runtimeError("data", "RuntimeError", `The database is in use by a server (${listed}) - stop it first`);
}
