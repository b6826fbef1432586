/*
 * Signals that come before a run can heed them: they are kept until somebody asks. The listeners are the first thing
 * that the program does. What comes before even that (while the system and Bun start the program) the system answers in
 * its usual way, and ends it.
 */
import { constants } from "node:os";

const listeners = new Map<NodeJS.Signals, () => void>();
const kept: NodeJS.Signals[] = [];

/** Keeps these signals from now on, as far as the system knows them. */
export function keepSignals(names: readonly NodeJS.Signals[]): void {
  for (const name of names) {
    if (constants.signals[name] === undefined) continue;
    const listener = (): void => void kept.push(name);
    process.on(name, listener);
    listeners.set(name, listener);
  }
}

/** Whether this signal is being kept. */
export function keepsSignal(name: NodeJS.Signals): boolean {
  return listeners.has(name);
}

/** Ends the keeping of these signals, which have other listeners by now. Answers those that came, in their order. */
export function releaseSignals(names: readonly NodeJS.Signals[]): readonly NodeJS.Signals[] {
  const came = kept.filter((name) => names.includes(name));
  for (const name of names) {
    const listener = listeners.get(name);
    if (listener !== undefined) process.off(name, listener);
    listeners.delete(name);
  }
  kept.splice(0, kept.length, ...kept.filter((name) => !names.includes(name)));
  return came;
}
