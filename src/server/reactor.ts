/*
 * The schedule: `step(state, events, now)` changes the state and answers what is to be done. It knows neither sockets
 * nor databases nor time; the door does what the effects say and reports back. What is done about a single client is in
 * registration.ts and roster.ts; outcomes are in outcomes.ts; what others did to tasks is in recalls.ts.
 */
import { counted } from "../base/units.ts";
import { assert, unreachable } from "../base/assert.ts";
import type { Claim, ClaimRequest, HeldBack } from "../store/store.ts";
import type { ClaimedTask } from "../task/task.ts";
import type { LeaveKind } from "../wire/message.ts";
import { clog, dispatch, leaveToNeighbours, shortage, weigh } from "./dispatch.ts";
import { leftOut, lookPast, lookSooner, lookTime, noteLook } from "./look-past.ts";
import { note, type ServerEffect, tell } from "./effects.ts";
import type { ServerEvent } from "./event.ts";
import { describeHeldBack } from "./held-back.ts";
import { delayedCount, nextDueAt, takeDue } from "./delays.ts";
import { describeHalt, isReached } from "./failure-policy.ts";
import { commit, dispatchesDueAt, isItsTurn, settle, startsDueAt } from "./outcomes.ts";
import { areRecallsOpen, askForRecalls, noticeRecalls, takeRecalls } from "./recalls.ts";
import { isAside, reviewPlaces, submissionsAside, tellOfPlace } from "./places.ts";
import {
  askForRegistrations,
  beginRegistration,
  bringers,
  completeRegistration,
  doubtClients,
  leaveToBringer,
} from "./registration.ts";
import { abandonAll, checkClients, disconnect, excuse, leave, receive, takeBuried } from "./roster.ts";
import { forgetSubmissions, learnSubmissions } from "./submissions.ts";
import {
  type ClaimState,
  disregard,
  giveBack,
  isAwaitingEstates,
  isBurying,
  letGo,
  lookAgain,
  runOf,
  type ServerState,
} from "./state.ts";
import { isStranded, reviewUnmet, unmetTime } from "./unmet.ts";
import { drainWaiting, enqueue, giveBackAbove, waitingCount } from "./waiting.ts";

/** The first pause of an idle server between two looks at the store, milliseconds. It doubles up to `pollMs`. */
const firstPollMs = 1000;

/**
 * Takes in events, oldest first, and answers what is to be done, in this order. `now` is milliseconds since 1970 and
 * never goes back. One step handles the events, then clients that are late, questions to the store, ready tasks for
 * clients, a claim, a commit, and whether the run is over. Throws a bug when an event answers nothing that was asked.
 */
export function step(state: ServerState, events: readonly ServerEvent[], now: number): ServerEffect[] {
  const effects: ServerEffect[] = [];
  if (isDone(state)) return effects;
  excuse(state, now);
  for (const event of events) take(state, event, now, effects);
  checkClients(state, now, effects);
  haltIfReached(state, now, effects);
  resumeDelayed(state, now);
  if (!reviewPlaces(state, now, effects)) close(state, "finish", "no client has the directory", now, effects);
  if (state.row === "known") {
    askForRegistrations(state, effects);
    askForRecalls(state, effects);
    reviewUnmet(state, now, effects);
    dispatch(state, now, effects);
    leaveToNeighbours(state);
    askForTasks(state, now, effects);
  }
  commit(state, now, effects);
  conclude(state, now, effects);
  if (isDone(state)) return effects;
  state.wakeAt = nextWake(state, now);
  effects.push({ kind: "wake", at: state.wakeAt });
  return effects;
}

function take(state: ServerState, event: ServerEvent, now: number, effects: ServerEffect[]): void {
  switch (event.kind) {
    case "helloReceived":
      return beginRegistration(state, event.hello, now, effects);
    case "received": {
      const client = state.clients.get(event.clientId);
      // A client that was evicted may still be heard: what its connection had under way still arrives after it was
      // closed.
      if (client !== undefined) receive(state, client, event.message, now, effects);
      return;
    }
    case "disconnected":
      return disconnect(state, event.clientId, event.error, now, effects);
    case "clogged":
    case "unclogged": {
      const client = state.clients.get(event.clientId);
      if (client !== undefined) clog(state, client, event.kind === "clogged");
      return;
    }
    case "claimed":
      learnSubmissions(state, event.submissions);
      takeClaim(state, event.claim, now, effects);
      return forgetSubmissions(state);
    case "registered":
      learnSubmissions(state, event.submissions);
      completeRegistration(state, event, now, effects);
      return forgetSubmissions(state);
    case "counted":
      return tellOfPlace(state, event, effects);
    case "buried":
      return takeBuried(state, event, effects);
    case "intakeOpened":
      state.intakes++;
      return;
    case "intakeClosed":
      state.intakes--;
      return lookAgain(state);
    case "committed":
      return settle(state, event.report.refused, now, effects);
    case "inserted":
      state.isNewIn = true;
      lookSooner(state, now);
      return lookAgain(state);
    case "recallsNoticed":
      return noticeRecalls(state);
    case "recalled":
      return takeRecalls(state, event.recalls, effects);
    case "neighbours":
      state.neighbours = event.count;
      return;
    case "slept":
      return doubt(state, effects);
    case "rowSeen":
      if (state.row === "doubted") state.row = "known";
      return lookAgain(state);
    case "rowMissed":
      return loseRow(state, effects);
    case "entered":
      return reenter(state, event.firstLease);
    case "inputResumed":
      if (state.input === "quiet") state.input = "open";
      return;
    case "inputQuiet":
      if (state.input === "open") state.input = "quiet";
      return lookAgain(state);
    case "inputEnded":
      state.input = "ended";
      return lookAgain(state);
    case "woken":
      return;
    case "stopRequested":
      return close(state, event.how, "stop requested", now, effects);
    case "hurried":
      return abandonAll(state, now, effects);
    default:
      unreachable(event);
  }
}

// ---- being taken for dead

/** Asks whether others took this server for dead while it did not run. */
function doubt(state: ServerState, effects: ServerEffect[]): void {
  if (state.row !== "known" || !state.settings.durable) return;
  state.row = "doubted";
  if (state.claim.at === "asked") state.claim.isDoubtful = true;
  effects.push({ kind: "attest" });
}

/** Others took this server for dead: what it held is free, or theirs. It enters as a new server would. */
function loseRow(state: ServerState, effects: ServerEffect[]): void {
  if (state.row === "lost") return;
  state.row = "lost";
  if (state.claim.at === "asked") state.claim.isDoubtful = true;
  effects.push({ kind: "enter" });
  note(effects, "warning", "Another server took this one for dead, and what it held for free - going on with the rest");
}

/** Begins anew, as the successor of itself: the store says which tasks its clients may keep. */
function reenter(state: ServerState, firstLease: number): void {
  state.row = "known";
  state.nextLease = firstLease;
  giveBackAll(state);
  doubtClients(state);
  lookAgain(state);
}

// ---- asking for more

/** Asks the store for tasks, if that is of use. */
function askForTasks(state: ServerState, now: number, effects: ServerEffect[]): void {
  if (state.phase.at !== "running" || state.claim.at === "asked") return;
  if (state.claim.at !== "due" && now < pollAt(state)) return;
  if (isReturning(state) || areRecallsOpen(state)) return;
  const wish = wishOf(state, now);
  if (wish === null) {
    // There is enough. The store is asked as soon as there is less; that need not wait for a poll.
    state.claim = { at: "due" };
    return;
  }
  const { scope, retries, eager } = state.settings;
  if (state.claim.at !== "due") state.idlePolls++;
  const isPast = wish.tooMuch.length > 0;
  state.claim = { at: "asked", stale: false, isDoubtful: false, withheld: new Map(), since: now, isPast };
  state.isNewIn = false;
  effects.push({
    kind: "claim",
    request: { scope, group: state.group, ...wish, retries, eager, aside: submissionsAside(state) },
  });
}

/** What the store is asked for; null: nothing, for now. */
function wishOf(state: ServerState, now: number): Pick<ClaimRequest, "limit" | "tooMuch"> | null {
  const limit = shortage(state) ?? (mayBeOvertaken(state) ? 0 : null);
  if (limit === null) return lookPast(state, now);
  const tooMuch = leftOut(state, now);
  return limit > 0 && tooMuch.length > 0 && now < state.demands.lookAt ? null : { limit, tooMuch };
}

/**
 * Whether new tasks may be in a lower group than those that are ready, and go first. The store is asked then, although
 * there is enough: the answer tells the lowest group. Nothing can be submitted into a group below 0.
 */
function mayBeOvertaken(state: ServerState): boolean {
  const { isNewIn, group } = state;
  return isNewIn && waitingCount(state) > 0 && group !== null && group > 0;
}

/**
 * Whether tasks are being given back. A claim at the same time might take one of them, and the server would lose it
 * again if it was given back twice.
 */
function isReturning({ settling, outbox }: ServerState): boolean {
  return outbox.reverted.length > 0 || settling?.frees === true;
}

/**
 * Takes the store's answer to a claim. What each answer makes of `state.claim`:
 *
 *     answer                       claim.at    if something has changed since the store was asked (stale)
 *     claimed, with tasks          due         due
 *     claimed, without tasks       blocked     due      (there are some, but nobody is here to run them)
 *     claimed, without tasks       due         due      (there are some, and enough is ready; or they need too much)
 *     claimed, without tasks       empty       due      (they need too much, and are left to neighbours: the run ends)
 *     none                         empty       due
 *     waiting                      blocked     due
 *     recalled                     due         due      (nothing is claimed before the recalls are dealt with)
 *     advance                      due         due      (if stale, the answer is not heeded: `advance` is not called)
 *     advance, input still open    blocked     due
 *     heldBack, more may come      blocked     due
 *     heldBack, finite             empty       due      (the run ends)
 */
function takeClaim(state: ServerState, answer: Claim, now: number, effects: ServerEffect[]): void {
  const asked = state.claim;
  assert(asked.at === "asked", "one claim at a time");
  // Tasks may have come after the store had looked. An answer that finds nothing does not count then.
  const otherwise = (at: "empty" | "blocked"): ClaimState => (asked.stale ? { at: "due" } : { at, since: now });
  if (answer.kind !== "waiting" && answer.kind !== "recalled") state.heldBack = null;
  switch (answer.kind) {
    case "claimed": {
      const isAny = answer.tasks.length > 0;
      if (asked.isPast) noteLook(state, answer.tasks.length, now - asked.since, now);
      if (isAny || state.present.executors > 0)
        state.claim = !isAny && asked.isPast && isLeft(state) ? otherwise("empty") : { at: "due" };
      else state.claim = otherwise("blocked");
      if (isAny) state.idlePolls = 0;
      weigh(state, answer.tasks);
      giveBackAbove(state, answer.group);
      if (isAny || state.group === null) state.group = answer.group;
      const brought = isAny ? bringers(state) : null;
      for (const task of answer.tasks) {
        if (isWithheld(state, task, asked)) continue;
        const bringer = brought?.get(task.id);
        if (bringer === undefined || !leaveToBringer(state, bringer, task, now)) takeClaimed(state, task, effects);
      }
      return;
    }
    case "none":
      noteIdle(state, answer.unfinished === 0 ? "no task groups remain" : waitingOn(answer.unfinished), effects);
      state.claim = otherwise("empty");
      return;
    case "waiting":
      noteIdle(state, waitingOn(answer.unfinished), effects);
      giveBackAbove(state, answer.busyGroup);
      if (state.group !== null) state.group = Math.min(state.group, answer.busyGroup);
      state.claim = otherwise("blocked");
      return;
    case "recalled":
      noticeRecalls(state);
      state.claim = { at: "due" };
      return;
    case "advance":
      if (asked.stale) state.claim = { at: "due" };
      else advance(state, answer, now, effects);
      return;
    case "heldBack":
      if (asked.stale) state.claim = { at: "due" };
      else stay(state, answer.heldBack, now, effects);
      return;
    default:
      unreachable(answer);
  }
}

/** Whether what needs too much is left to the servers beside this one. */
function isLeft({ neighbours, settings, demands }: ServerState): boolean {
  return neighbours > 0 && !settings.forever && demands.count === 0;
}

/** Whether a claim has brought a task that is not to be handed out; see ClaimState. Gives it back if nobody has it. */
function isWithheld(
  state: ServerState,
  task: ClaimedTask,
  { isDoubtful, withheld }: Extract<ClaimState, { at: "asked" }>,
): boolean {
  if (isDoubtful) {
    // It may be a task that others had freed while a client had it here, or its outcome.
    if (!state.holders.has(task.id)) giveBack(state, task);
    return true;
  }
  const why = withheld.size === 0 ? undefined : withheld.get(task.id);
  if (why === undefined) return false;
  // A client may have adopted the task, and may be gone again. If it is gone, only the store has the task, whichever
  // event came first. A recalled task was this server's for a moment; giving it back does nothing if it belongs
  // elsewhere by now.
  if (why === "recalled" || !state.holders.has(task.id)) giveBack(state, task);
  return true;
}

function takeClaimed(state: ServerState, task: ClaimedTask, effects: ServerEffect[]): void {
  forgetOld(state, task.id, effects);
  if (state.phase.at === "running" && !isAside(state, task)) enqueue(state, task);
  else giveBack(state, task);
}

/**
 * Drops the old run of a task that is claimed anew: somebody cancelled and reverted it shortly after, and its client is
 * still stopping it.
 */
function forgetOld(state: ServerState, id: string, effects: ServerEffect[]): void {
  const run = runOf(state, id);
  if (run === null) return;
  const { holder, held } = run;
  const old = { id, lease: held.lease };
  letGo(state, holder, id);
  disregard(holder, old);
  tell(effects, holder.id, "drop", [old]);
}

function waitingOn(unfinished: number): string {
  return `waiting on ${counted(unfinished, "task")} to complete`;
}

function noteIdle(state: ServerState, reason: string, effects: ServerEffect[]): void {
  note(
    effects,
    "trace",
    () => `No tasks available for group (${reason}) - backing off ${counted(pauseMs(state) / 1000, "second")}`,
  );
}

/**
 * Goes on with group `answer.to`, because nothing below it can be run. It stays with the present group if lines of that
 * may follow.
 */
function advance(
  state: ServerState,
  answer: Extract<Claim, { kind: "advance" }>,
  now: number,
  effects: ServerEffect[],
): void {
  const from = state.group;
  if (state.input === "open" && from !== null) {
    state.claim = { at: "blocked", since: now };
    return;
  }
  if (answer.heldBack !== null) tellHeldBack(state, answer.heldBack, "warning", effects);
  if (from !== null) note(effects, "info", `Completed task group ${from} - starting task group ${answer.to}`);
  state.group = answer.to;
  state.claim = { at: "due" };
}

/** Stays where it is, because failures hold back all that waits. A finite run ends, unless more may come. */
function stay(state: ServerState, heldBack: HeldBack, now: number, effects: ServerEffect[]): void {
  const { forever } = state.settings;
  const isOver = !forever && state.input === "ended" && state.intakes === 0;
  state.claim = { at: isOver ? "empty" : "blocked", since: now };
  if (state.input === "open") return;
  state.heldBack = heldBack;
  tellHeldBack(state, heldBack, forever ? "warning" : "critical", effects);
}

/**
 * Tells of tasks that are held back, once a change. The end of a run tells once more that there are some, but not what
 * to do.
 */
function tellHeldBack(
  state: ServerState,
  heldBack: HeldBack,
  level: "warning" | "critical",
  effects: ServerEffect[],
): void {
  const { waiting, setbacks, reasons } = heldBack;
  const key = JSON.stringify([waiting, setbacks, reasons]);
  const { forever, durable } = state.settings;
  const isTold = state.toldHeldBack?.key === key;
  if (isTold && state.toldHeldBack?.level === level) return;
  state.toldHeldBack = { key, level };
  const [first, ...advice] = describeHeldBack(heldBack, { forever, durable });
  for (const line of isTold ? [first] : [first, ...advice]) note(effects, level, line);
}

// ---- retries that wait, and failures that are too many

/** Lets next attempts go whose pause is over. */
function resumeDelayed(state: ServerState, now: number): void {
  if (state.row !== "known") return;
  for (let task = takeDue(state.delays, now); task !== null; task = takeDue(state.delays, now)) {
    if (isItsTurn(state, task.group) && !isAside(state, task)) enqueue(state, task);
    else giveBack(state, task);
  }
}

/** Gives back everything that waits here, for a client or for its time. */
function giveBackAll(state: ServerState): void {
  for (const task of drainWaiting(state)) giveBack(state, task);
  const { delays } = state;
  for (let task = takeDue(delays, Infinity); task !== null; task = takeDue(delays, Infinity)) giveBack(state, task);
}

/** Begins the end when too many tasks have failed. */
function haltIfReached(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { halt } = state.settings;
  if (halt === null || state.phase.at !== "running" || !isReached(halt, state.counts)) return;
  note(effects, "error", describeHalt(halt, state.counts, state.settings.durable));
  close(state, "finish", "too many tasks failed", now, effects);
}

// ---- the end

/** How urgent each way to end is. A run that ends in one way may be told to end in a more urgent one. */
const urgency: Record<LeaveKind, number> = { finish: 0, interrupt: 1, abort: 2 };

/** Begins the end, or makes it more urgent: nothing is handed out any more, and clients are told to leave. */
function close(state: ServerState, how: LeaveKind, reason: string, now: number, effects: ServerEffect[]): void {
  if (state.phase.at === "done") return;
  const { phase } = state;
  const again = phase.at === "closing";
  state.phase = { at: "closing", how: again && urgency[phase.how] > urgency[how] ? phase.how : how };
  giveBackAll(state);
  if (!again) note(effects, "debug", () => `Signaling clients (${state.clients.size} connected)`);
  // A second, more urgent call also reaches the clients that are leaving already.
  for (const client of state.clients.values()) leave(state, client, how, reason, now, effects);
}

/** Ends a finite run when nothing is left to do, and the server when all clients are gone. */
function conclude(state: ServerState, now: number, effects: ServerEffect[]): void {
  const { outbox } = state;
  const idle =
    state.row === "known" &&
    delayedCount(state.delays) === 0 &&
    state.holders.size === 0 &&
    state.registrations.asked === 0 &&
    !isBurying(state) &&
    state.settling === null &&
    outbox.completed.length === 0 &&
    outbox.reverted.length === 0 &&
    outbox.unwanted.length === 0 &&
    !areRecallsOpen(state);
  if (!idle) return;
  const stranded = state.phase.at === "running" && isStranded(state, now) ? waitingCount(state) : 0;
  if (waitingCount(state) !== stranded) return;
  if (state.phase.at === "running") {
    const finite =
      !state.settings.forever && state.input === "ended" && state.intakes === 0 && state.estates.size === 0;
    if (!finite || !(stranded > 0 ? isNothingElse(state, now) : state.claim.at === "empty")) return;
    const reason = state.heldBack === null ? "all tasks are done" : "what is left is held back";
    if (stranded > 0) note(effects, "warning", describeStranded(stranded, state.settings.durable));
    close(state, "finish", stranded > 0 ? "no time is left for more" : reason, now, effects);
  }
  if (state.clients.size > 0 || state.claim.at === "asked") return;
  state.phase = { at: "done" };
  effects.push({ kind: "finish" });
}

/** Whether the store had nothing when it was last asked for tasks besides those that wait here. */
function isNothingElse({ claim, demands, isNewIn }: ServerState, now: number): boolean {
  if (isNewIn || claim.at === "asked") return false;
  return claim.at === "blocked" || claim.at === "empty" || (demands.lookMs > 0 && now < demands.lookAt);
}

function describeStranded(count: number, durable: boolean): string {
  const [are, limits] = count === 1 ? ["is", "its time limit"] : ["are", "their time limits"];
  const rest = durable ? "a later run can take up what is left (--restart)" : "what is left is not run";
  return `${counted(count, "task")} ${are} left, because no client has as much time as ${limits} - ${rest}`;
}

// ---- time

/**
 * When the store is asked again without any news: milliseconds since 1970, infinity when something else must happen
 * first.
 */
function pollAt(state: ServerState): number {
  const { claim, row } = state;
  if (row !== "known") return Number.POSITIVE_INFINITY;
  if (isReturning(state) || areRecallsOpen(state)) return Number.POSITIVE_INFINITY;
  if (claim.at !== "empty" && claim.at !== "blocked") return Number.POSITIVE_INFINITY;
  return claim.since + pauseMs(state);
}

/** The pause between two looks at the store, milliseconds. */
function pauseMs({ settings, idlePolls }: ServerState): number {
  return Math.min(settings.pollMs, firstPollMs * 2 ** Math.min(idlePolls, 16));
}

/** When this server must be woken even if nothing happens, milliseconds since 1970. */
function nextWake(state: ServerState, now: number): number {
  let at = Math.min(state.lastCheck + state.settings.evictMs / 10, state.graceAt);
  if (isAwaitingEstates(state)) at = Math.min(at, state.estatesUntil);
  if (state.phase.at === "running") at = Math.min(at, pollAt(state), unmetTime(state, now), lookAt(state, now));
  if (state.row === "known") at = Math.min(at, nextDueAt(state.delays));
  if (state.settling === null) at = Math.min(at, dispatchesDueAt(state, now), startsDueAt(state));
  return Math.max(at, now);
}

/** When a claim that leaves something out is due. While one is under way, its answer comes first. */
function lookAt(state: ServerState, now: number): number {
  return state.claim.at === "due" && state.row === "known" ? lookTime(state, now) : Number.POSITIVE_INFINITY;
}

function isDone(state: ServerState): boolean {
  return state.phase.at === "done";
}
