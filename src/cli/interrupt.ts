/*
 * Ctrl-C for commands that have something to say before they end. All others are ended by hs.ts.
 */
import type { Context } from "./command.ts";

export interface InterruptPorts {
  /** Calls back on Ctrl-C, until the answer is called. */
  readonly onInterrupt: (interrupted: () => void) => () => void;
  /** Says that the program ends because of it. */
  readonly sayInterrupted: () => void;
}

/** Ctrl-C of this process, and the last words after it. */
export function interruptPorts(context: Context): InterruptPorts {
  return {
    onInterrupt(interrupted) {
      process.on("SIGINT", interrupted);
      return () => process.off("SIGINT", interrupted);
    },
    sayInterrupted: () => context.loggers("").critical("keyboard-interrupt: going down now!"),
  };
}

/** What the work answers, or that it was left in the middle: it ends with the program. */
export async function untilInterrupt<T>(
  work: () => Promise<T>,
  { onInterrupt }: InterruptPorts,
): Promise<T | "interrupted"> {
  const interrupt = Promise.withResolvers<"interrupted">();
  const ignore = onInterrupt(() => interrupt.resolve("interrupted"));
  try {
    return await Promise.race([work(), interrupt.promise]);
  } finally {
    ignore();
  }
}
