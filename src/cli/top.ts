/*
 * `hs top`: shows a running server or a database on the screen, or prints once what there is to see. The screen itself
 * is in top/, and where views come from in cluster/viewing.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus } from "../base/errors.ts";
import type { CommandSpec, Parsed } from "../args/spec.ts";
import { reader } from "../args/settled.ts";
import type { Logger, Loggers } from "../log/logger.ts";
import { openOutput } from "../print/output.ts";
import { jsonText } from "../print/value.ts";
import type { View, ViewSource } from "../view/view.ts";
import type { Command, Context } from "./command.ts";
import { serveWeb, webOptions } from "./web.ts";
import { addressOf, clientTlsOptions, hostOption, keyFileOption, keyOption, keyOptions } from "./network.ts";
import { networkWords, portOption } from "./network.ts";

const spec = {
  name: "hs top",
  summary:
    "Shows a database, or a running server, on the whole screen: how far the work is, who works, what runs, and what " +
    "failed last. Without a terminal it prints that once.",
  usage: [
    "hs top [-n SEC] [--filter TEXT] [--once | --json] [-l NUM]",
    "hs top -H ADDR [-p PORT] [--auth-file PATH] [options]",
    "hs top --web [ADDR:]PORT [--web-control] [-H ADDR ...]",
  ],
  positionals: [],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "interval",
          names: ["-n", "--interval"],
          kind: "seconds",
          metavar: "SEC",
          min: 1,
          max: 3600,
          help: "Look anew after so many seconds.",
          preset: 1,
        },
        {
          key: "filter",
          names: ["--filter"],
          value: "free",
          kind: "text",
          metavar: "TEXT",
          help: "Only tasks whose command, host or id has this text; numbers are of all tasks.",
        },
        { key: "once", names: ["--once"], kind: "flag", help: "Print what there is to see, and end." },
        { key: "json", names: ["--json"], kind: "flag", help: "The same as JSON." },
        {
          key: "limit",
          names: ["-l", "--limit"],
          kind: "integer",
          min: 1,
          max: 500,
          help: "With --once and --json: at most NUM clients, running tasks and failures.",
          preset: 100,
        },
      ],
    },
    { title: "Page", options: webOptions },
    {
      title: "Server",
      options: [hostOption, portOption, keyOption, keyFileOption, ...clientTlsOptions],
    },
  ],
  exclusive: [["once", "json", "web"], keyOptions],
  epilog: [
    "The database is that of the project or site, as for hs list. With -H, -p or a key, what is shown is a server, " +
      "which need not have a database.",
    "",
    "Keys: ? shows all. Tab goes from list to list, / filters, s sorts, Enter shows what a task printed, " +
      "Space marks, c cancels, r reverts (both ask first), q leaves.",
    "",
    "Examples:",
    "  hs top                           the database, while others work on it",
    "  hs top -H login07                a server elsewhere (its key: server.auth or --auth-file)",
    "  hs top --filter node12           only tasks of one host",
    "  hs top --once > state.txt        a snapshot for a file",
    "  hs top --json                    the same for a script",
    "  hs top --web 8080                a page for the browser, until Ctrl-C; the link is on stderr",
    "",
    "Exit status: 0 success, 2 bad argument, or a terminal that cannot show a screen, 3 no database, 4 interrupted " +
      "by a signal, 143 terminated, 5 the server or the database cannot be reached.",
  ].join("\n"),
} as const satisfies CommandSpec;

type Words = Parsed<typeof spec>;

export const command: Command = { spec, bare: "run", run: (parsed: Words, context) => top(parsed, context) };

type Surroundings = Pick<Context, "config" | "loggers">;

async function top(parsed: Words, context: Context): Promise<number> {
  const { env } = context;
  const output = openOutput(1, env);
  if (parsed.given("web")) return serveWeb(parsed, context, await opener(parsed, context));
  if (parsed.flag("webControl")) throw argumentError("argument --web-control: needs --web");
  const isScreen = output.isTerminal && process.stdin.isTTY && !parsed.flag("once") && !parsed.flag("json");
  if (isScreen && (env["TERM"] ?? "dumb") === "dumb" && process.platform !== "win32")
    throw argumentError("This terminal cannot show a screen (TERM is 'dumb' or not set): hs top --once prints it");
  const read = reader(spec, parsed, context.config());
  const filter = parsed.text("filter") ?? "";
  const held = holdingLoggers(context.loggers);
  const open = await opener(parsed, isScreen ? { config: context.config, loggers: held.loggers } : context);
  if (!isScreen) {
    const view = await lookOnce(await open(), read("limit") ?? 100, filter);
    const { plainText } = await import("../top/plain.ts");
    output.write(parsed.flag("json") ? jsonOf(view) : plainText(view, filter));
    return exitStatus.success;
  }
  const { watchSource } = await import("../top/watch.ts");
  const { openTerminal } = await import("../top/terminal.ts");
  const [clock, coloured] = [systemClock, output.coloured];
  const intervalMs = (read("interval") ?? 1) * 1000;
  held.hold();
  let end: Awaited<ReturnType<typeof watchSource>>;
  try {
    end = await watchSource({ open, terminal: openTerminal(clock), clock, intervalMs, filter, coloured });
  } finally {
    held.release();
  }
  if (end === "left") return exitStatus.success;
  if (end === "hung") return exitStatus.terminated;
  const name = end === "SIGINT" ? "keyboard-interrupt" : "terminated (SIGTERM)";
  context.loggers("").critical(`${name}: going down now!`);
  return end === "SIGINT" ? exitStatus.interrupted : exitStatus.terminated;
}

/** How to open what the words name: a database, or a server. Rejects for words that name none. */
async function opener(parsed: Words, context: Surroundings): Promise<() => Promise<ViewSource>> {
  const isServer = [hostOption, portOption, keyOption, keyFileOption].some(({ key }) => parsed.given(key));
  return isServer ? serverOpener(parsed, context) : databaseOpener(context);
}

/** A server elsewhere. Its key and certificates are looked at once, before the screen is taken. */
async function serverOpener(parsed: Words, { config, loggers }: Surroundings): Promise<() => Promise<ViewSource>> {
  const { host, port } = addressOf(parsed, config());
  const words = await networkWords(parsed, null, loggers("top"));
  const { clientSecurity } = await import("../cluster/security.ts");
  const security = await clientSecurity({ ...words, config: config(), loggers, host, role: "top" });
  const { viewRemote } = await import("../cluster/viewing/remote.ts");
  return () => viewRemote({ host, port, security, logger: "top" });
}

async function databaseOpener({ config, loggers }: Surroundings): Promise<() => Promise<ViewSource>> {
  const { databaseViewing, viewDatabase } = await import("../cluster/viewing/database.ts");
  const viewing = databaseViewing(config(), loggers, loggers("data"));
  return () => viewDatabase(viewing);
}

async function lookOnce(source: ViewSource, most: number, filter: string): Promise<View> {
  try {
    return await source.look({ most, filter });
  } finally {
    await source.close();
  }
}

/** JSON in ASCII alone, so that no text of a task does anything to a terminal. */
function jsonOf(view: View): string {
  const text = JSON.stringify(view, null, 2);
  return `${text.replace(/[\u007f-\uffff]+/g, (part) => jsonText(part).slice(1, -1))}\n`;
}

/** Loggers whose lines wait while the screen is taken: they would be written across it. */
function holdingLoggers(loggers: Loggers): { loggers: Loggers; hold(): void; release(): void } {
  let waiting: (() => void)[] | null = null;
  const later = (action: () => void): void => {
    if (waiting === null) action();
    else if (waiting.length < mostWaiting) waiting.push(action);
  };
  return {
    loggers(name): Logger {
      const log = loggers(name);
      return {
        enabled: (level) => log.enabled(level),
        trace: (text) => later(() => log.trace(text)),
        debug: (text) => later(() => log.debug(text)),
        info: (text) => later(() => log.info(text)),
        warning: (text) => later(() => log.warning(text)),
        error: (text) => later(() => log.error(text)),
        critical: (text) => later(() => log.critical(text)),
      };
    },
    hold: () => (waiting = []),
    release() {
      const lines = waiting ?? [];
      waiting = null;
      for (const line of lines) line();
    },
  };
}

/** The most lines of the log that wait for the end of the screen. */
const mostWaiting = 100;
