/*
 * `hs initdb`: makes the tables where they are missing, and refreshes the statistics by which the database plans its searches. Asks nothing,
 * because it takes nothing away.
 */
import { systemClock } from "../base/clock.ts";
import { exitStatus } from "../base/errors.ts";
import { databaseSettings } from "../cluster/database.ts";
import type { Command, CommandSpec } from "./command.ts";

const spec: CommandSpec = {
  name: "hs initdb",
  summary: "Create the database if it is missing, bring an older one up to date, and tune its searches.",
  usage: ["hs initdb [-y]"],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [{ key: "yes", names: ["-y", "--yes"], kind: "flag", help: "Answer every question with yes." }],
    },
  ],
  exclusive: [],
  epilog: "SQLite databases are also created when they are first used. Existing tasks are never changed.",
};

export const command: Command = {
  spec,
  bare: "run",
  async run(_parsed, context) {
    const settings = databaseSettings(context.config(), context.loggers("data"));
    const { openUpkeep } = await import("../store/open.ts");
    const store = await openUpkeep({ ...settings, clock: systemClock });
    try {
      const log = context.loggers("data");
      log.info("SQLite database initialized automatically");
      log.info(`Optimizing database ${store.place}`);
      await store.optimize();
    } finally {
      await store.close();
    }
    return exitStatus.success;
  },
};
