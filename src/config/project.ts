/*
 * Projects: folders that have settings, a database and captured output of their own in a folder `.hypershell`, which
 * `hs init` makes and marks, and which is found from anywhere below. A `.hypershell` without the mark is no project.
 *
 * A project counts for its owner only, and as long as nobody else may write it (trust.ts): it says which tasks are run.
 */
import { chmodSync, mkdirSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { runtimeError } from "../base/errors.ts";
import { failureReason } from "../base/paths.ts";
import { whyFolderForeign } from "./trust.ts";

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
  /** A project that is nearer and does not count, and why, for a line of the log; null: there is none. */
  readonly refused: { readonly folder: string; readonly text: string } | null;
}

/** Finds the project that a folder is in, by a look at each folder above it. */
export function findProject(from: string): FoundProject {
  let refused: FoundProject["refused"] = null;
  for (let folder = from; ; folder = dirname(folder)) {
    if (isMarked(folder)) {
      const reason = whyNotOurs(folder);
      if (reason === null) return { project: folder, refused };
      refused ??= { folder, text: `The project in ${folder} does not count: ${reason}` };
    }
    if (dirname(folder) === folder) return { project: null, refused };
  }
}

/** Why somebody else may have made the project in a folder; null: nobody else can have. Root's is not ours either. */
function whyNotOurs(folder: string): string | null {
  return whyFolderForeign(join(folder, projectFolder), [mark, "config.toml"], { orRoot: false });
}

/** The names of what a site has in its one folder. */
export interface SiteNames {
  readonly lib: string;
  readonly log: string;
  readonly config: string;
}

/** The names that a system has for what is in a site. */
export function namesInSite(platform: string): SiteNames {
  if (platform === "win32") return { lib: "Library", log: "Logs", config: "Config.toml" };
  if (platform === "darwin") return { lib: "Library", log: "Logs", config: "config.toml" };
  return { lib: "lib", log: "log", config: "config.toml" };
}

function isMarked(folder: string): boolean {
  try {
    return statSync(join(folder, projectFolder, mark), { throwIfNoEntry: false })?.isFile() === true;
  } catch {
    // In a folder that lets nobody in.
    return false;
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
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    mkdirSync(site, { recursive: true, mode: 0o700 });
    const reason = whyNotOurs(folder);
    if (reason !== null) throw runtimeError("init", reason);
    const { lib, log, config } = namesInSite(process.platform);
    for (const name of [join(lib, "task"), log]) mkdirSync(join(site, name), { recursive: true, mode: 0o700 });
    writeIfNew(join(site, config), configText);
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
