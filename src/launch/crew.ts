/*
 * The launchers of one run, from their start until none of their processes is left on this machine. Knows nothing of
 * servers and tasks.
 */
import type { Clock } from "../base/clock.ts";
import { guardOrphans } from "../client/orphans.ts";
import type { Logger } from "../log/logger.ts";
import { type Launcher, type LauncherEnd, type Order, startLauncher } from "./launcher.ts";

/** How a launcher ended. */
export interface Ended extends LauncherEnd {
  readonly name: string;
  readonly pid: number;
  /** When it ended, in milliseconds since 1970. */
  readonly at: number;
  /** Whether we made it end. */
  readonly dismissed: boolean;
}

/** Launchers to which others are added while they run. */
export interface OpenCrew {
  /** Whether all have ended, so that nobody is left to bring up clients. */
  readonly ended: boolean;
  /** Starts one more launcher; `more` is added to its environment. Throws a UserError if it cannot be started. */
  hire(order: Order, more?: Readonly<Record<string, string>>): Launcher;
  /**
   * Waits until all are gone. Those that are left after `patienceMs` milliseconds get SIGTERM, and SIGKILL after that.
   */
  disband(patienceMs: number): Promise<void>;
  /** Ends the patience of `disband`, also of a later call. */
  hurry(): void;
}

/** Launchers that were started together. */
export interface Crew extends Omit<OpenCrew, "hire"> {
  /** The launchers that have ended, in the order in which they did. */
  readonly ends: readonly Ended[];
}

export interface CrewOptions {
  /** The id of this run. */
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Called when a launcher ends, but never from within the call that starts it. */
  readonly onEnd: (end: Ended) => void;
}

/**
 * Time between SIGTERM and SIGKILL, milliseconds. srun and mpirun pass SIGTERM on and wait for the processes that end
 * by it.
 */
const mercyMs = 5000;
/** Time between SIGTERM and SIGKILL after `hurry`, milliseconds. */
const shortMercyMs = 500;
/** The longest wait after SIGKILL, milliseconds: it ends every process except one that hangs in the kernel. */
const lastMs = 2000;
/** Pause between two checks which processes are left, milliseconds. */
const lookMs = 20;
/** Number of launchers that are started in one turn of the event loop: each start takes about a millisecond. */
const perTurn = 16;

/**
 * Starts all launchers. Throws a UserError if one cannot be started; those that were started before it are gone by
 * then.
 */
export async function musterCrew(orders: readonly Order[], options: CrewOptions): Promise<Crew> {
  const ends: Ended[] = [];
  const crew = openCrew({
    ...options,
    onEnd(end) {
      ends.push(end);
      options.onEnd(end);
    },
  });
  try {
    for (const [index, order] of orders.entries()) {
      if (index > 0 && index % perTurn === 0) await new Promise<void>((resume) => setImmediate(resume));
      crew.hire(order);
    }
  } catch (error) {
    await crew.disband(0);
    throw error;
  }
  const { disband, hurry } = crew;
  return {
    ends,
    get ended() {
      return crew.ended;
    },
    disband,
    hurry,
  };
}

/** A crew without a launcher. */
export function openCrew(options: CrewOptions): OpenCrew {
  const { id, env, cwd, clock, log, onEnd } = options;
  /** Those of which a process may be left. */
  const launchers = new Set<Launcher>();
  let running = 0;
  let dismissed = false;
  let hurried = false;

  const left = (): readonly Launcher[] => [...launchers].filter((launcher) => launcher.alive());

  // A guard ends the clients if this process is killed: nobody else knows the key of the run, so they would work for
  // nothing.
  const guard = guardOrphans(id, env["PATH"], clock, () => left().map(({ pid }) => pid));

  function hire(order: Order, more: Readonly<Record<string, string>> = {}): Launcher {
    const launcher = startLauncher({ ...order, env: { ...env, ...more }, cwd, clock, log });
    launchers.add(launcher);
    running++;
    guard.lasting();
    // This promise never rejects: a launcher that fails has ended, too.
    void launcher.ended.then((end) => {
      running--;
      if (!launcher.alive()) launchers.delete(launcher);
      onEnd({ ...end, name: order.name, pid: launcher.pid, at: clock.now(), dismissed });
    });
    return launcher;
  }

  async function gone(limitMs: number, patient: boolean): Promise<boolean> {
    const deadline = clock.now() + limitMs;
    while (left().length > 0) {
      if (clock.now() >= deadline || (patient && hurried)) return false;
      await new Promise<void>((resolve) => clock.after(lookMs, resolve));
    }
    return true;
  }

  async function disband(patienceMs: number): Promise<void> {
    if (!(await gone(patienceMs, true))) {
      dismissed = true;
      for (const launcher of left()) launcher.signal("SIGTERM");
      if (!(await gone(hurried ? shortMercyMs : mercyMs, false))) {
        for (const launcher of left()) launcher.signal("SIGKILL");
        await gone(lastMs, false);
      }
    }
    guard.close();
  }

  return {
    get ended() {
      return running === 0;
    },
    hire,
    disband,
    hurry() {
      hurried = true;
    },
  };
}
