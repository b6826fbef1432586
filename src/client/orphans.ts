/*
 * What is left when a client is killed (kill -9, out of memory): its tasks run in sessions of their own and would go on unseen. A small
 * `/bin/sh` waits at a pipe whose other end only the client holds; when the client dies the kernel closes it, and the shell stops
 * every process that carries the client's id in its environment (also those that made new sessions), and every process in the
 * sessions of the tasks that it was told of (also those that overwrote their environment). First SIGTERM, then SIGKILL.
 *
 * It costs nothing where it is not needed: a client whose tasks end within `firstLookMs` never starts it; later there is one look a second
 * for all tasks together, and nothing is written while no task lives longer than that. It has a session, an environment and a
 * working directory of its own: Ctrl-C does not reach it, no other such shell takes it for a task, and it holds no output open. When the
 * client ends in order the pipe says so first.
 *
 * Where there is no /proc only the sessions are known (as process groups). Not for Windows.
 */
import type { Clock, Timer } from "../base/clock.ts";

export interface OrphanGuard {
  /** To be called at the start of each task; costs nothing but the first time. */
  taskStarted(): void;
  /** All that runs now is to last: the guard is told at once. */
  lasting(): void;
  /** The client ends in order: what runs now may go on. */
  close(): void;
}

/** Tasks that are over by then need no guard: starting it takes as long as a short task. */
const firstLookMs = 100;
const lookMs = 1000;
/** A signal to the client's process group reaches a guard too that has no session yet, and the client may be the next to end: so often a dead one is replaced at once. */
const hastyStarts = 3;

/*
 * $1 is `TASK_CLIENT_ID=<id>`. Lines on standard input: the ids of the tasks' sessions, each line in place of the one before; `end`: nothing is to
 * be done. After the pipe's end it looks again every tenth of a second until it has twice found nobody: a process may be between
 * its fork and its exec. The limit of 150 looks is for processes that not even SIGKILL ends.
 *
 * In /proc/PID/stat the name may hold anything, so the fields are counted from the last `)`: state, parent, group, session.
 * grep finds the candidates with one process for all; that the text is a whole variable is checked for each of them.
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

/** `sessions` gives the ids of the sessions (process ids) of all tasks that run now. */
export function guardOrphans(
  clientId: string,
  path: string | undefined,
  clock: Clock,
  sessions: () => number[],
): OrphanGuard {
  let guard: Bun.Subprocess<"pipe", "ignore", "ignore"> | null = null;
  let timer: Timer | null = null;
  let closed = false;
  let deaths = 0;
  let seen = new Set<number>();
  let told = "";

  function look(): void {
    timer = null;
    const now = sessions();
    // All tasks are over; the next start comes back to it.
    if (now.length === 0 && told === "") return;
    if (guard === null) start();
    // A task that ran at the last look too is worth a line; the many short ones are found by their environment.
    tell(now.filter((id) => seen.has(id)).join(" "));
    seen = new Set(now);
    timer = clock.after(lookMs, look);
  }

  function start(): void {
    told = "";
    try {
      guard = Bun.spawn(["/bin/sh", "-c", script, "sh", `TASK_CLIENT_ID=${clientId}`], {
        cwd: "/",
        env: { PATH: path ?? "/usr/bin:/bin" },
        stdin: "pipe",
        stdout: "ignore",
        stderr: "ignore",
        detached: true,
        onExit(ended) {
          if (guard !== ended) return;
          guard = null;
          if (++deaths > hastyStarts) return;
          timer?.cancel();
          timer = clock.after(0, look);
        },
      });
      // Neither keeps the client from ending.
      guard.unref();
    } catch {
      // No more processes or memory just now: the next look tries again.
      guard = null;
    }
  }

  function tell(line: string): void {
    if (guard === null || line === told) return;
    told = line;
    send(`${line}\n`);
  }

  function send(text: string): void {
    if (guard === null) return;
    try {
      void guard.stdin.write(text);
      // A guard that has gone is started anew at the next look.
      Promise.resolve(guard.stdin.flush()).catch(() => {});
    } catch {
      guard = null;
    }
  }

  return {
    taskStarted() {
      if (timer === null && !closed) timer = clock.after(firstLookMs, look);
    },
    lasting() {
      if (closed) return;
      if (guard === null) start();
      const now = sessions();
      tell(now.join(" "));
      seen = new Set(now);
      timer ??= clock.after(lookMs, look);
    },
    close() {
      if (closed) return;
      closed = true;
      timer?.cancel();
      timer = null;
      send("end\n");
      try {
        Promise.resolve(guard?.stdin.end()).catch(() => {});
      } catch {
        // It has gone already.
      }
      guard = null;
    },
  };
}
