/*
 * The submitter's end of `submit --queue`: a Queue takes the place of a Store, and a running server stores its tasks.
 * Knows the window and the answers of the server. The loader knows what a task is and where lines come from.
 *
 * Nothing counts as stored before the server has said so: `close` resolves when everything is (ARCHITECTURE.md, rule
 * 4), and every error tells how much is.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { runtimeError, type UserError } from "../base/errors.ts";
import { counted } from "../base/units.ts";
import type { Store } from "../store/store.ts";
import type { NewTask, Submission } from "../task/task.ts";
import type { HostLink } from "../wire/link.ts";
import { type HostMessage, submitWindow } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import type { ClientTls } from "../wire/connect.ts";
import { problemError } from "./problems.ts";

export interface QueueOptions {
  readonly host: string;
  readonly port: number;
  readonly security: { readonly key: string; readonly tls: ClientTls | null };
  readonly submission: Submission;
  readonly clock: Clock;
  /** The pause between two signs of life, milliseconds: there may be no task to send for hours. */
  readonly heartMs: number;
}

/** The part of a Store that `hs submit` uses. */
export interface Queue extends Pick<Store, "insert" | "addSubmission" | "close"> {
  readonly durable: false;
  /** Aborted when the connection is gone or the server takes no more. `insert` and `close` then throw the reason. */
  readonly broken: AbortSignal;
  /** Resolves when all that was inserted is stored. */
  close(): Promise<void>;
}

/** The longest wait for the connection, and for the proofs of the key on it, milliseconds. There is one attempt. */
const connectMs = 10_000;
const handshakeMs = 10_000;

/**
 * Connects to a server, and resolves when it has accepted the submission. Throws a UserError when the server cannot be
 * reached or accepts none.
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { host, port, security, clock } = options;
  let link: HostLink;
  try {
    const { connect } = await import("../wire/connect.ts");
    link = await connect({ host, port, ...security, clock, connectMs, handshakeMs });
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    throw problemError("submit", host, { kind: error.kind, text: error.message });
  }
  return enqueue(link, host, options.submission, options);
}

/**
 * Offers a submission on a connection that is open, as openQueue does. Throws a UserError when the server does not
 * accept it.
 */
export async function enqueue(
  link: HostLink,
  host: string,
  submission: Submission,
  { clock, heartMs }: { readonly clock: Pick<Clock, "after">; readonly heartMs: number },
): Promise<Queue> {
  const sending = newSending(link, host);
  link.open({
    message: (message) => heed(sending, message),
    drain() {
      sending.isWritable = true;
      goOn(sending);
    },
    close: (error) => lose(sending, error),
  });
  link.send({ kind: "submitter", submission });
  await sending.accepted.promise;
  const beat = (): void => {
    if (sending.isClosing || sending.isOver || sending.failure !== null) return;
    link.send({ kind: "tasks", tasks: [] });
    sending.heart = clock.after(heartMs, beat);
  };
  sending.heart = clock.after(heartMs, beat);
  return {
    durable: false,
    broken: sending.broken.signal,
    async addSubmission() {
      // The submission is the first message, so the server has said nothing yet.
    },
    insert: (tasks) => insert(sending, tasks),
    close() {
      sending.isClosing = true;
      sending.heart?.cancel();
      if (sending.failure === null && !sending.isOver) link.send({ kind: "done" });
      return sending.ended.promise;
    },
  };
}

/** A submission on its way to a server. */
interface Sending {
  readonly link: HostLink;
  readonly host: string;
  readonly accepted: PromiseWithResolvers<void>;
  /** Resolves when everything is stored; rejects with `failure`. */
  readonly ended: PromiseWithResolvers<void>;
  readonly broken: AbortController;
  /** Numbers of tasks that were sent, and that the server has stored. */
  sent: number;
  stored: number;
  /** The reason why the server takes no more; null: it does. */
  failure: UserError | null;
  /** Whether the caller will insert nothing more. */
  isClosing: boolean;
  /** Whether the connection has ended. */
  isOver: boolean;
  /** Whether the connection takes more without waiting. */
  isWritable: boolean;
  /** The timer of the next sign of life; null: the server has not accepted the submission. */
  heart: Timer | null;
  /** Wakes an `insert` that waits for room. */
  wake: (() => void) | null;
}

function newSending(link: HostLink, host: string): Sending {
  const accepted = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  // Awaited in `enqueue` and by the caller of `close`; this only silences an early rejection.
  accepted.promise.catch(() => undefined);
  ended.promise.catch(() => undefined);
  return {
    link,
    host,
    accepted,
    ended,
    broken: new AbortController(),
    sent: 0,
    stored: 0,
    failure: null,
    isClosing: false,
    isOver: false,
    isWritable: true,
    heart: null,
    wake: null,
  };
}

function goOn(sending: Sending): void {
  const { wake } = sending;
  sending.wake = null;
  wake?.();
}

function fail(sending: Sending, error: UserError): void {
  sending.failure ??= error;
  sending.accepted.reject(sending.failure);
  sending.ended.reject(sending.failure);
  sending.heart?.cancel();
  sending.link.close();
  sending.broken.abort();
  goOn(sending);
}

function soFar({ sent, stored }: Sending): string {
  return sent === 0 ? "nothing was submitted" : `${stored} of ${counted(sent, "task")} stored`;
}

function heed(sending: Sending, message: HostMessage): void {
  switch (message.kind) {
    case "accepted":
      return sending.accepted.resolve();
    case "stored":
      sending.stored += message.count;
      return goOn(sending);
    case "refused":
      return fail(sending, runtimeError("submit", `The server refused this: ${message.reason} (${soFar(sending)})`));
    default:
    // The other messages are for clients, not for submitters.
  }
}

/** Ends the submission when the connection is gone: in order if everything is stored, as a failure otherwise. */
function lose(sending: Sending, error: Error | null): void {
  sending.isOver = true;
  sending.heart?.cancel();
  if (sending.isClosing && sending.stored >= sending.sent) return sending.ended.resolve();
  const kind = error instanceof WireProblem ? error.kind : "lost";
  const text = error === null ? "" : error.message;
  const { message } = problemError("submit", sending.host, { kind, text });
  fail(sending, runtimeError("submit", `${message} - ${soFar(sending)}`));
}

/** Sends tasks, and resolves when they are on their way. Throws the failure if there is one. */
async function insert(sending: Sending, tasks: readonly NewTask[]): Promise<void> {
  for (let from = 0; from < tasks.length;) {
    await room(sending);
    const part = tasks.slice(from, from + submitWindow - (sending.sent - sending.stored));
    from += part.length;
    sending.sent += part.length;
    sending.isWritable = sending.link.send({ kind: "tasks", tasks: part });
  }
  if (sending.failure !== null) throw sending.failure;
}

/** Waits until the window and the connection have room. Throws the failure if there is one. */
async function room(sending: Sending): Promise<void> {
  while (sending.failure === null && (sending.sent - sending.stored >= submitWindow || !sending.isWritable)) {
    const { promise, resolve } = Promise.withResolvers<void>();
    sending.wake = resolve;
    await promise;
  }
  if (sending.failure !== null) throw sending.failure;
}
