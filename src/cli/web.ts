/*
 * The options of commands that show a page, and what they mean together: where it is, by TLS or not, who may see it.
 * The page itself is in web/, and where its data comes from the command says.
 */
import { argumentError, configurationError, exitStatus, type UserError } from "../base/errors.ts";
import { systemClock } from "../base/clock.ts";
import { secretDigits } from "../base/ids.ts";
import { isLoopback } from "../base/loopback.ts";
import { networkName, shortHost } from "../base/process.ts";
import { programVersion } from "../base/version.ts";
import type { Config } from "../config/load.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import { openOutput } from "../print/output.ts";
import type { ViewSource } from "../view/view.ts";
import type { ServerTls } from "../wire/listen.ts";
import type { Context } from "./command.ts";

export const webOptions = [
  {
    key: "web",
    names: ["--web"],
    value: "free",
    kind: "text",
    metavar: "[ADDR:]PORT",
    help: "Show the run as a web page, on this host only unless ADDR says otherwise; the link is on stderr.",
  },
  {
    key: "webControl",
    names: ["--web-control"],
    kind: "flag",
    help: "The page can cancel tasks, and have them run again; without this it only shows.",
  },
] as const satisfies readonly Option[];

type WebOption = (typeof webOptions)[number];

/** A page that is open. Its data comes when there is some. */
export interface OpenPage {
  /** Where the data comes from, as soon as it is there. */
  show(source: Promise<ViewSource>): void;
  /** Tells viewers why, and closes the page and its source. */
  close(why: string): Promise<void>;
}

/**
 * Opens the page that the words ask for, and prints its link; null: they ask for none. `tls`: that of the server; null:
 * it has none. Throws a UserError for an address that cannot be used, or one beyond this host without TLS.
 */
export async function openWeb(
  parsed: ParsedWith<WebOption>,
  context: Context,
  tls: ServerTls | null,
): Promise<OpenPage | null> {
  const word = parsed.text("web");
  if (word === undefined) {
    if (parsed.flag("webControl")) throw argumentError("argument --web-control: needs --web");
    return null;
  }
  const config = context.config();
  const { parseWebAddress } = await import("../web/address.ts");
  const address = parseWebAddress(word);
  const isPlain = isLoopback(address.host) || config.boolean("web.plain");
  if (!isPlain && tls === null)
    throw argumentError(
      `argument --web: beyond this host the page needs TLS, which is off here (web.plain goes without)`,
    );
  const { openPage } = await import("../web/page.ts");
  const { tlsOptions } = await import("../wire/listen.ts");
  const given = await givenToken(config, context);
  const token = given ?? secretDigits(tokenDigits);
  const log = context.loggers("web");
  const arrived = Promise.withResolvers<ViewSource>();
  arrived.promise.catch(() => undefined);
  let isShown = false;
  const page = openPage({
    source: lateSource(arrived.promise, () => isShown),
    address,
    tls: isPlain || tls === null ? null : tlsOptions(tls),
    token,
    names: namesOf(config),
    control: parsed.flag("webControl"),
    mostViewers: config.integer("web.viewers"),
    version: programVersion,
    clock: systemClock,
    log,
  });
  const url = page.url(/^(?:0\.0\.0\.0|::)$/.test(address.host) ? networkName() : address.host);
  log.info(`Page at ${url}`);
  // Log files are kept and read by others, so the token goes past the log.
  if (given === null) openOutput(2, context.env).write(`Open ${url}?token=${token}\n`);
  return {
    show(source) {
      isShown = true;
      arrived.resolve(source);
    },
    close: page.close,
  };
}

/**
 * Shows a source as a page until a signal ends it, for commands that do nothing else; the exit status. A source that
 * fails is opened anew at the next look. Throws a UserError as openWeb does, and when it cannot be opened at first.
 */
export async function serveWeb(
  parsed: ParsedWith<WebOption>,
  context: Context,
  open: () => Promise<ViewSource>,
): Promise<number> {
  const source = reopened(await open(), open);
  const { pageSecurity } = await import("../cluster/security.ts");
  const bind = (await import("../web/address.ts")).parseWebAddress(parsed.text("web")!).host;
  const tls = isLoopback(bind)
    ? null
    : await pageSecurity({ config: context.config(), loggers: context.loggers, bind });
  const page = await openWeb(parsed, context, tls);
  page?.show(Promise.resolve(source));
  const { heedEnding } = await import("./interrupt.ts");
  const heeded = heedEnding(context);
  await new Promise<void>((resolve) => heeded.signal.addEventListener("abort", () => resolve(), { once: true }));
  await page?.close("The page has been closed");
  return heeded.status() ?? exitStatus.success;
}

/** A source that takes the place of one that has failed, when somebody looks again. */
function reopened(first: ViewSource, open: () => Promise<ViewSource>): ViewSource {
  let current: Promise<ViewSource> | null = Promise.resolve(first);
  async function ask<T>(question: (source: ViewSource) => Promise<T>): Promise<T> {
    const asked = (current ??= open());
    try {
      return await question(await asked);
    } catch (error) {
      // What was asked for may be wrong, but to open a source anew costs little.
      if (current === asked) current = null;
      await asked.then((source) => source.close()).catch(() => undefined);
      throw error;
    }
  }
  return {
    look: (query) => ask((source) => source.look(query)),
    output: (query) => ask((source) => source.output(query)),
    act: (action, ids) => ask((source) => source.act(action, ids)),
    close: async () => void (await current)?.close(),
  };
}

/** 192 bits in hexadecimal. */
const tokenDigits = 48;

/** The shortest token that is taken from a file, characters. */
const shortestToken = 16;

async function givenToken(config: Config, { loggers }: Context): Promise<string | null> {
  const path = config.text("web.tokenfile");
  if (path === null || path === "") return null;
  const { readKeyFile } = await import("../cluster/key-file.ts");
  const blame = (text: string): UserError => configurationError("web", `web.tokenfile: ${text}`);
  const token = await readKeyFile(path, blame, loggers("web").warning);
  if (token.length < shortestToken || /\s/.test(token))
    throw configurationError(
      "web",
      `web.tokenfile: the token must have ${shortestToken} characters or more, no blanks`,
    );
  return token;
}

function namesOf(config: Config): readonly string[] {
  const name = networkName();
  const given = config.raw("web.hosts");
  const hosts = (Array.isArray(given) ? given : String(given ?? "").split(/[\s,]+/))
    .map(String)
    .filter((host) => host !== "");
  return [name, shortHost(name), ...hosts];
}

/** A source that is there only when the run has begun. */
function lateSource(arrived: Promise<ViewSource>, isShown: () => boolean): ViewSource {
  return {
    look: async (query) => (await arrived).look(query),
    output: async (query) => (await arrived).output(query),
    act: async (action, ids) => (await arrived).act(action, ids),
    close: async () => (isShown() ? arrived.then((source) => source.close()) : undefined),
  };
}
