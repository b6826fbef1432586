/*
 * Ends what is left when a client is killed (kill -9, out of memory): its tasks run in sessions of their own and would
 * go on unseen. A small `/bin/sh` (guard-script.ts) waits at a pipe whose other end only the client holds. When the
 * client dies, the kernel closes the pipe, and the shell stops every process that carries the client's id in its
 * environment (also those that made new sessions), and every process in the sessions of the tasks that it was told of
 * (also those that overwrote their environment), and what these have started. It sends SIGTERM first, then SIGKILL. A
 * client that ends in order tells it so before.
 *
 * The guard is there before the first task, so that there is no moment in which a kill leaves anything. That costs
 * nothing that could be measured: `echo true | hsx`, 50 times in turn with and without, took 51.2 and 52.7 ms of
 * processor time. Later there is one look a second for all tasks together, and nothing is written while no task lives
 * longer than `firstLookMs`. Where there is no room for the guard beside a task, the task goes first. It has a
 * session, an environment and a working directory of its own: Ctrl-C does not reach it, no other such shell takes it
 * for a task, and it holds no output open.
 *
 * Where there is no /proc (macOS) environments do not tell: the shell is told of each session as soon as it begins, and
 * finds what is in it (as a process group) and what that has started. Not for Windows.
 */
import type { Clock, Timer } from "../base/clock.ts";
import { processFacts } from "../base/processes-linux.ts";
import { guardScript } from "./guard-script.ts";

export interface OrphanGuard {
  /** Must be called before each process of a task is started. Only the first call costs anything. */
  taskStarts(): void;
  /** Must be called after each of these starts. It costs something only where there is no /proc. */
  taskStarted(): void;
  /** Gives up the guard's process, because there is no room for that of a task. It comes back when there is room. */
  makeRoom(): void;
  /** Tells the guard at once of all sessions that run now, because they are going to last. */
  lasting(): void;
  /** Dismisses the guard, because the client ends in order. What runs now may go on. */
  close(): void;
}

/** The guard is told of no task that ends within this time, milliseconds. */
const firstLookMs = 100;
/** The pause between two looks, milliseconds. */
const lookMs = 1000;
/**
 * A guard that has died is replaced at once this many times. A signal to the client's process group also reaches a
 * guard that has no session yet, and the client may be the next to end.
 */
const hastyStarts = 3;
/** Where programs are that only make the guard quicker, if the PATH of tasks does not lead there. */
const usualPath = "/usr/bin:/bin";

/** The process that ends tasks when this one is killed, and what it was told. */
interface State {
  readonly clientId: string;
  readonly path: string | undefined;
  readonly clock: Clock;
  /** The ids of the sessions (process ids) of all tasks that run now. */
  readonly sessions: () => number[];
  /** Called at each look that finds tasks at work. */
  readonly onLasting: () => void;
  /** The shell; null: it is not started, or has ended. */
  guard: Bun.Subprocess<"pipe", "ignore", "ignore"> | null;
  /** The next look; null: none is due. */
  timer: Timer | null;
  closed: boolean;
  /** Whether a task found no room beside the guard: tasks go first from then on. */
  isCramped: boolean;
  /** How often the shell has ended before its time. */
  deaths: number;
  /** Whether the shell is told of each session at once. */
  readonly tellsAtOnce: boolean;
  /** The sessions at the last look. */
  seen: ReadonlySet<number>;
  /** The sessions that the shell was told of last, as text. */
  told: string;
}

/**
 * Makes a guard that is started when it is needed. `path` is its PATH; `sessions` gives the ids of the sessions
 * (process ids) of all tasks that run now. `onLasting` is called once and again while tasks last. `tellsAtOnce`:
 * whether the shell is told of each session as soon as it begins.
 */
export function guardOrphans(
  clientId: string,
  path: string | undefined,
  clock: Clock,
  sessions: () => number[],
  onLasting: () => void = () => undefined,
  tellsAtOnce: boolean = process.platform !== "linux",
): OrphanGuard {
  const state: State = {
    clientId,
    path,
    clock,
    sessions,
    onLasting,
    tellsAtOnce,
    guard: null,
    timer: null,
    closed: false,
    isCramped: false,
    deaths: 0,
    seen: new Set(),
    told: "",
  };
  return {
    taskStarts() {
      if (state.timer !== null || state.closed) return;
      if (state.guard === null && !state.isCramped) start(state);
      state.timer = clock.after(firstLookMs, () => look(state));
    },
    taskStarted() {
      if (state.tellsAtOnce && !state.closed) tell(state, sessions().join(" "));
    },
    makeRoom() {
      state.isCramped = true;
      dismiss(state);
    },
    lasting: () => lasting(state),
    close: () => close(state),
  };
}

function look(state: State): void {
  state.timer = null;
  const now = state.sessions();
  // All tasks are over. The next start of a task sets the timer again.
  if (now.length === 0 && state.told === "") return;
  state.onLasting();
  if (state.guard === null) start(state);
  else awaken(state.guard.pid);
  // The guard is told only of tasks that also ran at the last look. The many short ones are found by their environment.
  tell(state, now.filter((id) => state.tellsAtOnce || state.seen.has(id)).join(" "));
  state.seen = new Set(now);
  state.timer = state.clock.after(lookMs, () => look(state));
}

function lasting(state: State): void {
  if (state.closed) return;
  if (state.guard === null) start(state);
  const now = state.sessions();
  tell(state, now.join(" "));
  state.seen = new Set(now);
  state.timer ??= state.clock.after(lookMs, () => look(state));
}

function start(state: State): void {
  state.told = "";
  try {
    state.guard = Bun.spawn(["/bin/sh", "-c", guardScript, "sh", `TASK_CLIENT_ID=${state.clientId}`], {
      cwd: "/",
      env: { PATH: state.path === undefined ? usualPath : `${state.path}:${usualPath}`, LC_ALL: "C" },
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
      onExit(ended) {
        if (state.guard === ended) replace(state);
      },
    });
    // The guard must not keep the client from ending.
    state.guard.unref();
  } catch {
    // There are no more processes, or no more memory, just now. The next look tries again.
    state.guard = null;
  }
}

/** Lets a guard go on that somebody has stopped: it could not do its work. */
function awaken(guard: number): void {
  try {
    if (process.platform !== "linux" || processFacts(guard)[0] !== "T") return;
    process.kill(guard, "SIGCONT");
  } catch {
    // It has ended, which is noticed elsewhere.
  }
}

/** Replaces a guard that has ended before its time: at once, or at the next look if that happens often. */
function replace(state: State): void {
  state.guard = null;
  if (++state.deaths > hastyStarts) return;
  state.timer?.cancel();
  state.timer = state.clock.after(0, () => look(state));
}

function tell(state: State, line: string): void {
  if (state.guard === null || line === state.told) return;
  state.told = line;
  send(state, `${line}\n`);
}

function send(state: State, text: string): void {
  if (state.guard === null) return;
  try {
    void state.guard.stdin.write(text);
    // If the guard has gone, the next look starts another.
    Promise.resolve(state.guard.stdin.flush()).catch(() => {});
  } catch {
    state.guard = null;
  }
}

function close(state: State): void {
  if (state.closed) return;
  state.closed = true;
  state.timer?.cancel();
  state.timer = null;
  dismiss(state);
}

/** Sends the guard away. What runs may go on. */
function dismiss(state: State): void {
  send(state, "end\n");
  const { guard } = state;
  state.guard = null;
  try {
    Promise.resolve(guard?.stdin.end()).catch(() => {});
  } catch {
    // The guard has gone already.
  }
}
