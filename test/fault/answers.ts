/*
 * A proxy before a PostgreSQL server that cuts a connection at one exchange, the nth of all: when it is asked, so that
 * the server never hears of it, or when it is answered, so that what was asked is done and nobody knows. Knows where an
 * exchange ends (message `Z`, ReadyForQuery: https://www.postgresql.org/docs/current/protocol-message-formats.html),
 * and nothing else of what it carries.
 */
import type { Socket } from "bun";

export interface Cut {
  /** Counted from 1. */
  readonly exchange: number;
  readonly what: "question" | "answer";
}

export interface Answers extends AsyncDisposable {
  readonly port: number;
  /** From now on exchanges are counted anew, and this one is cut. */
  readonly cut: (cut: Cut) => void;
  /** Whether it was. */
  readonly wasCut: () => boolean;
}

interface End {
  readonly came: (bytes: Buffer) => void;
  readonly closed: () => void;
  unsent: Buffer;
}

function send(socket: Socket<End>, bytes: Buffer): void {
  const { data } = socket;
  data.unsent = Buffer.concat([data.unsent, bytes]);
  const sent = Math.max(0, socket.write(data.unsent));
  data.unsent = data.unsent.subarray(sent);
}

const handlers: Bun.SocketHandler<End> = {
  data: (socket, bytes) => socket.data.came(Buffer.from(bytes)),
  drain: (socket) => send(socket, Buffer.alloc(0)),
  end: (socket) => socket.data.closed(),
  close: (socket) => socket.data.closed(),
  error: (socket) => socket.data.closed(),
};

const readyForQuery = "Z".charCodeAt(0);
/** ParseComplete, ParameterDescription, RowDescription, NoData: after these more is asked before anything is done. */
const preliminary = Array.from("1tTn", (letter) => letter.charCodeAt(0));
const backendKeyData = "K".charCodeAt(0);
const headBytes = 5;

/**
 * No connection may be encrypted. `pooler`: everybody gets a key (BackendKeyData) that is not the server's, as from
 * those who share connections.
 */
export function startAnswers(target: number, pooler = false): Answers {
  let order: Cut | null = null;
  let ended = 0;
  let done = false;

  function isNext(what: Cut["what"]): boolean {
    if (done || order === null || order.what !== what || ended + 1 < order.exchange) return false;
    done = true;
    return true;
  }

  function accept(client: Socket<End>): void {
    /** What the server has sent of an exchange that has not ended. */
    let answer = Buffer.alloc(0);
    let met = false;
    let asking = false;
    let over = false;
    const waiting: Buffer[] = [];
    let server: Socket<End> | null = null;

    function finish(): void {
      if (over) return;
      over = true;
      client.terminate();
      server?.terminate();
    }

    function question(bytes: Buffer): void {
      if (over) return;
      if (isNext("question")) return finish();
      asking = true;
      if (server === null) waiting.push(bytes);
      else send(server, bytes);
    }

    function answered(bytes: Buffer): void {
      if (over) return;
      answer = Buffer.concat([answer, bytes]);
      let from = 0;
      let passes = 0;
      while (from + headBytes <= answer.length) {
        const to = from + 1 + answer.readUInt32BE(from + 1);
        if (to > answer.length) break;
        const kind = answer[from]!;
        if (pooler && kind === backendKeyData) answer[from + headBytes]! ^= 0x40;
        // Of what is done the whole answer gets through, or nothing. Greetings and news are no answers.
        if (!(met && asking) || (passes === from && preliminary.includes(kind))) passes = to;
        from = to;
        if (kind !== readyForQuery) continue;
        if (isNext("answer")) return finish();
        ended++;
        met = true;
        asking = false;
        passes = to;
      }
      if (passes > 0) send(client, answer.subarray(0, passes));
      answer = answer.subarray(passes);
    }

    client.data = { came: question, closed: finish, unsent: Buffer.alloc(0) };
    const data = { came: answered, closed: finish, unsent: Buffer.alloc(0) };
    Bun.connect<End>({ hostname: "127.0.0.1", port: target, socket: handlers, data }).then((socket) => {
      server = socket;
      if (over) {
        socket.terminate();
        return;
      }
      for (const bytes of waiting) send(socket, bytes);
    }, finish);
  }

  const listener = Bun.listen<End>({ hostname: "127.0.0.1", port: 0, socket: { ...handlers, open: accept } });
  return {
    port: listener.port,
    cut(next) {
      order = next;
      ended = 0;
      done = false;
    },
    wasCut: () => done,
    async [Symbol.asyncDispose]() {
      listener.stop(true);
    },
  };
}
