/*
 * What the scripts say to people, through consola: with colours and signs on a terminal, plain lines in a pipe or a
 * log. Always at the same level: consola by itself says less where the environment looks like a test. Each line is out
 * when the call returns, because `process.exit` follows, and lines of `console.log` stand between.
 */
import { createConsola, LogLevels } from "consola";
import { descriptor } from "../src/log/descriptor.ts";

/** A stream as far as consola needs one. */
function stream(fd: 1 | 2): NodeJS.WriteStream {
  return { write: descriptor(fd).write, columns: process.stdout.columns } as unknown as NodeJS.WriteStream;
}

const options = {
  level: LogLevels.info,
  fancy: Boolean(process.stdout.isTTY) && !process.env["NO_COLOR"],
  formatOptions: { date: false },
  stdout: stream(1),
  stderr: stream(2),
};

/** `success` and `fail` for results, `warn`; `error` goes to stderr. Text as it stands: `console.log`. */
export const say = createConsola(options);
