/*
 * What `hs initdb` does to a database: makes it, compacts it, copies it, moves what has ended to a partition, empties
 * it. What takes something away is asked about first; making tables in a file of our own is not.
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus, NoTables, runtimeError, type UserError } from "../base/errors.ts";
import { counted, formatSize } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { UpkeepStore } from "../history/history.ts";
import type { ServerRow } from "../store/store.ts";
import { type Sight, sight } from "../progress/sight.ts";
import { spanText } from "../progress/text.ts";
import type { Watching } from "./progress.ts";
import { ask, nobodyAnswers } from "./prompt.ts";
import type { PromptPorts } from "./prompt.ts";

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
  readonly watching: Watching;
  /** Attempts that a run with the present settings allows. */
  readonly attempts: () => number;
}

/** What can be done besides. */
export type Action = "vacuum" | "backup" | "rotate" | "truncate";
export const actions: readonly Action[] = ["vacuum", "backup", "rotate", "truncate"];

/** Throws UserError when there is nobody to see a question. */
export function expectTerminal({ isTerminal }: InitdbPorts): void {
  if (!isTerminal) throw nobody();
}

/**
 * Whether the answer is yes; `yes`: it is given already. Throws UserError when there is nobody to ask, or the answer is
 * neither.
 */
export async function confirmed(question: string, yes: boolean, ports: InitdbPorts): Promise<boolean> {
  if (yes) return true;
  expectTerminal(ports);
  const answer = await ask(question, "yes", ports.prompt);
  if (answer.kind === "absent") throw nobody();
  if (answer.kind === "other") throw runtimeError("data", `Stopping: '${answer.text}' is neither yes nor no`);
  ports.prompt.write(answer.kind === "yes" ? "Ok\n" : "Stopping\n");
  return answer.kind === "yes";
}

function nobody(): UserError {
  return runtimeError("data", nobodyAnswers);
}

export type Confirm = (question: string) => Promise<boolean>;

/** Makes what is missing, and tunes searches; the exit status. Throws UserError when the database cannot be used. */
export async function initialize(
  { provider, place }: Pick<UpkeepStore, "provider" | "place">,
  confirm: Confirm,
  ports: InitdbPorts,
): Promise<number> {
  const { log, open } = ports;
  const store = await open(false).catch(async (error: unknown) => {
    if (!(error instanceof NoTables)) throw error;
    return (await confirm(`Initialize ${provider} (${place})`)) ? open(true) : null;
  });
  if (store === null) return exitStatus.success;
  try {
    if (provider === "sqlite") log.info("SQLite database initialized automatically");
    else log.info(store.created ? `Created the tables in ${store.title}` : `The tables are there in ${store.title}`);
    log.info(`Optimizing database ${store.place}`);
    await ports.watching(at("optimizing"), () => store.optimize());
  } finally {
    await store.close();
  }
  return exitStatus.success;
}

/** What is seen of a step that cannot tell how far it is: its name, and for how long it has gone on. */
function at(step: string): () => Sight {
  const since = systemClock.now();
  return () => sight({ note: `${step}, ${spanText(Math.floor((systemClock.now() - since) / 1000))}` });
}

interface Act {
  readonly store: UpkeepStore;
  readonly path: string;
  readonly confirm: Confirm;
  readonly ports: InitdbPorts;
}

/** What each action does: asks, says what it begins, does it, says what came of it. */
export const acts: Readonly<Record<Action, (act: Act) => Promise<number>>> = {
  async vacuum({ store, confirm, ports: { log, watching } }) {
    if (!(await confirm(`Vacuum ${named(store)}`))) return exitStatus.success;
    log.info(`Vacuuming database ${store.place}`);
    const freed = await watching(at("compacting"), () => store.vacuum());
    log.info(`Cleaned ${formatSize(freed)} from ${store.place}`);
    return exitStatus.success;
  },

  async backup({ store, path, confirm, ports: { log, watching } }) {
    // Where it cannot be done, nobody is asked whether it should be.
    if (store.provider !== "sqlite") await store.backup(path);
    if (!(await confirm(`Backup ${named(store)} into '${path}'`))) return exitStatus.success;
    log.info(`Backing up ${store.place} into ${path}`);
    await watching(at("copying"), () => store.backup(path));
    return exitStatus.success;
  },

  async rotate({ store, confirm, ports: { log, watching, attempts } }) {
    const into = await store.nextPartition();
    if (!(await confirm(`Rotate ${named(store)} to '${into}'`))) return exitStatus.success;
    log.info(`Rotating database ${store.place} into ${into}`);
    let done = 0;
    const moved = await watching(
      () => sight({ verb: "moved", done }),
      () => store.rotate(into, attempts(), (so) => (done = so)),
    );
    log.info(moved === 0 ? "There are no finished tasks to move" : `Moved ${counted(moved, "task")} to ${into}`);
    return exitStatus.success;
  },

  async truncate({ store, confirm, ports: { log, servers } }) {
    expectNoServers(await servers());
    if (!(await confirm(`Truncate ${named(store)} with ${counted(await store.total(), "task")}`)))
      return exitStatus.success;
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

/** The tasks that they hold would be gone, and their results with them. */
function expectNoServers(servers: readonly ServerRow[]): void {
  if (servers.length === 0) return;
  const listed = servers.map(({ host, pid }) => `${host}, process ${pid}`).join("; ");
  throw runtimeError("data", `The database is in use by a server (${listed}) - stop it first`);
}
