/*
 * Outcomes that a client could not deliver before it had to end: its server was away, or did not answer. They stay in a
 * folder of the site, one file for each such client, as what the client would have said: a hello with the store and run
 * that they are of, and results. The next client on the site says it. Whoever reads a file could say it too, so it is
 * for its user alone.
 */
import { mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readTextIfThere } from "../base/paths.ts";
import type { Left } from "../client/client.ts";
import type { Outcome } from "../task/task.ts";
import { decodePeer, encode } from "../wire/codec.ts";

/** After this time nobody waits for an outcome any more, milliseconds: 30 days. */
const tooOldMs = 30 * 86_400_000;

/** What is kept in a file. */
export interface Kept extends Left {
  readonly path: string;
}

function folderIn(lib: string): string {
  return join(lib, "outcomes");
}

/** Writes down what a client leaves. Answers the path of the file. Throws the error of the operating system. */
export function keep(lib: string, { clientId, host, secret, ground, outcomes }: Left): string {
  const finished = outcomes.map(({ id, lease }) => ({ id, lease }));
  const who = { kind: "hello", clientId, host, executors: 0, credit: 0, running: [], finished, ...ground } as const;
  const hello = secret === null ? who : { ...who, secret };
  const lines = [...encode(hello), ...encode({ kind: "results", outcomes, credit: 0 })];
  const folder = folderIn(lib);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, clientId);
  writeFileSync(path, `${lines.join("\n")}\n`, { mode: 0o600 });
  return path;
}

/**
 * What earlier clients have left on this site. A file that is too old is removed; one that is half written, or of
 * another version, counts as none. `now`: milliseconds since 1970.
 */
export function keptIn(lib: string, now: number): readonly Kept[] {
  let names: readonly string[];
  try {
    names = readdirSync(folderIn(lib));
  } catch {
    // Mostly there is no such folder.
    return [];
  }
  return names.flatMap((name) => read(join(folderIn(lib), name), now) ?? []);
}

function read(path: string, now: number): Kept | null {
  try {
    if (now - statSync(path).mtimeMs > tooOldMs) {
      forget({ path });
      return null;
    }
    return parse(path, readTextIfThere(path) ?? "");
  } catch {
    return null;
  }
}

/** Throws a WireProblem for what is no message. */
function parse(path: string, text: string): Kept | null {
  const [hello, ...rest] = text.trimEnd().split("\n").map(decodePeer);
  if (hello?.kind !== "hello" || hello.store === undefined) return null;
  const outcomes = rest.flatMap((message): readonly Outcome[] => (message.kind === "results" ? message.outcomes : []));
  if (outcomes.length !== hello.finished.length) return null;
  const { clientId, host, secret = null, store, run } = hello;
  return { path, clientId, host, secret, ground: run === undefined ? { store } : { store, run }, outcomes };
}

/** Removes a file whose outcomes are recorded. */
export function forget({ path }: Pick<Kept, "path">): void {
  rmSync(path, { force: true });
}
