/*
 * What clients send of the output of their tasks, on its way to the printer. Only a client that has a task, or said so
 * when it came, is heard of it; what it has sent of a task that is not over counts for nothing when it goes, because it
 * sends all of it again when it is back. Decides nothing of tasks.
 */
import type { Printer } from "../output/printer.ts";
import type { Logger } from "../log/logger.ts";
import type { PeerLink } from "../wire/link.ts";
import type { ClientMessage, Lease, PrintUnit, ServerMessage } from "../wire/message.ts";

type Output = Extract<ClientMessage, { readonly kind: "output" }>;
type Hello = Extract<ClientMessage, { readonly kind: "hello" }>;

/** What the server knows of a task that a client has. */
export interface Holding {
  readonly clientId: string;
  /** Its input. */
  readonly text: string;
}

export interface Outputs {
  /** A client has come, and names what it has. */
  come(hello: Hello): void;
  /** A client has sent a piece; it is answered on this connection. */
  take(clientId: string, output: Output, link: PeerLink): void;
  /** A client says something else. */
  hear(message: ClientMessage): void;
  /** A client is gone, perhaps for a while. */
  leave(clientId: string): void;
  /** A message goes to a client. Answers what is said to it. */
  send(clientId: string, message: ServerMessage): ServerMessage;
}

/** So many bytes are answered together. */
const answeredAtOnce = 256 * 1024;

export interface OutputsOptions {
  readonly printer: Printer;
  /** The client in this process has the id of the server: what its tasks print comes another way. */
  readonly serverId: string;
  /** Who has a task; null: nobody. */
  readonly holding: (id: string) => Holding | null;
  readonly log: Pick<Logger, "warning">;
}

/** Passes output on to a printer. */
export function newOutputs({ printer, serverId, holding, log }: OutputsOptions): Outputs {
  const prints: PrintUnit = printer.mode === "line" ? "lines" : "tasks";
  /** The clients that do not send what their tasks print, and whether one was told of. */
  const silent = new Set<string>();
  let hasWarned = false;
  /** The tasks that each client has named, or sent something of. */
  const named = new Map<string, Set<string>>();
  const untaken = new WeakMap<PeerLink, number>();
  const forgetAll = (tasks: readonly Lease[]): void => {
    for (const task of tasks) printer.forget(task);
  };

  function answer(link: PeerLink, bytes: number): void {
    const sum = (untaken.get(link) ?? 0) + bytes;
    if (sum < answeredAtOnce) return void untaken.set(link, sum);
    untaken.set(link, 0);
    link.send({ kind: "taken", bytes: sum });
  }

  function namedBy(clientId: string): Set<string> {
    let ids = named.get(clientId);
    if (ids === undefined) named.set(clientId, (ids = new Set()));
    return ids;
  }

  return {
    come({ clientId, host, running, finished, prints: canPrint }) {
      if (clientId === serverId) return;
      if (canPrint !== true) {
        silent.add(clientId);
        if (!hasWarned) {
          const why = "it writes to files of its own (-o, -e) or is of an earlier version";
          log.warning(`What tasks print stays where client ${clientId} runs, on ${host}: ${why}`);
        }
        hasWarned = true;
      } else silent.delete(clientId);
      const ids = new Set([...running, ...finished].map(({ id }) => id));
      named.set(clientId, ids);
      printer.restart((id) => ids.has(id));
    },
    take(clientId, { id, lease, stream, from, data }, link) {
      const bytes = Buffer.from(data, "base64");
      const held = holding(id);
      const ids = namedBy(clientId);
      if (held?.clientId === clientId || ids.has(id)) {
        ids.add(id);
        printer.add({ id, lease }, stream, from, bytes, held?.text ?? "");
      }
      printer.whenRoom(() => answer(link, bytes.length));
    },
    hear(message) {
      if (message.kind === "results") for (const outcome of message.outcomes) printer.seal(outcome);
      else if (message.kind === "returned") forgetAll(message.tasks);
    },
    leave(clientId) {
      const ids = named.get(clientId);
      named.delete(clientId);
      if (ids !== undefined) printer.restart((id) => ids.has(id));
    },
    send(clientId, message) {
      // What counts was printed before.
      if (message.kind === "ack") forgetAll(message.tasks);
      const isAsked = message.kind === "welcome" && clientId !== serverId && !silent.has(clientId);
      return isAsked ? { ...message, prints } : message;
    },
  };
}
