/*
 * Ctrl-C, and SIGTERM, for commands that have something to say before they end. All others are ended by hs.ts.
 */
import { exitStatus } from "../base/errors.ts";
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

/** Signals that end the program, heard by a command that ends by itself. */
export interface Heeded {
  /** Aborted by the first Ctrl-C or SIGTERM. The second ends the program at once. */
  readonly signal: AbortSignal;
  /** The exit status that the first asks for; null: none came. */
  status(): number | null;
  /** Leaves both signals to hs.ts again. */
  release(): void;
}

/** Listens to Ctrl-C and SIGTERM, and says so in the log when one comes. */
export function heedEnding(context: Context): Heeded {
  const abortion = new AbortController();
  let status: number | null = null;
  const release = (): void => {
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", terminate);
  };
  const end = (name: "SIGINT" | "SIGTERM", text: string, asked: number): void => {
    if (status === null) {
      status = asked;
      context.loggers("").critical(`${text}: going down now!`);
      abortion.abort();
      return;
    }
    release();
    process.kill(process.pid, name);
  };
  const interrupt = (): void => end("SIGINT", "keyboard-interrupt", exitStatus.interrupted);
  const terminate = (): void => end("SIGTERM", "terminated (SIGTERM)", exitStatus.terminated);
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", terminate);
  return { signal: abortion.signal, status: () => status, release };
}
