/*
 * The merged configuration: built-in values, files and environment, checked, with typed access by key. Options of the
 * command line, which stand above all of these, are not known here.
 */
import { assert } from "../base/assert.ts";
import { shellCall, usualShell } from "../base/command-shell.ts";
import { messageOf } from "../base/errors.ts";
import { shareNewFiles } from "../base/modes.ts";
import { expandHome } from "../base/paths.ts";
import { variableName } from "../base/variables.ts";
import { checkDatabase, checkLayers, problemOf, refusal } from "./check.ts";
import { withoutSecrets } from "./inherit.ts";
import { findSetting, isOpenTable, openSection } from "./schema.ts";
import type {
  BooleanKey,
  CertainNumberKey,
  CertainTextKey,
  IntegerKey,
  Kind,
  NumberKey,
  Setting,
  TextKey,
} from "./schema.ts";
import { holdsSecret } from "./secret.ts";
import { createFolders, databaseFile, findSites, thisHost } from "./site.ts";
import type { Host, Site, SiteName, Sites } from "./site.ts";
import { defaultLayer, environmentExports, preloadLayer, readLayers } from "./source.ts";
import type { Layer, Origin, Sources } from "./source.ts";
import { find, labelOf, merge, resolve, resolveTree, valueAt } from "./tree.ts";
import type { Resolver } from "./tree.ts";
import { isTable, showValue } from "./value.ts";
import type { Table, Value } from "./value.ts";

export type { Origin, SiteName };

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Typed access to one merged configuration. What nobody has set has the built-in value of config/schema.ts, so that a
 * caller needs no value of its own to fall back on. `_env` and `_eval` forms are resolved when read, once; a value of
 * the wrong type that only shows then is a UserError (status 3).
 */
export interface Config {
  /** null: switched off. Choices come as they were written (any case). Paths have `~` expanded. */
  text<K extends TextKey>(key: K): K extends CertainTextKey ? string : string | null;
  /** null: switched off, or a word in place of a number (`auto`). */
  integer<K extends IntegerKey>(key: K): K extends CertainNumberKey ? number : number | null;
  /** The same for settings that may hold a fraction. */
  number<K extends NumberKey>(key: K): K extends CertainNumberKey ? number : number | null;
  boolean(key: BooleanKey): boolean;
  /**
   * The value as it stands: text, number, list, table or null. A section is a table with everything that is set in it.
   */
  raw(key: string): unknown;
  /** Where a key has its value from; a section counts by its highest part. */
  origin(key: string): { readonly source: Origin; readonly label: string };
  /** Variables for tasks: HYPERSHELL_EXPORT_* as they are, [export] keys upper-cased. */
  exports(): Readonly<Record<string, string>>;
  /** The variables of an environment that tasks may have: all but keys and passwords. */
  inheritable(env: Environment): Environment;
  /** Whether a key or a password is in the configuration, or in this environment. */
  holdsSecrets(env: Environment): boolean;
  /** Folders of the default site. `problem`: why they could not be created, for those who need them. */
  readonly site: Site & { readonly name: SiteName; readonly problem?: string };
  /** The variables that it was read with. */
  readonly environment: Environment;
  /** Lines to log as WARNING: unknown keys, files that do not count. */
  readonly warnings: readonly string[];
  /** Lines to log as INFO: the project. */
  readonly notices: readonly string[];
}

/** Layers as far as they can be read, lowest first. `formatOf` knows the layout behind a `logging.style`. */
export function allLayers(
  sites: Sites,
  env: Environment,
  platform: string,
  formatOf: (style: string) => string | null = () => null,
): Sources {
  const base = defaultLayer();
  const { layers: given, ...rest } = readLayers(sites, env);
  const formatFor = (key: string): string | null => {
    const style = find([base, ...given], key)?.value;
    return typeof style === "string" ? formatOf(style) : null;
  };
  const [format, ofFile] = [formatFor("logging.style"), formatFor("logging.file.style")];
  const file: Table = ofFile === null ? {} : { file: { format: ofFile } };
  const preload: Table = format === null ? {} : { logging: { format, ...file } };
  // `database.database` is another word for the file, and the two must not contradict each other.
  if (find(given, "database.database") === null) preload["database"] = { file: databaseFile(sites, platform) };
  return { ...rest, layers: [base, preloadLayer(preload), ...given] };
}

/**
 * Reads and checks everything, and creates the folders of the default site, unless `makesFolders` is false. `onShared`
 * is called where several users share the site. Throws UserError (status 3) for a file that cannot be read, a value
 * that does not fit, a HYPERSHELL_SITE that cannot be created.
 */
export function loadConfig(
  env: Environment,
  cwd: string,
  host: Host = thisHost(env),
  onShared: () => void = shareNewFiles,
  makesFolders = true,
): Config {
  const sites = findSites(env, cwd, host);
  const { layers, refused } = allLayers(sites, env, host.platform);
  const warnings = checkLayers(layers);
  const isShared = isSiteShared(layers, env, cwd);
  if (isShared) onShared();
  const { problem, warnings: open } = makesFolders
    ? createFolders(sites, isShared, refused)
    : { problem: null, warnings: [] };
  const site = { ...sites[sites.chosen], name: sites.chosen };
  // Clients that a launcher starts are many, and whoever has started it was told.
  const isTold = sites.project !== null && env["HYPERSHELL_RUN_KEY"] === undefined;
  const news = {
    warnings: [...(sites.refused === null ? [] : [sites.refused.text]), ...refused, ...open, ...warnings],
    notices: isTold ? [`Project ${sites.project}`] : [],
  };
  return makeConfig(layers, news, problem === null ? site : { ...site, problem }, env, makeResolver(env, cwd));
}

/**
 * The same settings for a glance: nothing is checked, warned of or made, and a setting that a command prints has no
 * value. Throws UserError for a file that cannot be read.
 */
export function peekConfig(env: Environment, cwd: string, host: Host = thisHost(env)): Config {
  const sites = findSites(env, cwd, host);
  const { layers } = allLayers(sites, env, host.platform);
  const site = { ...sites[sites.chosen], name: sites.chosen };
  const evaluate = (): never => {
    throw new Error("no command is run for a glance");
  };
  return makeConfig(layers, { warnings: [], notices: [] }, site, env, { ...makeResolver(env, cwd), evaluate });
}

/** Whether others use the site too. It is asked before there is a place for anything. */
function isSiteShared(layers: readonly Layer[], env: Environment, cwd: string): boolean {
  const setting = known("site.shared", "boolean");
  const found = find(layers, setting.key);
  if (found === null || found.layer.source === "default") return false;
  const value = resolve(found, setting.key, makeResolver(env, cwd));
  const problem = problemOf(setting, value);
  if (problem !== null) throw refusal(setting, problem, labelOf(found.layer, setting.key));
  return value === true;
}

/** What the values of a configuration are read from, and what has been found out on the way. */
interface Reading {
  readonly layers: readonly Layer[];
  readonly resolver: Resolver;
  readonly env: Environment;
  /** Values that were read before: a command is not run twice. */
  readonly known: Map<string, Value>;
  databaseIsChecked: boolean;
}

function makeConfig(
  layers: readonly Layer[],
  news: Pick<Config, "warnings" | "notices">,
  site: Config["site"],
  env: Environment,
  resolver: Resolver,
): Config {
  const reading: Reading = { layers, resolver, env, known: new Map(), databaseIsChecked: false };
  const access: Untyped = {
    text: (key) => textOf(reading, known(key, "text")),
    integer: (key) => numberOf(reading, known(key, "integer")),
    number: (key) => numberOf(reading, known(key, "number", "integer")),
    boolean: (key) => valueOf(reading, known(key, "boolean")) === true,
    raw: (key) => rawOf(reading, key),
    origin: (key) => {
      const found = find(layers, key);
      return found === null
        ? { source: "default", label: "from: <default>" }
        : { source: found.layer.source, label: labelOf(found.layer, key) };
    },
    exports: () => taskVariables(layers, env),
    inheritable: (given) => withoutSecrets(given, layers),
    holdsSecrets: (given) =>
      Object.keys(withoutSecrets(given, layers)).length !== Object.keys(given).length ||
      layers.some(({ source, tree }) => source !== "default" && source !== "preload" && holdsSecret(tree)),
    site,
    environment: env,
    ...news,
  };
  // That a certain key is never null is what `read` sees to.
  return access as Config;
}

/** Config without what the schema tells the type checker about each key. */
type Untyped = Omit<Config, "text" | "integer" | "number"> & {
  text(key: string): string | null;
  integer(key: string): number | null;
  number(key: string): number | null;
};

/** The setting of a key that our own code names. */
function known(key: string, ...kinds: readonly Kind[]): Setting {
  const setting = findSetting(key);
  assert(setting !== undefined, `there is no setting '${key}'`);
  assert(
    kinds.some((kind) => setting.kinds.includes(kind)),
    `${key} is read as ${kinds.join(" or ")}`,
  );
  return setting;
}

/** The value of a setting. The settings of the database are checked against each other when the first is read. */
function valueOf(reading: Reading, setting: Setting): Value {
  // Not before: a run without a database is content with any settings of one.
  if (!reading.databaseIsChecked && setting.key.startsWith(`${openSection}.`)) {
    const provider = read(reading, findSetting("database.provider")!);
    checkDatabase(typeof provider === "string" ? provider : null, (key) => labelOfGiven(reading, key));
    reading.databaseIsChecked = true;
  }
  return read(reading, setting);
}

/** Null counts as not given, except for the file, of which it says that there is to be none. */
function labelOfGiven(reading: Reading, key: string): string | null {
  const found = find(reading.layers, key);
  if (found === null || found.layer.source === "default" || found.layer.source === "preload") return null;
  // The output of a command counts without running it.
  const counts =
    key === "database.file" || found.variant === "_eval" || (read(reading, findSetting(key)!) ?? "") !== "";
  return counts ? labelOf(found.layer, key) : null;
}

function read({ layers, resolver, known: before }: Reading, setting: Setting): Value {
  const { key } = setting;
  const remembered = before.get(key);
  if (remembered !== undefined) return remembered;
  const found = find(layers, key);
  let value = found === null ? setting.fallback : resolve(found, key, resolver);
  // A variable that is not set.
  if (value === null && setting.nullable !== true) value = setting.fallback;
  if (found !== null && found.variant !== "") {
    const problem = problemOf(setting, value);
    if (problem !== null) throw refusal(setting, problem, labelOf(found.layer, key));
  }
  before.set(key, value);
  return value;
}

function textOf(reading: Reading, setting: Setting): string | null {
  const value = valueOf(reading, setting);
  if (value === null || isTable(value) || Array.isArray(value)) return null;
  const text = showValue(value);
  return setting.path === true ? expandHome(text, reading.env) : text;
}

function numberOf(reading: Reading, setting: Setting): number | null {
  const value = valueOf(reading, setting);
  return typeof value === "number" ? value : null;
}

function rawOf(reading: Reading, key: string): Value {
  const { layers, resolver } = reading;
  const setting = findSetting(key);
  if (setting !== undefined && setting.section !== true && !isOpenTable(setting)) return valueOf(reading, setting);
  const value = valueAt(merge(layers), key.split(".")) ?? null;
  // `ssh.nodelist_env`, or a single form of what may be a table.
  if (value === null && setting !== undefined) return valueOf(reading, setting);
  return isTable(value) ? resolveTree(value, key, layers, resolver) : value;
}

/** `evaluate` runs a command at most once. */
export function makeResolver(env: Environment, cwd: string): Resolver {
  const outputs = new Map<string, string>();
  return {
    variable: (name) => env[variableName(name)],
    evaluate: (command) => {
      const before = outputs.get(command);
      if (before !== undefined) return before;
      const text = outputOf(command, env, cwd);
      outputs.set(command, text);
      return text;
    },
  };
}

function outputOf(command: string, env: Environment, cwd: string): string {
  const run = () => {
    const { words, ...verbatim } = shellCall(usualShell(env), command);
    // Without standard input, which may hold the tasks of this run; what asks for a password uses the terminal itself.
    return Bun.spawnSync(words, {
      ...verbatim,
      cwd,
      env: { ...env },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "inherit",
    });
  };
  let ended: ReturnType<typeof run>;
  try {
    ended = run();
  } catch (thrown) {
    throw new Error(`could not be started: ${messageOf(thrown)}`, { cause: thrown });
  }
  const { signalCode, exitCode } = ended;
  if (!ended.success)
    throw new Error(signalCode === undefined ? `ended with status ${exitCode}` : `was ended by ${signalCode}`);
  return ended.stdout.toString("utf8").trim();
}

function taskVariables(layers: readonly Layer[], env: Environment): Record<string, string> {
  const variables = Object.create(null) as Record<string, string>;
  const fromFiles = valueAt(merge(layers.filter((layer) => layer.source !== "env")), ["export"]);
  if (isTable(fromFiles)) flatten(fromFiles, "", variables);
  for (const [name, value] of environmentExports(env)) variables[name] = value;
  return variables;
}

function flatten(table: Table, prefix: string, variables: Record<string, string>): void {
  const separator = process.platform === "win32" ? ";" : ":";
  for (const [key, value] of Object.entries(table)) {
    const name = prefix + key.toUpperCase();
    // No environment can hold such a name.
    if (name === "" || /[=\0]/.test(name) || value === null) continue;
    if (isTable(value)) flatten(value, `${name}_`, variables);
    else variables[name] = Array.isArray(value) ? value.map(showValue).join(separator) : showValue(value);
  }
}
