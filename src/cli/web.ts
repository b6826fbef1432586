/*
 * The page of a run or of a database, for the commands that have one: its options, what they mean together with the
 * configuration, and who is told where it is. The page itself is in web/.
 */
import { systemClock } from "../base/clock.ts";
import { argumentError, exitStatus, UserError } from "../base/errors.ts";
import { secretDigits } from "../base/ids.ts";
import { isLoopback } from "../base/loopback.ts";
import { hostName, networkName, shortHost } from "../base/process.ts";
import { programVersion } from "../base/version.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import type { Seen } from "../cluster/viewing/seen.ts";
import type { ServerTls } from "../wire/listen.ts";
import { openOutput } from "../print/output.ts";
import type { ViewSource } from "../view/view.ts";
import type { Page } from "../web/page.ts";
import type { Context } from "./command.ts";

export const webOptions = [
  {
    key: "web",
    names: ["--web"],
    value: "free",
    kind: "text",
    metavar: "[ADDR:]PORT",
    help: "Show it as a web page there, on this host unless ADDR is given (then by TLS); 0 is any free port.",
  },
  {
    key: "webControl",
    names: ["--web-control"],
    kind: "flag",
    help: "Let the page cancel tasks and run them again.",
  },
] as const satisfies readonly Option[];

type WebWords = ParsedWith<(typeof webOptions)[number]>;

/** The certificate for a page that other hosts reach. Rejects with a UserError where there is none. */
export type WebTls = () => Promise<ServerTls | null>;

/**
 * Opens the page if it was asked for; null: it was not. `source`: what it shows, which may come later. `tls`: the
 * certificate for a page beyond this host. Throws a UserError when it cannot listen, or would not be safe.
 */
async function openWeb(
  parsed: WebWords,
  context: Context,
  source: Promise<ViewSource>,
  tls: WebTls,
): Promise<Page | null> {
  const word = parsed.text("web");
  const control = parsed.flag("webControl");
  if (word === undefined) {
    if (control) throw argumentError("argument --web-control: it needs --web, the page that it is about");
    return null;
  }
  const { parseWebAddress } = await import("../web/address.ts");
  const address = parseWebAddress(word);
  const certificate = isLoopback(address.host) ? null : await certificateFor(address.host, tls);
  const { openPage } = await import("../web/page.ts");
  const { laterSource } = await import("../web/later.ts");
  const { tlsOptions } = await import("../wire/listen.ts");
  const config = context.config();
  const given = config.text("web.token");
  const token = given ?? secretDigits(tokenDigits);
  const page = openPage({
    source: laterSource(source),
    address,
    tls: certificate === null ? null : tlsOptions(certificate),
    token,
    names: [hostName(), shortHost(hostName()), networkName(), ...namesIn(config.text("web.hosts"))],
    control,
    mostViewers: config.integer("web.viewers"),
    version: programVersion,
    clock: systemClock,
    log: context.loggers("web"),
  });
  // The log may be kept in files that others read; the token is for who started the page.
  const url = page.url(isEveryAddress(address.host) ? networkName() : address.host);
  openOutput(2, context.env).write(given === null ? `Page: ${url}?token=${token}\n` : `Page: ${url}\n`);
  return page;
}

/** 256 bits. */
const tokenDigits = 64;

function namesIn(text: string | null): readonly string[] {
  return (text ?? "").split(/[,\s]+/).filter((name) => name !== "");
}

async function certificateFor(host: string, tls: WebTls): Promise<ServerTls> {
  const certificate = await tls();
  if (certificate !== null) return certificate;
  throw argumentError(
    `argument --web: other hosts reach ${host}, so the page needs TLS: leave out --no-tls (server.tls.enabled), ` +
      "or give a port alone, and come through ssh -L",
  );
}

function isEveryAddress(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** What a run is told so that the page can show it; empty where there is no page. */
export interface Show {
  readonly onServing?: (seen: Pick<Seen, "view">) => void;
}

/**
 * Runs with a page, if one was asked for, which ends with the run. Throws a UserError when it cannot listen, or would
 * not be safe, and what `run` throws.
 */
export async function withPage<T>(
  parsed: WebWords,
  context: Context,
  tls: WebTls,
  run: (show: Show) => Promise<T>,
): Promise<T> {
  const source = Promise.withResolvers<ViewSource>();
  const page = await openWeb(parsed, context, source.promise, tls);
  if (page === null) return run({});
  try {
    return await run({ onServing: (seen) => void seen.view().then(source.resolve, source.reject) });
  } finally {
    source.reject(new UserError(exitStatus.runtimeError, "web", "The run has not begun"));
    await page.close("The run has ended.");
  }
}
