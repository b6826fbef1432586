/*
 * Which task has which devices (GPUs) of this host. A device is shared by tasks that ask for a part of it, until its
 * whole is used; a task that asks for whole devices has them alone. Pure, and knows no names of devices: `positions`
 * count from 0 in the list of the host (device-list.ts).
 *
 * Parts are packed: a part goes to the device that is used most and has room, so that whole devices stay free. A sum of
 * free parts is therefore not what fits: two halves that are free on two devices are no device. Whoever schedules asks
 * `fits`.
 */
import { assert } from "../base/assert.ts";

export interface Devices {
  /** How many devices there are. */
  readonly count: number;
  /** Whether a task that asks for this amount could start now. */
  fits(amount: number): boolean;
  /**
   * Gives a task its devices, by their positions; what it gets is its own until `release`. Throws when nothing fits.
   */
  take(id: string, amount: number): readonly number[];
  /** Frees what the task has; does nothing for a task that has none. */
  release(id: string): void;
}

/** Sums of fractions are not exact: three tasks of 0.3333334 fit on a device, too. */
const slack = 1e-6;

/** Whether a task can ask for so much: a whole number of devices, or a part of one. */
function isAmountOfDevices(amount: number): boolean {
  return amount > 0 && (amount < 1 || Number.isInteger(amount));
}

/** `count` devices, of which none is used. */
export function newDevices(count: number): Devices {
  const used = new Float64Array(count);
  const held = new Map<string, { readonly positions: readonly number[]; readonly each: number }>();
  return {
    count,
    fits: (amount) => find(used, amount) !== null,
    take(id, amount) {
      assert(!held.has(id), "a task takes its devices once");
      const positions = find(used, amount);
      assert(positions !== null, "who takes devices has asked whether they fit");
      const each = Math.min(1, amount);
      for (const position of positions) used[position]! += each;
      held.set(id, { positions, each });
      return positions;
    },
    release(id) {
      const entry = held.get(id);
      if (entry === undefined) return;
      held.delete(id);
      for (const position of entry.positions) {
        const left = used[position]! - entry.each;
        used[position] = left < slack ? 0 : left;
      }
    },
  };
}

/** The positions for an amount; null: it does not fit now. */
function find(used: Float64Array, amount: number): number[] | null {
  if (!isAmountOfDevices(amount)) return null;
  if (amount < 1) {
    let best = -1;
    for (let at = 0; at < used.length; at++)
      if (used[at]! + amount <= 1 + slack && (best < 0 || used[at]! > used[best]!)) best = at;
    return best < 0 ? null : [best];
  }
  const free: number[] = [];
  for (let at = 0; at < used.length && free.length < amount; at++) if (used[at] === 0) free.push(at);
  return free.length === amount ? free : null;
}
