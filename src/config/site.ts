/*
 * Sites: where data, logs and the configuration file are for the system, the user and the working directory or the
 * project that it is in, and which of them is the one to use.
 */
import { mkdirSync, statSync } from "node:fs";
import { isAbsolute, posix, win32 } from "node:path";
import { describedUser } from "../base/accounts.ts";
import { UserError, exitStatus } from "../base/errors.ts";
import { failureReason, homeFolder } from "../base/paths.ts";
import { isRoot } from "../base/process.ts";
import { findProject, type FoundProject, projectFolder } from "./project.ts";

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
  if (platform === "darwin") {
    const mac = (top: string): Site => ({
      lib: join(top, "HyperShell"),
      log: join(top, "Logs", "HyperShell"),
      config: join(top, "Preferences", "HyperShell", "config.toml"),
    });
    return {
      system: mac("/Library"),
      user: mac(join(home, "Library")),
      local: { lib: join(local, "Library"), log: join(local, "Logs"), config: join(local, "config.toml") },
    };
  }
  if (platform === "win32") {
    const windows = (top: string): Site => ({
      lib: join(top, "Library"),
      log: join(top, "Logs"),
      config: join(top, "Config.toml"),
    });
    return {
      system: windows(join(env["ProgramData"] || "C:\\ProgramData", "HyperShell")),
      user: windows(join(env["AppData"] || env["APPDATA"] || join(home, "AppData", "Roaming"), "HyperShell")),
      local: windows(local),
    };
  }
  if (!posixPlatforms.includes(platform)) {
    throw new UserError(exitStatus.badConfiguration, "core.platform", `Platform unrecognized (${platform})`);
  }
  const unix = (top: string): Site => ({
    lib: join(top, "lib"),
    log: join(top, "log"),
    config: join(top, "config.toml"),
  });
  return {
    system: { lib: "/var/lib/hypershell", log: "/var/log/hypershell", config: "/etc/hypershell.toml" },
    user: unix(join(home, ".hypershell")),
    local: unix(local),
  };
}

/** File of the default database in a site. */
export function databaseFile(sites: Sites, platform: string): string {
  const { join } = platform === "win32" ? win32 : posix;
  return join(sites[sites.chosen].lib, platform === "win32" || platform === "darwin" ? "Main.db" : "main.db");
}

/**
 * Creates the folders of the site in use. Not being able to is no error, since a run may need none of them; the reason
 * comes back for those who do (null: all is there). Throws UserError (status 3) when a folder named by HYPERSHELL_SITE
 * cannot be created, and when the site is somebody else's and not one of several users (`isShared`).
 */
export function createFolders(sites: Sites, isShared: boolean): string | null {
  const { lib, log } = sites[sites.chosen];
  if (sites.named !== null) {
    const failure = create(sites.named);
    if (failure !== null) {
      const text = `Could not create directory (HYPERSHELL_SITE=${sites.named}): ${failure}`;
      throw new UserError(exitStatus.badConfiguration, "core.platform", text);
    }
    if (!isShared) expectOurs(sites.named);
  }
  // Lowest first: the second of these mostly makes the first one's parent too.
  let problem: string | null = null;
  for (const folder of [`${lib}/task`, log]) {
    const failure = create(folder);
    if (failure !== null) problem ??= `cannot create ${folder}: ${failure}`;
  }
  if (!isShared) for (const folder of [lib, log]) expectOurs(folder);
  return problem;
}

/**
 * Throws a UserError for a folder of somebody else: what is in a database is run, and may have been written by whoever
 * owns the folder.
 */
function expectOurs(folder: string): void {
  const owner = ownerOf(folder);
  const user = process.geteuid?.();
  if (owner === null || user === undefined || owner === user || owner === 0) return;
  const text =
    `${folder} belongs to ${describedUser(owner)}, and you are ${describedUser(user)}: whoever can write there says ` +
    "what is run - use a site of your own, or, if you trust them, HYPERSHELL_SITE_SHARED=true (site.shared)";
  throw new UserError(exitStatus.badConfiguration, "core.platform", text);
}

function ownerOf(folder: string): number | null {
  try {
    return statSync(folder, { throwIfNoEntry: false })?.uid ?? null;
  } catch {
    return null;
  }
}

function create(folder: string): string | null {
  try {
    // Asking first is the cheaper way in all runs but the first.
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) mkdirSync(folder, { recursive: true });
    return null;
  } catch (thrown) {
    return failureReason(thrown);
  }
}
