/*
 * Packages for the tests of packages: made of the program that all tests run, with little compression, in a folder that
 * is removed with the test.
 */
import { linkSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { readFacts } from "../../scripts/packaging/facts.ts";
import { dist } from "../e2e/harness.ts";

const root = resolve(import.meta.dir, "../..");

export const facts = readFacts(process.env);

/** Of this machine, as scripts/packages calls it. */
export const arch = process.arch === "arm64" ? "arm64" : "x64";

/** What `hs --version` begins with. */
export const versionLine = `hs ${facts.version} (`;

export interface Making extends Disposable {
  readonly path: string;
  /** The folder with man/ and completions/. */
  readonly papers: string;
}

/** What builds a whole package may take on a loaded machine. */
export const patienceMs = 300_000;

/** A folder with packages of some kinds, made by scripts/packages. */
export function makePackages(...kinds: readonly string[]): Making {
  return makePackagesOf(join(dist, "hs"), ...kinds);
}

/** The same, with another program in place of hs. */
export function makePackagesOf(program: string, ...kinds: readonly string[]): Making {
  const path = mkdtempSync(join(tmpdir(), "hs-packages-"));
  const from = join(path, "from");
  const papers = join(path, "papers");
  mkdirSync(join(from, "contents"), { recursive: true });
  copyFileSync(join(dist, "contents/hs.txt"), join(from, `contents/hs-linux-${arch}.txt`));
  try {
    takeProgram(join(from, `hs-linux-${arch}`), program);
    succeed(join(root, "scripts/manuals"), papers);
    const words = ["--fast", "--arch", arch, "--from", from, "--to", path];
    if (kinds.length > 0) succeed(join(root, "scripts/packages"), ...kinds, ...words);
  } catch (thrown) {
    rmSync(path, { recursive: true });
    throw thrown;
  }
  return { path, papers, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** Puts the program at a path: as another name of the same file, where that can be. */
export function takeProgram(place: string, program = join(dist, "hs")): void {
  try {
    linkSync(program, place);
  } catch {
    copyFileSync(program, place);
  }
}

/** Runs a program to its end, and answers what it printed. Throws with all that it said when it fails. */
export function succeed(...words: readonly string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([...words], { stdin: "ignore" });
  if (success) return stdout.toString();
  throw new Error(`${words.join(" ")} failed:\n${stdout.toString()}${stderr.toString()}`);
}
