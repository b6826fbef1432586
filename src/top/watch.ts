/*
 * Watching: looks at the source again and again, takes keys, does what they ask for, and draws. One look and one read
 * are under way at most, and no frame is written before the terminal has taken the last one.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { messageOf, UserError } from "../base/errors.ts";
import type { ViewSource } from "../view/view.ts";
import { draw } from "./draw.ts";
import { difference, type Frame, frameOf } from "./frame.ts";
import { decodeKeys, type Key } from "./keys.ts";
import { bodyRows } from "./layout.ts";
import { type Effect, press, toldOf } from "./press.ts";
import { append, earlierQuery, nextQuery, prepend } from "./reading.ts";
import { newState, type TopState } from "./state.ts";
import type { Terminal, TerminalEvents } from "./terminal.ts";

export interface Watch {
  /** Opens the source, also anew after it has failed. Rejects with a UserError when it cannot be. */
  readonly open: () => Promise<ViewSource>;
  readonly terminal: Terminal;
  readonly clock: Clock;
  /** Between two looks, milliseconds. */
  readonly intervalMs: number;
  readonly filter: string;
  readonly coloured: boolean;
}

/** Why it ended: somebody left, a signal came, or the terminal is gone. */
export type WatchEnd = "left" | "SIGINT" | "SIGTERM" | "hung";

/** The shortest time between two frames, milliseconds. */
const frameMs = 150;
/** How long the rest of a key may take, milliseconds: over a slow line it comes in pieces. */
const keyMs = 100;
/** The fewest rows that are asked for in each list, and the most. */
const [fewestRows, mostRows] = [200, 500];

interface Run {
  readonly watch: Watch;
  readonly end: PromiseWithResolvers<WatchEnd>;
  state: TopState;
  source: ViewSource | null;
  frame: Frame | null;
  drawnAt: number;
  isDirty: boolean;
  frameTimer: Timer | null;
  lookTimer: Timer | null;
  readTimer: Timer | null;
  keyTimer: Timer | null;
  isLooking: boolean;
  /** Whether a look was asked for while another was under way. */
  looksAgain: boolean;
  isReading: boolean;
  keyRest: string;
  isOver: boolean;
}

/** Shows the source until somebody leaves. The first source is opened before the screen is taken: rejects as `open`. */
export async function watchSource(watch: Watch): Promise<WatchEnd> {
  const { terminal } = watch;
  const run: Run = {
    watch,
    end: Promise.withResolvers(),
    state: newState(terminal.size(), watch.filter),
    source: await watch.open(),
    frame: null,
    drawnAt: Number.NEGATIVE_INFINITY,
    isDirty: false,
    frameTimer: null,
    lookTimer: null,
    readTimer: null,
    keyTimer: null,
    isLooking: false,
    looksAgain: false,
    isReading: false,
    keyRest: "",
    isOver: false,
  };
  terminal.enter(eventsOf(run));
  try {
    change(run, run.state);
    void look(run);
    return await run.end.promise;
  } finally {
    run.isOver = true;
    for (const timer of [run.frameTimer, run.lookTimer, run.readTimer, run.keyTimer]) timer?.cancel();
    terminal.leave();
    await run.source?.close().catch(() => undefined);
  }
}

function eventsOf(run: Run): TerminalEvents {
  return {
    input: (text) => input(run, text),
    changed() {
      run.frame = null;
      change(run, { ...run.state, size: run.watch.terminal.size() });
    },
    drained: () => requestFrame(run),
    ended: (why) => run.end.resolve(why),
  };
}

function change(run: Run, state: TopState): void {
  run.state = state;
  run.isDirty = true;
  requestFrame(run);
}

function requestFrame(run: Run): void {
  const { clock, terminal } = run.watch;
  if (!run.isDirty || run.isOver || run.frameTimer !== null || !terminal.isFree()) return;
  const wait = Math.max(0, run.drawnAt + frameMs - clock.now());
  run.frameTimer = clock.after(wait, () => {
    run.frameTimer = null;
    if (run.isOver || !terminal.isFree()) return;
    run.isDirty = false;
    run.drawnAt = clock.now();
    const next = frameOf(draw(run.state, run.drawnAt), run.watch.coloured);
    const text = difference(run.frame, next);
    run.frame = next;
    if (text !== "") terminal.write(text);
  });
}

function input(run: Run, text: string): void {
  run.keyTimer?.cancel();
  run.keyTimer = null;
  const { keys, rest } = decodeKeys(run.keyRest + text, false);
  run.keyRest = rest;
  keys.forEach((key) => pressed(run, key));
  if (rest === "") return;
  run.keyTimer = run.watch.clock.after(keyMs, () => {
    const last = decodeKeys(run.keyRest, true).keys;
    run.keyRest = "";
    last.forEach((key) => pressed(run, key));
  });
}

function pressed(run: Run, key: Key): void {
  if (run.isOver) return;
  const { state, effects } = press(run.state, key);
  change(run, state);
  for (const effect of effects) carryOut(run, effect);
}

function carryOut(run: Run, effect: Effect): void {
  switch (effect.kind) {
    case "quit":
      return run.end.resolve("left");
    case "suspend":
      return run.watch.terminal.suspend();
    case "redraw":
      run.frame = null;
      return requestFrame(run);
    case "look":
      return void look(run);
    case "read":
      return void read(run);
    case "earlier":
      return void readEarlier(run);
    case "act":
      return void act(run, effect);
  }
}

/** Looks, and again when it is time. A source that fails is opened anew by the next look. */
async function look(run: Run): Promise<void> {
  if (run.isLooking) {
    run.looksAgain = true;
    return;
  }
  run.isLooking = true;
  run.lookTimer?.cancel();
  const { clock, intervalMs } = run.watch;
  const since = clock.now();
  try {
    run.source ??= await run.watch.open();
    const { filter, cursors, focus, size } = run.state;
    const most = Math.min(mostRows, Math.max(fewestRows, cursors[focus].index + 2 * size.rows));
    const view = await run.source.look({ most, filter });
    if (!run.isOver && !run.state.paused) change(run, { ...run.state, view, trouble: null });
  } catch (error) {
    await fail(run, error);
  }
  run.isLooking = false;
  if (run.isOver) return;
  const wait = run.looksAgain ? 0 : Math.max(intervalMs, clock.now() - since);
  run.looksAgain = false;
  run.lookTimer = clock.after(wait, () => void (run.state.paused ? undefined : look(run)));
}

async function fail(run: Run, error: unknown): Promise<void> {
  if (run.isOver) return;
  const { trouble } = run.state;
  const text = messageOf(error);
  change(run, { ...run.state, trouble: { text, since: trouble?.since ?? run.watch.clock.now() } });
  // What may pass by itself is asked again; what is lost for good is opened anew.
  if (!(error instanceof UserError)) return;
  const { source } = run;
  run.source = null;
  await source?.close().catch(() => undefined);
}

async function act(run: Run, { action, ids }: Effect & { kind: "act" }): Promise<void> {
  try {
    if (run.source === null) return;
    const changed = await run.source.act(action, ids);
    const text = toldOf(action, changed, ids.length);
    if (!run.isOver) change(run, { ...run.state, message: { text, isBad: changed < ids.length } });
    await look(run);
  } catch (error) {
    if (!run.isOver) change(run, { ...run.state, message: { text: messageOf(error), isBad: true } });
  }
}

/** Reads the next piece of the output, and goes on while there is more, or may be. */
async function read(run: Run): Promise<void> {
  const { reading } = run.state;
  const { clock, intervalMs } = run.watch;
  if (reading === null || run.source === null || run.isReading) return;
  run.isReading = true;
  run.readTimer?.cancel();
  let isMore = false;
  try {
    const piece = await run.source.output(nextQuery(reading));
    const now = run.state.reading;
    if (isSame(now, reading)) {
      isMore = piece.more && piece.text !== "";
      change(run, { ...run.state, reading: append(now, piece) });
    }
  } catch (error) {
    const now = run.state.reading;
    if (isSame(now, reading)) change(run, { ...run.state, reading: { ...now, failure: messageOf(error) } });
  }
  run.isReading = false;
  const current = run.state.reading;
  if (run.isOver || current === null) return;
  const isAnother = !isSame(current, reading);
  if (!isAnother && (current.over || current.failure !== null) && !isMore) return;
  run.readTimer = clock.after(isMore || isAnother ? 0 : intervalMs, () => void read(run));
}

async function readEarlier(run: Run): Promise<void> {
  const { reading } = run.state;
  const query = reading === null ? null : earlierQuery(reading);
  if (reading === null || query === null || run.source === null || run.isReading) return;
  run.isReading = true;
  try {
    const piece = await run.source.output(query);
    const now = run.state.reading;
    if (isSame(now, reading)) {
      const longer = prepend(now, query, piece);
      change(run, { ...run.state, reading: { ...longer, top: Math.max(0, longer.top - bodyRows(run.state)) } });
    }
  } catch (error) {
    change(run, { ...run.state, message: { text: messageOf(error), isBad: true } });
  }
  run.isReading = false;
  void read(run);
}

/** Whether it is still the same output of the same task that is read. */
function isSame(
  now: TopState["reading"],
  then: NonNullable<TopState["reading"]>,
): now is NonNullable<TopState["reading"]> {
  return now !== null && now.task.id === then.task.id && now.stream === then.stream;
}
