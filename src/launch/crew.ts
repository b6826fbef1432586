/*
 * The launchers of one run, from the first start to the last process of theirs on this machine. Knows nothing of
 * servers and tasks.
 */
import type { Clock } from "../base/clock.ts";
import { guardOrphans } from "../client/orphans.ts";
import type { Logger } from "../log/logger.ts";
import { type Launcher, type LauncherEnd, startLauncher } from "./launcher.ts";

/** A launcher to be started. */
export interface Order {
  /** For messages: the program, or the host. */
  readonly name: string;
  readonly words: readonly string[];
  /** What it reads; null: nothing. */
  readonly input: string | null;
}

export interface Ended extends LauncherEnd {
  readonly name: string;
  readonly at: number;
  /** We made it end. */
  readonly dismissed: boolean;
}

export interface Crew {
  /** How each ended that has, in that order. */
  readonly ends: readonly Ended[];
  /** Nobody is left to bring up clients. */
  readonly ended: boolean;
  /** Waits until all are gone; those that are left after `patienceMs` are told to by SIGTERM, then SIGKILL. */
  disband(patienceMs: number): Promise<void>;
  /** As if the patience of `disband` were at its end, now or when it is called. */
  hurry(): void;
}

export interface CrewOptions {
  /** Of this run. */
  readonly id: string;
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Never called from within `musterCrew`. */
  readonly onEnd: (end: Ended) => void;
}

/** Between SIGTERM and SIGKILL, milliseconds: srun and mpirun pass the first on, and wait for those who heed it. */
const mercyMs = 5000;
/** The same for who cannot wait. */
const shortMercyMs = 500;
/** SIGKILL ends all but what the kernel itself holds. */
const lastMs = 2000;
const lookMs = 20;
/** Started in one turn of the event loop: each start takes about a millisecond of it. */
const perTurn = 16;

/**
 * Starts all of them. Throws a UserError if one cannot be started; the crew that was made so far is disbanded by then.
 */
export async function musterCrew(orders: readonly Order[], options: CrewOptions): Promise<Crew> {
  const { id, env, cwd, clock, log, onEnd } = options;
  const launchers: Launcher[] = [];
  const ends: Ended[] = [];
  let dismissed = false;
  let hurried = false;

  function start({ name, words, input }: Order): void {
    const launcher = startLauncher({ name, words, env, cwd, input, clock, log });
    launchers.push(launcher);
    // How it ends is never an error of ours: that promise does not reject.
    void launcher.ended.then((end) => {
      const known = { ...end, name, at: clock.now(), dismissed };
      ends.push(known);
      onEnd(known);
    });
  }

  const left = (): readonly Launcher[] => launchers.filter((launcher) => launcher.alive());

  // Nobody else knows the key of this run: when it is killed, its clients work for nothing.
  const guard = guardOrphans(id, env["PATH"], clock, () => left().map(({ pid }) => pid));

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

  try {
    for (const [index, order] of orders.entries()) {
      if (index > 0 && index % perTurn === 0) await new Promise<void>((resume) => setImmediate(resume));
      start(order);
      guard.lasting();
    }
  } catch (error) {
    await disband(0);
    throw error;
  }
  return {
    ends,
    get ended() {
      return ends.length === launchers.length;
    },
    disband,
    hurry() {
      hurried = true;
    },
  };
}
