import { expect, test } from "bun:test";
import { askClient, forgetShows, newShows, takeShown } from "../../../src/server/shows.ts";
import type { ServerMessage } from "../../../src/wire/message.ts";
import { mostAsks } from "../../../src/wire/message.ts";
import { stoppedClock } from "../wire/ends.ts";

const query = { id: "t", stream: "stdout", from: 0, most: 10 } as const;
const piece = { text: "x", next: 1, more: false, over: false };

function open() {
  const clock = stoppedClock();
  const shows = newShows(clock);
  const sent: ServerMessage[] = [];
  const ask = (client = "a") => askClient(shows, client, query, (message) => sent.push(message));
  const reason = (asked: Promise<unknown>) => asked.then(String, (error: Error) => error.message);
  return { clock, shows, sent, ask, reason };
}

test("an answer is that of its question, by the client that was asked", async () => {
  const { shows, sent, ask, clock } = open();
  const asked = ask();
  expect(sent).toEqual([{ kind: "show", ask: 1, ...query }]);
  takeShown(shows, "b", { kind: "shown", ask: 1, ...piece, text: "forged" });
  takeShown(shows, "a", { kind: "shown", ask: 7, ...piece, text: "another" });
  takeShown(shows, "a", { kind: "shown", ask: 1, ...piece });
  expect(await asked).toEqual(piece);
  expect(clock.left()).toBe(0);
});

test("a refusal, a client that is gone, and one that does not answer are errors in words", async () => {
  const { shows, ask, reason, clock } = open();
  const refused = reason(ask());
  takeShown(shows, "a", { kind: "shown", ask: 1, ...piece, refused: "no --capture" });
  expect(await refused).toBe("no --capture");
  const [gone, silent] = [reason(ask()), reason(ask("b"))];
  forgetShows(shows, "a");
  expect(await gone).toContain("not connected any more");
  clock.pass(10_000);
  expect(await silent).toContain("does not answer");
  expect(shows.asked.size).toBe(0);
});

test("a client is not asked more than it may be", async () => {
  const { ask, reason, sent, shows } = open();
  const asked = Array.from({ length: mostAsks + 1 }, () => reason(ask()));
  expect(await asked.at(-1)).toContain("too many questions");
  expect(sent).toHaveLength(mostAsks);
  forgetShows(shows, "a");
});
