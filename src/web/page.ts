/*
 * The page: the only user of Bun.serve. It answers with the page's own files, the events of `live.ts`, output of
 * tasks, metrics, and what is to be done to tasks. Who may ask for it: `admission.ts`. Where the data comes from it
 * does not know.
 */
import type { Clock } from "../base/clock.ts";
import { messageOf, runtimeError, UserError } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Logger } from "../log/logger.ts";
import type { OutputQuery, ViewAction, ViewSource } from "../view/view.ts";
import { inUrl, type WebAddress } from "./address.ts";
import { type Asked, judge, mayChange, type Rules, secretsOf } from "./admission.ts";
import { type Answers, newAnswers } from "./answers.ts";
import { type Live, newLive } from "./live.ts";
import { type EndedCounter, metricsOf, metricsType, newEndedCounter } from "./metrics.ts";
import { rowsOf, shownOutput, wholeOf } from "./shown.ts";

export interface PageOptions {
  readonly source: ViewSource;
  readonly address: WebAddress;
  /** The certificate and the rules of TLS; null: plain HTTP. */
  readonly tls: Bun.TLSOptions | null;
  /** What a viewer must show, once. */
  readonly token: string;
  /** Names of this host by which the page may be called; addresses and `localhost` always may be used. */
  readonly names: readonly string[];
  /** Whether viewers may cancel tasks and have them run again. */
  readonly control: boolean;
  /** The largest number of viewers at a time. */
  readonly mostViewers: number;
  readonly version: string;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Page {
  /** Where it is, without the token. `shownHost`: what stands for an address that is every one of this host. */
  url(shownHost: string): string;
  /** Tells viewers why, and closes the page and its source. */
  close(why: string): Promise<void>;
}

interface State {
  readonly options: PageOptions;
  readonly rules: Rules;
  readonly live: Live;
  readonly answers: Answers;
  readonly ended: EndedCounter;
}

/** The largest request, bytes: an address and a few thousand ids. */
const mostRequest = 256 * 1024;

/** How long a connection may be silent, seconds. A viewer hears something every second. */
const idleSeconds = 60;

/** The largest piece of output that one request gets, bytes. */
const mostOutput = 256 * 1024;

/** The largest number of tasks that one request changes. */
const mostIds = 1000;

/** The longest filter, characters. */
const mostFilter = 200;

/** Opens the page. Throws a UserError when it cannot listen there. */
export function openPage(options: PageOptions): Page {
  const { address, tls, source, clock } = options;
  const live = newLive({ source, clock, most: options.mostViewers });
  // Its port is in the name of its cookie, and is known only when it listens.
  let state: State | null = null;
  const server = listen(options, (request) =>
    state === null ? new Response(null, { status: 503 }) : answer(state, request),
  );
  const port = server.port ?? address.port;
  const secrets = secretsOf(options.token, port, tls !== null);
  const names = new Set([address.host, ...options.names].map((name) => name.toLowerCase().replace(/\.$/, "")));
  const rules = { secrets, names, control: options.control };
  state = { options, rules, live, answers: newAnswers(rules, options.version), ended: newEndedCounter() };
  return {
    url: (shownHost) => `${tls === null ? "http" : "https"}://${inUrl(shownHost)}:${port}/`,
    async close(why) {
      live.close(why);
      // Connections that go on would keep the process; a moment is enough for the last event.
      const { promise, resolve } = Promise.withResolvers<void>();
      clock.after(partingMs, resolve);
      await Promise.race([server.stop(false), promise]);
      await server.stop(true);
      await source.close();
    },
  };
}

/** How long viewers may take for the last event, milliseconds. */
const partingMs = 100;

type Handler = (request: Request) => Response | Promise<Response>;

function listen({ address, tls, log }: PageOptions, fetch: Handler): Bun.Server<undefined> {
  const { host, port } = address;
  try {
    return Bun.serve({
      hostname: host,
      port,
      // Without this two programs share a port that is named, and each gets requests that are for the other.
      reusePort: false,
      idleTimeout: idleSeconds,
      maxRequestBodySize: mostRequest,
      development: false,
      ...(tls === null ? {} : { tls }),
      fetch,
      error(error) {
        log.error(`A request to the page failed: ${messageOf(error)}`);
        return new Response("Internal error\n", { status: 500 });
      },
    });
  } catch (error) {
    throw runtimeError("web", `The page cannot be at ${inUrl(host)}:${port}: ${reasonOf(error)}`);
  }
}

function reasonOf(error: unknown): string {
  switch (error instanceof Error && "code" in error ? error.code : "") {
    case "EADDRINUSE":
      return "another program listens there, choose another port";
    case "EADDRNOTAVAIL":
      return "it is not an address of this host";
    case "EACCES":
      return "ports below 1024 need special rights";
    default:
      return messageOf(error);
  }
}

async function answer(state: State, request: Request): Promise<Response> {
  const { answers, rules } = state;
  const url = new URL(request.url);
  const asked = askedOf(request, url);
  const verdict = judge(asked, rules);
  if (verdict.kind === "refused") return answers.refuse(verdict.status, verdict.text, asked);
  if (verdict.kind === "enter") return answers.enter(verdict.fromElsewhere);
  if (url.pathname === "/act") return act(state, request, asked);
  if (request.method !== "GET" && request.method !== "HEAD") return answers.text(405, "Only GET is answered here.");
  const file = answers.file(url.pathname);
  if (file !== null) return file;
  const filter = (url.searchParams.get("filter") ?? "").slice(0, mostFilter);
  try {
    switch (url.pathname) {
      case "/events":
        return events(state, filter);
      case "/view": {
        const view = await state.live.look(filter);
        return answers.json({ ...wholeOf(view), ...rowsOf(view, filter) });
      }
      case "/output":
        return answers.json(shownOutput(await state.options.source.output(outputOf(url))));
      case "/metrics":
        return await metrics(state);
      default:
        return answers.text(404, "There is no such page.");
    }
  } catch (error) {
    return troubled(state, error);
  }
}

function askedOf({ method, headers }: Request, url: URL): Asked {
  return {
    method,
    path: url.pathname,
    token: url.searchParams.get("token"),
    host: headers.get("host"),
    origin: headers.get("origin"),
    site: headers.get("sec-fetch-site"),
    mode: headers.get("sec-fetch-mode"),
    cookie: headers.get("cookie"),
    authorization: headers.get("authorization"),
    control: headers.get("x-hs-control"),
  };
}

function troubled({ answers, options }: State, error: unknown): Response {
  if (error instanceof UserError) return answers.text(409, error.message);
  options.log.debug(() => `The page has no answer: ${messageOf(error)}`);
  return answers.text(503, messageOf(error));
}

function events({ live, answers, options }: State, filter: string): Response {
  const stream = live.join(filter);
  if (stream !== null) return answers.events(stream);
  return answers.text(503, `There are ${counted(options.mostViewers, "viewer")} already (web.viewers).`);
}

async function metrics({ live, answers, ended, options }: State): Promise<Response> {
  const view = await live.latest();
  const facts = { version: options.version, viewers: live.viewers(), ended: ended.count(view) };
  return answers.plain(metricsOf(view, facts), metricsType);
}

function outputOf({ searchParams }: URL): OutputQuery {
  const whole = (name: string, usual: number): number => {
    const given = Number(searchParams.get(name) ?? usual);
    return Number.isSafeInteger(given) ? given : usual;
  };
  return {
    id: searchParams.get("id") ?? "",
    stream: searchParams.get("stream") === "stderr" ? "stderr" : "stdout",
    from: Math.max(-mostOutput, whole("from", -65536)),
    most: Math.max(1, Math.min(mostOutput, whole("most", mostOutput))),
  };
}

async function act(state: State, request: Request, asked: Asked): Promise<Response> {
  const { answers, rules, options } = state;
  if (request.method !== "POST") return answers.text(405, "Only POST is answered here.");
  const refused = mayChange(asked, rules);
  if (refused?.kind === "refused") return answers.text(refused.status, refused.text);
  const order = orderOf(await request.text());
  if (order === null) return answers.text(400, "What is to be done, and to which tasks, is missing.");
  try {
    const changed = await options.source.act(order.action, order.ids);
    options.log.info(`${pastOf[order.action]} ${counted(changed, "task")} by the page`);
    return answers.json({ changed });
  } catch (error) {
    return troubled(state, error);
  }
}

const pastOf: Readonly<Record<ViewAction, string>> = { cancel: "Cancelled", revert: "Reverted" };

function orderOf(text: string): { readonly action: ViewAction; readonly ids: readonly string[] } | null {
  let given: unknown;
  try {
    given = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof given !== "object" || given === null || !("action" in given) || !("ids" in given)) return null;
  const { action, ids } = given;
  if (action !== "cancel" && action !== "revert") return null;
  if (!Array.isArray(ids) || ids.length === 0 || ids.length > mostIds) return null;
  return ids.every((id) => typeof id === "string" && /^[\w-]{1,64}$/.test(id))
    ? { action, ids: ids as string[] }
    : null;
}
