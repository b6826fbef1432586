/*
 * Sites: where data, logs and the configuration file are for the system, the user and the working directory or the
 * project that it is in, and which of them is the one to use.
 */
import { chmodSync, mkdirSync, readdirSync, type Stats, statSync } from "node:fs";
import { dirname, isAbsolute, join as joinHere, posix, win32 } from "node:path";
import { describedUser, isGroupOfOne } from "../base/accounts.ts";
import type { closeToOthers } from "../base/acl.ts";
import { UserError, exitStatus } from "../base/errors.ts";
import { folderMode } from "../base/modes.ts";
import { failureReason, homeFolder } from "../base/paths.ts";
import { isRoot } from "../base/process.ts";
import { findProject, type FoundProject, namesInSite, projectFolder } from "./project.ts";
import { whoElseWrites } from "./trust.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type SiteName = "system" | "user" | "local";

export interface Site {
  /** Data: captured output, TLS files, the default database. */
  readonly lib: string;
  readonly log: string;
  /** The configuration file. */
  readonly config: string;
}

export interface Sites {
  readonly system: Site;
  readonly user: Site;
  readonly local: Site;
  /** The one that holds outputs, database and logs. */
  readonly chosen: SiteName;
  /** HYPERSHELL_SITE, made absolute; null when not set. */
  readonly named: string | null;
  /** The folder of the project that is in use; null: there is none, or HYPERSHELL_SITE comes first. */
  readonly project: string | null;
  /** The project that was found and does not count, for the log; null: there is none. */
  readonly refused: FoundProject["refused"];
  /** HYPERSHELL_CONFIG_FILE: the only file to read; empty: read none; null: not set. */
  readonly onlyFile: string | null;
}

/** What the sites depend on; tests give their own. */
export interface Host {
  readonly platform: string;
  readonly isRoot: boolean;
  readonly home: string;
}

/** What sites depend on, of the machine and the user of this process. */
export function thisHost(env: Environment): Host {
  return { platform: process.platform, isRoot: isRoot(env), home: homeFolder(env) };
}

/**
 * Where the search for a project's configuration begins, and what names of sites and of configuration files are
 * relative to: the working directory. Where that was deleted, there is no project, and the search begins at the top.
 * Throws a UserError when it was deleted and a name is relative.
 */
export function settingsFolder(from: { readonly cwd: string; readonly env: Environment }): string {
  try {
    return from.cwd;
  } catch (thrown) {
    const names = [from.env["HYPERSHELL_SITE"], from.env["HYPERSHELL_CONFIG_FILE"]];
    if (names.some((name) => name !== undefined && name !== "" && !isAbsolute(name))) throw thrown;
    return "/";
  }
}

const posixPlatforms = ["linux", "freebsd", "openbsd", "netbsd", "sunos", "aix", "android"];

/** Throws UserError (status 3) on a platform without known places. */
export function findSites(env: Environment, cwd: string, host: Host = thisHost(env)): Sites {
  const { join, resolve } = host.platform === "win32" ? win32 : posix;
  const given = env["HYPERSHELL_SITE"];
  const named = given === undefined || given === "" ? null : resolve(cwd, given);
  const file = env["HYPERSHELL_CONFIG_FILE"];
  const onlyFile = file === undefined ? null : file === "" ? "" : resolve(cwd, file);
  const { project, refused } = named === null ? findProject(cwd) : { project: null, refused: null };
  const places = placesOf(host, env, named ?? join(project ?? cwd, projectFolder), join);
  return {
    ...places,
    local: onlyFile === null || onlyFile === "" ? places.local : { ...places.local, config: onlyFile },
    chosen: named !== null || project !== null ? "local" : host.isRoot ? "system" : "user",
    named,
    project,
    refused,
    onlyFile,
  };
}

function placesOf(
  { platform, home }: Host,
  env: Environment,
  local: string,
  join: (...parts: string[]) => string,
): Record<SiteName, Site> {
  const names = namesInSite(platform);
  const inOne = (top: string): Site => ({
    lib: join(top, names.lib),
    log: join(top, names.log),
    config: join(top, names.config),
  });
  if (platform === "darwin") {
    const mac = (top: string): Site => ({
      lib: join(top, "HyperShell"),
      log: join(top, "Logs", "HyperShell"),
      config: join(top, "Preferences", "HyperShell", "config.toml"),
    });
    return {
      system: mac("/Library"),
      user: mac(join(home, "Library")),
      local: inOne(local),
    };
  }
  if (platform === "win32") {
    return {
      system: inOne(join(env["PROGRAMDATA"] || "C:\\ProgramData", "HyperShell")),
      user: inOne(join(env["APPDATA"] || join(home, "AppData", "Roaming"), "HyperShell")),
      local: inOne(local),
    };
  }
  if (!posixPlatforms.includes(platform)) {
    throw new UserError(exitStatus.badConfiguration, "core.platform", `Platform unrecognized (${platform})`);
  }
  return {
    system: { lib: "/var/lib/hypershell", log: "/var/log/hypershell", config: "/etc/hypershell.toml" },
    user: inOne(join(home, ".hypershell")),
    local: inOne(local),
  };
}

/** File of the default database in a site. */
export function databaseFile(sites: Sites, platform: string): string {
  const { join } = platform === "win32" ? win32 : posix;
  return join(sites[sites.chosen].lib, platform === "win32" || platform === "darwin" ? "Main.db" : "main.db");
}

/** What became of the folders of a site. */
export interface Folders {
  /** Why one could not be created, for those who need it; null: all are there. */
  readonly problem: string | null;
  /** Lines to log as WARNING: folders that others could look into. */
  readonly warnings: readonly string[];
}

/**
 * Creates the folders of the site in use, for nobody else, and closes those of an older version to others. With
 * `isShared` it is a site of several users, and the umask decides. Not being able to create one is no error, since a
 * run may need none of them. Throws UserError (status 3) when a folder named by HYPERSHELL_SITE cannot be created, and
 * when the site is somebody else's and not shared. `told`: what the log says already.
 */
export function createFolders(sites: Sites, isShared: boolean, told: readonly string[] = []): Folders {
  const { lib, log } = sites[sites.chosen];
  const open: string[] = [];
  const close = (folder: string): void => void open.push(...(isShared ? [] : whyLeftOpen(folder)));
  if (sites.named !== null) {
    const failure = create(sites.named, close);
    if (failure !== null) {
      const text = `Could not create directory (HYPERSHELL_SITE=${sites.named}): ${failure}`;
      throw new UserError(exitStatus.badConfiguration, "core.platform", text);
    }
    if (!isShared) expectOurs(sites.named, look(sites.named));
  }
  // Lowest first: the second of these mostly makes the first one's parent too.
  let problem: string | null = null;
  const folders = [
    [joinHere(lib, "task"), lib],
    [log, log],
  ] as const;
  for (const [folder, own] of folders) {
    // What is around them in the site of the system is for everybody to read.
    const failure = create(folder, (made) => close(sites.chosen === "system" ? own : made));
    if (failure !== null) problem ??= `cannot create ${folder}: ${failure}`;
  }
  if (isShared) return { problem, warnings: [] };
  expectOurs(log, look(log));
  const top = sites.named ?? (sites.chosen === "user" ? dirname(sites.user.config) : null);
  const isTold = top === null || told.some((text) => text.includes(`others may write ${top} `));
  const warnings = [isTold ? null : whyOpen(top), keepToOurselves(lib), ...open];
  return { problem, warnings: warnings.filter((text) => text !== null) };
}

/** What the log says of a folder of Windows that was just made, and that others can look into. */
function whyLeftOpen(folder: string): string[] {
  if (process.platform !== "win32") return [];
  const { closeToOthers: closed } = require("../base/acl.ts") as { readonly closeToOthers: typeof closeToOthers };
  const why = closed(folder);
  return why === null ? [] : [`Others may look into ${folder}: ${why} - ${remedy}`];
}

const remedy = "if others are to use it: site.shared = true (HYPERSHELL_SITE_SHARED=true)";

/** What the log says of the folder of a site in which others may put another in place of that for data. */
function whyOpen(folder: string): string | null {
  const others = whoElseWrites(folder);
  if (others === null) return null;
  return (
    `Others may write ${folder} (${others.mode}), and whoever writes there says what is run as you - ` +
    `chmod go-w ${folder}, or ${remedy}`
  );
}

/**
 * Throws a UserError for a folder of somebody else: what is in a database is run, and may have been written by whoever
 * owns the folder.
 */
function expectOurs(folder: string, found: Stats | undefined): void {
  const owner = found?.uid;
  const user = process.geteuid?.();
  if (owner === undefined || user === undefined || owner === user || owner === 0) return;
  const text =
    `${folder} belongs to ${describedUser(owner)}, and you are ${describedUser(user)}: whoever can write there says ` +
    "what is run - use a site of your own, or, if you trust them, HYPERSHELL_SITE_SHARED=true (site.shared)";
  throw new UserError(exitStatus.badConfiguration, "core.platform", text);
}

/** What a folder for data has in it. */
const ownNames = /^(?:task|tls|outcomes|[Mm]ain\..*|\..*)$/;

/**
 * A folder for data that others may look into is closed to them: versions before this one made it with the umask. Where
 * others may write it, or everything in it belongs to one group, they are meant to, so that it stays, and the log says
 * each time how to end that. One with other things in it, as `/usr/lib`, is left alone. Throws as `expectOurs`.
 */
function keepToOurselves(folder: string): string | null {
  const found = look(folder);
  expectOurs(folder, found);
  if (found === undefined || found.uid !== process.geteuid?.() || (found.mode & 0o077) === 0) return null;
  const mode = (found.mode & 0o7777).toString(8).padStart(4, "0");
  const isForGroup = (found.mode & 0o2020) !== 0 && !isGroupOfOne(found.gid, found.uid);
  if (isForGroup || (found.mode & 0o002) !== 0)
    return (
      `Others may use ${folder} (mode ${mode}), and whoever writes there says what is run as you - ` +
      `chmod go-rwx ${folder}, or ${remedy}`
    );
  try {
    if (readdirSync(folder).some((name) => !ownNames.test(name))) return null;
    chmodSync(folder, 0o700);
  } catch (thrown) {
    return `Others may look into ${folder} (mode ${mode}), and that cannot be changed: ${failureReason(thrown)}`;
  }
  return `Closed ${folder} to others, who could look into it (mode ${mode}) - ${remedy}, and chmod ${mode} ${folder}`;
}

/** What is at a path; undefined: nothing, or nothing that may be seen. */
function look(folder: string): Stats | undefined {
  try {
    return statSync(folder, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Makes a folder, if there is none; why that is not possible, or null. `close` gets the outermost one that is new. */
function create(folder: string, close: (made: string) => void): string | null {
  try {
    // Asking first is the cheaper way in all runs but the first.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true) return null;
    const made = mkdirSync(folder, { recursive: true, mode: folderMode() });
    if (made !== undefined) close(made);
    return null;
  } catch (thrown) {
    return failureReason(thrown);
  }
}
