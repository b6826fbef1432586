/*
 * What every Duplex promises, stated once. Each implementation runs this suite; new behaviour is added here, never to
 * one driver's tests.
 */
import { describe, expect, test } from "bun:test";
import type { Duplex } from "../../src/wire/duplex.ts";

export interface Note {
  readonly n: number;
  readonly text: string;
}

export interface DuplexPair {
  readonly left: Duplex<Note, Note>;
  readonly right: Duplex<Note, Note>;
}

interface Ear {
  readonly got: Note[];
  drains: number;
  readonly closes: (Error | null)[];
  readonly closed: Promise<void>;
}

function listen(end: Duplex<Note, Note>, onMessage?: (note: Note) => void): Ear {
  const closed = Promise.withResolvers<void>();
  const ear: Ear = { got: [], drains: 0, closes: [], closed: closed.promise };
  end.open({
    message(note) {
      ear.got.push(note);
      onMessage?.(note);
    },
    drain() {
      ear.drains++;
    },
    close(error) {
      ear.closes.push(error);
      closed.resolve();
    },
  });
  return ear;
}

const note = (n: number): Note => ({ n, text: `text ${n} ü 漢 \u0000 "quoted"\n` });

export function duplexConformance(title: string, makePair: () => Promise<DuplexPair>): void {
  describe(`duplex: ${title}`, () => {
    test("messages arrive in the order they were sent, both ways, before the close", async () => {
      const { left, right } = await makePair();
      const [l, r] = [listen(left), listen(right)];
      for (let n = 0; n < 500; n++) {
        left.send(note(n));
        right.send(note(-n));
      }
      left.close();
      await Promise.all([l.closed, r.closed]);
      expect(r.got).toEqual(Array.from({ length: 500 }, (_, n) => note(n)));
    });

    test("a message is never delivered from within send", async () => {
      const { left, right } = await makePair();
      let sending = false;
      let inside = 0;
      const l = listen(left);
      const r = listen(right, (got) => {
        if (sending) inside++;
        if (got.n < 20) {
          sending = true;
          right.send(note(got.n));
          sending = false;
        }
      });
      for (let n = 0; n < 21; n++) {
        sending = true;
        left.send(note(n));
        sending = false;
      }
      right.send(note(99));
      while (r.got.length < 21) await new Promise<void>((resolve) => setImmediate(resolve));
      right.close();
      await Promise.all([l.closed, r.closed]);
      expect(inside).toBe(0);
      expect(l.got).toHaveLength(21);
    });

    test("nothing is delivered before open, and nothing is lost by opening late", async () => {
      const { left, right } = await makePair();
      const l = listen(left);
      for (let n = 0; n < 10; n++) left.send(note(n));
      left.close();
      await new Promise<void>((resolve) => setImmediate(resolve));
      const r = listen(right);
      await Promise.all([l.closed, r.closed]);
      expect(r.got).toHaveLength(10);
    });

    test("each side hears of the close exactly once, whoever closes, also when both do", async () => {
      for (const closers of ["left", "right", "both"]) {
        const { left, right } = await makePair();
        const [l, r] = [listen(left), listen(right)];
        left.send(note(1));
        if (closers !== "right") left.close();
        if (closers !== "left") right.close();
        left.close();
        await Promise.all([l.closed, r.closed]);
        await new Promise<void>((resolve) => setImmediate(resolve));
        expect([l.closes, r.closes]).toEqual([[null], [null]]);
      }
    });

    test("sending after the close is ignored", async () => {
      const { left, right } = await makePair();
      const [l, r] = [listen(left), listen(right)];
      left.close();
      expect(left.send(note(1))).toBe(true);
      await Promise.all([l.closed, r.closed]);
      right.send(note(2));
      await new Promise<void>((resolve) => setImmediate(resolve));
      expect([l.got, r.got]).toEqual([[], []]);
    });

    test("a fast sender is told to wait, and told when to go on", async () => {
      const { left, right } = await makePair();
      const [l, r] = [listen(left), listen(right)];
      let sent = 0;
      while (left.send(note(sent++))) if (sent > 1_000_000) throw new Error("send never asked to wait");
      while (l.drains === 0) await new Promise<void>((resolve) => setImmediate(resolve));
      left.close();
      await r.closed;
      expect(r.got).toHaveLength(sent);
    });
  });
}
