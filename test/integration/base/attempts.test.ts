import { afterAll, describe, expect, test } from "bun:test";
import { networkInterfaces } from "node:os";
import { connect } from "node:net";
import { systemClock } from "../../../src/base/clock.ts";
import { allowAttempts, dropAttempts, type Network } from "../../../src/base/attempts.ts";

const ends: (() => void)[] = [];
afterAll(() => {
  for (const end of ends) end();
});

function listen(hostname: string): { readonly port: number; readonly fd: number } {
  const handlers = { open: () => undefined, data: () => undefined };
  const listener = Bun.listen({ hostname, port: 0, socket: handlers });
  ends.push(() => listener.stop(true));
  return { port: listener.port, fd: (listener as unknown as { readonly fd: number }).fd };
}

/** Whether a connection is made at once; one that is dropped would be made after a second. */
function connects(port: number, host: string, localAddress: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const socket = connect({ port, host, localAddress });
  const late = systemClock.after(250, () => resolve(false));
  socket.on("connect", () => resolve(true));
  socket.on("error", () => resolve(false));
  return promise.finally(() => {
    late.cancel();
    socket.destroy();
  });
}

const two: Network = [0x7f000002];

describe.skipIf(process.platform !== "linux")("attempts to connect", () => {
  test("are dropped from some networks, from all, and not any more", async () => {
    const { port, fd } = listen("127.0.0.1");
    const each = (): Promise<readonly boolean[]> =>
      Promise.all(["127.0.0.1", "127.0.0.2"].map((from) => connects(port, "127.0.0.1", from)));
    expect(await each()).toEqual([true, true]);
    expect(dropAttempts(fd, [[0x0a000001], [0x20010db8, 1], two])).toBe(true);
    expect(await each()).toEqual([true, false]);
    expect(
      dropAttempts(
        fd,
        Array.from({ length: 100 }, (_, n): Network => [0x20010db8, n]),
      ),
    ).toBe(true);
    expect(await each()).toEqual([true, true]);
    expect(dropAttempts(fd, null)).toBe(true);
    expect(await each()).toEqual([false, false]);
    allowAttempts(fd);
    expect(await each()).toEqual([true, true]);
    expect(dropAttempts(-1, null)).toBe(false);
  });

  const hasIPv6 = Object.values(networkInterfaces()).some((each) => each?.some(({ address }) => address === "::1"));
  test.skipIf(!hasIPv6)("are told apart by IPv6, and by IPv4 on the same socket", async () => {
    const { port, fd } = listen("::");
    expect(dropAttempts(fd, [[0, 1], two])).toBe(true);
    expect(await connects(port, "::1", "::1")).toBe(true);
    expect(await connects(port, "127.0.0.1", "127.0.0.2")).toBe(false);
    expect(dropAttempts(fd, [[0, 0]])).toBe(true);
    expect(await connects(port, "::1", "::1")).toBe(false);
    expect(await connects(port, "127.0.0.1", "127.0.0.2")).toBe(true);
  });
});
