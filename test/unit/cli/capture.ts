/*
 * Stand-ins for getting at captured files: a site in a folder, this host as node01, another that hands out files, and a
 * log that remembers.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { systemClock } from "../../../src/base/clock.ts";
import type { CapturePorts } from "../../../src/cluster/captured.ts";
import type { FetchFailure, Wanted } from "../../../src/cluster/fetch.ts";
import type { Logger } from "../../../src/log/logger.ts";
import { makeLog } from "../../make.ts";

export interface FakeLog extends Logger {
  /** `LEVEL text`, TRACE left out. */
  readonly said: string[];
}

export function fakeLog(): FakeLog {
  const said: string[] = [];
  const log = makeLog((level, text) => {
    if (level !== "TRACE") said.push(`${level} ${text}`);
  });
  return { said, ...log };
}

export interface FakeCapture extends CapturePorts {
  readonly log: FakeLog;
  /** What was asked of other hosts. */
  readonly asked: Wanted[];
}

/** `there`: content of the file on the other host, or why it cannot be had. */
export function capture(folder: string, there: string | FetchFailure = { kind: "gone", reason: "gone" }): FakeCapture {
  const asked: Wanted[] = [];
  return {
    captureFolder: () => join(folder, "own"),
    host: "node01",
    log: fakeLog(),
    clock: systemClock,
    asked,
    fetch(wanted) {
      asked.push(wanted);
      if (typeof there !== "string") return Promise.resolve(there);
      writeFileSync(join(wanted.folder, wanted.name), there);
      return Promise.resolve(null);
    },
  };
}
