/*
 * The manual pages of formats: settings, task files, templates. Lists and results come from the program itself: the
 * table of settings, the engine of templates, the functions of expressions.
 */
import { showValue, isTable } from "../src/config/value.ts";
import { notesOf } from "../src/args/notes.ts";
import { posixPaths } from "../src/base/ospath.ts";
import { quoterFor } from "../src/base/shell.ts";
import { clusterNotes } from "../src/cli/cluster-notes.ts";
import { command as config } from "../src/cli/config.ts";
import { variableOf } from "../src/config/check.ts";
import { type Setting, settings } from "../src/config/schema.ts";
import { databaseFile, findSites } from "../src/config/site.ts";
import { builtins, dictMethods, floatMethods, integerMethods, sequenceMethods } from "../src/expression/builtins.ts";
import { globals, type Name } from "../src/expression/modules.ts";
import { textMethods } from "../src/expression/strings.ts";
import { expand } from "../src/template/expand.ts";
import { parseTemplate } from "../src/template/parse.ts";
import { commandManuals, type Manual, markupWith } from "./manual-commands.ts";
import {
  bold,
  code,
  italic,
  type Item,
  type Lines,
  list,
  paragraph,
  reference,
  section,
  subsection,
  verbatim,
} from "./manual-roff.ts";

/** Every page: of commands, then of formats. */
export async function manuals(): Promise<readonly Manual[]> {
  return [...(await commandManuals()), configManual(), taskFileManual(), templateManual()];
}

const see = (...pages: readonly (readonly [string, number])[]): Lines =>
  section("See also", paragraph(pages.map(([name, of]) => reference(name, of)).join(", ")));

// hypershell-config(5)

function configManual(): Manual {
  const markup = markupWith([]);
  const notes = notesOf(config.spec.epilog ?? "").flatMap((note) => note.blocks);
  const prose = notes.flatMap((block) => (block.kind === "prose" ? [block.text] : []));
  const described = prose.filter((text) => !text.startsWith("Exit status:"));
  const sections = Map.groupBy(settings, ({ key }) => key.split(".")[0]!);
  const body: Lines = [
    ...section("Description", [
      ...paragraph(
        markup(
          "A configuration file is written in TOML. A setting as server.port is the key port in the table [server].",
        ),
      ),
      ...described.flatMap((text) => paragraph(markup(text))),
      ...paragraph(
        markup(
          "With _env behind its key a setting is taken from a variable of the environment, and with _eval " +
            "from what a " +
            "command prints: server.auth_env = 'NAME', server.auth_eval = 'COMMAND'.",
        ),
      ),
      ...paragraph(
        markup(
          "The variable of a setting is HYPERSHELL_ and its key in capitals, with _ in place of dots. " +
            "Below, the type of a value stands behind the key, and what the setting is when nobody has set it.",
        ),
      ),
    ]),
    ...section(
      "Settings",
      [...sections].flatMap(([name, rows]) => subsection(name, list(rows.map((row) => settingItem(row))))),
    ),
    ...section("Environment", list(environmentItems())),
    ...section("Files", list(fileItems())),
    ...section("Examples", [
      ...list([
        { term: bold("hs config set server.attempts 3"), meaning: "Into the file of the user." },
        { term: bold("hs config which server.attempts"), meaning: "Tell where it comes from." },
        { term: bold("HYPERSHELL_SERVER_ATTEMPTS=3 hsx tasks.in"), meaning: "For one call." },
      ]),
      ...paragraph("A configuration file:"),
      ...verbatim(
        [
          "[server]",
          "port = 50100",
          "attempts = 3",
          'auth_eval = "pass show hypershell"',
          "",
          "[ssh.nodelist]",
          'big = "node[00-15]"',
          'small = ["login01", "login02"]',
        ].map((line) => line),
      ),
    ]),
    ...see(
      ["hs", 1],
      ["hs-config", 1],
      ["hs-init", 1],
      ["hsx", 1],
      ["hypershell-taskfile", 5],
      ["hypershell-templates", 7],
    ),
  ];
  return { head: { name: "hypershell-config", section: 5, summary: "settings of hs and where they come from" }, body };
}

function settingItem(row: Setting): Item {
  const markup = markupWith([]);
  const { key, fallback, meaning } = row;
  const usual = fallback === null ? "unset" : isTable(fallback) || fallback === "" ? "empty" : showValue(fallback);
  return {
    term: `${bold(key)} (${code(valuesOf(row))})`,
    meaning: `${markup(`${meaning} (default: ${usual})`)} ${code(variableOf(key))}`,
  };
}

function valuesOf({ kinds, choices, min, max, secret }: Setting): string {
  const words = kinds.map((kind) => (kind === "text" && choices !== undefined ? choices.join(" | ") : kind));
  const range = min === undefined ? "" : max === undefined ? `, ${min} or more` : `, ${min} to ${max}`;
  return `${words.join(" or ")}${range}${secret === true ? ", secret" : ""}`;
}

function environmentItems(): readonly Item[] {
  return [
    {
      term: bold("HYPERSHELL_SITE"),
      meaning: `Folder for the database, captured output, logs and the local file, in place of all others.`,
    },
    { term: bold("HYPERSHELL_CONFIG_FILE"), meaning: "The only file to read; empty: none." },
    {
      term: `${bold("HYPERSHELL_EXPORT_")}${italic("NAME")}`,
      meaning: `The variable ${italic("NAME")} of tasks, as a key of [export].`,
    },
  ];
}

/** The places of each system, as the program finds them. */
function fileItems(): readonly Item[] {
  const hosts = [
    { name: "Linux", platform: "linux", home: "~" },
    { name: "macOS", platform: "darwin", home: "~" },
    { name: "Windows", platform: "win32", home: "%USERPROFILE%" },
  ];
  const env = { AppData: "%APPDATA%", ProgramData: "%ProgramData%" };
  const pages = hosts.flatMap(({ name, platform, home }) => {
    const folder = platform === "win32" ? "%CD%" : "/PROJECT";
    const sites = findSites(env, folder, { platform, isRoot: false, home });
    const local = sites.local.config.replace(/^(?:.*%CD%|\/PROJECT)[\\/]/, "");
    return [
      { term: bold(sites.system.config), meaning: `${name}: of the system.` },
      { term: bold(sites.user.config), meaning: `${name}: of the user.` },
      { term: bold(local), meaning: `${name}: of a project, in its folder.` },
      { term: bold(databaseFile(sites, platform)), meaning: `${name}: the database of the user.` },
    ];
  });
  return pages;
}

// hypershell-taskfile(5)

function sectionOf(title: string): Lines {
  const markup = markupWith([]);
  const note = notesOf(clusterNotes).find((each) => each.title === title);
  if (note === undefined) throw new Error(`the help of hsx has no section '${title}'`);
  return note.blocks.flatMap((block) => {
    if (block.kind === "prose") return paragraph(markup(block.text));
    if (block.kind === "lines") return verbatim(block.lines);
    return list(block.rows.map(({ label, text }) => ({ term: bold(label), meaning: markup(text) })));
  });
}

function taskFileManual(): Manual {
  const markup = markupWith(["KEY", "VALUE", "NUM", "SIZE", "TIME"]);
  const body: Lines = [
    ...section("Description", [
      ...paragraph(
        markup(
          "A task file has one command a line, in UTF-8. Blanks at both ends of a line are dropped, and so are empty " +
            "lines. A backslash at the end of a line does not continue it. Lines may end as on Unix or on Windows.",
        ),
      ),
      ...paragraph(
        markup(
          "A comment begins where a shell would see one, at an unquoted # at the start of a word; so none begins in " +
            "a#b, ${#x} or within quotes. With --verbatim or -0, lines are taken exactly as they are.",
        ),
      ),
      ...paragraph(
        markup(
          "A comment that begins with the word HYPERSHELL, in capitals, has tags and settings: KEY or " +
            "KEY:VALUE, with " +
            "blanks between them. On a line of its own it holds for all lines after it, until the same key " +
            "is set again.",
        ),
      ),
    ]),
    ...section("Lines", sectionOf("Task lines")),
    ...section(
      "Settings",
      list([
        { term: `${bold("group:")}${italic("NUM")}`, meaning: "Group of the task; the lowest group goes first." },
        { term: `${bold("cores:")}${italic("NUM")}`, meaning: "Cores that the task needs." },
        {
          term: `${bold("memory:")}${italic("SIZE")}`,
          meaning: "Memory that it needs: bytes, or with a unit as in 512MB or 1.5GB.",
        },
        {
          term: `${bold("timeout:")}${italic("TIME")}`,
          meaning: "Time limit: seconds, or as in 90s, 10m, 2h, 1:30:00.",
        },
        { term: `${bold("gpus:")}${italic("NUM")}`, meaning: "GPUs, or a part of one; this is a tag, too." },
      ]),
    ),
    ...section("Tags", [
      ...paragraph(
        markup(
          "Every other key makes a tag. Keys and values have at most 120 characters, of A-Z a-z 0-9 _ . + and -. " +
            "A value may be a number, true, false or null. Tags are searched with hs list -t, and tasks find them in " +
            "their environment: TASK_TAG_SITE of the tag site.",
        ),
      ),
      ...paragraph(
        markup(
          "What a line says of itself comes first, then what a line before it says for all, then options " +
            "as -t and -g, " +
            "then the configuration.",
        ),
      ),
    ]),
    ...section(
      "Examples",
      verbatim([
        "# HYPERSHELL: site:b timeout:10m",
        "./prepare",
        "./simulate 1   # HYPERSHELL: group:1 cores:4 memory:2GB",
        "./simulate 2   # HYPERSHELL: group:1 cores:4 memory:2GB",
        "./collect      # HYPERSHELL: group:2",
      ]),
    ),
    ...see(["hsx", 1], ["hs-submit", 1], ["hs-server", 1], ["hypershell-config", 5], ["hypershell-templates", 7]),
  ];
  return { head: { name: "hypershell-taskfile", section: 5, summary: "input of hsx, hs server and hs submit" }, body };
}

// hypershell-templates(7)

/** A system without clock, files and shell, on which paths are written as on Unix. */
const bareSystem = {
  paths: posixPaths,
  quote: quoterFor("/bin/sh", "linux"),
  now: () => 0,
  environment: () => null,
  file: () => null,
  shell: () => Promise.reject(new Error("the examples of the manual run no commands")),
};

/** What a template without commands makes of an input. */
function made(template: string, input: string): string {
  return String(expand(parseTemplate(template), input, bareSystem));
}

function results(input: string, templates: readonly string[]): Lines {
  const width = Math.max(...templates.map((each) => each.length)) + 3;
  return [
    ...paragraph(`Of the line ${bold(input)}:`),
    ...verbatim(templates.map((each) => each.padEnd(width) + made(each, input))),
  ];
}

function templateManual(): Manual {
  const markup = markupWith(["CMD"]);
  const modules = [...globals].filter(([, name]) => name.is === "module" && !builtins.has(nameIn(globals, name)));
  const body: Lines = [
    ...section("Description", [
      ...paragraph(
        markup(
          "A template is a command with patterns in braces. Each task has a line of input, and the " +
            "template makes a command " +
            "of it. Templates are given with -t of hsx and hs client, which make the command as the task " +
            "starts, and with " +
            "--template of hs submit, which makes it as the task is stored.",
        ),
      ),
      ...paragraph(
        markup(
          "What a pattern gives goes into the command as it is; with Q before its last brace it is quoted " +
            "for the shell.",
        ),
      ),
    ]),
    ...section("Patterns", sectionOf("Templates")),
    ...section("Results", [
      ...results("data/run.1/a b.tar.gz", ["{}", "{Q}", "{/}", "{/-}", "{.}", "{..}", "{-}", "{+}", "{++}", "{/Q}"]),
      ...results("3 seven 0.5", ["{[0]}", "{[-1]}", "{[1:]}", "{[::-1]}"]),
      ...results("12", ["{= x * 2 =}", "{= x / 8 =}", "{= '%04d' % x =}", "{= 'big' if x > 9 else 'small' =}"]),
    ]),
    ...section("Words as input", sectionOf("Words as input")),
    ...section("Expressions", [
      ...paragraph(
        markup(
          "Between {= and =} stands an expression of Python. x is the line: an integer, a number, True, " +
            "False or None if it " +
            "reads as one, else the text itself. There are no statements, and no assignments.",
        ),
      ),
      ...subsection("Functions", paragraph(names(builtins.keys()))),
      ...modules.flatMap(([name, module_]) => subsection(`Module ${name}`, paragraph(names(members(module_))))),
      ...subsection("Methods of texts", paragraph(names(textMethods.keys()))),
      ...subsection("Methods of lists, tuples and ranges", paragraph(names(sequenceMethods.keys()))),
      ...subsection("Methods of dicts", paragraph(names(dictMethods.keys()))),
      ...subsection(
        "Methods of numbers",
        paragraph(names(new Set([...integerMethods.keys(), ...floatMethods.keys()]))),
      ),
    ]),
    ...see(["hsx", 1], ["hs-submit", 1], ["hs-client", 1], ["hypershell-taskfile", 5], ["hypershell-config", 5]),
  ];
  return { head: { name: "hypershell-templates", section: 7, summary: "commands made of lines of input" }, body };
}

function nameIn(all: ReadonlyMap<string, Name>, wanted: Name): string {
  return [...all].find(([, name]) => name === wanted)?.[0] ?? "";
}

/** The names in a module, and those behind them: `datetime`, `datetime.now`. */
function members(module_: Name): readonly string[] {
  if (module_.is !== "module") return [];
  return [...module_.names].flatMap(([name, value]) => [
    name,
    ...(value.is === "module" && name !== "path" ? members(value).map((each) => `${name}.${each}`) : []),
  ]);
}

function names(all: Iterable<string>): string {
  return [...all].map((name) => bold(name)).join(", ");
}
