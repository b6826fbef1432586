/*
 * The connections of a server: whose each is, and which connection of a client counts. What clients say goes to the
 * reactor, what submitters say to their intake. What a message means is not known here.
 */
import { assert } from "../base/assert.ts";
import type { Logger } from "../log/logger.ts";
import type { PeerLink } from "../wire/link.ts";
import { WireProblem } from "../wire/problem.ts";
import type { ServerEvent } from "./event.ts";
import { type Intake, type IntakeOptions, takeSubmitter } from "./intake.ts";

export interface Connections {
  readonly log: Logger;
  /** Called with what clients say, and when they come and go. */
  readonly push: (event: ServerEvent) => void;
  readonly intakeOptions: IntakeOptions;
  /** The latest connection of each client. */
  readonly ofClients: Map<string, PeerLink>;
  readonly intakes: Map<PeerLink, Intake>;
  /** All connections that are open, whoever is at the other end. */
  readonly open: Set<PeerLink>;
}

/** Listens to a connection from now on. Its first message tells whether a client or a submitter is at the other end. */
export function listenTo(connections: Connections, link: PeerLink): void {
  const { open, ofClients, intakes, push } = connections;
  let clientId: string | null = null;
  open.add(link);
  link.open({
    message(message) {
      switch (message.kind) {
        case "hello": {
          clientId = message.clientId;
          const earlier = ofClients.get(clientId);
          ofClients.set(clientId, link);
          // The client came back before its old connection was seen to be gone.
          if (earlier !== undefined && earlier !== link) earlier.close();
          return push({ kind: "helloReceived", hello: message });
        }
        case "submitter":
          intakes.set(link, takeSubmitter(link, message, connections.intakeOptions));
          return;
        case "tasks":
        case "done":
          return intakes.get(link)?.receive(message);
        default:
          assert(clientId !== null, "the session lets nothing through before the hello");
          if (ofClients.get(clientId) === link) push({ kind: "received", clientId, message });
      }
    },
    drain() {
      // Credit bounds what is under way to a client, so there is nothing to hold back.
    },
    close: (error) => close(connections, link, clientId, error),
  });
}

function close(connections: Connections, link: PeerLink, clientId: string | null, error: Error | null): void {
  const { log, push, open, ofClients, intakes } = connections;
  open.delete(link);
  if (error instanceof WireProblem && error.kind === "malformed")
    log.warning(`Gave up the connection to ${clientId ?? "a client that is not known yet"}: ${error.message}`);
  intakes.get(link)?.closed();
  intakes.delete(link);
  // If a newer connection of the same client has replaced this one, its end is no loss.
  if (clientId === null || ofClients.get(clientId) !== link) return;
  ofClients.delete(clientId);
  push({ kind: "disconnected", clientId, error: error?.message ?? null });
}

/** Closes the connection of a client, if it has one. */
export function disconnectClient({ ofClients }: Connections, clientId: string): void {
  const link = ofClients.get(clientId);
  ofClients.delete(clientId);
  link?.close();
}
