/*
 * `hs config`: where configuration files are, what is set and by whom, and changing it. None of these needs a
 * configuration that works as a whole, since they are what mends one.
 */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { isatty } from "node:tty";
import type { CommandSpec, Option, Parsed, ParsedWith } from "../args/spec.ts";
import { systemClock } from "../base/clock.ts";
import { argumentError, configurationError, exitStatus, messageOf, runtimeError } from "../base/errors.ts";
import { fileMode, folderMode } from "../base/modes.ts";
import { failureReason, readTextIfThere } from "../base/paths.ts";
import { nearestKey } from "../config/check.ts";
import { type Audience, editFile } from "../config/edit.ts";
import { parseGiven } from "../config/given.ts";
import { allLayers, makeResolver } from "../config/load.ts";
import type { SiteName } from "../config/load.ts";
import { lookUp, type View } from "../config/lookup.ts";
import { findSetting, isSection, settings, splitVariant } from "../config/schema.ts";
import { hidden, hideSecrets } from "../config/secret.ts";
import { findSites, settingsFolder } from "../config/site.ts";
import { defaultLayer, fileLayer, notCounting } from "../config/source.ts";
import type { Layer, Sources } from "../config/source.ts";
import { whyNotChange } from "../config/trust.ts";
import { parseToml, writeToml } from "../config/toml.ts";
import { find, merge, resolveTree, valueAt } from "../config/tree.ts";
import { isTable, showValue } from "../config/value.ts";
import type { Value } from "../config/value.ts";
import { wantsColour } from "../log/colour.ts";
import { descriptor } from "../log/descriptor.ts";
import { parseStyle, styles } from "../log/styles.ts";
import { themeFor, themeNames, themeSetting, tint } from "../print/theme.ts";
import type { Part, Theme } from "../print/theme.ts";
import type { Command, Context } from "./command.ts";
import { editorWords, runEditor, usualEditor } from "./editor.ts";

/** Where the commands write; tests give their own. */
export interface Output {
  readonly write: (text: string) => void;
  readonly isTerminal: boolean;
}

const siteNames = ["system", "user", "local"] as const satisfies readonly SiteName[];

type SiteOption = Option & { readonly key: SiteName; readonly kind: "flag" };
type SiteWords = ParsedWith<SiteOption>;

const siteHelp: Readonly<Record<SiteName, string>> = {
  system: "The file of the whole system.",
  user: "Your own file.",
  local: "The file of the project, else of this folder; or of HYPERSHELL_SITE.",
};

/** An option of this kind for each site; `fallback` is the site that counts without any of them. */
function siteOptions(fallback: SiteName | null): SiteOption[] {
  return siteNames.map((name) => ({
    key: name,
    names: [`--${name}`],
    kind: "flag",
    help: name === fallback ? `${siteHelp[name].slice(0, -1)} (default).` : siteHelp[name],
  }));
}

function chosenSite(parsed: SiteWords): SiteName | null {
  return siteNames.find((name) => parsed.flag(name)) ?? null;
}

const revealOption = {
  key: "reveal",
  names: ["--reveal"],
  kind: "flag",
  help: "Show keys and passwords too.",
} as const satisfies Option;

function formatOf(style: string): string | null {
  const name = parseStyle(style);
  return name === null ? null : styles[name];
}

/** The configuration file of a site. Throws UserError when it is that of a working directory that is not there. */
function fileOf(site: SiteName, context: Context): string {
  return findSites(context.env, site === "local" ? context.cwd : settingsFolder(context))[site].config;
}

/** Throws a UserError for a file that somebody else has made, or could put in place of ours at any time. */
function expectOurs(site: SiteName, file: string, context: Context): void {
  const reason = whyNotChange(file);
  if (reason === null || (site === "local" && sourcesOf(context).isShared)) return;
  throw runtimeError("config", notCounting(file, reason));
}

/** Who uses the file of a site. */
function audienceOf(site: SiteName, context: Context): Audience {
  if (site !== "local") return site === "system" ? "everybody" : "its user";
  try {
    return sourcesOf(context).isShared ? "users of the site" : "its user";
  } catch {
    // A file is broken, perhaps the one to be mended.
    return "its user";
  }
}

/** Everything that is set; nothing is checked. */
function sourcesOf(context: Context): Sources {
  return allLayers(findSites(context.env, settingsFolder(context)), context.env, process.platform, formatOf);
}

/** The same as layers, lowest first. The log says which files do not count. */
function layersOf(context: Context): Layer[] {
  const { layers, refused } = sourcesOf(context);
  // The log says so of itself when it is first asked for.
  if (refused.length > 0) context.loggers("core.config");
  return layers;
}

// hs config

const exitStatuses =
  "Exit status: 0 success, 1 called without arguments, 2 bad argument, 3 no such setting or a bad one, " +
  "5 the file cannot be written.";
/** Of those that do something without arguments. */
const exitStatusesOfAll = exitStatuses.replace(" 1 called without arguments,", "");

const pathSpec = {
  name: "hs config",
  summary: "Shows and changes settings. With --system, --user or --local alone, prints the path of that file.",
  usage: ["hs config [--system | --user | --local]", "hs config get | set | which | edit [ARGS...]"],
  positionals: [],
  sections: [{ title: "Options", options: siteOptions(null) }],
  exclusive: [siteNames],
  epilog: [
    "Settings come, from the lowest to the highest precedence, from: built-in values, the system's file, your own " +
      "file, the file of the folder, HYPERSHELL_* variables, command-line options.",
    "",
    "  HYPERSHELL_SERVER_PORT=50100       server.port",
    "  HYPERSHELL_SITE=PATH               folder for data, logs and the local file",
    "  HYPERSHELL_CONFIG_FILE=PATH        the only file to read (empty: none)",
    "",
    "The database, captured output and logs are in HYPERSHELL_SITE, else in the .hypershell of the project that " +
      "the folder is in (hs init),",
    "else in ~/.hypershell; for root, also in a container, in /var/lib/hypershell and /var/log/hypershell. " +
      "'hs config which database.file' tells.",
    "A file counts only if it, its folder and the folder around belong to you or root and nobody else can write " +
      "them; otherwise a line says so.",
    "A site of another user is refused, unless site.shared is true (HYPERSHELL_SITE_SHARED=true): you trust " +
      "whoever can write there.",
    "",
    "logging.file = true logs into files of the site as well, one for each process, with all that there is to say; " +
      "a path, and logging.file.level,",
    "rotate, compress and keep say more: see docs/settings.md, or 'hs config get logging'.",
    "",
    "Tasks run in the directory that they were submitted from on one machine, and elsewhere in the one where their " +
      "client was started;",
    "task.cwd names another: a path, or <submit> to have the former everywhere.",
    "",
    exitStatuses,
  ].join("\n"),
} as const satisfies CommandSpec;

function printPath(output: Output, parsed: SiteWords, context: Context): number {
  const site = chosenSite(parsed) ?? "user";
  output.write(`${fileOf(site, context)}\n`);
  return exitStatus.success;
}

// hs config get

const getSpec = {
  name: "hs config get",
  summary: "Shows one setting, a section, or everything.",
  usage: ["hs config get [SECTION[...].VAR] [--system | --user | --local | --default] [-x] [-r] [--reveal]"],
  positionals: [
    {
      key: "variable",
      metavar: "VAR",
      value: "settingOrSection",
      min: 0,
      max: 1,
      help: "As server.port, or a section as server.tls, or '.' for everything (default).",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        ...siteOptions(null),
        { key: "default", names: ["--default"], kind: "flag", help: "The built-in values." },
        {
          key: "expand",
          names: ["-x", "--expand"],
          kind: "flag",
          help: "For VAR_env and VAR_eval: what the variable holds, what the command says.",
        },
        { key: "raw", names: ["-r", "--raw"], kind: "flag", help: "No colours." },
        revealOption,
        { key: "available", names: ["--list-available"], kind: "flag", help: "All keys.", hidden: true },
        {
          key: "themes",
          names: ["--list-console-themes"],
          kind: "flag",
          help: "Values of console.theme.",
          hidden: true,
        },
      ],
    },
  ],
  exclusive: [[...siteNames, "default"]],
  epilog: exitStatusesOfAll,
} as const satisfies CommandSpec;

type GetWords = Parsed<typeof getSpec>;

function viewOf(parsed: GetWords, context: Context): View {
  if (parsed.flag("default")) return { layers: [defaultLayer()], name: "default" };
  const site = chosenSite(parsed);
  if (site === null) return { layers: layersOf(context), name: "configuration" };
  const file = fileOf(site, context);
  let { layer, reason } = fileLayer(site, file, false);
  if (reason !== null && site === "local" && sourcesOf(context).isShared)
    ({ layer, reason } = fileLayer(site, file, true));
  if (reason !== null) throw configurationError("config", notCounting(file, reason));
  if (layer === null) throw configurationError("config", `${file} does not exist`);
  return { layers: [layer], name: file };
}

function get(output: Output, parsed: GetWords, context: Context): number {
  if (parsed.flag("available") || parsed.flag("themes")) {
    const names = parsed.flag("available") ? settings.map((each) => each.key) : themeNames;
    output.write(`${names.join(" ")}\n`);
    return exitStatus.success;
  }
  const name = parsed.text("variable") ?? ".";
  if (name !== "." && name.startsWith(".")) throw configurationError("config", 'Section name cannot start with "."');
  const view = viewOf(parsed, context);
  const resolver = makeResolver(context.env, settingsFolder(context));
  const coloured = !parsed.flag("raw") && wantsColour(context.env, output.isTerminal);
  const theme = themeFor({ coloured }, () => String(valueAt(merge(view.layers), themeSetting.split(".")) ?? ""));

  const path = name === "." ? [] : name.split(".");
  const value = lookUp(view, path, (table, key) =>
    parsed.flag("expand") ? resolveTree(table, key, view.layers, resolver) : table,
  );
  const shown = parsed.flag("reveal") ? value : hideSecrets(path.join("."), value);
  if (isTable(shown)) {
    output.write(colourToml(writeToml(shown, path), theme));
    return exitStatus.success;
  }
  output.write(`${tint(showValue(shown), "text", theme)}\n`);
  if (shown === hidden && value !== hidden) context.loggers("config").warning(`${name} is not shown without --reveal`);
  return exitStatus.success;
}

function colourToml(text: string, theme: Theme | null): string {
  if (theme === null) return text;
  const lines = text.split("\n").map((line) => {
    if (line.startsWith("[")) return tint(line, "title", theme);
    const [, key, value = ""] = /^([^=]+?) = (.*)$/.exec(line) ?? [];
    return key === undefined ? line : `${tint(key, "key", theme)} = ${tint(value, tomlPart(value), theme)}`;
  });
  return lines.join("\n");
}

/** Lists count as text: most hold some. */
function tomlPart(value: string): Part {
  return value === "true" || value === "false" ? "word" : /^[-+\d]/.test(value) ? "number" : "text";
}

// hs config which

const whichSpec = {
  name: "hs config which",
  summary: "Shows a setting, where it comes from, and what it would be otherwise.",
  usage: ["hs config which SECTION[...].VAR [--site] [--reveal]"],
  positionals: [{ key: "variable", metavar: "VAR", value: "setting", min: 1, max: 1, help: "As server.port." }],
  sections: [
    {
      title: "Options",
      options: [
        {
          key: "site",
          names: ["--site"],
          kind: "flag",
          help: "Only the word for the origin: default, preload, system, user, local or env.",
        },
        revealOption,
      ],
    },
  ],
  exclusive: [],
  epilog: exitStatuses,
} as const satisfies CommandSpec;

type WhichWords = Parsed<typeof whichSpec>;

function which(output: Output, parsed: WhichWords, context: Context): number {
  const key = parsed.text("variable") ?? "";
  const layers = layersOf(context);
  const found = find(layers, key);
  const isKnown = findSetting(key) !== undefined || isSection(key);
  if (found === null && !isKnown) {
    const near = nearestKey(key);
    throw configurationError("config", `"${key}" not found${near === null ? "" : ` (did you mean "${near}"?)`}`);
  }
  const source = found?.layer.source ?? "default";
  if (parsed.flag("site")) {
    output.write(`${source}\n`);
    return exitStatus.success;
  }
  const show = (value: Value): string => {
    if (isTable(value) || Array.isArray(value)) return "[...]";
    return showValue(parsed.flag("reveal") ? value : hideSecrets(key + (found?.variant ?? ""), value));
  };
  const value = show(found?.value ?? null);
  if (found === null || source === "default" || source === "preload") {
    output.write(`${value} (${source})\n`);
    return exitStatus.success;
  }
  const form = key + found.variant;
  const part = [...found.layer.names].find(([name]) => name === form || name.startsWith(`${form}.`))?.[1];
  const place =
    source === "env" ? (part ?? "environment") : found.layer.file + (found.variant === "" ? "" : ` as ${form}`);
  const builtIn = show(find(layers.slice(0, 1), key)?.value ?? null);
  output.write(`${value} (${source}: ${place} | default: ${builtIn})\n`);
  return exitStatus.success;
}

// hs config set

const forceOption = {
  key: "force",
  names: ["--force"],
  kind: "flag",
  help: "Also a setting that this program does not know.",
} as const satisfies Option;

const setSpec = {
  name: "hs config set",
  summary:
    "Changes a setting in a configuration file. Comments and layout stay, and the former file is kept beside it.",
  usage: [
    "hs config set SECTION[...].VAR VALUE [--system | --user | --local] [--force]",
    "hs config set server.auth --generate [--user | --local] [--reveal]",
  ],
  positionals: [
    {
      key: "variable",
      metavar: "VAR",
      value: "setting",
      min: 1,
      max: 1,
      help: "As server.port; server.auth_env and server.auth_eval name a variable or a command.",
    },
    {
      key: "value",
      metavar: "value",
      value: "settingValue",
      min: 0,
      max: 1,
      help:
        'One of true, false, a number, a text, a list as \'["a", "b"]\'; null removes the setting. ' +
        "Of keys and passwords '-': the first line of standard input.",
    },
  ],
  sections: [
    {
      title: "Options",
      options: [
        ...siteOptions("user"),
        {
          key: "generate",
          names: ["--generate"],
          kind: "flag",
          help: "Of server.auth: a new random key, which nobody has to see.",
        },
        { ...revealOption, help: "Print the key that --generate made." },
        forceOption,
      ],
    },
  ],
  exclusive: [siteNames, ["generate", "system"]],
  epilog: exitStatuses,
} as const satisfies CommandSpec;

type SetWords = Parsed<typeof setSpec>;

async function set(output: Output, parsed: SetWords, context: Context): Promise<number> {
  const key = parsed.text("variable") ?? "";
  const path = key.split(".");
  if (path.length < 2 && findSetting(key) === undefined) throw argumentError("Missing section in variable path");
  if (path.includes("")) throw argumentError(`argument VAR: there is an empty name in '${key}'`);
  const onUnknown = (text: string): void => {
    if (!parsed.flag("force")) throw argumentError(`${text} (--force sets it all the same)`);
    context.loggers("config").warning(text);
  };
  const text = await newValue(key, parsed, context);
  const { value, source } = parseGiven(key, text, onUnknown);
  const site = chosenSite(parsed) ?? "user";
  const file = fileOf(site, context);
  expectOurs(site, file, context);
  const change = { path, value, ...(source === undefined ? {} : { source }) };
  const { backup, warning } = await editFile(file, change, audienceOf(site, context), new Date(systemClock.now()));
  if (warning !== null) context.loggers("config").warning(`The settings in ${file} count from now on: ${warning}`);
  if (backup !== null) context.loggers("core.config").debug(() => `Created backup file (${backup})`);
  if (parsed.flag("generate") && parsed.flag("reveal")) output.write(`${text}\n`);
  else if (parsed.flag("generate"))
    context.loggers("config").info(`Wrote a new key to ${file} (hs config get ${key} --reveal shows it)`);
  return exitStatus.success;
}

/** The text of the new value: a word, a key made here, or of a secret the first line of standard input. */
async function newValue(key: string, parsed: SetWords, context: Context): Promise<string> {
  const word = parsed.text("value");
  if (parsed.flag("generate")) {
    if (word !== undefined) throw argumentError("argument --generate: not allowed with a value");
    if (key !== "server.auth") throw argumentError(`argument --generate: makes the key server.auth, not ${key}`);
    const { freshKey } = await import("../cluster/security.ts");
    return freshKey();
  }
  if (word === undefined) throw argumentError("the following arguments are required: value");
  const { base, variant } = splitVariant(key);
  const isSecret = (value: string): boolean => variant === "" && hideSecrets(base, value) !== value;
  if (word === "-" && isSecret("scheme://user:password@host")) {
    const { readSecret } = await import("./prompt.ts");
    const line = await readSecret(`${key}: `);
    if (line !== null && line !== "") return line;
    throw argumentError(`argument value: standard input has no ${key} in its first line`);
  }
  if (isSecret(word) && !/^(?:null|none)$/i.test(word)) {
    const { showsWords } = await import("./network.ts");
    const orMake = key === "server.auth" ? ", and --generate makes one" : "";
    if (showsWords()) context.loggers("config").warning(`${key} was on the command line, ${othersSaw}${orMake}`);
  }
  return word;
}

const othersSaw = "where every user of this host may have seen it: '-' takes it from standard input";

// hs config edit

const editSpec = {
  name: "hs config edit",
  summary: "Opens a configuration file in the editor that EDITOR, else VISUAL, names; without them in vi, or nano.",
  usage: ["hs config edit [--system | --user | --local]"],
  positionals: [],
  sections: [{ title: "Options", options: siteOptions("user") }],
  exclusive: [siteNames],
  epilog: exitStatusesOfAll,
} as const satisfies CommandSpec;

async function edit(parsed: SiteWords, context: Context): Promise<number> {
  const { env } = context;
  const logger = context.loggers("config");
  const editor = env["EDITOR"] || env["VISUAL"] || usualEditor(env);
  if (editor === null)
    throw runtimeError("config", "There is no editor: set EDITOR (neither vi nor nano is installed)");
  const site = chosenSite(parsed) ?? "user";
  const file = fileOf(site, context);
  expectOurs(site, file, context);
  const words = editorWords(editor);
  logger.debug(() => `Opening ${file}`);
  logger.debug(() => `Editor: ${words.join(" ")}`);
  try {
    mkdirSync(dirname(file), { recursive: true, mode: site === "system" ? 0o777 : folderMode() });
  } catch (thrown) {
    throw runtimeError("config", `Could not create ${dirname(file)}: ${failureReason(thrown)}`);
  }
  const isNew = !existsSync(file);
  const failure = await runEditor(words, file, context);
  // As 'hs config set' makes it: the editor knows only the umask.
  if (isNew && site !== "system" && existsSync(file)) chmodSync(file, fileMode());
  if (failure !== null) throw runtimeError("config", `The editor '${editor}' ${failure}`);
  warnIfBroken(file, context);
  return exitStatus.success;
}

/** Better told now than by the next command. */
function warnIfBroken(file: string, context: Context): void {
  try {
    const text = readTextIfThere(file);
    if (text !== null) parseToml(text, file);
  } catch (thrown) {
    context.loggers("config").warning(`The file cannot be read as it is now: ${messageOf(thrown)}`);
  }
}

/** The commands, writing to the given output. */
export function configCommands(
  output: Output,
): Record<"command" | "configGet" | "configSet" | "configWhich" | "configEdit", Command> {
  return {
    command: {
      spec: pathSpec,
      bare: "usage",
      run: async (parsed: SiteWords, context) => printPath(output, parsed, context),
    },
    configGet: { spec: getSpec, bare: "run", run: async (parsed: GetWords, context) => get(output, parsed, context) },
    configSet: {
      spec: setSpec,
      bare: "usage",
      run: async (parsed: SetWords, context) => set(output, parsed, context),
    },
    configWhich: {
      spec: whichSpec,
      bare: "usage",
      run: async (parsed: WhichWords, context) => which(output, parsed, context),
    },
    configEdit: { spec: editSpec, bare: "run", run: edit },
  };
}

export const { command, configGet, configSet, configWhich, configEdit } = configCommands({
  write: descriptor(1).write,
  isTerminal: isatty(1),
});
