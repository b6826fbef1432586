/*
 * Where a shell's offers are looked up: settings, the database, files of ssh, programs and paths of this host. Nothing
 * is made or changed, no command is run, and nobody is asked for anything. What cannot be read is not there.
 */
import { existsSync, globSync, readdirSync, readFileSync, statSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { delimiter, dirname, isAbsolute, join, resolve } from "node:path";
import { systemClock } from "../base/clock.ts";
import { expandHome, homeFolder } from "../base/paths.ts";
import { type Config, peekConfig } from "../config/load.ts";
import { resourceNames } from "../config/resource-names.ts";
import { settingsFolder } from "../config/site.ts";
import { isTable } from "../config/value.ts";
import type { RecordStore } from "../history/history.ts";
import type { Logger } from "../log/logger.ts";
import type { Condition } from "../task/filter.ts";
import { expandHosts } from "../launch/hostlist.ts";
import type { Sources, TagValues } from "./complete-values.ts";
import type { Surroundings } from "./context.ts";

/** Tags are looked for so long, ms: a large database has more of them than anybody reads. */
const tagsMs = 300;
/** Values of a tag, names of programs, and other things, that are offered at most. */
const mostOffers = 1000;
const mostTasks = 50;

/** What a completion can look up in these surroundings. */
export function sourcesIn(surroundings: Surroundings): Sources {
  const { env } = surroundings;
  const config = once(() => peekConfig(env, settingsFolder(surroundings)));
  const records = once(() => openRecords(config()));
  return {
    tags: async (current) => tagsIn(await records(), current),
    tasks: async (prefix) => tasksIn(await records(), prefix),
    hosts: () => [...new Set([...nodesOf(config), ...sshHosts(env, sshFile(config, env))])].slice(0, mostOffers),
    hostGroups: () => groupsOf(config()),
    addresses: ownAddresses,
    programs: (prefix) => programsOf(env["PATH"] ?? "", prefix),
    paths: (prefix) => pathsOf(prefix, surroundings.cwd, env),
    shells: () => linesOf("/etc/shells").filter((line) => line.startsWith("/")),
    resources: () => resourcesOf(config),
    isThere: (program) => Bun.which(program, { PATH: env["PATH"] ?? "" }) !== null,
  };
}

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}

const silent = (): void => undefined;
/** Nobody is told anything. */
const silentLogger: Logger = {
  enabled: () => false,
  trace: silent,
  debug: silent,
  info: silent,
  warning: silent,
  error: silent,
  critical: silent,
};

/** The configured database, to be looked into. Rejects where there is none. */
async function openRecords(config: Config): Promise<RecordStore> {
  const { databaseSettings } = await import("../cluster/database.ts");
  const { openGlance } = await import("../history/open.ts");
  return openGlance(databaseSettings(config, silentLogger));
}

async function tagsIn(records: RecordStore, current: string): Promise<TagValues> {
  const found = new Map<string, Set<string>>();
  const until = systemClock.now() + tagsMs;
  for await (const tags of records.tagSets()) {
    for (const [key, value] of Object.entries(tags)) {
      let values = found.get(key);
      if (values === undefined) found.set(key, (values = new Set()));
      const text = typeof value === "string" ? value : JSON.stringify(value);
      const isWanted = text !== "" && (!current.includes(":") || `${key}:${text}`.startsWith(current));
      if (isWanted && values.size < mostOffers) values.add(text);
    }
    if (systemClock.now() > until || found.size >= mostOffers) break;
  }
  return found;
}

async function tasksIn(
  records: RecordStore,
  prefix: string,
): Promise<readonly { readonly id: string; readonly args: string }[]> {
  const bound = (operator: ">=" | "<", value: string): Condition => ({ kind: "field", field: "id", operator, value });
  const where = prefix === "" ? [] : [bound(">=", prefix), bound("<", `${prefix}~`)];
  const orderBy = prefix === "" ? ("submit_time" as const) : null;
  const query = { fields: ["id", "args"] as const, where, orderBy, descending: prefix === "", limit: mostTasks };
  const found: { id: string; args: string }[] = [];
  for await (const [id, args] of records.search(query)) found.push({ id: String(id), args: String(args) });
  return found;
}

// ---- hosts

function nodesOf(config: () => Config): readonly string[] {
  const texts = (value: unknown): readonly string[] =>
    typeof value === "string"
      ? [value]
      : Array.isArray(value)
        ? value.map(String)
        : typeof value === "object" && value !== null
          ? Object.values(value).flatMap(texts)
          : [];
  try {
    return texts(config().raw("ssh.nodelist")).flatMap((pattern) => expandHosts(pattern) ?? []);
  } catch {
    // The configuration is broken; hosts may be known elsewhere.
    return [];
  }
}

function groupsOf(config: Config): readonly string[] {
  const nodes = config.raw("ssh.nodelist");
  return isTable(nodes) ? Object.keys(nodes) : [];
}

type Environment = Surroundings["env"];

function sshFile(config: () => Config, env: Environment): string {
  try {
    return config().text("ssh.config");
  } catch {
    return expandHome("~/.ssh/config", env);
  }
}

/** Names of hosts that ssh knows: those of its configuration, and of hosts whose keys it has and are not hashed. */
function sshHosts(env: Environment, file: string): readonly string[] {
  const own = join(homeFolder(env), ".ssh");
  const named = [file, "/etc/ssh/ssh_config"].flatMap((each) => configuredHosts(each, own, 0));
  const known = [join(own, "known_hosts"), join(own, "known_hosts2"), "/etc/ssh/ssh_known_hosts"]
    .flatMap(linesOf)
    .filter((line) => line !== "" && !/^[#|@]/.test(line))
    .flatMap((line) => (line.split(/\s/)[0] ?? "").split(","))
    .map((name) => name.replace(/^\[(.*)\](?::\d+)?$/, "$1"));
  return [...named, ...known].filter((name) => name !== "" && !/[*?!]/.test(name));
}

/** The words behind `Host` in a file of ssh_config(5), and in the files that it includes. */
function configuredHosts(file: string, folder: string, depth: number): readonly string[] {
  return linesOf(file).flatMap((line) => {
    const [, key = "", rest = ""] = /^\s*(\w+)(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    const words = rest.split(/\s+/).filter((word) => word !== "");
    if (key.toLowerCase() === "host") return words;
    if (key.toLowerCase() !== "include" || depth > 4) return [];
    return words
      .map((word) => (word.startsWith("~/") ? join(dirname(folder), word.slice(2)) : resolve(folder, word)))
      .flatMap((pattern) => globSync(pattern))
      .flatMap((each) => configuredHosts(each, folder, depth + 1));
  });
}

function linesOf(file: string): readonly string[] {
  try {
    return readFileSync(file, "utf8").split(/\r?\n/);
  } catch {
    return [];
  }
}

function ownAddresses(): readonly string[] {
  const found = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const addresses = found.filter(({ internal }) => !internal).map(({ address }) => address);
  return [...new Set(["localhost", "0.0.0.0", "::", hostname(), ...addresses])];
}

// ---- programs and paths

function programsOf(path: string, prefix: string): readonly string[] {
  const names = new Set<string>();
  for (const folder of path.split(delimiter).filter((each) => isAbsolute(each)))
    for (const name of namesIn(folder)) if (name.startsWith(prefix) && names.size < mostOffers) names.add(name);
  return [...names].toSorted();
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Paths that begin so. Hidden ones only where the prefix names them. */
function pathsOf(prefix: string, cwd: string, env: Environment): readonly string[] {
  const folder = prefix.slice(0, prefix.lastIndexOf("/") + 1);
  const start = prefix.slice(folder.length);
  const at = resolve(cwd, expandHome(folder, env));
  return namesIn(at)
    .filter((name) => name.startsWith(start) && (!name.startsWith(".") || start.startsWith(".")))
    .slice(0, mostOffers)
    .toSorted()
    .map((name) => folder + name + (isFolder(join(at, name)) ? "/" : ""));
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function resourcesOf(config: () => Config): readonly string[] {
  try {
    const own = config().raw("client.resources");
    return [...new Set([...resourceNames(config()), ...(isTable(own) ? Object.keys(own) : [])])];
  } catch {
    return ["gpus"];
  }
}
