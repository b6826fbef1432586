/*
 * What either side may say when: who speaks first, how many tasks were asked for, how many outcomes can come. A peer that breaks a rule is
 * cut off, so that nothing it says can fill memory or confuse a reactor. One object a connection.
 */
import { mostCredit } from "./codec.ts";
import { type HostMessage, type PeerMessage, submitWindow } from "./message.ts";
import { WireProblem } from "./problem.ts";

export interface Rules<Out, In> {
  sent(message: Out): void;
  /** Throws a WireProblem when the message is out of place. */
  received(message: In): void;
}

function outOfPlace(text: string): WireProblem {
  return new WireProblem("malformed", text);
}

/** At a server: what clients and submitters may say. */
export function peerRules(): Rules<HostMessage, PeerMessage> {
  let role: "unknown" | "client" | "submitter" = "unknown";
  /** Tasks that the client has or had on this connection and has not reported. */
  let open = 0;
  /** Tasks that the client has asked for and not got. */
  let credit = 0;
  /** Tasks that are not yet said to be stored. */
  let unanswered = 0;
  let done = false;

  function grant(tasks: number): void {
    credit += tasks;
    if (credit > mostCredit) throw outOfPlace(`the client asks for more than ${mostCredit} tasks`);
  }

  function answer(kind: string, tasks: number): void {
    open -= tasks;
    if (open < 0) throw outOfPlace(`more ${kind} than the client was given tasks`);
  }

  return {
    sent(message) {
      if (message.kind === "assign") {
        open += message.tasks.length;
        credit -= message.tasks.length;
      } else if (message.kind === "stored") unanswered -= message.count;
    },
    received(message) {
      const { kind } = message;
      const submits = kind === "submitter" || kind === "tasks" || kind === "done";
      const first = kind === "hello" || kind === "submitter";
      if (role === "unknown") {
        if (!first) throw outOfPlace(`the first message is ${kind}, not hello or submitter`);
        role = submits ? "submitter" : "client";
      } else if (first || submits !== (role === "submitter")) {
        throw outOfPlace(`a ${role} says ${kind} out of turn`);
      }
      if (kind === "hello") {
        open = message.running.length + message.finished.length;
        grant(message.credit);
      } else if (kind === "results") {
        answer("outcomes", message.outcomes.length);
        grant(message.credit);
      } else if (kind === "returned") answer("returns", message.tasks.length);
      else if (kind === "tasks") {
        unanswered += message.tasks.length;
        if (done || unanswered > submitWindow) throw outOfPlace("more tasks than a submitter may have under way");
      } else if (kind === "done") done = true;
    },
  };
}

/** At a client or submitter: what a server may say. */
export function hostRules(): Rules<PeerMessage, HostMessage> {
  let credit = 0;
  let submitter = false;
  let unanswered = 0;

  return {
    sent(message) {
      if (message.kind === "hello") credit = message.credit;
      else if (message.kind === "results") credit += message.credit;
      else if (message.kind === "submitter") submitter = true;
      else if (message.kind === "tasks") unanswered += message.tasks.length;
    },
    received(message) {
      const { kind } = message;
      if ((kind === "accepted" || kind === "stored" || kind === "refused") !== submitter)
        throw outOfPlace(`the server says ${kind} to a ${submitter ? "submitter" : "client"}`);
      if (kind === "assign") {
        credit -= message.tasks.length;
        if (credit < 0) throw outOfPlace("more tasks than were asked for");
      } else if (kind === "stored") {
        unanswered -= message.count;
        if (unanswered < 0) throw outOfPlace("more tasks stored than were sent");
      }
    },
  };
}
