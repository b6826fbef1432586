/*
 * Projects: folders that have settings, a database and captured output of their own in a folder `.hypershell`, which
 * `hs init` makes and marks, and which is found from anywhere below. A `.hypershell` without the mark is no project.
 *
 * Whoever can write a configuration can have any program run (`VAR_eval`), so nothing counts here that somebody else
 * may have written: not a project, and not the configuration file of the working directory.
 */
import { chmodSync, lstatSync, mkdirSync, type Stats, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runtimeError } from "../base/errors.ts";
import { failureReason } from "../base/paths.ts";

/** The folder in a project that has all of it. */
export const projectFolder = ".hypershell";
/** The file in that folder which makes it one. */
const mark = "project";
const markText = `# This folder belongs to a project (hs init): its settings, its database, captured output.
# Without this file the folder is none, and the database of the user is used here.
`;
const configText = `# Settings of this project; those of the user and of the system hold where it has none,
# but for the database: without a section here, that is lib/main.db beside this file.
# A relative database.file is in the folder of the project.
`;

export interface FoundProject {
  /** The folder that was made a project; null: there is none here. */
  readonly project: string | null;
  /** Why a project that is nearer does not count, for a line of the log; null: there is none. */
  readonly refused: string | null;
}

/** Finds the project that a folder is in, by a look at each folder above it. */
export function findProject(from: string): FoundProject {
  let refused: string | null = null;
  for (let folder = from; ; folder = dirname(folder)) {
    if (isMarked(folder)) {
      const reason = whyNotOurs([projectFolder, `${projectFolder}/${mark}`, `${projectFolder}/config.toml`], folder);
      if (reason === null) return { project: folder, refused };
      refused ??= `The project in ${folder} does not count: ${reason}`;
    }
    if (dirname(folder) === folder) return { project: null, refused };
  }
}

function isMarked(folder: string): boolean {
  return look(statSync, join(folder, projectFolder, mark))?.isFile() === true;
}

/** Why a configuration file does not count; null: it does, or is not there. `folder` has the folder of the file. */
export function whyNoConfiguration(file: string): string | null {
  const reason = whyNotOurs([".", "config.toml"], dirname(file), true);
  return reason === null ? null : `The settings in ${file} do not count: ${reason}`;
}

/**
 * Why somebody else may have written one of these, which are in `folder`; null: nobody else can have. What is not there
 * was written by nobody. With `orRoot` the system's administrator is nobody else.
 */
function whyNotOurs(names: readonly string[], folder: string, orRoot = false): string | null {
  const user = process.getuid?.();
  // There is no such owner on Windows.
  if (user === undefined) return null;
  for (const name of names) {
    const path = join(folder, name);
    const itself = look(lstatSync, path);
    // Links can be written by everybody, as their mode has it; it is what they name that counts.
    const target = itself?.isSymbolicLink() === true ? look(statSync, path) : itself;
    for (const found of [itself, target]) {
      if (found === undefined || found.uid === user || (orRoot && found.uid === 0)) continue;
      return `${path} belongs to somebody else (user ${found.uid}, you are ${user})`;
    }
    if (target !== undefined && (target.mode & 0o022) !== 0)
      return `others may write ${path} - look at what is in it, then say: chmod go-w ${path}`;
  }
  return null;
}

/** What is at a path; undefined: nothing, or nothing that may be seen. */
function look(stat: typeof lstatSync, path: string): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/**
 * Makes a folder a project, with all that is missing of it, and answers whether it was none before. Throws a
 * UserError when something cannot be made, or when others may have written what is there.
 */
export function makeProject(folder: string): boolean {
  const site = join(folder, projectFolder);
  const isNew = !isMarked(folder);
  try {
    mkdirSync(folder, { recursive: true });
    mkdirSync(site, { recursive: true, mode: 0o700 });
    const reason = whyNotOurs([projectFolder, `${projectFolder}/${mark}`, `${projectFolder}/config.toml`], folder);
    if (reason !== null) throw runtimeError("init", reason);
    for (const name of ["lib/task", "log"]) mkdirSync(join(site, name), { recursive: true, mode: 0o700 });
    writeIfNew(join(site, "config.toml"), configText);
    // Version control leaves alone what is in here.
    writeIfNew(join(site, ".gitignore"), "*\n");
    writeIfNew(join(site, mark), markText);
    return isNew;
  } catch (error) {
    if (error instanceof Error && "status" in error) throw error;
    throw runtimeError("init", `${site} cannot be made: ${failureReason(error)}`);
  }
}

function writeIfNew(path: string, text: string): void {
  if (statSync(path, { throwIfNoEntry: false }) !== undefined) return;
  writeFileSync(path, text, { mode: 0o644, flag: "wx" });
  // A umask that lets a group write would keep the file from counting.
  chmodSync(path, 0o600);
}
