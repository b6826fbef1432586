/*
 * The submitter's end of `submit --queue`: a Queue stands in the place of a Store, and its tasks are stored by a
 * running server. Knows the window and the answers; what a task is and where lines come from is the loader's affair.
 *
 * Nothing counts as stored before the server has said so: `close` resolves when everything is (DESIGN 4.1), and every
 * error tells how much is.
 */
import type { Clock } from "../base/clock.ts";
import { runtimeError, type UserError } from "../base/errors.ts";
import type { Store } from "../store/store.ts";
import type { NewTask, Submission } from "../task/task.ts";
import type { Duplex } from "../wire/duplex.ts";
import { type HostMessage, type IntakeMessage, type PeerMessage, submitWindow } from "../wire/message.ts";
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

/** One attempt: the connection, and the proofs on it, milliseconds. */
const connectMs = 10_000;
const handshakeMs = 10_000;

type Link = Duplex<PeerMessage, HostMessage>;

/**
 * Resolves when the server has accepted the submission. Throws a UserError when it cannot be reached, or takes none.
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { host, port, security, clock } = options;
  let link: Link;
  try {
    const { connect } = await import("../wire/connect.ts");
    link = await connect({ host, port, ...security, clock, connectMs, handshakeMs });
  } catch (error) {
    if (!(error instanceof WireProblem)) throw error;
    throw problemError("submit", host, { kind: error.kind, text: error.message });
  }
  return enqueue(link, host, options.submission);
}

/** The same on a connection that is there. */
export async function enqueue(link: Link, host: string, submission: Submission): Promise<Queue> {
  const accepted = Promise.withResolvers<Extract<IntakeMessage, { kind: "accepted" }>>();
  const ended = Promise.withResolvers<void>();
  // Who is waiting hears of it; until then it is nobody's.
  accepted.promise.catch(() => undefined);
  ended.promise.catch(() => undefined);
  const broken = new AbortController();
  let sent = 0;
  let stored = 0;
  let failure: UserError | null = null;
  let closing = false;
  let over = false;
  let writable = true;
  /** Goes on when there may be room. */
  let roomy: (() => void) | null = null;

  function notice(): void {
    const goOn = roomy;
    roomy = null;
    goOn?.();
  }

  function fail(error: UserError): void {
    failure ??= error;
    accepted.reject(failure);
    ended.reject(failure);
    link.close();
    broken.abort();
    notice();
  }

  const soFar = (): string => (sent === 0 ? "nothing was submitted" : `${stored} of ${sent} tasks are stored`);

  link.open({
    message(message) {
      switch (message.kind) {
        case "accepted":
          return accepted.resolve(message);
        case "stored":
          stored += message.count;
          return notice();
        case "refused":
          return fail(runtimeError("submit", "RuntimeError", `server refused: ${message.reason} (${soFar()})`));
        default:
        // What clients are told is nothing to us.
      }
    },
    drain() {
      writable = true;
      notice();
    },
    close(error) {
      over = true;
      if (closing && stored >= sent) return ended.resolve();
      const kind = error instanceof WireProblem ? error.kind : "lost";
      const text = error === null ? "" : error.message;
      const { message } = problemError("submit", host, { kind, text });
      const colon = message.indexOf(": ");
      fail(runtimeError("submit", message.slice(0, colon), `${message.slice(colon + 2)} - ${soFar()}`));
    },
  });

  const open = (): void => {
    if (failure !== null) throw failure;
  };

  async function room(): Promise<void> {
    while (failure === null && (sent - stored >= submitWindow || !writable)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      roomy = resolve;
      await promise;
    }
    open();
  }

  link.send({ kind: "submitter", submission });
  const { group, groupReason } = await accepted.promise;

  return {
    durable: false,
    broken: broken.signal,
    async addSubmission() {
      // It was the first message.
    },
    async activeGroup() {
      return { group, reason: groupReason };
    },
    async insert(tasks: readonly NewTask[]) {
      for (let from = 0; from < tasks.length;) {
        await room();
        const part = tasks.slice(from, from + submitWindow - (sent - stored));
        from += part.length;
        sent += part.length;
        writable = link.send({ kind: "tasks", tasks: part });
      }
      open();
    },
    close() {
      closing = true;
      if (failure === null && !over) link.send({ kind: "done" });
      return ended.promise;
    },
  };
}
