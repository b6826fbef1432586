/*
 * Takes leave of processes that were left to this one: as the first process of a container, or where something made it
 * a "subreaper", it becomes the parent of everything whose own parent has gone, and what ends stays as a zombie until
 * its parent has asked how. Bun asks only after what it started itself, so the others are asked after here.
 *
 * Bun must find its own children, or it would never learn how they ended. It looks at every turn of the event loop, so
 * that a child that has been a zombie for two looks of ours, between which there was a turn, is none of its own.
 *
 * Source: Linux, waitid(2), prctl(2), proc(5).
 */
import { readdirSync } from "node:fs";
import type { Clock, Timer } from "./clock.ts";
import { openLibc } from "./libc.ts";
import { processFacts } from "./processes-linux.ts";

/** The pause between two looks, milliseconds. A look is one system call while there is nothing to do. */
const lookMs = 250;

const anyProcess = 0;
const oneProcess = 1;
const noWait = 0x1;
const exited = 0x4;
const leaveIt = 0x0100_0000;
const getSubreaper = 37;

interface Libc {
  waitid(kind: number, id: number, info: Uint8Array | null, options: number): number;
  prctl(option: number, answer: Uint8Array, c: number, d: number, e: number): number;
}

/** Starts looking, if this process has become the parent of others. Answers a function that ends it. */
export function reapOrphans(clock: Clock): () => void {
  if (process.platform !== "linux") return () => undefined;
  let seen: ReadonlySet<string> = new Set();
  let libc: Libc | null = null;
  function look(): void {
    libc ??= findLibc();
    if (libc === null || !isReaper(libc)) return;
    seen = reap(libc, seen);
    timer = clock.after(lookMs, look);
  }
  let timer: Timer = clock.after(lookMs, look);
  return () => timer.cancel();
}

function findLibc(): Libc | null {
  return openLibc({
    waitid: { args: ["i32", "i32", "ptr", "i32"], returns: "i32" },
    prctl: { args: ["i32", "ptr", "u64", "u64", "u64"], returns: "i32" },
  });
}

function isReaper(libc: Libc): boolean {
  if (process.pid === 1) return true;
  const answer = new Uint8Array(4);
  return libc.prctl(getSubreaper, answer, 0, 0, 0) === 0 && answer[0] === 1;
}

/** Lets those zombies go that were seen before, and answers those that were not. */
function reap(libc: Libc, seen: ReadonlySet<string>): ReadonlySet<string> {
  // struct siginfo: the number of a signal first, 0 when nobody has ended
  const info = new Uint8Array(128);
  if (libc.waitid(anyProcess, 0, info, exited | noWait | leaveIt) !== 0 || info[0] === 0) return new Set();
  const fresh = new Set<string>();
  for (const { pid, startedAt } of zombies()) {
    const name = `${pid} ${startedAt}`;
    if (seen.has(name)) libc.waitid(oneProcess, pid, null, exited | noWait);
    else fresh.add(name);
  }
  return fresh;
}

interface Zombie {
  readonly pid: number;
  /** In ticks since the start of the system: a process id is used again one day. */
  readonly startedAt: string;
}

/** The children of this process that have ended. */
function zombies(): Zombie[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      // Field 22 is the start.
      const facts = processFacts(name);
      if (facts[0] !== "Z" || facts[1] !== `${process.pid}`) return [];
      return [{ pid: Number(name), startedAt: facts[19] ?? "" }];
    } catch {
      // It has gone meanwhile.
      return [];
    }
  });
}
