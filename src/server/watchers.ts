/*
 * The server's end of `hs top` and `hs tail`: it answers a watcher one question after the other, and the next only when
 * the last answer was read. Where views come from is not known here.
 */
import { unreachable } from "../base/assert.ts";
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf } from "../base/errors.ts";
import type { Logger } from "../log/logger.ts";
import type { ViewSource } from "../view/view.ts";
import type { PeerLink } from "../wire/link.ts";
import type { WatchAnswer, WatcherMessage } from "../wire/message.ts";

/** What all watchers of a server have in common. */
export interface WatcherOptions {
  readonly serverId: string;
  readonly serverHost: string;
  /** Opens a source of views; null: this server shows none. */
  readonly view: (() => Promise<ViewSource>) | null;
  readonly clock: Pick<Clock, "after">;
  readonly log: Logger;
}

/** What the owner of the connection passes on. */
export interface Watcher {
  receive(message: Exclude<WatcherMessage, { kind: "watcher" }>): void;
  /** The connection takes more again. */
  drained(): void;
  closed(): void;
}

type Question = Exclude<WatcherMessage, { kind: "watcher" }>;

/** The pause after an answer, milliseconds: somebody who asks without end leaves the server time for its work. */
const pauseMs = 20;

/** All watchers of a server share a source, which is open while there are any. */
export interface Watchers {
  readonly options: WatcherOptions;
  count: number;
  /** Null: nobody has asked yet, or everybody is gone. */
  source: Promise<ViewSource> | null;
}

interface State {
  readonly all: Watchers;
  readonly link: PeerLink;
  readonly waiting: Question[];
  /** Whether an answer is under way, or the pause after one. */
  isBusy: boolean;
  isWritable: boolean;
  pause: Timer | null;
  over: boolean;
}

/** No watchers so far. */
export function newWatchers(options: WatcherOptions): Watchers {
  return { options, count: 0, source: null };
}

/** Serves a watcher until its connection ends. Never throws: what goes wrong is answered. */
export function takeWatcher(all: Watchers, link: PeerLink): Watcher {
  const { serverId, serverHost, log } = all.options;
  const state: State = { all, link, waiting: [], isBusy: false, isWritable: true, pause: null, over: false };
  all.count++;
  log.debug("Watcher connected");
  state.isWritable = link.send({ kind: "watched", serverId, serverHost });
  return {
    receive(message) {
      if (state.over) return;
      state.waiting.push(message);
      goOn(state);
    },
    drained() {
      state.isWritable = true;
      goOn(state);
    },
    closed() {
      if (state.over) return;
      state.over = true;
      state.waiting.length = 0;
      state.pause?.cancel();
      all.count--;
      log.debug("Watcher gone");
      if (all.count === 0) closeSource(all);
    },
  };
}

function closeSource(all: Watchers): void {
  const { source } = all;
  all.source = null;
  source
    ?.then((opened) => opened.close())
    .catch((error: unknown) => all.options.log.debug(() => `Could not close what was shown: ${messageOf(error)}`));
}

function goOn(state: State): void {
  if (state.isBusy || !state.isWritable || state.over) return;
  const question = state.waiting.shift();
  if (question === undefined) return;
  state.isBusy = true;
  answerTo(state.all, question)
    .catch((error: unknown): WatchAnswer => ({ kind: "failed", ask: question.ask, reason: messageOf(error) }))
    .then((answer) => {
      if (state.over) return;
      state.isWritable = state.link.send(answer);
      state.pause = state.all.options.clock.after(pauseMs, () => {
        state.isBusy = false;
        goOn(state);
      });
    })
    .catch((error: unknown) => state.all.options.log.debug(() => `Could not answer a watcher: ${messageOf(error)}`));
}

async function answerTo(all: Watchers, question: Question): Promise<WatchAnswer> {
  const { view } = all.options;
  if (view === null) throw new Error("this server shows nothing of itself");
  const source = await (all.source ??= openedFor(all, view));
  const { ask } = question;
  switch (question.kind) {
    case "look": {
      const { most, filter } = question;
      return { kind: "view", ask, view: await source.look({ most, filter }) };
    }
    case "read": {
      const { id, stream, from, most } = question;
      return { kind: "piece", ask, ...(await source.output({ id, stream, from, most })) };
    }
    case "act":
      return { kind: "acted", ask, count: await source.act(question.action, question.ids) };
    default:
      return unreachable(question);
  }
}

/** A source that could not be opened is tried anew with the next question. */
function openedFor(all: Watchers, view: () => Promise<ViewSource>): Promise<ViewSource> {
  const source = view();
  source.catch(() => {
    if (all.source === source) all.source = null;
  });
  return source;
}
