import { afterAll, expect, test } from "bun:test";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFailures } from "../../../src/cluster/failures.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-failures-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A failure file that is a pipe, whose other end is read when the test says so. */
function pipe(name: string, isClear: (() => boolean) | null = null) {
  const path = join(folder, name);
  Bun.spawnSync(["mkfifo", path]);
  const descriptor = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  const its = { now: 0, timers: [] as (() => void)[], lines: [] as string[] };
  const file = openFailures({
    path,
    inputForm: { end: "\n", isVerbatim: false },
    submitId: "",
    defaults: { cores: null, memory: null, timeout: null },
    shell: null,
    isClear,
    isDurable: () => true,
    logger: "cluster",
    log: { warning: (text) => void its.lines.push(String(text)), info: () => undefined },
    clock: {
      now: () => its.now,
      after(ms, action) {
        const timer = (): void => {
          its.now += ms;
          action();
        };
        its.timers.push(timer);
        return { cancel: () => void its.timers.splice(its.timers.indexOf(timer), 1) };
      },
    },
  });
  const buffer = Buffer.alloc(1 << 20);
  return {
    its,
    file,
    read: () => buffer.toString("latin1", 0, readSync(descriptor, buffer)),
    later: () => its.timers.splice(0).forEach((timer) => timer()),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

const line = (n: number, rest = 1000): string => `${String(n).padStart(7, "0")} ${"x".repeat(rest)}`;
const onLinux = test.skipIf(process.platform !== "linux");

onLinux("a line waits while somebody else is in the midst of something there", () => {
  let isClear = false;
  using reader = pipe("shared", () => isClear);
  const { file, later } = reader;
  file.writeLine("one");
  later();
  file.writeLine("two");
  isClear = true;
  later();
  expect(reader.read()).toBe("one\ntwo\n");
});

onLinux("a reader who does not read holds nothing up, and gets all lines later", async () => {
  using reader = pipe("slow");
  const { file, its, later, read } = reader;
  for (let n = 0; n < 200; n++) file.writeLine(line(n));
  let text = read();
  expect(text.length).toBeLessThan(200 * 1009);
  let isTaken = false;
  const taken = file.taken(() => Number.POSITIVE_INFINITY).then(() => (isTaken = true));
  while (!isTaken) {
    later();
    await Promise.resolve();
    if (its.timers.length > 0 && !isTaken) text += readable(read);
  }
  await taken;
  text += readable(read);
  expect(text.split("\n")).toEqual([...Array.from({ length: 200 }, (_, n) => line(n)), ""]);
  expect([file.close(), its.lines]).toEqual([0, []]);
});

onLinux(
  "a reader who never reads is waited for as long as the run says, and costs a warning beyond 16 MB",
  async () => {
    using reader = pipe("never");
    const { file, its, later } = reader;
    for (let n = 0; n < 170; n++) file.writeLine(line(n, 100_000));
    expect(its.lines).toEqual([
      expect.stringMatching(/^Cannot write the failure file '.*': nobody reads it - the run goes/),
    ]);
    let isTaken = false;
    const taken = file.taken(() => 5000).then(() => (isTaken = true));
    while (!isTaken) {
      later();
      await Promise.resolve();
    }
    await taken;
    expect(its.now).toBeGreaterThanOrEqual(5000);
    expect(its.lines[1]).toMatch(/^The run is over, and \d+ failures are still to be read/);
    expect(file.close()).toBe(170);
  },
);

function readable(read: () => string): string {
  try {
    return read();
  } catch {
    // Nothing is there.
    return "";
  }
}
