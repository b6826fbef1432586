/*
 * The ends of a session as the suite of duplex.ts wants them: its notes travel as messages that both sides may say at
 * any time.
 */
import type { Duplex } from "../../src/wire/duplex.ts";
import type { HostMessage, PeerMessage } from "../../src/wire/message.ts";
import type { DuplexPair, Note } from "./duplex.ts";

export type ClientEnd = Duplex<PeerMessage, HostMessage>;
export type ServerEnd = Duplex<HostMessage, PeerMessage>;

/** The first message of a client that has nothing and wants nothing. */
export const hello: Extract<PeerMessage, { kind: "hello" }> = {
  kind: "hello",
  clientId: "0b7c2b3e-0000-4000-8000-000000000001",
  host: "n1",
  executors: 1,
  credit: 0,
  running: [],
  finished: [],
};

export function notePair(client: ClientEnd, server: ServerEnd): DuplexPair {
  client.send(hello);
  return {
    left: {
      open: (handlers) =>
        client.open({
          ...handlers,
          message: (message) => handlers.message(noteOf("reason" in message ? message.reason : "")),
        }),
      send: (note) => client.send({ kind: "bye", reason: JSON.stringify(note) }),
      close: () => client.close(),
    },
    right: {
      open: (handlers) =>
        server.open({
          ...handlers,
          message(message) {
            if (message.kind === "bye") handlers.message(noteOf(message.reason));
          },
        }),
      send: (note) => server.send({ kind: "leave", how: "finish", reason: JSON.stringify(note) }),
      close: () => server.close(),
    },
  };
}

function noteOf(text: string): Note {
  return JSON.parse(text) as Note;
}
