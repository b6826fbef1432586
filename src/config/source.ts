/*
 * The layers of a configuration: files and environment as trees, each with its origin, from the lowest to the highest
 * precedence. Looks nothing up and checks no values.
 */
import { join } from "node:path";
import { configurationError } from "../base/errors.ts";
import { failureReason } from "../base/paths.ts";
import { defaults, findSetting, isOpenTable, openSection, sectionNames, settings, splitVariant } from "./schema.ts";
import type { Setting, Variant } from "./schema.ts";
import { holdsSecret } from "./secret.ts";
import { projectFolder } from "./project.ts";
import type { SiteName, Sites } from "./site.ts";
import { parseToml } from "./toml.ts";
import { readTrusted, whyOthersMayRead } from "./trust.ts";
import type { Trusted } from "./trust.ts";
import { isTable, own, parseBoolean, parseInteger, parseNumber } from "./value.ts";
import type { Scalar, Table } from "./value.ts";

type Environment = Readonly<Record<string, string | undefined>>;

export type Origin = "default" | "preload" | SiteName | "env";

export interface Layer {
  readonly source: Origin;
  /** Path of the file; empty for the other layers. */
  readonly file: string;
  readonly tree: Table;
  /** For `env`: the variable behind each key. */
  readonly names: ReadonlyMap<string, string>;
  /** Complaints about the layer as a whole. */
  readonly warnings: readonly string[];
}

function layer(source: Origin, file: string, tree: Table): Layer {
  return { source, file, tree, names: new Map(), warnings: [] };
}

/** The lowest layer: the built-in values. */
export function defaultLayer(): Layer {
  return layer("default", "", defaults());
}

/** The layer above the built-in values: what the program finds out by itself. */
export function preloadLayer(tree: Table): Layer {
  return layer("preload", "", tree);
}

/** What was found in files and environment. */
export interface Sources {
  /** From the lowest to the highest precedence. */
  readonly layers: Layer[];
  /** Files that do not count, and why, for the log. */
  readonly refused: readonly string[];
  /** Whether the local site was named as one that others use too, so that its file may be theirs. */
  readonly isShared: boolean;
}

/** The layers of files and environment. Throws UserError (status 3) for a file that cannot be read. */
export function readLayers(sites: Sites, env: Environment): Sources {
  const variables = environmentLayer(env);
  const { layers, ...rest } = fileLayers(sites, variables);
  return { ...rest, layers: [...layers, variables] };
}

function fileLayers(sites: Sites, variables: Layer): Sources {
  const layers: Layer[] = [];
  const refused: string[] = [];
  let isShared = false;
  if (sites.onlyFile === "") return { layers, refused, isShared };
  const names: SiteName[] = sites.onlyFile === null ? ["system", "user", "local"] : ["local"];
  const seen = new Set<string>();
  for (const name of names) {
    const file = sites[name].config;
    // In the home folder the user's file and the local one are the same.
    if (seen.has(file)) continue;
    seen.add(file);
    // What is in the site itself cannot say that it is to be trusted.
    isShared = name === "local" && sites.named !== null && saysShared([...layers, variables]);
    const { layer: found, reason } = fileLayer(name, file, isShared);
    // Of a project that does not count, one line is enough.
    const isTold = sites.refused !== null && file === join(sites.refused.folder, projectFolder, "config.toml");
    if (reason !== null && !isTold) refused.push(notCounting(file, reason));
    if (found === null) continue;
    // A project has a database of its own, whatever the others have.
    if (sites.project !== null && name !== "local") delete found.tree["database"];
    if (sites.project !== null && name === "local") placeDatabase(found.tree, sites.project);
    layers.push(found);
  }
  return { layers, refused, isShared };
}

/** Whether one of these layers, given lowest first, says that others use the site too. */
function saysShared(layers: readonly Layer[]): boolean {
  const given = layers.map(({ tree }) => own(tree, "site")).map((site) => (isTable(site) ? own(site, "shared") : null));
  return given.findLast((value) => typeof value === "boolean") === true;
}

/** A relative path of a project's database is one place from everywhere below: in the project's folder. */
function placeDatabase(tree: Table, project: string): void {
  const database = own(tree, "database");
  if (!isTable(database)) return;
  const file = own(database, "file");
  if (typeof file === "string" && /^[^/~:]/.test(file)) database["file"] = join(project, file);
}

/** What the log says of a file that does not count. */
export function notCounting(file: string, reason: string): string {
  return `The settings in ${file} do not count: ${reason}`;
}

/** A layer, or why there is none. */
export interface FoundLayer {
  /** null: there is no such file, or it does not count. */
  readonly layer: Layer | null;
  /** Why it does not count, as the end of a sentence; null: nothing stands in the way. */
  readonly reason: string | null;
}

/**
 * The layer of a file, if it counts; with `orShared` others may have written it, if not everybody can. Throws UserError
 * (status 3) when it cannot be read.
 */
export function fileLayer(name: SiteName, file: string, orShared: boolean): FoundLayer {
  let read: Trusted;
  try {
    read = readTrusted(file, { orShared, orUnmapped: name === "system" });
  } catch (thrown) {
    const reason = thrown instanceof TypeError ? "the file is not UTF-8 text" : failureReason(thrown);
    throw configurationError("core.config", `(from file: ${file}) ${reason}`);
  }
  if (read.text === null) return { layer: null, reason: read.reason };
  const tree = parseToml(read.text, file);
  const database = own(tree, "database");
  if (typeof database === "string") tree["database"] = { file: database };
  const open = holdsSecret(tree) ? whyOthersMayRead(file, orShared) : null;
  return { layer: { ...layer(name, file, tree), warnings: open === null ? [] : [open] }, reason: null };
}

const prefix = "HYPERSHELL_";
const exportPrefix = "EXPORT_";
/** Variables with a meaning of their own, which are no settings. */
const special = new Set(["SITE", "CONFIG_FILE", "PYTHONPATH", "RUN_KEY", "RUN_LAUNCH"]);

/** Variables for tasks that the environment names: HYPERSHELL_EXPORT_<NAME>, unchanged. */
export function environmentExports(env: Environment): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of Object.keys(env)) {
    const value = env[name];
    if (value !== undefined && name.startsWith(prefix + exportPrefix))
      found.set(name.slice(prefix.length + exportPrefix.length), value);
  }
  found.delete("");
  return found;
}

/** The layer of the HYPERSHELL_* variables. */
export function environmentLayer(env: Environment): Layer {
  const tree: Table = Object.create(null) as Table;
  const names = new Map<string, string>();
  const warnings: string[] = [];
  const ours = Object.keys(env).filter((name) => name.startsWith(prefix) && !special.has(name.slice(prefix.length)));
  // In order of their names a section comes before what is in it.
  for (const name of ours.sort()) {
    const rest = name.slice(prefix.length);
    const text = env[name];
    if (text === undefined || rest === "" || rest === exportPrefix) continue;
    const { path, variant } = locate(rest);
    const key = path.join(".");
    const value = path[0] === "export" ? text : variant === "" ? coerceFor(findSetting(key), text) : text;
    if (!place(tree, path, variant, value)) {
      warnings.push(
        `Ignoring unknown configuration parameter '${key}': part of it has a value already (from: ${name})`,
      );
      continue;
    }
    names.set(key + variant, name);
  }
  return { source: "env", file: "", tree, names, warnings };
}

interface Place {
  readonly path: readonly string[];
  readonly variant: Variant;
}

/** `SERVER_TLS_MIN_VERSION` to its key: the longest known name wins, since names may have underscores of their own. */
function locate(rest: string): Place {
  if (rest.startsWith(exportPrefix)) {
    const name = rest.slice(exportPrefix.length);
    // In capitals it is the same variable as a key of [export]; else only the environment can name it.
    return { path: ["export", name === name.toUpperCase() ? name.toLowerCase() : name], variant: "" };
  }
  const lower = rest.toLowerCase();
  const known = keysByName().get(lower);
  if (known !== undefined) return { path: known, variant: "" };
  const { base, variant } = splitVariant(lower);
  const varied = variant === "" ? undefined : keysByName().get(base);
  if (varied !== undefined) return { path: varied, variant };
  // Below a table, or unknown in a section that is known.
  let section: readonly string[] = [];
  for (const [name, path] of sectionsByName()) {
    if (lower.startsWith(`${name}_`) && path.length > section.length) section = path;
  }
  const inside = lower.slice(section.join("_").length + (section.length === 0 ? 0 : 1));
  return { path: section.length === 0 ? inside.split("_") : [...section, inside], variant: "" };
}

type Index = ReadonlyMap<string, readonly string[]>;
let keyIndex: Index | null = null;
let sectionIndex: Index | null = null;

/** Keys, and sections as such, by the names they have in the environment, in lower case. */
function keysByName(): Index {
  if (keyIndex !== null) return keyIndex;
  const index = new Map<string, readonly string[]>();
  for (const section of sectionNames) index.set(section.replaceAll(".", "_"), section.split("."));
  for (const { key } of settings) index.set(key.replaceAll(".", "_"), key.split("."));
  // The whole section as one text is the file.
  index.set(openSection, [openSection, "file"]);
  return (keyIndex = index);
}

function sectionsByName(): Index {
  if (sectionIndex !== null) return sectionIndex;
  const index = new Map<string, readonly string[]>();
  for (const section of sectionNames) index.set(section.replaceAll(".", "_"), section.split("."));
  for (const setting of settings) {
    if (isOpenTable(setting)) index.set(setting.key.replaceAll(".", "_"), setting.key.split("."));
  }
  return (sectionIndex = index);
}

/**
 * Texts of the environment have no type: the setting says what they are. What does not fit stays text, for the check to
 * refuse.
 */
function coerceFor(setting: Setting | undefined, text: string): Scalar {
  if (text === "" || text.toLowerCase() === "null") return null;
  const kinds = setting?.kinds ?? ["boolean", "integer", "number"];
  if (kinds.includes("boolean")) {
    const truth = parseBoolean(text) ?? (setting !== undefined && /^[01]$/.test(text) ? text === "1" : null);
    if (truth !== null) return truth;
  }
  const number =
    kinds.includes("integer") || kinds.includes("number") ? (parseInteger(text) ?? parseNumber(text)) : null;
  return number ?? text;
}

/** Coerces the text of a variable or a command for `_env` and `_eval`. */
export const coerceVariant = coerceFor;

/** False when a value stands where a table would have to be. */
function place(tree: Table, path: readonly string[], variant: Variant, value: Scalar): boolean {
  let at = tree;
  const walked: string[] = [];
  for (const part of path.slice(0, -1)) {
    walked.push(part);
    const next = own(at, part) ?? (Object.create(null) as Table);
    if (isTable(next)) at[part] = next;
    // HYPERSHELL_LOGGING_FILE=/path beside HYPERSHELL_LOGGING_FILE_LEVEL=...: the short form is the path, or only says
    // yes.
    else if (walked.join(".") === "logging.file" && next !== false) {
      at[part] = typeof next === "string" && next !== "enabled" ? { path: next } : {};
    } else return false;
    at = at[part];
  }
  at[path.at(-1)! + variant] = value;
  return true;
}
