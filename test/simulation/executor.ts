/*
 * Runs tasks without running anything, for the simulation: each takes its time, ends as it likes, and heeds signals
 * more or less. Its processes are beside the client's: they go on while that is stopped, and die with it.
 */
import { assert } from "../../src/base/assert.ts";
import type { Ends, Executor, Running } from "../../src/client/executor.ts";
import type { Assignment, Outcome } from "../../src/task/task.ts";
import type { Lease } from "../../src/wire/message.ts";
import type { Execution, Ledger } from "./ledger.ts";
import type { Process, World } from "./world.ts";

export interface Habits {
  /** How many of the tasks fail. */
  readonly failing: number;
  /** Longest time that a task usually takes, milliseconds. */
  readonly usualMs: number;
  /** Longest time of those few that take longer. */
  readonly longMs: number;
  /** Nothing goes wrong: whoever is told something hears it. */
  readonly quiet: boolean;
  /** Longest way of a message, or of a question to the database, milliseconds. */
  readonly slowestMs: number;
}

/** A limit is kept by a timer, and a signal takes its time. */
const slackMs = 1000;
/**
 * Where nothing goes wrong a client hears within this time that a task is to stop, milliseconds; each message and each
 * question takes its own.
 */
const heardMs = 1000;
const messages = 6;
/** Sends SIGTERM to all tasks of a process, as whoever stops a whole job. */
export function signalTasks(process: Process): void {
  for (const signal of tasksOf.get(process) ?? []) signal();
}

const tasksOf = new WeakMap<Process, Set<() => void>>();

const numbers = { SIGINT: 2, SIGTERM: 15, SIGKILL: 9 } as const;

export interface SimulatedExecutor extends Executor {
  /** Whether this run was ended by SIGTERM together with its client, and by nothing else: it has no outcome. */
  isInterrupted(run: Lease): boolean;
  /** Somebody cancelled these: they have one all the same. */
  cancelled(runs: readonly Lease[]): void;
}

const keyOf = ({ id, lease }: Lease): string => `${id} ${lease}`;

export function simulatedExecutor(
  world: World,
  process: Process,
  clientId: () => string,
  judge: Ledger,
  habits: Habits,
): SimulatedExecutor {
  const { rng } = world;
  const signals = new Set<() => void>();
  const interrupted = new Set<string>();
  tasksOf.set(process, signals);

  function start(task: Assignment, done: Ends["ended"]): Running {
    const startTime = world.now();
    const { stops } = process;
    const execution: Execution = judge.start(clientId(), task, startTime);
    world.mark(`start ${task.id}`);
    world.trace(() => `${process.name} ---- starts ${task.id} (lease ${task.lease})`);
    let groupLeft = rng.chance(0.1) ? rng.between(1, 3) : 0;

    function end(exitStatus: number): void {
      if (execution.over) return;
      signals.delete(signalled);
      judge.ended(execution);
      const overMs = task.timeout === null ? 0 : world.now() - startTime - task.timeout * 1000;
      if (overMs > slackMs && process.stops === stops)
        assert(execution.stopped, `task ${task.id} is not left to itself ${overMs} ms after its limit`);
      const since = judge.unwantedSince(execution);
      if (since !== null && habits.quiet && !execution.stopped)
        assert(
          world.now() - since < heardMs + messages * habits.slowestMs,
          `task ${task.id} does not run on when nobody wants it`,
        );
      world.trace(() => `${process.name} ---- ends ${task.id} with ${exitStatus}`);
      const outcome: Outcome = {
        id: task.id,
        lease: task.lease,
        command: task.args,
        startTime,
        completionTime: world.now(),
        exitStatus,
        outpath: null,
        errpath: null,
        csvpath: null,
        coresMax: null,
        memoryMax: null,
      };
      process.enter(() => done(outcome, false));
    }

    function signalled(): void {
      world.at(world.now() + rng.between(0, 50), () => {
        if (execution.over) return;
        judge.sees("task signalled with its client");
        if (!execution.stopped) interrupted.add(keyOf(task));
        execution.stopped = true;
        end(128 + numbers.SIGTERM);
      });
    }
    signals.add(signalled);

    const length = rng.chance(0.1) ? rng.between(1, habits.longMs) : rng.between(1, habits.usualMs);
    // Some of those that fail run out of memory.
    const status = rng.chance(habits.failing) ? (rng.chance(0.3) ? 128 + numbers.SIGKILL : 1) : 0;
    world.at(startTime + length, () => {
      // Such a task may be run again if its client is told to stop soon after.
      execution.stopped ||= status > 128;
      end(status);
    });
    const heeds = { SIGINT: rng.chance(0.7), SIGTERM: rng.chance(0.9), SIGKILL: rng.chance(0.99) };

    return {
      pid: 1,
      signal(signal) {
        if (execution.over) {
          if (rng.chance(0.8)) groupLeft = 0;
          return;
        }
        execution.stopped = true;
        if (heeds[signal]) world.at(world.now() + rng.between(0, 50), () => end(128 + numbers[signal]));
      },
      alive: () => groupLeft-- > 0,
      ignoresInterrupt: () => rng.chance(0.3),
    };
  }

  return {
    // The environment of a task that does not exist is nobody's.
    servedBy: () => undefined,
    endsAt: () => undefined,
    start: (task, _origin, ends) => start(task, ends.ended),
    isInterrupted: (run) => interrupted.has(keyOf(run)),
    cancelled(runs) {
      for (const run of runs) interrupted.delete(keyOf(run));
    },
    close() {
      // There is nothing to release.
    },
  };
}

/** The same executor, but now and then it cannot enter the directory of a task. */
export function withLostPlaces(
  executor: SimulatedExecutor,
  world: World,
  process: Process,
  judge: Ledger,
  { lacking, calmAt }: { readonly lacking: boolean; readonly calmAt: number },
): SimulatedExecutor {
  if (!lacking) return executor;
  return {
    ...executor,
    start(task, origin, ends) {
      const { cwd } = origin;
      if (cwd === null || world.now() >= calmAt || !world.rng.chance(0.03)) return executor.start(task, origin, ends);
      judge.sees("task without a place");
      world.trace(() => `${process.name} ---- has no place for ${task.id} (lease ${task.lease})`);
      world.at(world.now(), () => process.enter(() => ends.unplaced(task.id, cwd)));
      return { pid: null, signal: () => undefined, alive: () => false, ignoresInterrupt: () => false };
    },
  };
}
