/*
 * Tasks, outcomes and logs for tests that need one and do not care what it says. What a test is about it names itself;
 * a task with every field set is in conformance/store.ts.
 */
import type { LevelName, Logger, Text } from "../src/log/logger.ts";
import type { ServerRow } from "../src/store/store.ts";
import type { Assignment, ClaimedTask, Outcome } from "../src/task/task.ts";
import type { ClientTls } from "../src/wire/connect.ts";
import type { Lease } from "../src/wire/message.ts";

/** A first attempt in group 0, without limits. */
export function makeClaimed(id: string, fields: Partial<ClaimedTask> = {}): ClaimedTask {
  return {
    id,
    group: 0,
    args: `echo ${id}`,
    submitId: "submission",
    submitTime: 0,
    submitHost: "host",
    cores: null,
    memory: null,
    timeout: null,
    attempt: 1,
    previousId: null,
    tag: { part: 0 },
    scheduleTime: 1,
    ...fields,
  };
}

export function makeAssignment({ id, lease }: Lease, fields: Partial<Assignment> = {}): Assignment {
  return { ...makeClaimed(id), lease, ...fields };
}

/** A success that took ten milliseconds. */
/** The row of a server of which nothing is known but its id. */
export function makeServerRow(id: string, fields: Partial<ServerRow> = {}): ServerRow {
  const process = { host: "host", pid: 1, pidStart: null, processTable: null };
  return { id, ...process, reserves: false, startedAt: 0, firstLease: 0, beatAt: 0, ...fields };
}

export function makeOutcome({ id, lease }: Lease, fields: Partial<Outcome> = {}): Outcome {
  return {
    id,
    lease,
    command: `echo ${id}`,
    startTime: 10,
    completionTime: 20,
    exitStatus: 0,
    outpath: null,
    errpath: null,
    csvpath: null,
    coresMax: null,
    memoryMax: null,
    ...fields,
  };
}

/** A log that tells each line of an enabled level to `tell`; `enabled` missing: every level. */
export function makeLog(
  tell: (level: LevelName, text: string) => void,
  enabled: (level: LevelName) => boolean = () => true,
): Logger {
  const at = (level: LevelName) => (text: Text) => {
    if (enabled(level)) tell(level, typeof text === "string" ? text : text());
  };
  return {
    enabled,
    trace: at("TRACE"),
    debug: at("DEBUG"),
    info: at("INFO"),
    warning: at("WARNING"),
    error: at("ERROR"),
    critical: at("CRITICAL"),
  };
}

/** A log that nobody reads. */
export const silentLog: Logger = makeLog(
  () => undefined,
  () => false,
);

/** A log that tells only its warnings. */
export function warningLog(tell: (text: string) => void): Logger {
  return makeLog(
    (_, text) => tell(text),
    (level) => level === "WARNING",
  );
}

/**
 * The TLS of a client that takes any certificate if the server proves the key, as `hs client` does when nothing else is
 * said.
 */
export const anyCertificate: ClientTls = {
  ca: null,
  trust: "proof",
  fingerprint: null,
  servername: null,
  minVersion: "TLSv1.2",
  ciphers: null,
};
