/*
 * The connections of a run that starts its own clients: how many there are, whether the server has begun to send
 * clients away, and what late clients are told when everything is over. It reads what the server says and decides
 * nothing about tasks.
 */
import type { PeerLink } from "../wire/link.ts";
import type { PeerMessage } from "../wire/message.ts";

export interface Arrivals {
  /**
   * Counts a connection while it is open, and answers one to use in its place. If the server ends it before the client
   * has said anything, the client is dismissed.
   */
  watch(link: PeerLink): PeerLink;
  /**
   * Sends away a client that comes after the end of the run, because it started late or had lost its connection. It
   * drops the tasks that it still has.
   */
  dismiss(link: PeerLink): void;
  /** The number of connections that are open. */
  readonly count: number;
  /** Whether there has ever been a connection. */
  readonly ever: boolean;
  /** Whether the server has told a client to leave, which it does when it ends. */
  readonly leaving: boolean;
}

export interface ArrivalsOptions {
  readonly serverId: string;
  readonly serverHost: string;
  /** Called after each end of a connection. */
  readonly onClose: () => void;
  /** Called when a client says hello, with what brought it up, as it says; null: it does not know. */
  readonly onHello?: (job: string | null) => void;
}

/**
 * Arrivals of a run to which nobody has come yet. `serverId` and `serverHost` name the server to clients that are
 * dismissed.
 */
export function arrivals({ serverId, serverHost, onClose, onHello }: ArrivalsOptions): Arrivals {
  const open = new Set<PeerLink>();
  let ever = false;
  let leaving = false;

  function sendAway(link: PeerLink, message: PeerMessage): void {
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
  }

  const idle = (): void => undefined;
  const dismiss = (link: PeerLink): void =>
    link.open({ message: (message) => sendAway(link, message), drain: idle, close: idle });

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
    dismiss,
    watch(link) {
      open.add(link);
      ever = true;
      let [opened, spoken, dismissed] = [false, false, false];
      return {
        open(handlers) {
          opened = true;
          link.open({
            message(message) {
              if (dismissed) return sendAway(link, message);
              spoken = true;
              if (message.kind === "hello") onHello?.(message.job ?? null);
              handlers.message(message);
            },
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
        close() {
          if (spoken) return link.close();
          dismissed = true;
          open.delete(link);
          if (!opened) dismiss(link);
        },
      };
    },
  };
}
