/*
 * Why a task does not run, what came of it, and what happened to it so far: facts in, plain sentences out. Pure; the
 * facts are found by cli/explain.ts.
 */
import { counted } from "../base/units.ts";
import type { Obstacles } from "../history/obstacles.ts";
import { causesOf, remediesOf } from "../server/held-back.ts";
import { endedState, tellEnd } from "./ended.ts";
import type { Explanation, Facts, ServerFact, TaskState, Telling } from "./facts.ts";
import { describeAble, describeNeed } from "./needs.ts";
import { tellStory } from "./story.ts";
import { ago, clock, numberOf, secondsUntil, span } from "./words.ts";

/** Explains a task. */
export function explain(facts: Facts): Explanation {
  const telling: Telling = { why: [], story: [], advice: [] };
  const state = tellState(facts, telling);
  tellStory(facts, telling);
  return { id: String(facts.task.id), state, ...telling };
}

function tellState(facts: Facts, telling: Telling): TaskState {
  const { task } = facts;
  const status = numberOf(task.exit_status);
  if (status !== null) {
    tellEnd(facts, telling);
    return endedState(status);
  }
  if (task.schedule_time === null) {
    tellWaiting(facts, telling);
    return "waits";
  }
  const server = facts.servers.find(({ id }) => id === task.server_id) ?? null;
  if (task.client_id === null) {
    tellTaken(facts, server, telling);
    return "taken";
  }
  return tellHandedOut(facts, server, telling) ? "runs" : "taken";
}

/** Tells of a task that is on record with a client; whether it can be running. */
function tellHandedOut(facts: Facts, server: ServerFact | null, { why, advice }: Telling): boolean {
  const { task, client, now } = facts;
  const host = String(task.client_host);
  const isGone = isClientGone(facts, server);
  if (isGone) {
    why.push(`It was on ${host}, in a client that is gone with its server: what it did there is lost.`);
    why.push("The next server that takes any task gives it back, and it runs again from its beginning.");
    advice.push(...starting);
    return false;
  }
  const ran = secondsUntil(task.start_time, now);
  if (ran !== null) why.push(`It runs on ${host}, since ${clock(task.start_time)} (${span(ran)}).`);
  else why.push(`It is with a client on ${host}, which has started it just now or is about to.`);
  const timeout = numberOf(task.timeout);
  if (timeout !== null && timeout > 0) {
    const left = ran === null ? "" : `, in ${span(Math.max(0, timeout - ran))}`;
    why.push(`It is stopped when it has run ${span(timeout)}${left}.`);
  } else why.push("It has no time limit of its own; its client may have one (-W).");
  if (client !== null && (client.evicted || client.disconnectedAt !== null))
    why.push(
      `That client ${client.evicted ? "was given up" : "has left"}, so its server is about to take the task back.`,
    );
  if (server === null || !server.isAlive) {
    const seen = server === null ? "is not on record any more" : `was last seen ${ago(server.beatAt, now)}`;
    why.push(`Its server ${seen}. The client goes on, and delivers the outcome when a server is back.`);
    advice.push("To start one that takes it over, on the same port: hs server --restart, or hs server --forever");
  }
  advice.push(`To stop it: hs update --cancel -w id==${String(task.id)}`);
  return true;
}

/** Whether the client went down with its server: the one of hsx is in its process. */
function isClientGone({ task }: Facts, server: ServerFact | null): boolean {
  return task.client_id === task.server_id && (server === null || !server.isAlive);
}

/** Tells of a task that a server has taken and no client has. */
function tellTaken(facts: Facts, server: ServerFact | null, telling: Telling): void {
  const { task, now } = facts;
  const { why, advice } = telling;
  const name = `on ${String(task.server_host)}`;
  if (server === null || !server.isAlive) {
    const seen = server === null ? "is not on record any more" : `was last seen ${ago(server.beatAt, now)}`;
    why.push(`A server ${name} had taken it, and ${seen}: it died before a client had the task.`);
    why.push("The next server that takes any task gives it back, and it waits again.");
    advice.push(...starting);
    return;
  }
  why.push(`The server ${name} has it, and waits for a client with room for it.`);
  if ((numberOf(task.attempt) ?? 1) > 1)
    why.push(
      "It is a further attempt, so the server may also hold it for the pause of --retry-delay; only the log tells.",
    );
  tellClients(facts, server, telling);
}

const starting: readonly string[] = [
  "To run what waits, on this machine: hsx --restart",
  "To have other hosts run it: hs server --forever -H 0.0.0.0, and hs client -H HOST on each of them",
];

/** Tells of a task that no server has taken. */
function tellWaiting(facts: Facts, telling: Telling): void {
  const { task, servers, obstacles } = facts;
  const { why, advice } = telling;
  if (obstacles !== null) tellObstacles(facts, obstacles, telling);
  const alive = servers.filter(({ isAlive }) => isAlive);
  const own = alive.find(({ id, reserves }) => reserves && id === task.submit_id);
  const taking = own === undefined ? alive.filter(({ reserves }) => !reserves) : [own];
  if (taking.length === 0) {
    tellNoServer(facts, alive, telling);
  } else {
    const [server] = taking as [ServerFact];
    const who =
      taking.length === 1
        ? `The server on ${server.host} (process ${server.pid})`
        : `One of ${counted(taking.length, "server")}`;
    const which = own === undefined ? "" : ", the run that it was submitted by,";
    why.push(`${who}${which} takes it when it is its turn.`);
    if (why.length === 1) tellTurn(obstacles, telling);
    tellClients(facts, own ?? (taking.length === 1 ? server : null), telling);
  }
  advice.push(`To drop it: hs update --cancel -w id==${String(task.id)}`);
}

function tellTurn(obstacles: Obstacles | null, { why }: Telling): void {
  if (obstacles === null) return;
  const { before } = obstacles;
  why.push(
    before === 0
      ? "It is the next one of its group."
      : `${counted(before, "task")} of its group ${before === 1 ? "was" : "were"} submitted before it, and ` +
          `${before === 1 ? "waits" : "wait"} too.`,
  );
}

/** Tells of lower groups and of failures. */
function tellObstacles({ task }: Facts, obstacles: Obstacles, { why, advice }: Telling): void {
  const { lower, lowerGroups, setbacks, reasons } = obstacles;
  if (setbacks.length > 0) {
    why.push(`It is held back until these failures are dealt with: ${causesOf({ setbacks, reasons }).join("; ")}.`);
    advice.push(...remediesOf(setbacks, ""), "A server that runs goes on by itself then.");
  }
  for (const { group, unfinished, held, example } of lower) {
    const taken =
      held === 0
        ? "none of them is taken by a server"
        : `${held} of them ${held === 1 ? "is" : "are"} taken by a server`;
    why.push(
      `Its group (${String(task.group)}) waits for group ${group}, which has ${counted(unfinished, "task")} ` +
        `that ${unfinished === 1 ? "has" : "have"} not ended; ${taken} (example: ${example}).`,
    );
  }
  if (lowerGroups > lower.length) why.push(`${counted(lowerGroups - lower.length, "more group")} go before it.`);
  if (lower[0] !== undefined) advice.push(`To see why that group is not done: hs explain ${lower[0].example}`);
}

function tellNoServer({ servers, now }: Facts, alive: readonly ServerFact[], { why, advice }: Telling): void {
  const latest = servers.toSorted((one, other) => other.beatAt - one.beatAt)[0];
  if (alive.length > 0) {
    const runs = `${counted(alive.length, "run")} ${alive.length === 1 ? "is" : "are"} alive (on ${alive[0]!.host})`;
    why.push(`No server takes it: ${runs}, and each runs only what it was started with.`);
  } else if (latest === undefined) why.push("No server is there that could run it.");
  else why.push(`No server is alive; the last one, on ${latest.host}, was seen ${ago(latest.beatAt, now)}.`);
  advice.push(...starting);
}

/** Tells of the clients that could run it: how many there are, and whether one has what it needs. */
function tellClients(facts: Facts, server: ServerFact | null, { why, advice }: Telling): void {
  const { clients, seen } = facts;
  const own = server === null ? null : (clients.get(server.id) ?? 0);
  const count = own ?? [...clients.values()].reduce((sum, each) => sum + each, 0);
  if (seen === null && count === 0) {
    why.push("No client is on record as connected, so nobody is there to run it.");
    advice.push(
      `To bring one up: hs client -H ${server?.host ?? "HOST"}, with the port (-p) and the key of the server`,
    );
  } else if (seen === null) {
    why.push(`${counted(count, "client")} ${count === 1 ? "is" : "are"} connected; it runs when one has room for it.`);
  }
  const need = describeNeed(facts);
  if (seen !== null) why.push(describeAble(facts, seen, need));
  else if (need !== null) {
    why.push(`It needs ${need}. Which clients have that is not in the database.`);
    const words = `hs explain ${String(facts.task.id)} -H ${server?.host ?? "HOST"}`;
    advice.push(`To ask the server: ${words}, with its port (-p) and its key`);
  }
}

/** The explanation as people read it. `line`: the task as it was submitted. */
export function explanationText({ id, state, why, story, advice }: Explanation, line: string): string {
  const part = (title: string, sentences: readonly string[]): string[] =>
    sentences.length === 0 ? [] : [title, ...sentences.map((text) => `  ${text}`)];
  return [
    `Task ${id} ${state}: ${line}`,
    ...part("Why", why),
    ...part("What happened", story),
    ...part("What to do", advice),
    "",
  ].join("\n");
}
