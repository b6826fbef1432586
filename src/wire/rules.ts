/*
 * What either side may say when: who speaks first, how many tasks were asked for, how many outcomes can come. A peer
 * that breaks a rule is cut off, so that nothing it says can fill memory or confuse a reactor. Each connection has an
 * object of its own. Knows only those fields of messages that count something.
 */
import { mostCredit } from "./fields.ts";
import {
  type ClientMessage,
  type HostMessage,
  type IntakeMessage,
  type PeerMessage,
  type ServerMessage,
  type SubmitterMessage,
  submitWindow,
} from "./message.ts";
import { WireProblem } from "./problem.ts";

export interface Rules<Out, In> {
  sent(message: Out): void;
  /** Throws a WireProblem when the message is out of place. */
  received(message: In): void;
}

type PeerRole = "client" | "submitter";

/** Which kind of peer says each message, and whether it may be the first of a connection. */
const ofPeers: Readonly<
  Record<ClientMessage["kind"], { readonly role: "client"; readonly first: boolean }> &
    Record<SubmitterMessage["kind"], { readonly role: "submitter"; readonly first: boolean }>
> = {
  hello: { role: "client", first: true },
  results: { role: "client", first: false },
  returned: { role: "client", first: false },
  beat: { role: "client", first: false },
  bye: { role: "client", first: false },
  submitter: { role: "submitter", first: true },
  tasks: { role: "submitter", first: false },
  done: { role: "submitter", first: false },
};

/** Which kind of peer a server says each message to. */
const ofHosts: Readonly<Record<ServerMessage["kind"], "client"> & Record<IntakeMessage["kind"], "submitter">> = {
  welcome: "client",
  submission: "client",
  assign: "client",
  ack: "client",
  cancel: "client",
  drop: "client",
  beat: "client",
  leave: "client",
  accepted: "submitter",
  stored: "submitter",
  refused: "submitter",
};

/** Whether a message of a server is one for clients, not for submitters. */
export function isForClient(message: HostMessage): message is ServerMessage {
  return ofHosts[message.kind] === "client";
}

function outOfPlace(text: string): WireProblem {
  return new WireProblem("malformed", text);
}

/**
 * The rules at a server: what clients and submitters may say. Its `received` throws a WireProblem when a rule is
 * broken.
 */
export function peerRules(): Rules<HostMessage, PeerMessage> {
  /** The kind of peer; null until its first message. */
  let role: PeerRole | null = null;
  /** The number of tasks that the client got on this connection and has not reported. */
  let open = 0;
  /** The number of tasks that the client has asked for and not got. */
  let credit = 0;
  /** The number of tasks of which the submitter does not know yet that they are stored. */
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
      const expected = ofPeers[kind];
      if (role === null) {
        if (!expected.first) throw outOfPlace(`the first message is ${kind}, not hello or submitter`);
        ({ role } = expected);
      } else if (expected.first || expected.role !== role) {
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

/**
 * The rules at a client or submitter: what a server may say. Its `received` throws a WireProblem when a rule is broken.
 */
export function hostRules(): Rules<PeerMessage, HostMessage> {
  let credit = 0;
  let role: PeerRole = "client";
  let unanswered = 0;

  return {
    sent(message) {
      ({ role } = ofPeers[message.kind]);
      if (message.kind === "hello") credit = message.credit;
      else if (message.kind === "results") credit += message.credit;
      else if (message.kind === "tasks") unanswered += message.tasks.length;
    },
    received(message) {
      const { kind } = message;
      if (ofHosts[kind] !== role) throw outOfPlace(`the server says ${kind} to a ${role}`);
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
