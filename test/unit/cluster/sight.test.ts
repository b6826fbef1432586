/* What is seen of a run, by its numbers. */
import { expect, test } from "bun:test";
import { sightOf } from "../../../src/cluster/sight.ts";
import { lineText } from "../../../src/progress/text.ts";

const calm = { inTrouble: false };
const here = {
  options: { forever: false, remote: false },
  input: {},
  recovery: { unfinished: 0 },
  stored: 60,
  bad: 0,
  isLoaded: true,
  patience: calm,
};
const none = { ended: 0, failed: 0, cancelled: 0, running: 0, clients: 0, isClosing: false };

const line = (run: Partial<typeof here>, glance: Partial<typeof none>): string =>
  lineText(sightOf({ ...here, ...run }, { ...none, ...glance }), { rate: null, secondsLeft: null }, 99);

test("a local run is told without its client", () => {
  expect(line({}, { ended: 12, failed: 1, running: 4, clients: 1 })).toBe("12 of 60 done, 1 failed, 4 running");
  expect(line({ isLoaded: false }, { ended: 12, running: 4, clients: 1 })).toBe("12 of 60+ done, 4 running");
});

test("lines that are no tasks count as failed, and as done", () => {
  expect(line({ bad: 2 }, { ended: 60, failed: 1 })).toBe("62 of 62 done, 3 failed, 0 running");
});

test("it says what it waits for", () => {
  const remote = { forever: false, remote: true };
  const forever = { forever: true, remote: true };
  expect(line({ options: remote }, {})).toBe("waiting for clients, 0 of 60 done");
  expect(line({ options: remote }, { clients: 2, running: 2 })).toBe("0 of 60 done, 2 running, 2 clients");
  expect(line({ options: forever, input: null as never }, { ended: 5, clients: 1 })).toBe(
    "waiting for tasks, 5 done, 1 client",
  );
  expect(line({ stored: 5, isLoaded: false }, { ended: 5 })).toBe("waiting for input, 5 of 5+ done");
  expect(line({ patience: { inTrouble: true } }, { ended: 5 })).toStartWith("waiting for the database, 5 of 60");
  expect(line({}, { ended: 5, running: 2, isClosing: true })).toStartWith("stopping, 5 of 60 done");
});

test("a run that continues what is in the database counts from there", () => {
  const restart = { input: null as never, recovery: { unfinished: 40 }, stored: 0 };
  expect(line(restart, { ended: 12, running: 4 })).toBe("12 of 40 done, 4 running");
  // Another server added tasks meanwhile.
  expect(line(restart, { ended: 50, running: 4 })).toBe("50 of 50 done, 4 running");
});
