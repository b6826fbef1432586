/*
 * The connections of a server: whose each is, and which connection of a client counts. What clients say goes to the
 * reactor, what submitters say to their intake, what watchers ask to whoever answers. What a message means is not known
 * here.
 */
import type { SparingLog } from "../log/sparing.ts";
import type { PeerLink } from "../wire/link.ts";
import type { ClientMessage, ServerMessage } from "../wire/message.ts";
import { WireProblem } from "../wire/problem.ts";
import type { ServerEvent } from "./event.ts";
import { forgetShows, type Shows, takeShown } from "./shows.ts";
import { takeWatcher, type Watcher, type Watchers } from "./watchers.ts";
import type { Outputs } from "./printing.ts";
import { type Intake, type IntakeOptions, takeSubmitter } from "./intake.ts";

type Hello = Extract<ClientMessage, { readonly kind: "hello" }>;

export interface Connections {
  /** The log of peers that are given up because of what they say. */
  readonly log: SparingLog;
  /** Called with what clients say, and when they come and go. */
  readonly push: (event: ServerEvent) => void;
  readonly intakeOptions: IntakeOptions;
  /** The latest connection of each client. */
  readonly ofClients: Map<string, PeerLink>;
  /** The secret of each client that the server knows, connected or not; undefined: it has none. */
  readonly secrets: Map<string, string | undefined>;
  /** The clients whose connection takes no more for now. */
  readonly clogged: Set<string>;
  readonly intakes: Map<PeerLink, Intake>;
  readonly watchers: Watchers;
  readonly ofWatchers: Map<PeerLink, Watcher>;
  readonly shows: Shows;
  /** What takes the output of tasks; null: nothing does. */
  readonly outputs: Outputs | null;
  /** All connections that are open, whoever is at the other end. */
  readonly open: Set<PeerLink>;
}

/**
 * Listens to a connection from now on. Its first message tells whether a client, a submitter or a watcher is at the
 * other end. `isOwn`: it is the client in this process, which alone has the id of the server.
 */
export function listenTo(connections: Connections, link: PeerLink, isOwn = false): void {
  const { open, ofClients, intakes, ofWatchers: watchers, shows, push } = connections;
  let clientId: string | null = null;
  open.add(link);
  link.open({
    message(message) {
      switch (message.kind) {
        case "hello": {
          if (!isOwn && isTaken(connections, message)) return link.close();
          clientId = message.clientId;
          const earlier = ofClients.get(clientId);
          ofClients.set(clientId, link);
          connections.clogged.delete(clientId);
          if (message.shows === true) shows.able.add(clientId);
          // The client came back before its old connection was seen to be gone.
          if (earlier !== undefined && earlier !== link) earlier.close();
          connections.outputs?.come(message);
          return push({ kind: "helloReceived", hello: message });
        }
        case "submitter":
          intakes.set(link, takeSubmitter(link, message, connections.intakeOptions));
          return;
        case "tasks":
        case "done":
          return intakes.get(link)?.receive(message);
        case "watcher":
          watchers.set(link, takeWatcher(connections.watchers, link));
          return;
        case "look":
        case "read":
        case "act":
          return watchers.get(link)?.receive(message);
        case "shown":
          if (clientId !== null) takeShown(connections.shows, clientId, message);
          return;
        case "output":
          if (clientId !== null && ofClients.get(clientId) === link) connections.outputs?.take(clientId, message, link);
          return;
        default:
          // A client that was turned away may still be heard.
          if (clientId === null || ofClients.get(clientId) !== link) return;
          connections.outputs?.hear(message);
          push({ kind: "received", clientId, message });
      }
    },
    drain() {
      watchers.get(link)?.drained();
      if (clientId === null || ofClients.get(clientId) !== link) return;
      if (connections.clogged.delete(clientId)) push({ kind: "unclogged", clientId });
    },
    close: (error) => close(connections, link, clientId, error),
  });
}

/**
 * Whether a client says hello by a name that is another's: it does not know the secret of the client that has it. Notes
 * the secret of a client that is new.
 */
function isTaken({ secrets, intakeOptions, log }: Connections, { clientId, host, secret }: Hello): boolean {
  const isServer = clientId === intakeOptions.serverId;
  if (isServer || (secrets.has(clientId) && secrets.get(clientId) !== secret)) {
    const owner = isServer ? "this server" : "another client";
    log.warn(`Turned away a client on ${host}: its id is that of ${owner} (${clientId})`);
    return true;
  }
  secrets.set(clientId, secret);
  return false;
}

function close(connections: Connections, link: PeerLink, clientId: string | null, error: Error | null): void {
  const { log, push, open, ofClients, intakes } = connections;
  open.delete(link);
  if (error instanceof WireProblem && error.kind !== "lost")
    log.warn(`Gave up the connection to ${clientId ?? "a client that is not known yet"}: ${error.message}`);
  intakes.get(link)?.closed();
  intakes.delete(link);
  connections.ofWatchers.get(link)?.closed();
  connections.ofWatchers.delete(link);
  // If a newer connection of the same client has replaced this one, its end is no loss.
  if (clientId === null || ofClients.get(clientId) !== link) return;
  ofClients.delete(clientId);
  connections.outputs?.leave(clientId);
  connections.clogged.delete(clientId);
  forgetShows(connections.shows, clientId);
  push({ kind: "disconnected", clientId, error: error?.message ?? null });
}

/** Sends a client a message, if it has a connection. Tells when that takes no more for now. */
export function sendTo(connections: Connections, clientId: string, message: ServerMessage): void {
  const { ofClients, clogged, push } = connections;
  const link = ofClients.get(clientId);
  const said = connections.outputs?.send(clientId, message) ?? message;
  if (link === undefined || link.send(said) || clogged.has(clientId)) return;
  clogged.add(clientId);
  push({ kind: "clogged", clientId });
}

/**
 * Forgets the secret of a client, and closes its connection, if it has one. That end is told like any other: the client
 * may have come back on this connection before the reactor knew, and would count as connected for good.
 */
export function disconnectClient({ ofClients, secrets }: Connections, clientId: string): void {
  secrets.delete(clientId);
  ofClients.get(clientId)?.close();
}
