/*
 * Where data goes: a descriptor written so that a slow reader holds us back instead of filling our memory. A reader
 * that has left (EPIPE) and a full disk are thrown, for cli/exit.ts to end the program silently or with a line. Log
 * lines do not come this way.
 */
import { isatty } from "node:tty";
import { writeAll } from "../base/write.ts";
import { wantsColour } from "../log/colour.ts";

export interface Output {
  /** All of it is written when the call returns. Throws the error of the operating system. */
  write(data: string | Uint8Array): void;
  readonly isTerminal: boolean;
  readonly coloured: boolean;
  /** Columns to lay out for: COLUMNS, else those of the terminal, else 80. */
  readonly columns: number;
}

type Env = Readonly<Record<string, string | undefined>>;

/** stdout or stderr of this process. */
export function openOutput(fd: 1 | 2, env: Env): Output {
  const isTerminal = isatty(fd);
  const measured = isTerminal ? (fd === 1 ? process.stdout : process.stderr).columns : undefined;
  return {
    write: (data) => writeAll(fd, typeof data === "string" ? Buffer.from(data) : data),
    isTerminal,
    coloured: wantsColour(env, isTerminal),
    columns: columnsOf(env["COLUMNS"], measured),
  };
}

/** Columns to lay out for: those of the variable COLUMNS, else those `measured` of the terminal, else 80. */
export function columnsOf(setting: string | undefined, measured: number | undefined): number {
  const chosen = Number(setting);
  if (Number.isSafeInteger(chosen) && chosen > 0) return chosen;
  return measured !== undefined && measured > 0 ? measured : 80;
}
