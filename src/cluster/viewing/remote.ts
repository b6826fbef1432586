/*
 * Views of a server elsewhere, over the wire: the watcher's end. There is one attempt to connect; a connection that is
 * lost is made again by whoever opens another source.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { runtimeError, type UserError } from "../../base/errors.ts";
import { parseId } from "../../base/ids.ts";
import {
  mostPiece,
  type OutputPiece,
  type OutputQuery,
  type View,
  type ViewAction,
  type ViewQuery,
  type ViewSource,
} from "../../view/view.ts";
import type { ClientTls } from "../../wire/connect.ts";
import type { HostLink } from "../../wire/link.ts";
import {
  type HostMessage,
  mostActed,
  mostAsks,
  mostFilter,
  mostShown,
  type WatchAnswer,
  type WatcherMessage,
} from "../../wire/message.ts";
import { WireProblem } from "../../wire/problem.ts";
import { problemError } from "../problems.ts";

/** Where a server listens, and what is needed to get in. `logger`: whose errors these are, as `top`. */
export interface RemoteViewing {
  readonly host: string;
  readonly port: number;
  readonly security: { readonly key: string; readonly tls: ClientTls | null };
  readonly logger: string;
}

/** The longest wait for the connection, and for the proofs of the key on it, milliseconds. */
const connectMs = 10_000;
const handshakeMs = 10_000;
/** How long an answer may take, milliseconds. */
const answerMs = 30_000;

/**
 * Connects to a server as a watcher. Throws a UserError when it cannot be reached, or shows nothing of itself. Calls of
 * the source reject with a UserError when the connection is lost.
 */
export async function viewRemote(viewing: RemoteViewing): Promise<ViewSource> {
  const { host, port, security, logger } = viewing;
  const clock = systemClock;
  let link: HostLink;
  try {
    const { connect } = await import("../../wire/connect.ts");
    link = await connect({ host, port, ...security, clock, connectMs, handshakeMs });
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    throw problemError(logger, host, { kind: error.kind, text: error.message });
  }
  return watch(link, `${host}:${port}`, { logger, clock });
}

interface Watching {
  readonly link: HostLink;
  readonly name: string;
  readonly logger: string;
  readonly clock: Clock;
  readonly welcomed: PromiseWithResolvers<void>;
  readonly closed: PromiseWithResolvers<void>;
  /** What was asked and not answered, by its number. */
  readonly asked: Map<number, PromiseWithResolvers<WatchAnswer>>;
  next: number;
  /** Why nothing can be asked any more; null: it can. */
  failure: UserError | null;
}

/** Watches a server on a connection that is open, as viewRemote does. Throws a UserError when it is not let in. */
export async function watch(
  link: HostLink,
  name: string,
  { logger, clock }: { readonly logger: string; readonly clock: Clock },
): Promise<ViewSource> {
  const watching: Watching = {
    link,
    name,
    logger,
    clock,
    welcomed: Promise.withResolvers(),
    closed: Promise.withResolvers(),
    asked: new Map(),
    next: 1,
    failure: null,
  };
  link.open({
    message: (message) => heed(watching, message),
    drain() {
      // What a watcher says is bounded by what may be unanswered.
    },
    close: (error) => lose(watching, error),
  });
  link.send({ kind: "watcher" });
  await watching.welcomed.promise;
  return {
    look: (query) => look(watching, query),
    output: (query) => output(watching, query),
    act: (action, ids) => act(watching, action, ids),
    async close() {
      watching.failure ??= runtimeError(logger, `The connection to ${name} was closed`);
      link.close();
      await watching.closed.promise;
    },
  };
}

function heed(watching: Watching, message: HostMessage): void {
  switch (message.kind) {
    case "watched":
      return watching.welcomed.resolve();
    case "view":
    case "piece":
    case "acted":
    case "failed": {
      const question = watching.asked.get(message.ask);
      watching.asked.delete(message.ask);
      return question?.resolve(message);
    }
    default:
    // The other messages are for clients and submitters.
  }
}

function lose(watching: Watching, error: Error | null): void {
  const { name, logger } = watching;
  const kind = error instanceof WireProblem ? error.kind : "lost";
  const text = error === null ? "" : error.message;
  watching.failure ??= problemError(logger, name, { kind, text });
  watching.welcomed.reject(watching.failure);
  for (const question of watching.asked.values()) question.reject(watching.failure);
  watching.asked.clear();
  watching.closed.resolve();
}

type Question = Exclude<WatcherMessage, { kind: "watcher" }>;
/** A question without its number. */
type Unnumbered = Question extends infer Each ? (Each extends Question ? Omit<Each, "ask"> : never) : never;

async function ask(watching: Watching, question: Unnumbered): Promise<WatchAnswer> {
  const { link, asked, clock, logger, name } = watching;
  if (watching.failure !== null) throw watching.failure;
  if (asked.size >= mostAsks) throw runtimeError(logger, `${name} has not answered ${mostAsks} questions yet`);
  const number = watching.next++;
  const answer = Promise.withResolvers<WatchAnswer>();
  asked.set(number, answer);
  const timer = clock.after(answerMs, () => answer.reject(runtimeError(logger, `${name} does not answer`)));
  link.send({ ...question, ask: number });
  try {
    const found = await answer.promise;
    if (found.kind === "failed") throw runtimeError(logger, found.reason);
    return found;
  } finally {
    timer.cancel();
  }
}

function unexpected({ logger, name }: Watching): UserError {
  return runtimeError(logger, `${name} has answered something else than it was asked`);
}

async function look(watching: Watching, { most, filter }: ViewQuery): Promise<View> {
  const few = Math.max(0, Math.min(most, mostShown));
  const answer = await ask(watching, { kind: "look", most: few, filter: filter.slice(0, mostFilter) });
  if (answer.kind !== "view") throw unexpected(watching);
  return { ...answer.view, source: { ...answer.view.source, title: watching.name } };
}

function expectId(id: string): string {
  const found = parseId(id);
  if (found === null) throw runtimeError("task", `There is no task with id ${id}`);
  return found;
}

async function output(watching: Watching, query: OutputQuery): Promise<OutputPiece> {
  const id = expectId(query.id);
  const most = Math.max(1, Math.min(query.most, mostPiece));
  const answer = await ask(watching, { kind: "read", ...query, id, most });
  if (answer.kind !== "piece") throw unexpected(watching);
  const { text, next, more, over } = answer;
  return { text, next, more, over };
}

async function act(watching: Watching, action: ViewAction, ids: readonly string[]): Promise<number> {
  const whole = ids.map(expectId);
  let changed = 0;
  for (let from = 0; from < whole.length; from += mostActed) {
    const answer = await ask(watching, { kind: "act", action, ids: whole.slice(from, from + mostActed) });
    if (answer.kind !== "acted") throw unexpected(watching);
    changed += answer.count;
  }
  return changed;
}
