/*
 * The submitter's end of `submit --queue`: a Queue stands in the place of a Store, and its tasks are stored by a
 * running server. Knows the window and the answers; what a task is and where lines come from is the loader's affair.
 *
 * Nothing counts as stored before the server has said so: `close` resolves when everything is (ARCHITECTURE.md, rule
 * 4), and every error tells how much is.
 */
import type { Clock } from "../base/clock.ts";
import { runtimeError, type UserError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";
import type { NewTask, Submission } from "../task/task.ts";
import type { HostLink } from "../wire/link.ts";
import { type HostMessage, type IntakeMessage, submitWindow } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import type { ClientTls } from "../wire/connect.ts";
import { problemError } from "./problems.ts";

export interface QueueOptions {
  readonly host: string;
  readonly port: number;
  readonly security: { readonly key: string; readonly tls: ClientTls | null };
  readonly submission: Submission;
  readonly clock: Clock;
}

/** What `hs submit` uses of a Store. */
export interface Queue extends Pick<Store, "insert" | "addSubmission" | "activeGroup" | "close"> {
  readonly durable: false;
  /** Aborted when the connection is gone or the server takes no more; `insert` and `close` then say why. */
  readonly broken: AbortSignal;
  /** Resolves when all that was inserted is stored. */
  close(): Promise<void>;
}

/** Longest wait for the connection, and for the proofs of the key on it, milliseconds. There is one attempt. */
const connectMs = 10_000;
const handshakeMs = 10_000;

/**
 * Resolves when the server has accepted the submission. Throws a UserError when it cannot be reached, or takes none.
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
  return enqueue(link, host, options.submission);
}

/** The same on a connection that is there. Throws a UserError when the server takes nothing. */
export async function enqueue(link: HostLink, host: string, submission: Submission): Promise<Queue> {
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
  const { group, groupReason } = await sending.accepted.promise;
  return {
    durable: false,
    broken: sending.broken.signal,
    async addSubmission() {
      // It was the first message.
    },
    async activeGroup() {
      return { group, reason: groupReason };
    },
    insert: (tasks) => insert(sending, tasks),
    close() {
      sending.isClosing = true;
      if (sending.failure === null && !sending.isOver) link.send({ kind: "done" });
      return sending.ended.promise;
    },
  };
}

/** A submission on its way to a server. */
interface Sending {
  readonly link: HostLink;
  readonly host: string;
  readonly accepted: PromiseWithResolvers<Accepted>;
  /** Resolves when everything is stored; rejects with `failure`. */
  readonly ended: PromiseWithResolvers<void>;
  readonly broken: AbortController;
  /** Numbers of tasks. */
  sent: number;
  stored: number;
  /** Why no more is taken. */
  failure: UserError | null;
  /** Nothing more will be inserted. */
  isClosing: boolean;
  /** The connection has ended. */
  isOver: boolean;
  /** The connection takes more at once. */
  isWritable: boolean;
  /** Wakes an `insert` that waits for room. */
  wake: (() => void) | null;
}

type Accepted = Extract<IntakeMessage, { kind: "accepted" }>;

function newSending(link: HostLink, host: string): Sending {
  const accepted = Promise.withResolvers<Accepted>();
  const ended = Promise.withResolvers<void>();
  // Awaited in `enqueue` and by who calls `close`; this only silences an early rejection.
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
  sending.link.close();
  sending.broken.abort();
  goOn(sending);
}

function soFar({ sent, stored }: Sending): string {
  return sent === 0 ? "nothing was submitted" : `${stored} of ${sent} tasks are stored`;
}

function heed(sending: Sending, message: HostMessage): void {
  switch (message.kind) {
    case "accepted":
      return sending.accepted.resolve(message);
    case "stored":
      sending.stored += message.count;
      return goOn(sending);
    case "refused":
      return fail(
        sending,
        runtimeError("submit", "RuntimeError", `server refused: ${message.reason} (${soFar(sending)})`),
      );
    default:
    // What clients are told is nothing to a submitter.
  }
}

/** The connection is gone: in order when everything is stored, otherwise the submission has failed. */
function lose(sending: Sending, error: Error | null): void {
  sending.isOver = true;
  if (sending.isClosing && sending.stored >= sending.sent) return sending.ended.resolve();
  const kind = error instanceof WireProblem ? error.kind : "lost";
  const text = error === null ? "" : error.message;
  const { message } = problemError("submit", sending.host, { kind, text });
  const colon = message.indexOf(": ");
  fail(sending, runtimeError("submit", message.slice(0, colon), `${message.slice(colon + 2)} - ${soFar(sending)}`));
}

/** Resolves when the tasks are on their way; throws the failure. */
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

/** Waits until the window and the connection have room. Throws the failure. */
async function room(sending: Sending): Promise<void> {
  while (sending.failure === null && (sending.sent - sending.stored >= submitWindow || !sending.isWritable)) {
    const { promise, resolve } = Promise.withResolvers<void>();
    sending.wake = resolve;
    await promise;
  }
  if (sending.failure !== null) throw sending.failure;
}
