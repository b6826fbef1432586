/*
 * The tree of commands: names, second names, summaries, and which command is below which. It is citty's tree, with `hs`
 * at its root. The file of a command is imported when the command is called, so that help loads none. Knows nothing of
 * the words behind a name, and of exit statuses.
 *
 * dispatch.ts goes down the tree and calls `run` of the command at its end. citty (0.2.2) cannot do that for us:
 * - It skips options before a name, so `hs --x list` would run list.
 * - It takes `toString` for a command, because it also looks at what every object inherits.
 * - It suggests no name for a misspelt one.
 * - It runs the command above after the one below, and hands neither the answer nor `data` through.
 * - Its `runCommand` parses the words of the command too, and takes 0.5 to 1 ms to load.
 */
import { defineCommand } from "citty";
import type { CommandContext, CommandDef, CommandMeta } from "citty";
import type { Verb } from "../args/layout.ts";
import type { Command } from "./command.ts";

/** What dispatch.ts hands to the command that was called, as `data`: it parses the words and runs the command. */
export type Runner = (command: Command, words: readonly string[], how: How) => Promise<number>;

export interface How {
  /** Works on a configuration that cannot be read. */
  readonly lenient: boolean;
  /** The commands below it, for its help. */
  readonly inner: readonly Verb[];
}

interface Verbs {
  readonly [name: string]: CommandDef;
}

interface More {
  /** As in `How`. */
  readonly lenient?: boolean;
  /** The name of a program that is this command. */
  readonly alias?: string;
  /** Works, but stays out of the help. */
  readonly hidden?: boolean;
  readonly verbs?: Verbs;
}

function verb(name: string, description: string, load: () => Promise<Command>, more: More = {}): CommandDef {
  const { lenient = false, alias, hidden = false, verbs } = more;
  const command: CommandDef = defineCommand({
    meta: { name, description, hidden, ...(alias === undefined ? {} : { alias }) },
    ...(verbs === undefined ? {} : { subCommands: verbs }),
    run: async ({ rawArgs, data }) => (data as Runner)(await load(), rawArgs, { lenient, inner: listed(command) }),
  });
  return command;
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

const verbs: Verbs = {
  cluster: verb(
    "cluster",
    "Run each line of a file or of standard input as a command (hsx)",
    async () => (await import("./cluster.ts")).command,
    { alias: "hsx" },
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
  explain: verb(
    "explain",
    "Say why a task does not run, and what happened to it so far",
    async () => (await import("./explain.ts")).command,
  ),
  wait: verb("wait", "Wait until a task has ended", async () => (await import("./wait.ts")).command),
  tail: verb("tail", "Show what a task prints, as it comes", async () => (await import("./tail.ts")).command),
  run: verb(
    "run",
    "Submit one command, wait, and print what it printed",
    async () => (await import("./run.ts")).command,
  ),
  autoscale: verb(
    "autoscale",
    "Launch pilots while tasks wait in the database",
    async () => (await import("./autoscale.ts")).command,
  ),
  list: verb("list", "Search tasks", async () => (await import("./list.ts")).command),
  report: verb(
    "report",
    "Write a report on tasks: one page with timeline, durations, failures",
    async () => (await import("./report.ts")).command,
  ),
  top: verb(
    "top",
    "Show on the whole screen what runs, who works, and what failed",
    async () => (await import("./top.ts")).command,
  ),
  update: verb(
    "update",
    "Change tasks, cancel, revert or delete them",
    async () => (await import("./update.ts")).command,
  ),
  clean: verb(
    "clean",
    "Remove files of captured output that nobody needs any more",
    async () => (await import("./clean.ts")).command,
  ),
  verify: verb(
    "verify",
    "Say whether the database is sound, and mend it",
    async () => (await import("./verify.ts")).command,
  ),
  init: verb(
    "init",
    "Make a project: a folder with a database of its own",
    async () => (await import("./init.ts")).command,
    {
      lenient: true,
    },
  ),
  completion: verb(
    "completion",
    "Print the script by which a shell completes commands",
    async () => (await import("./completion.ts")).command,
  ),
  config: verb("config", "Show and change settings", async () => (await import("./config.ts")).command, {
    lenient: true,
    verbs: configVerbs,
  }),
};

/** The same commands under the names that they once had. */
const formerVerbs: Verbs = {
  task: verb("task", "Former names of commands", async () => (await import("./task.ts")).command, {
    hidden: true,
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

/** `hs` itself. Called without the name of a command it does nothing here: hs.ts has its own few options. */
export const root: CommandDef = defineCommand({
  meta: { name: "hs" },
  subCommands: { ...verbs, ...formerVerbs },
});

/** The commands below a command, by name; null: it has none. */
export function subCommandsOf(command: CommandDef): Verbs | null {
  return (command.subCommands as Verbs | undefined) ?? null;
}

/** Whether help texts list the command. */
export function isShown(command: CommandDef): boolean {
  return metaOf(command).hidden !== true;
}

/** The command that a program of this name is: `cluster` for `hsx`. null for `hs`, and for every other name. */
export function calledAs(program: string): CommandDef | null {
  return Object.values(verbs).find((each) => metaOf(each).alias === program) ?? null;
}

/** The commands below a command, as help texts list them. */
export function listed(command: CommandDef): readonly Verb[] {
  return Object.entries(subCommandsOf(command) ?? {})
    .filter(([, each]) => isShown(each))
    .map(([name, each]) => ({ name, summary: metaOf(each).description ?? "" }));
}

/** `meta` could be a promise or a function; in this tree it is a value. */
function metaOf(command: CommandDef): CommandMeta {
  return (command.meta as CommandMeta | undefined) ?? {};
}

/** The command behind a name, with its table of options; null: the program itself, which is none. */
export async function commandOf(named: CommandDef): Promise<Command | null> {
  let found: Command | null = null;
  const keep: Runner = (command) => {
    found = command;
    return Promise.resolve(0);
  };
  await named.run?.({ rawArgs: [], args: {} as CommandContext["args"], cmd: named, data: keep });
  return found;
}
