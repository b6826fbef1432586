/*
 * What a server asks its clients of the output of tasks, for somebody who looks: each question goes to the client that
 * has the task, and is answered, or given up after a while. Knows nothing of the schedule.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { runtimeError } from "../base/errors.ts";
import type { OutputPiece, OutputQuery } from "../view/view.ts";
import type { ClientMessage, ServerMessage } from "../wire/message.ts";
import { mostAsks } from "../wire/message.ts";

type Shown = Extract<ClientMessage, { kind: "shown" }>;

/** A question that a client has not answered. */
interface Asked {
  readonly clientId: string;
  readonly answer: PromiseWithResolvers<OutputPiece>;
  readonly timer: Timer;
}

/** Questions to clients. */
export interface Shows {
  readonly clock: Pick<Clock, "after">;
  /** Clients that are connected and can answer. */
  readonly able: Set<string>;
  readonly asked: Map<number, Asked>;
  next: number;
}

/** How long a client has for an answer, milliseconds. */
const patienceMs = 10_000;

/** Nothing is asked yet. */
export function newShows(clock: Pick<Clock, "after">): Shows {
  return { clock, able: new Set(), asked: new Map(), next: 1 };
}

/**
 * Asks a client for a piece of what a task has printed. Throws a UserError when the client has none, has too much to
 * answer, or does not answer in time.
 */
export async function askClient(
  shows: Shows,
  clientId: string,
  query: OutputQuery,
  send: (message: ServerMessage) => void,
): Promise<OutputPiece> {
  let open = 0;
  for (const each of shows.asked.values()) if (each.clientId === clientId) open++;
  if (open >= mostAsks) throw runtimeError("task", "The client of the task has too many questions to answer just now");
  const ask = shows.next++;
  const answer = Promise.withResolvers<OutputPiece>();
  const timer = shows.clock.after(patienceMs, () => {
    shows.asked.delete(ask);
    answer.reject(runtimeError("task", "The client of the task does not answer"));
  });
  shows.asked.set(ask, { clientId, answer, timer });
  const { id, stream, from, most } = query;
  send({ kind: "show", ask, id, stream, from, most });
  return answer.promise;
}

/** Takes the answer of a client. One that comes too late, or to a question of somebody else, is ignored. */
export function takeShown({ asked }: Shows, clientId: string, message: Shown): void {
  const { ask, refused, text, next, more, over } = message;
  const question = asked.get(ask);
  if (question === undefined || question.clientId !== clientId) return;
  asked.delete(ask);
  question.timer.cancel();
  if (refused !== undefined) question.answer.reject(runtimeError("task", refused));
  else question.answer.resolve({ text, next, more, over });
}

/** Gives up what was asked of a client that is gone. */
export function forgetShows({ able, asked }: Shows, clientId: string): void {
  able.delete(clientId);
  for (const [ask, question] of asked) {
    if (question.clientId !== clientId) continue;
    asked.delete(ask);
    question.timer.cancel();
    question.answer.reject(runtimeError("task", "The client of the task is not connected any more"));
  }
}
