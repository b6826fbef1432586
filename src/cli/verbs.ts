/*
 * The tree of commands: names, summaries, and what is below what. It is citty's (`CommandDef`). A command's file is
 * imported when the command is called, so that help and version load none. Knows nothing of words and exit statuses.
 *
 * hs.ts goes down the tree itself. citty's `runCommand` (0.2.2) skips options before a name (`hs --x list` would run
 * list), runs the command above after the one that was meant, and gives neither its answer nor `data` on.
 */
import { defineCommand } from "citty";
import type { CommandDef } from "citty";
import type { Verb } from "../args/help.ts";
import type { Command } from "./command.ts";

/** What hs.ts hands to the command that was called, as `data`: it parses the words and runs the command. */
export type Runner = (command: Command, words: readonly string[], how: How) => Promise<number>;

export interface How {
  /** Works on a configuration that cannot be read. */
  readonly lenient: boolean;
  /** The commands below it, for its help. */
  readonly inner: readonly Verb[];
}

export interface Verbs {
  readonly [name: string]: CommandDef;
}

function verb(
  name: string,
  description: string,
  load: () => Promise<Command>,
  more: { readonly lenient?: boolean; readonly verbs?: Verbs } = {},
): CommandDef {
  return defineCommand({
    meta: { name, description },
    ...(more.verbs === undefined ? {} : { subCommands: more.verbs }),
    run: async ({ rawArgs, data }) =>
      (data as Runner)(await load(), rawArgs, { lenient: more.lenient ?? false, inner: listed(more.verbs ?? {}) }),
  });
}

const configVerbs: Verbs = {
  get: verb("get", "Show settings", async () => (await import("./config.ts")).configGet, { lenient: true }),
  set: verb("set", "Change a setting in a file", async () => (await import("./config.ts")).configSet, {
    lenient: true,
  }),
  which: verb("which", "Tell where a setting comes from", async () => (await import("./config.ts")).configWhich, {
    lenient: true,
  }),
  edit: verb("edit", "Open a configuration file in your editor", async () => (await import("./config.ts")).configEdit, {
    lenient: true,
  }),
};

export const verbs: Verbs = {
  cluster: verb(
    "cluster",
    "Run each line of a file or of standard input as a command (hsx)",
    async () => (await import("./cluster.ts")).command,
  ),
  server: verb("server", "Hand tasks to the clients that connect", async () => (await import("./server.ts")).command),
  client: verb("client", "Run tasks of a server on this host", async () => (await import("./client.ts")).command),
  submit: verb(
    "submit",
    "Add tasks to the database, or to a running server",
    async () => (await import("./submit.ts")).command,
  ),
  initdb: verb(
    "initdb",
    "Create the database, bring an older one up to date",
    async () => (await import("./initdb.ts")).command,
  ),
  info: verb(
    "info",
    "Show one task: what it was, how it went, what it printed",
    async () => (await import("./info.ts")).command,
  ),
  wait: verb("wait", "Wait until a task has ended", async () => (await import("./wait.ts")).command),
  run: verb(
    "run",
    "Submit one command, wait, and print what it printed",
    async () => (await import("./run.ts")).command,
  ),
  list: verb("list", "Search tasks", async () => (await import("./list.ts")).command),
  update: verb(
    "update",
    "Change tasks, cancel, revert or delete them",
    async () => (await import("./update.ts")).command,
  ),
  config: verb("config", "Show and change settings", async () => (await import("./config.ts")).command, {
    lenient: true,
    verbs: configVerbs,
  }),
};

/** The same commands under the names that they once had; not in the help. */
export const formerVerbs: Verbs = {
  task: verb("task", "Former names of commands", async () => (await import("./task.ts")).command, {
    verbs: {
      submit: verb("submit", "Add one command, print its id", async () => (await import("./task.ts")).taskSubmit),
      info: verbs["info"]!,
      wait: verbs["wait"]!,
      run: verbs["run"]!,
      search: verbs["list"]!,
      update: verbs["update"]!,
    },
  }),
};

/** Names and summaries, as help texts list them. */
export function listed(among: Verbs): readonly Verb[] {
  return Object.entries(among).map(([name, command]) => ({
    name,
    summary: (command.meta as { description: string }).description,
  }));
}
