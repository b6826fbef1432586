import { expect, test } from "bun:test";
import { newWatchers, takeWatcher } from "../../../src/server/watchers.ts";
import type { ViewSource } from "../../../src/view/view.ts";
import type { HostMessage } from "../../../src/wire/message.ts";
import { silentLog } from "../../make.ts";
import { stoppedClock } from "../wire/ends.ts";

const look = (ask: number) => ({ kind: "look", ask, most: 1, filter: "" }) as const;

/** A source that counts what is asked of it; `fails`: opening it does. */
function open({ fails = false } = {}) {
  const clock = stoppedClock();
  const seen = { opened: 0, closed: 0, looks: 0 };
  const source: ViewSource = {
    async look() {
      seen.looks++;
      throw new Error(`look ${seen.looks}`);
    },
    output: async () => ({ text: "t", next: 1, more: false, over: true }),
    act: async (_, ids) => ids.length,
    async close() {
      seen.closed++;
    },
  };
  const watchers = newWatchers({
    serverId: "s",
    serverHost: "n",
    clock,
    log: silentLog,
    async view() {
      seen.opened++;
      if (fails) throw new Error("no database");
      return source;
    },
  });
  const watch = (reads = true) => {
    const sent: HostMessage[] = [];
    const link = { open: () => undefined, send: (message: HostMessage) => sent.push(message) > 0 && reads };
    return { sent, watcher: takeWatcher(watchers, { ...link, close: () => undefined }) };
  };
  return { clock, seen, watch };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));
const kinds = (sent: readonly HostMessage[]) => sent.map(({ kind }) => kind);

test("questions are answered one after the other, with a pause in between", async () => {
  const { clock, seen, watch } = open();
  const { sent, watcher } = watch();
  const read = { kind: "read", ask: 2, id: "i", stream: "stdout", from: 0, most: 9 } as const;
  for (const question of [look(1), read, { kind: "act", ask: 3, action: "cancel", ids: ["a", "b"] } as const])
    watcher.receive(question);
  await turn();
  expect(sent.slice(1)).toEqual([{ kind: "failed", ask: 1, reason: "look 1" }]);
  clock.pass(20);
  await turn();
  clock.pass(20);
  await turn();
  expect(sent.slice(2)).toEqual([
    { kind: "piece", ask: 2, text: "t", next: 1, more: false, over: true },
    { kind: "acted", ask: 3, count: 2 },
  ]);
  expect(seen.opened).toBe(1);
});

test("who does not read is not answered before it has", async () => {
  const { clock, seen, watch } = open();
  const { sent, watcher } = watch(false);
  watcher.receive(look(1));
  await turn();
  expect(kinds(sent)).toEqual(["watched"]);
  watcher.drained();
  await turn();
  watcher.receive(look(2));
  clock.pass(1000);
  await turn();
  expect([kinds(sent), seen.looks]).toEqual([["watched", "failed"], 1]);
});

test("the source is one for all, and closed with the last of them", async () => {
  const { seen, watch } = open();
  const [one, other] = [watch(), watch()];
  one.watcher.receive(look(1));
  other.watcher.receive(look(1));
  await turn();
  one.watcher.closed();
  one.watcher.closed();
  await turn();
  expect([seen.opened, seen.closed]).toEqual([1, 0]);
  other.watcher.closed();
  await turn();
  expect(seen.closed).toBe(1);
});

test("a source that cannot be opened is said why, and tried again", async () => {
  const { clock, seen, watch } = open({ fails: true });
  const { sent, watcher } = watch();
  watcher.receive(look(1));
  await turn();
  clock.pass(20);
  watcher.receive(look(2));
  await turn();
  expect(sent.slice(1)).toEqual([1, 2].map((ask) => ({ kind: "failed", ask, reason: "no database" })));
  expect(seen.opened).toBe(2);
});
