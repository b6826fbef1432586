/*
 * `hs initdb`: makes the database, and keeps house in it. Here are the options and what they mean together;
 * housekeeping.ts does the work.
 */
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { systemClock } from "../base/clock.ts";
import { argumentError, configurationError } from "../base/errors.ts";
import { databaseSettings } from "../cluster/database.ts";
import { isAlive } from "../cluster/liveness.ts";
import { openOutput } from "../print/output.ts";
import type { Command, Context } from "./command.ts";
import { actions, acts, confirmed, expectTerminal, initialize, type InitdbPorts } from "./housekeeping.ts";
import { progressKeys, progressOptions, watching } from "./progress.ts";
import { openPrompt } from "./prompt.ts";

const spec = {
  name: "hs initdb",
  summary: "Creates the database if it is missing and tunes its searches, or keeps house in it.",
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
          value: "file",
          kind: "text",
          metavar: "PATH",
          help: "Write a compact copy to PATH, where nothing may be yet (SQLite).",
        },
        {
          key: "rotate",
          names: ["-r", "--rotate"],
          kind: "flag",
          help:
            "Move tasks that have ended to the next partition: main.1, main.2, ... beside main.db (PostgreSQL: " +
            "a table).",
        },
        { key: "truncate", names: ["-t", "--truncate"], kind: "flag", help: "Remove all tasks; partitions stay." },
      ],
    },
    {
      title: "Options",
      options: [
        { key: "yes", names: ["-y", "--yes"], kind: "flag", help: "Answer every question with yes." },
        ...progressOptions,
      ],
    },
  ],
  exclusive: [["vacuum", "backup", "rotate", "truncate"], progressKeys],
  epilog: [
    "Without an action, tables are made where they are missing, and existing tasks are never changed. An " +
      "SQLite database is also made when it is first used.",
    "",
    "hs list and hs info look into partitions too. A failed task stays while it may still be tried again " +
      "(server.attempts), or keeps tasks",
    "of a higher group from running. Servers may run while tasks are moved; before a database is truncated " +
      "they have to be stopped.",
    "",
    "Exit status: 0 success, or the answer was no; 2 bad argument, 3 no database, 4 Ctrl-C, 5 an error, or " +
      "there is no terminal to ask a question on (use --yes).",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed: Words, context) => initdb(parsed, portsOf(parsed, context)),
};

function portsOf(parsed: Words, context: Context): InitdbPorts {
  const log = context.loggers("data");
  const settings = {
    ...databaseSettings(context.config(), log),
    clock: systemClock,
    debug: (text: string) => log.debug(text),
  };
  return {
    log,
    watching: watching(parsed, context),
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
        return (await store.servers()).filter((server) => isAlive(server, systemClock.now()));
      } finally {
        await store.close();
      }
    },
    attempts: () => context.config().integer("server.attempts"),
  };
}

/**
 * Does what the options say; the exit status. Throws UserError for what stands in the way, before anything is changed.
 */
export async function initdb(parsed: Words, ports: InitdbPorts): Promise<number> {
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
