import { describe, expect, test } from "bun:test";
import { outlet } from "../../../src/log/outlet.ts";
import { writeAll } from "../../../src/base/write.ts";

/** A reader with room for so many bytes, and time that passes when somebody sleeps. */
function reader(room = Number.POSITIVE_INFINITY) {
  const timers: (() => void)[] = [];
  const its = {
    room,
    code: "EAGAIN",
    text: "",
    now: 0,
    onSleep: () => undefined as unknown,
    onLeave: () => undefined as unknown,
    /** Runs what waits for a timer. */
    later: () => timers.splice(0).forEach((action) => action()),
  };
  const system = {
    write(bytes: Uint8Array): number {
      const count = Math.min(its.room, bytes.length);
      if (count === 0) throw Object.assign(new Error("no room"), { code: its.code });
      its.room -= count;
      its.text += Buffer.from(bytes.subarray(0, count)).toString();
      return count;
    },
    leave: () => its.onLeave(),
    after: (_: number, action: () => void) => void timers.push(action),
    now: () => its.now,
    sleep(ms: number) {
      its.now += ms;
      its.onSleep();
    },
    isSame: (descriptor: number) => descriptor === 1,
  };
  const out = outlet(2, system);
  out.onLost((lines) => out.write(`${lines} lost\n`));
  return { its, out };
}

describe("the log", () => {
  test("goes out at once where there is room, and follows in order where there is none", () => {
    const { its, out } = reader(8);
    expect([out.write("first\n"), out.write("second\n"), out.write("third\n")]).toEqual([true, true, true]);
    expect(its.text).toBe("first\nse");
    its.later();
    its.room = 3;
    its.later();
    expect(its.text).toBe("first\nsecon");
    its.room = Number.POSITIVE_INFINITY;
    its.later();
    out.write("fourth\n");
    expect(its.text).toBe("first\nsecond\nthird\nfourth\n");
  });

  test("is written before what is printed behind it, though nothing but this write comes to its turn", () => {
    const { its, out } = reader(0);
    out.write("a line of the log\n");
    its.onLeave = () => (its.room = Number.POSITIVE_INFINITY);
    its.onSleep = () => expect.unreachable("it waits for what cannot come");
    writeAll(1, Buffer.from("printed\n"), (_, bytes) => {
      its.text += Buffer.from(bytes).toString();
      return bytes.length;
    });
    expect(its.text).toBe("a line of the log\nprinted\n");
  });

  test("is lost beyond a megabyte, and how much was is told when it flows again", () => {
    const { its, out } = reader(0);
    const line = `${"x".repeat((1 << 19) - 1)}\n`;
    expect([1, 2, 3, 4].map(() => out.write(line))).toEqual([true, true, false, false]);
    its.room = Number.POSITIVE_INFINITY;
    its.later();
    out.write("on\n");
    expect(its.text).toBe(`${line}${line}2 lost\non\n`);
  });

  test("loses what a full disk does not take, and tells it when there is room", () => {
    const { its, out } = reader(0);
    its.code = "ENOSPC";
    expect(out.write("lost\n")).toBe(false);
    its.room = Number.POSITIVE_INFINITY;
    out.write("kept\n");
    expect(its.text).toBe("kept\n1 lost\n");
  });

  test("is forgotten when its reader is gone", () => {
    const { its, out } = reader(4);
    out.write("first\n");
    its.code = "EPIPE";
    its.later();
    its.room = 100;
    expect([out.write("second\n"), its.text]).toEqual([false, "firs"]);
    out.close();
    expect(its.now).toBe(0);
  });

  test("is waited for at the end for as long as somebody reads, and for three seconds otherwise", () => {
    const { its, out } = reader(0);
    out.write("line by line\n");
    its.onSleep = () => its.now > 9000 || (its.room = 1);
    out.close();
    expect(its.text).toBe("line by line\n");
    its.room = 0;
    its.onSleep = () => undefined;
    out.write("unread\n");
    const since = its.now;
    out.close();
    expect(its.now - since).toBeWithin(3000, 3100);
  });

  test("stays before what is printed later to the same place", () => {
    const { its, out } = reader(0);
    out.write("log\n");
    const print = (fd: number) => writeAll(fd, Buffer.from("p"), (_fd, _bytes, _offset, length) => length);
    print(3);
    expect(its.text).toBe("");
    its.onSleep = () => (its.room = 100);
    print(1);
    expect(its.text).toBe("log\n");
    print(1);
    expect(its.now).toBeLessThan(10);
  });
});
