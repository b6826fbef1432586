/*
 * Ends what is left when a client is killed (kill -9, out of memory): its tasks run in sessions of their own and would
 * go on unseen. A small `/bin/sh` waits at a pipe whose other end only the client holds. When the client dies, the
 * kernel closes the pipe, and the shell stops every process that carries the client's id in its environment (also those
 * that made new sessions), and every process in the sessions of the tasks that it was told of (also those that
 * overwrote their environment). It sends SIGTERM first, then SIGKILL. A client that ends in order tells it so before.
 *
 * The guard costs nothing where it is not needed. A client whose tasks end within `firstLookMs` never starts it; later
 * there is one look a second for all tasks together, and nothing is written while no task lives longer than that. It
 * has a session, an environment and a working directory of its own: Ctrl-C does not reach it, no other such shell takes
 * it for a task, and it holds no output open.
 *
 * Where there is no /proc only the sessions are known (as process groups). Not for Windows.
 */
import type { Clock, Timer } from "../base/clock.ts";

export interface OrphanGuard {
  /** Must be called at the start of each task. Only the first call costs anything. */
  taskStarted(): void;
  /** Tells the guard at once of all sessions that run now, because they are going to last. */
  lasting(): void;
  /** Dismisses the guard, because the client ends in order. What runs now may go on. */
  close(): void;
}

/** Tasks that end within this time need no guard, milliseconds: starting it takes as long as a short task. */
const firstLookMs = 100;
/** The pause between two looks, milliseconds. */
const lookMs = 1000;
/**
 * A guard that has died is replaced at once this many times. A signal to the client's process group also reaches a
 * guard that has no session yet, and the client may be the next to end.
 */
const hastyStarts = 3;

/*
 * What the shell runs. $1 is `TASK_CLIENT_ID=<id>`. A line on standard input holds the ids of the tasks' sessions and
 * takes the place of the line before; the line `end` says that nothing is to be done. After the end of the pipe the
 * shell looks every tenth of a second until it has twice found nobody, because a process may be between its fork and
 * its exec. The limit of 150 looks is for processes that not even SIGKILL ends.
 *
 * In /proc/PID/stat the name may hold anything, so the fields are counted from the last `)`: state, parent, group,
 * session. grep finds the candidates with one process for all; that the text is a whole variable is checked for each.
 */
const script = `
trap '' HUP INT QUIT TERM USR1 USR2 PIPE
key=$1
sessions=
while read -r line; do
  [ "$line" = end ] && exit 0
  sessions=$line
done
find_processes() {
  found=
  [ -r /proc/self/environ ] || return
  for file in $(grep -lF "$key" /proc/[0-9]*/environ 2>/dev/null); do
    pid=\${file#/proc/}
    pid=\${pid%/environ}
    { tr '\\0' '\\n' <"$file" | grep -qxF "$key"; } 2>/dev/null || continue
    { read -r stat <"/proc/$pid/stat"; } 2>/dev/null || continue
    set -- \${stat##*) }
    case " $sessions " in *" $4 "*) ;; *) sessions="$sessions $4" ;; esac
    [ "$1" = Z ] || found="$found $pid"
  done
  [ -n "$sessions" ] || return
  for file in /proc/[0-9]*/stat; do
    { read -r stat <"$file"; } 2>/dev/null || continue
    set -- \${stat##*) }
    case " $sessions " in *" $4 "*) ;; *) continue ;; esac
    [ "$1" = Z ] && continue
    pid=\${file#/proc/}
    found="$found \${pid%/stat}"
  done
}
pause() { sleep 0.1 2>/dev/null || sleep 1; }
looks=0
quiet=0
while [ $looks -lt 150 ] && [ $quiet -lt 2 ]; do
  signal=TERM
  [ $looks -lt 20 ] || signal=KILL
  if [ -r /proc/self/stat ]; then
    find_processes
    if [ -n "$found" ]; then
      quiet=0
      [ $looks -ne 0 ] && [ $looks -lt 20 ] || kill -$signal $found 2>/dev/null
    else
      quiet=$((quiet + 1))
    fi
  else
    quiet=$((quiet + 1))
    for group in $sessions; do
      kill -0 -- "-$group" 2>/dev/null || continue
      quiet=0
      [ $looks -ne 0 ] && [ $looks -lt 20 ] || kill -$signal -- "-$group" 2>/dev/null
    done
  fi
  looks=$((looks + 1))
  pause
done
`;

/** The process that ends tasks when this one is killed, and what it was told. */
interface State {
  readonly clientId: string;
  readonly path: string | undefined;
  readonly clock: Clock;
  /** The ids of the sessions (process ids) of all tasks that run now. */
  readonly sessions: () => number[];
  /** The shell; null: it is not started, or has ended. */
  guard: Bun.Subprocess<"pipe", "ignore", "ignore"> | null;
  /** The next look; null: none is due. */
  timer: Timer | null;
  closed: boolean;
  /** How often the shell has ended before its time. */
  deaths: number;
  /** The sessions at the last look. */
  seen: ReadonlySet<number>;
  /** The sessions that the shell was told of last, as text. */
  told: string;
}

/**
 * Makes a guard that is started when it is needed. `path` is its PATH; `sessions` gives the ids of the sessions
 * (process ids) of all tasks that run now.
 */
export function guardOrphans(
  clientId: string,
  path: string | undefined,
  clock: Clock,
  sessions: () => number[],
): OrphanGuard {
  const state: State = {
    clientId,
    path,
    clock,
    sessions,
    guard: null,
    timer: null,
    closed: false,
    deaths: 0,
    seen: new Set(),
    told: "",
  };
  return {
    taskStarted() {
      if (state.timer === null && !state.closed) state.timer = clock.after(firstLookMs, () => look(state));
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
  if (state.guard === null) start(state);
  // The guard is told only of tasks that also ran at the last look. The many short ones are found by their environment.
  tell(state, now.filter((id) => state.seen.has(id)).join(" "));
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
    state.guard = Bun.spawn(["/bin/sh", "-c", script, "sh", `TASK_CLIENT_ID=${state.clientId}`], {
      cwd: "/",
      env: { PATH: state.path ?? "/usr/bin:/bin" },
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
  send(state, "end\n");
  try {
    Promise.resolve(state.guard?.stdin.end()).catch(() => {});
  } catch {
    // The guard has gone already.
  }
  state.guard = null;
}
