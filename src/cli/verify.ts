/*
 * `hs verify`: says whether a database is sound, and mends what can be mended without guessing. What can be wrong is
 * in history/faults.ts, and in words in faults.ts.
 */
import { existsSync, lstatSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { argumentError, configurationError, exitStatus, runtimeError } from "../base/errors.ts";
import { escapeControls } from "../base/escape.ts";
import { hostName } from "../base/process.ts";
import { counted } from "../base/units.ts";
import { databaseSettings } from "../cluster/database.ts";
import { isAlive } from "../cluster/liveness.ts";
import type { CheckOptions, Checked, CheckStore, Fault } from "../history/faults.ts";
import type { Logger } from "../log/logger.ts";
import { openOutput, type Output } from "../print/output.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { isSameHost } from "../cluster/captured.ts";
import type { Command, Context } from "./command.ts";
import { faultLine, mendedLine } from "./faults.ts";

const usualLimit = 100;

const spec = {
  name: "hs verify",
  summary: "Says whether the database is sound, from its pages to the chains of retries, and mends what can be mended.",
  usage: ["hs verify [--repair] [--files] [--full] [-l NUM]"],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [
        { key: "repair", names: ["--repair"], kind: "flag", help: "Mend what leaves no choice, and tell the rest." },
        { key: "files", names: ["--files"], kind: "flag", help: "Look for the captured files that tasks name, too." },
        {
          key: "full",
          names: ["--full"],
          kind: "flag",
          help: "SQLite: compare each index with its table as well, which takes several times as long.",
        },
        {
          key: "limit",
          names: ["-l", "--limit"],
          kind: "integer",
          help: "Print at most NUM faults, and count the others.",
          fallback: String(usualLimit),
        },
      ],
    },
  ],
  exclusive: [],
  epilog: [
    "Looked at are the database and its partitions, as they are at one moment; servers may run meanwhile. Each " +
      "attempt has one outcome, retries name",
    "each other, every state is one that can be, nothing is held by a server that is gone, and SQLite's own check " +
      "of the file passes (PostgreSQL",
    "has pg_amcheck for that). Each fault is a line: where, which task, what, and what to do.",
    "",
    "Examples:",
    "  hs verify                 after a crash, a full disk, or a restored backup",
    "  hs verify --repair",
    "",
    "Exit status: 0 sound (with --repair: it is now), 2 bad argument, 3 no database, 4 Ctrl-C, 5 faults, or an error.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

/** What `hs verify` needs of its surroundings, so that tests can hand it other ones. */
export interface VerifyPorts {
  readonly open: () => Promise<CheckStore>;
  readonly isAlive: CheckOptions["isAlive"];
  readonly hasFile: NonNullable<CheckOptions["hasFile"]>;
  readonly stdout: Pick<Output, "write">;
  readonly log: Logger;
}

export const command: Command = {
  spec,
  bare: "run",
  run: (parsed: Words, context) => verify(parsed, portsOf(context)),
};

function portsOf(context: Context): VerifyPorts {
  const log = context.loggers("data");
  const settings = databaseSettings(context.config(), log);
  const host = hostName();
  const captured = join(context.config().site.lib, "task");
  return {
    async open() {
      const { databaseOf } = await import("../store/open.ts");
      const database = databaseOf(settings);
      if (database?.kind === "sqlite" && !existsSync(database.file))
        throw configurationError(
          "data",
          `There is no database '${resolve(database.file)}' - check database.file (HYPERSHELL_DATABASE_FILE)`,
        );
      const { openCheck } = await import("../history/open.ts");
      return openCheck(settings);
    },
    isAlive: (server) => isAlive(server, systemClock.now()),
    hasFile({ clientHost }, path) {
      if (isThere(path) || isThere(join(captured, basename(path)))) return true;
      return clientHost === null || isSameHost(clientHost, host) ? false : null;
    },
    stdout: openOutput(1, context.env),
    log,
  };
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch {
    return false;
  }
}

/** Faults that are kept to be mended after one look; what is beyond comes with the next. */
const mostAtOnce = 100_000;

/** Looks, mends if asked to, and tells; the exit status. Throws UserError when there are faults left. */
export async function verify(parsed: Words, ports: VerifyPorts): Promise<number> {
  const limit = parsed.number("limit") ?? usualLimit;
  if (limit < 0) throw argumentError("argument -l/--limit: expected a number from 0 on");
  const { log } = ports;
  const store = await ports.open();
  const options: CheckOptions = {
    whole: parsed.flag("full"),
    isAlive: ports.isAlive,
    hasFile: parsed.flag("files") ? ports.hasFile : null,
  };
  const lines = printer(limit, ports.stdout);
  try {
    log.info(`Verifying ${store.title}`);
    const isRepair = parsed.flag("repair");
    if (isRepair) await repair(store, options, lines, log);
    let faults = 0;
    const checked = await store.check(options, (fault) => {
      faults += 1;
      // What could not be mended after all is for a person.
      lines.print(faultLine(isRepair ? { ...fault, mendable: false } : fault));
    });
    lines.end();
    tell(checked, faults, store.title, log);
  } finally {
    await store.close();
  }
  return exitStatus.success;
}

interface Lines {
  /** Prints a line, unless there were as many as wished. */
  print(line: string): void;
  /** Says how many were not printed. */
  end(): void;
}

function printer(limit: number, stdout: VerifyPorts["stdout"]): Lines {
  let [printed, left] = [0, 0];
  return {
    print(line) {
      if (printed >= limit) {
        left += 1;
        return;
      }
      printed += 1;
      stdout.write(`${escapeControls(line)}\n`);
    },
    end() {
      if (left > 0) stdout.write(`... and ${left} more\n`);
    },
  };
}

/** Mends all that can be mended. What is mended may uncover more, so it looks again as long as that helps. */
async function repair(store: CheckStore, options: CheckOptions, lines: Lines, log: Logger): Promise<void> {
  let sum = 0;
  // Some faults show only when others are gone: a chain is mended link by link.
  for (let round = 0; round < 1000; round++) {
    const found: Fault[] = [];
    await store.check({ ...options, hasFile: null }, (fault) => {
      if (fault.mendable && found.length < mostAtOnce) found.push(fault);
    });
    let mended = 0;
    for (const fault of found) {
      if (!(await store.mend(fault, options.isAlive))) continue;
      mended += 1;
      lines.print(mendedLine(fault));
    }
    sum += mended;
    if (mended === 0) break;
  }
  log.info(sum === 0 ? "There is nothing to mend" : `Mended ${counted(sum, "fault")}`);
}

function tell({ tasks, partitions, filesElsewhere }: Checked, faults: number, title: string, log: Logger): void {
  const where = partitions === 0 ? title : `${title} and ${counted(partitions, "partition")}`;
  if (filesElsewhere > 0)
    log.info(`${counted(filesElsewhere, "captured file")} of other hosts: not looked for - start hs verify there`);
  if (faults > 0) throw runtimeError("data", `${counted(faults, "fault")} in ${where}`);
  log.info(`Sound: ${counted(tasks, "task")} in ${where}`);
}
