import { expect, test } from "bun:test";
import { arrivals } from "../../../src/launch/arrivals.ts";
import type { PeerLink } from "../../../src/wire/link.ts";
import type { HostMessage, PeerMessage } from "../../../src/wire/message.ts";
import { pipe } from "../../../src/wire/pipe.ts";

const [serverId, serverHost] = ["server", "here"];
const hello: PeerMessage = {
  kind: "hello",
  clientId: "client",
  host: "there",
  executors: 1,
  credit: 1,
  running: [{ id: "task", lease: 1 }],
  finished: [],
};
const sentAway = ["welcome", "drop", "leave"];

/** A connection, and what the client that made it has heard; `closed` when it has been ended. */
function visit(): { readonly link: PeerLink; readonly say: () => void; readonly heard: string[] } {
  const [link, client] = pipe<HostMessage, PeerMessage>();
  const heard: string[] = [];
  client.open({
    message: ({ kind }) => void heard.push(kind),
    drain: () => undefined,
    close: () => void heard.push("closed"),
  });
  return { link, say: () => void client.send(hello), heard };
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test("a client that comes after the run, or was silent when the server ended, is sent away in order", async () => {
  const clients = arrivals({ serverId, serverHost, onClose: () => undefined });
  const [after, during, before] = [visit(), visit(), visit()];
  clients.dismiss(after.link);
  // A server that has ended closes what comes, one that ends what it has.
  clients.watch(during.link).close();
  const watched = clients.watch(before.link);
  watched.open({ message: () => expect.unreachable(), drain: () => undefined, close: () => undefined });
  watched.close();
  for (const each of [after, during, before]) each.say();
  await settle();
  for (const each of [after, during, before]) expect(each.heard).toEqual(sentAway);
});

test("who has spoken with the server is the server's own", async () => {
  let closed = 0;
  const clients = arrivals({ serverId, serverHost, onClose: () => closed++ });
  const { link, say, heard } = visit();
  const said: string[] = [];
  const watched = clients.watch(link);
  watched.open({
    message: ({ kind }) => void said.push(kind),
    drain: () => undefined,
    close: () => void said.push("closed"),
  });
  say();
  await settle();
  expect([clients.count, clients.ever, clients.leaving, said]).toEqual([1, true, false, ["hello"]]);
  watched.send({ kind: "leave", how: "finish", reason: "all done" });
  watched.close();
  await settle();
  expect([clients.count, clients.leaving, closed, said, heard]).toEqual([
    0,
    true,
    1,
    ["hello", "closed"],
    ["leave", "closed"],
  ]);
});
