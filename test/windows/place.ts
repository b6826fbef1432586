/*
 * Sentences for tests of hs.exe under Wine, besides those of test/e2e/harness.ts: a place with files, whose programs
 * are those of Windows. Programs of Linux can be started in it, too (a server, or a client).
 *
 *     await using place = await openPlace();
 *     expect(await place.hsx(["tasks.in"])).toEqual({ status: 0, stdout: "1\r\n", stderr: "" });
 */
import { copyFileSync, existsSync, linkSync } from "node:fs";
import { join } from "node:path";
import { dist, type Ended, needs, openSite, type Running, type RunOptions, type Site } from "../e2e/harness.ts";
import { noWine, theWine, type Wine, windowsPath } from "../systems/wine.ts";

const built = join(dist, "hs-windows-x64.exe");

/** Why hs.exe cannot be run here; null: it can. */
export const noWindows: string | null =
  noWine ?? (existsSync(built) ? null : "no dist/hs-windows-x64.exe: scripts/build windows-x64");

/** `test` for what needs Wine and hs.exe: without them the test is skipped, and its name says why. */
export const testOnWindows = needs([], noWindows);

export interface Place extends AsyncDisposable {
  /** The same place for programs of Linux, with a folder of its own for data. */
  readonly linux: Site;
  /** Runs hs.exe to its end. */
  readonly hs: (words: readonly string[], options?: RunOptions) => Promise<Ended>;
  readonly hsx: (words: readonly string[], options?: RunOptions) => Promise<Ended>;
  /** Runs lines as a batch file of cmd.exe, which finds hs and hsx on the Path. */
  readonly cmd: (lines: string, options?: RunOptions) => Promise<Ended>;
  /** Starts a program of Windows: hs, hsx, or the path of a file. */
  readonly start: (words: readonly [program: string, ...string[]], options?: RunOptions) => Running;
  /** Starts a program of Windows in a console of its own, for `type`. What it prints has more than text. */
  readonly inConsole: (words: readonly [program: string, ...string[]]) => Running;
  /** A file in the working directory; its path for Windows. */
  readonly write: (name: string, text: string) => string;
}

let programs: Promise<Wine> | null = null;

/** Wine with hs.exe and hsx.exe in its folder. */
async function withPrograms(): Promise<Wine> {
  const wine = await theWine();
  for (const name of ["hs.exe", "hsx.exe"]) {
    const path = join(wine.folder, name);
    try {
      linkSync(built, path);
    } catch {
      // Another file system.
      copyFileSync(built, path);
    }
  }
  return wine;
}

/** Opens a place; it and all that runs there is gone when it is disposed of. */
export async function openPlace(): Promise<Place> {
  const wine = await (programs ??= withPrograms());
  const linux = openSite();
  const own = {
    ...wine.env,
    WINEPATH: windowsPath(wine.folder),
    HYPERSHELL_SITE: windowsPath(join(linux.path, "win")),
  };
  let batches = 0;

  const programOf = (name: string): string =>
    name === "hs" || name === "hsx" ? join(wine.folder, `${name}.exe`) : name;
  function start([name, ...words]: readonly [string, ...string[]], options: RunOptions = {}): Running {
    const env = { ...own, ...options.env };
    return linux.start(["sh", "-c", 'exec "$0" "$@"', wine.program, programOf(name), ...words], { ...options, env });
  }
  const write = (name: string, text: string): string => windowsPath(linux.write(name, text));
  return {
    linux,
    start,
    write,
    inConsole([name, ...words]) {
      const script = `script-${batches++}.sh`;
      const quoted = [wine.program, programOf(name), ...words].map((word) => `'${word}'`);
      linux.write(script, `exec ${quoted.join(" ")}\n`);
      return linux.start(["sh", "-c", `exec script -qec 'exec sh ${script}' /dev/null`], { keepOpen: true, env: own });
    },
    hs: (words, options) => start(["hs", ...words], options).ended,
    hsx: (words, options) => start(["hsx", ...words], options).ended,
    cmd(lines, options) {
      const file = write(`batch-${batches++}.cmd`, `@echo off\r\n${lines.replaceAll("\n", "\r\n")}\r\n`);
      return start(["cmd", "/d", "/c", file], options).ended;
    },
    [Symbol.asyncDispose]: () => linux[Symbol.asyncDispose](),
  };
}
