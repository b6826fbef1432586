/*
 * The connections of a run that starts its own clients: how many there are, whether the server has begun to send them away, and what is said to
 * those who come when everything is over. Reads along, decides nothing about tasks.
 */
import type { Duplex } from "../wire/duplex.ts";
import type { HostMessage, PeerMessage } from "../wire/message.ts";

export type Link = Duplex<HostMessage, PeerMessage>;

export interface Arrivals {
  /** The same link, counted while it is open. */
  watch(link: Link): Link;
  /** Connections that are open. */
  readonly count: number;
  /** Whether there was any. */
  readonly ever: boolean;
  /** The server ends: it has told a client to leave. */
  readonly leaving: boolean;
}

/** `onClose` is called after each end of a connection. */
export function arrivals(onClose: () => void): Arrivals {
  const open = new Set<Link>();
  let ever = false;
  let leaving = false;
  return {
    get count() {
      return open.size;
    },
    get ever() {
      return ever;
    },
    get leaving() {
      return leaving;
    },
    watch(link) {
      open.add(link);
      ever = true;
      return {
        open(handlers) {
          link.open({
            message: handlers.message,
            drain: handlers.drain,
            close(error) {
              open.delete(link);
              handlers.close(error);
              onClose();
            },
          });
        },
        send(message) {
          if (message.kind === "leave") leaving = true;
          return link.send(message);
        },
        close: () => link.close(),
      };
    },
  };
}

/** A client that comes after the end (it started late, or lost its way): it may go, and what it still has is nobody's any more. */
export function dismiss(link: Link, serverId: string, serverHost: string): void {
  link.open({
    message(message) {
      if (message.kind === "bye") return link.close();
      if (message.kind === "submitter") {
        link.send({ kind: "refused", reason: "the run is over" });
        return link.close();
      }
      if (message.kind !== "hello") return;
      link.send({ kind: "welcome", serverId, serverHost, companyMs: 0 });
      const tasks = [...message.running, ...message.finished];
      if (tasks.length > 0) link.send({ kind: "drop", tasks });
      link.send({ kind: "leave", how: "finish", reason: "the run is over" });
    },
    drain() {
      // What it is told is short.
    },
    close() {
      // Nobody waits for it.
    },
  });
}
