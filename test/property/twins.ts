/*
 * Runs a line twice, in a fresh shell and in one that lives, and tells what differs: outputs, exit status, files and
 * what programs see of their environment. Both run in the same folder, one after the other, with the same files.
 */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
} from "node:fs";
import { rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../src/base/clock.ts";
import { taskEnvironment, type Variables } from "../../src/client/environment.ts";
import { openShells, type Shells } from "../../src/client/living-shell.ts";
import { signalNumber } from "../../src/client/group.ts";
import { isReusable } from "../../src/client/reusable.ts";
import { newAssignment } from "../unit/client/tasks.ts";

export interface Twins extends Disposable {
  /** The line's results in both shells as text; null: it may not run in a living shell. `planted`: what differs. */
  run(line: string, planted?: Variables): Promise<readonly [fresh: string, living: string] | null>;
}

/** How a run has ended. */
interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | number | null;
}

const files: Readonly<Record<string, string>> = {
  f: "one\ntwo\nthree\n",
  g: "x=1",
  "a b": "blank\n",
  "d/inner": "deep\n",
  dies: '#!/bin/sh\nkill -"$1" $$\n',
};

/** How often a line is run whose results differ. */
const mostTries = 12;

interface State {
  readonly folder: string;
  readonly shell: string;
  readonly shells: Shells;
  readonly variables: Variables;
  readonly environment: ReturnType<typeof taskEnvironment>;
  readonly outputs: readonly [number, number];
  readonly pristine: string;
  /** What tells that the files are as they were. */
  stamps: string;
  ended: (end: End | null) => void;
  count: number;
}

/** The paths of the shells that are tried: dash, and bash, each under the name sh. Links are made in `folder`. */
export function shellsIn(folder: string): readonly string[] {
  return ["dash", "bash"].flatMap((kind) => {
    const path = Bun.which(kind);
    if (path === null) return [];
    mkdirSync(join(folder, kind));
    symlinkSync(path, join(folder, kind, "sh"));
    return [join(folder, kind, "sh")];
  });
}

/** Makes a folder for both shells. Throws when no shell lives. */
export async function twins(shell: string): Promise<Twins> {
  const base = realpathSync(mkdtempSync(join(tmpdir(), "hs-twins-")));
  // Lines may go up, but not out.
  const folder = join(base, "1/2/3/4/5/6/work");
  mkdirSync(folder, { recursive: true });
  restore(folder);
  const outputs = [openSync(join(base, "out"), "a+"), openSync(join(base, "err"), "a+")] as const;
  const inherits = { PATH: "/usr/bin:/bin", HOME: folder, LC_ALL: "C.UTF-8", SHLVL: "3", OLDPWD: "/usr", _: "before" };
  const given = { ...inherits, "odd.name": "1", X: "a  b", EMPTY: "", TASK_TAG_OLD: "inherited" };
  const ids = { clientId: "c", clientHost: "h", serverId: "s", serverHost: "t" };
  const shared = { environment: given, exports: {}, cwd: folder, ...ids, taskFolder: "/tasks" };
  const environment = taskEnvironment(shared, given, true);
  environment.fill(newAssignment({ args: "true" }), "true", systemClock.now());
  const { variables } = environment;
  const [stdout, stderr] = outputs;
  const shells = await openShells(
    {
      shell,
      cwd: folder,
      variables,
      stdout,
      stderr,
      clock: systemClock,
      onEnd: (_child, code, signal) => state.ended({ code, signal }),
      onRefused: () => state.ended(null),
    },
    given,
  );
  if (shells === null) throw new Error(`${shell} does not live`);
  const pristine = snapshot(folder);
  const parts = { folder, shell, shells, variables, environment, outputs, pristine };
  const state: State = { ...parts, stamps: stamps(folder), ended: () => undefined, count: 0 };
  return {
    async run(line, planted = {}) {
      const fresh = new Set<string>();
      const living = new Set<string>();
      for (let tries = 1; ; tries++) {
        const results = await runTwice(state, line, planted);
        if (results === null) return null;
        fresh.add(results[0]);
        living.add(results[1]);
        // Members of a pipeline race: who complains first, or whether SIGPIPE ends one, is another matter each time.
        const common = [...fresh].find((result) => living.has(result));
        if (common !== undefined) return [common, common];
        if (tries === mostTries) return results;
      }
    },
    [Symbol.dispose]() {
      shells.dismiss();
      for (const output of outputs) closeSync(output);
      rmSync(base, { recursive: true, force: true });
    },
  };
}

async function runTwice(state: State, line: string, planted: Variables): Promise<readonly [string, string] | null> {
  const { environment, variables, shells, shell, folder } = state;
  if (!isReusable(line, shells.isDash)) return null;
  const tag = state.count++ % 50 < 40 ? { site: "b", n: state.count } : { other: "it's" };
  const task = newAssignment({ args: "1", tag });
  environment.fill(task, line, systemClock.now());
  const fresh = Bun.spawnSync([shell, "-c", line], {
    cwd: folder,
    env: variables,
    stdio: ["ignore", ...state.outputs],
    detached: true,
  });
  const first = seen(state, { code: fresh.exitCode, signal: (fresh.signalCode as NodeJS.Signals) ?? null });
  const ended = new Promise<End | null>((resolve) => (state.ended = resolve));
  Object.assign(variables, planted);
  const names = environment.names() ?? environment.names()!;
  if (shells.run(line, names, null) === null) throw new Error(`no shell takes: ${line}`);
  const second = seen(state, await ended);
  return [first, second];
}

/** What a run has left, but for the words of a shell that complains. Puts all files back. */
function seen(state: State, end: End | null): string {
  const { folder, outputs, pristine } = state;
  const [out, err] = outputs.map((output) => {
    const size = statSync(`/proc/self/fd/${output}`).size;
    return size === 0 ? "" : readFileSync(`/proc/self/fd/${output}`, "latin1");
  });
  if (out !== "") truncate(outputs[0]);
  if (err !== "") truncate(outputs[1]);
  const isPristine = stamps(folder) === state.stamps;
  const now = isPristine ? pristine : snapshot(folder);
  if (!isPristine) {
    restore(folder);
    state.stamps = stamps(folder);
  }
  const code = end === null ? "none" : (end.code ?? 128 + signalNumber(end.signal!));
  const left = isPristine ? "" : `--- files\n${inOrder(withoutWording(now))}`;
  return `${code}\n--- out\n${inOrder(withoutWording(out!))}--- err\n${sorted(withoutWording(err!))}${left}`;
}

function truncate(output: number): void {
  writeFileSync(`/proc/self/fd/${output}`, "");
}

/** Complaints, without the line and the number of the process, and without eval among what they are about. */
function withoutWording(text: string): string {
  return unnumbered(text).replace(/\/sh:[ .\n](?:line[ .\n])?\d+:[ .\n] *(?:\d+ +)?(?:eval:[ .\n])?/g, "/sh: ");
}

/** Pipes have other numbers each time. */
const unnumbered = (text: string): string => text.replace(/pipe:\[\d+\]/g, "pipe");

/** bash shows `_` to programs in another place among the variables. */
function inOrder(output: string): string {
  const text = unnumbered(output);
  if (!/_=/.test(text)) return text;
  return text.split(/[\n ]/).toSorted().join("\n");
}

const sorted = (text: string): string => text.split("\n").toSorted().join("\n");

/** What tells cheaply whether a file was made, changed or removed. */
function stamps(folder: string): string {
  return [folder, `${folder}/d`, ...Object.keys(files).map((name) => `${folder}/${name}`)]
    .map((path) => {
      const found = statSync(path, { throwIfNoEntry: false, bigint: true });
      return found === undefined ? "" : `${found.ino} ${found.mtimeNs} ${found.ctimeNs}`;
    })
    .join();
}

function snapshot(folder: string): string {
  let text = "";
  for (const name of readdirSync(folder, { recursive: true, encoding: "latin1" }).toSorted()) {
    const path = join(folder, name);
    const { mode } = statSync(path);
    text += `${name} ${mode.toString(8)} ${(mode & 0o170000) === 0o100000 ? readFileSync(path, "latin1") : ""}\n`;
  }
  return text;
}

function restore(folder: string): void {
  for (const name of readdirSync(folder)) rmSync(join(folder, name), { recursive: true, force: true });
  mkdirSync(join(folder, "d"));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  chmodSync(join(folder, "dies"), 0o755);
}
