/*
 * The manual pages of commands, each made of the CommandSpec that its help and its parser go by. What the closing text
 * of a help says goes to the sections where readers of manual pages look for it.
 */
import type { CommandDef } from "citty";
import { fallbackOf, positionalLabel, shownSections } from "../src/args/help.ts";
import { valueLabel } from "../src/args/layout.ts";
import { type Block, type Note, notesOf, type Row } from "../src/args/notes.ts";
import type { CommandSpec, Option } from "../src/args/spec.ts";
import { about } from "../src/cli/hs.ts";
import { commandOf, isShown, listed, root, subCommandsOf } from "../src/cli/verbs.ts";
import { variableOf } from "../src/config/check.ts";
import { fieldNames, fieldNamed, kindOf, meaningOf, taskFields } from "../src/task/field.ts";
import {
  bold,
  type Head,
  italic,
  type Item,
  type Lines,
  list,
  marked,
  paragraph,
  reference,
  section,
  subsection,
  verbatim,
} from "./manual-roff.ts";

/** A page before it is laid out. */
export interface Manual {
  readonly head: Head;
  readonly body: Lines;
}

/** The names of commands, also of those below others: `list`, `config get`. */
const names = new Set(listed(root).map(({ name }) => name));

/** What stands in a help as prose, with emphasis. */
export type Markup = (text: string) => string;

export function markupWith(metavars: readonly string[]): Markup {
  const own = new Set(metavars);
  return (text) => marked(text.replaceAll("docs/settings.md", "hypershell-config(5)"), own, names);
}

export const topics: readonly { readonly page: string; readonly section: 5 | 7 }[] = [
  { page: "hypershell-config", section: 5 },
  { page: "hypershell-taskfile", section: 5 },
  { page: "hypershell-templates", section: 7 },
];

/** The pages of all commands that the help lists, and of those below them. */
export async function commandManuals(): Promise<readonly Manual[]> {
  return [...(await Promise.all(below(root))).flat(), programManual()];
}

function below(above: CommandDef): Promise<readonly Manual[]>[] {
  const inner = Object.values(subCommandsOf(above) ?? {}).filter(isShown);
  return inner.map(async (each) => {
    const command = await commandOf(each);
    if (command === null) throw new Error("a command without an implementation is in the tree");
    const pages = commandPages(command.spec, each);
    return [...pages, ...(await Promise.all(below(each))).flat()];
  });
}

const pageName = (command: string): string => command.replaceAll(" ", "-");

function commandPages(spec: CommandSpec, command: CommandDef): readonly Manual[] {
  const summary = summaryOf(spec, command);
  const body = commandBody(spec, command);
  const name = pageName(spec.name);
  if (spec.name !== "hs cluster") return [{ head: { name, section: 1, summary }, body }];
  return [
    { head: { name: "hsx", others: [name], section: 1, summary }, body },
    { head: { name, others: ["hsx"], section: 1, summary }, body },
  ];
}

/** The line of the list of commands, else the first sentence of the help; as the NAME of a page has it. */
function summaryOf({ summary }: CommandSpec, command: CommandDef): string {
  const { description = summary } = (command.meta ?? {}) as { readonly description?: string };
  const text = description.replace(/ \(hsx\)$/, "").replace(/\.$/, "");
  return text[0]!.toLowerCase() + text.slice(1);
}

function commandBody(spec: CommandSpec, command: CommandDef): Lines {
  const options = shownSections(spec);
  const metavars = options.flatMap((each) => each.options.flatMap(metavarsOf));
  const markup = markupWith([...metavars, ...spec.positionals.map((each) => each.metavar.replace(/\.+$/, ""))]);
  const notes = notesOf(spec.epilog ?? "");
  const isExit = (text: string): boolean => text.startsWith("Exit status:");
  const prose = notes.flatMap((note) => (note.title === null ? note.blocks : []));
  const description = prose.filter((block) => block.kind !== "prose" || !isExit(block.text));
  const exit = prose.flatMap((block) => (block.kind === "prose" && isExit(block.text) ? [block.text] : []));
  const isExample = ({ title }: Note): boolean => title?.startsWith("Examples") === true;
  const others = notes.filter((note) => note.title !== null && !isExample(note));
  const inner = listed(command);
  return [
    ...section("Synopsis", synopsis(spec)),
    ...section("Description", [...paragraph(markup(spec.summary)), ...blocks(description, markup)]),
    ...section(
      "Commands",
      list(inner.map(({ name, summary }) => ({ term: bold(name), meaning: `${markup(summary)}.` }))),
    ),
    ...section("Arguments", list(spec.positionals.map((each) => argumentItem(each, markup)))),
    ...section("Options", optionLines(options, markup)),
    ...(spec.name === "hs list" ? section("Fields", fieldLines(markup)) : []),
    ...others.flatMap((note) => section(note.title ?? "", blocks(note.blocks, markup))),
    ...section(
      "Exit status",
      exit.flatMap((text) => exitLines(text, markup)),
    ),
    ...section("Environment", environmentLines(options, markup)),
    ...section("Files", files(markup)),
    ...section(
      "Examples",
      notes.filter(isExample).flatMap((note) => blocks(note.blocks, markup, true)),
    ),
    ...section(
      "See also",
      seeAlso(
        spec,
        inner.map(({ name }) => `${pageName(spec.name)}-${name}`),
      ),
    ),
  ];
}

/** The words for values in the label of an option. */
function metavarsOf(option: Option): readonly string[] {
  return valueLabel(option).match(/[A-Z][A-Z_]+/g) ?? [];
}

/** Each usage line by itself; one that begins with blanks goes on with the line before. */
function synopsis({ usage }: Pick<CommandSpec, "usage">): Lines {
  const whole: string[] = [];
  for (const line of usage) {
    if (line.startsWith(" ")) whole[whole.length - 1] += ` ${line.trim()}`;
    else whole.push(line.replace(/ {2,}\(.*\)$/, ""));
  }
  return whole.flatMap((line) => {
    const [, command = "hs", rest = ""] = /^((?:hsx|hs)(?: [a-z]+(?=$| (?!\|)))*)(.*)$/.exec(line) ?? [];
    return [`.SY "${command.trim()}"`, ...usageLine(rest.trim()), ".YS"];
  });
}

/** Options in bold, words for values in italics. */
function usageLine(text: string): Lines {
  const shown = text.replace(
    /(?<![\w-])(--?[A-Za-z0][\w-]*)|([A-Z][A-Z_]*[A-Z]|\bvalue\b)|([\\'`^~"])/g,
    (word, option?: string, metavar?: string) => (option ? bold(word) : metavar ? italic(word) : `\\&${word}`),
  );
  return shown === "" ? [] : [shown];
}

function argumentItem(positional: CommandSpec["positionals"][number], markup: Markup): Item {
  return { term: italic(positionalLabel(positional)), meaning: markup(positional.help) };
}

type Sections = ReturnType<typeof shownSections>;

function optionLines(sections: Sections, markup: Markup): Lines {
  const [first, ...rest] = sections;
  if (first !== undefined && rest.length === 0) return list(first.options.map((each) => optionItem(each, markup)));
  return sections.flatMap(({ title, options }) =>
    subsection(title.replace(/^Options$/, "General"), list(options.map((each) => optionItem(each, markup)))),
  );
}

export function optionItem(option: Option, markup: Markup): Item {
  const short = option.names.filter((name) => !name.startsWith("--"));
  const long = option.names.filter((name) => name.startsWith("--"));
  const value = valueLabel(option);
  const label = [...short, ...long].map(bold).join(", ");
  const fallback = fallbackOf(option);
  const meaning = fallback === null ? option.help : `${option.help} (default: ${fallback})`;
  return { term: value === "" ? label : `${label} ${italic(value)}`, meaning: markup(meaning) };
}

/** What a closing text has, as it is laid out on a page. */
function blocks(parts: readonly Block[], markup: Markup, areExamples = false): Lines {
  return parts.flatMap((block) => {
    if (block.kind === "prose") return paragraph(markup(block.text));
    if (block.kind === "lines") return verbatim(block.lines);
    return list(block.rows.map((row) => rowItem(row, markup, areExamples)));
  });
}

function rowItem({ label, text }: Row, markup: Markup, isExample: boolean): Item {
  if (!isExample || text === "") return { term: bold(label), meaning: markup(text) };
  return { term: bold(label), meaning: markup(sentence(text.replace(/^\((.*)\)$/, "$1"))) };
}

/** `Exit status: 0 success, 2 bad argument.` as a list of statuses. */
export function exitLines(text: string, markup: Markup): Lines {
  const [, statuses = ""] = /^Exit status: (.*)$/s.exec(text) ?? [];
  const parts = statuses.split(/[,;] (?=\d+ )/);
  const items = parts.flatMap((part) => {
    const [, status, meaning] = /^(\d+) (.*)$/s.exec(part) ?? [];
    return status === undefined || meaning === undefined ? [] : [{ status, meaning }];
  });
  const before = parts.filter((part) => !/^\d/.test(part));
  const last = items.at(-1);
  const [, ends, after] = /^(.*?[a-z)])\. (.+)$/s.exec(last?.meaning ?? "") ?? [];
  const shown = items.map(({ status, meaning }, at) => ({
    status: Number(status),
    term: bold(status),
    meaning: markup(sentence(at === items.length - 1 && ends !== undefined ? ends : meaning)),
  }));
  return [
    ...before.flatMap((part) => paragraph(markup(sentence(part)))),
    ...list(shown.toSorted((a, b) => a.status - b.status)),
    ...(after === undefined ? [] : paragraph(markup(after))),
  ];
}

function sentence(text: string): string {
  const whole = text[0]!.toUpperCase() + text.slice(1);
  return whole.endsWith(".") ? whole : `${whole}.`;
}

/** The variables of the settings that speak where an option says nothing. */
function environmentLines(sections: Sections, markup: Markup): Lines {
  const items = sections.flatMap(({ options }) =>
    options.flatMap(({ setting, names: own }) => {
      if (setting === undefined) return [];
      const long = own.find((name) => name.startsWith("--")) ?? own[0]!;
      return [{ term: bold(variableOf(setting)), meaning: markup(`The setting ${setting}, as ${long} says it.`) }];
    }),
  );
  const general =
    "Every setting has such a variable. HYPERSHELL_SITE names the folder for data and logs, and " +
    "HYPERSHELL_CONFIG_FILE the only configuration file to read.";
  return [
    ...(items.length === 0
      ? []
      : [...paragraph(markup("An option of the command line comes before its variable.")), ...list(items)]),
    ...paragraph(`${markup(general)} See ${reference("hypershell-config", 5)}.`),
  ];
}

function fieldLines(markup: Markup): Lines {
  const items = taskFields.map((name) => ({
    term: `${bold(name)} (${kindOf(name)})`,
    meaning: markup(meaningOf(name)),
  }));
  const others = fieldNames
    .filter((name) => fieldNamed(name) !== name)
    .map((name) => `${bold(name)} (${bold(fieldNamed(name)!)})`);
  return [...list(items), ...paragraph(`Other names of fields are ${others.join(", ")}.`)];
}

/** Where things are on Linux; hypershell-config(5) has the other systems. */
export function files(markup: Markup): Lines {
  const items: Item[] = [
    { term: bold("/etc/hypershell.toml"), meaning: "Settings of the system." },
    { term: bold("~/.hypershell/config.toml"), meaning: "Settings of the user." },
    {
      term: bold("~/.hypershell/lib/main.db"),
      meaning:
        `The database, where no project and no variable names another; of root: ` +
        `${bold("/var/lib/hypershell/main.db")}.`,
    },
    {
      term: bold("~/.hypershell/lib/task/"),
      meaning: markup("Captured output (--capture) and measurements (--monitor)."),
    },
    {
      term: bold(".hypershell/"),
      meaning: `The same for a project, made by ${reference("hs-init", 1)}.`,
    },
  ];
  return list(items);
}

function seeAlso(spec: CommandSpec, inner: readonly string[]): Lines {
  const near = related[spec.name] ?? [];
  const upper = spec.name.split(" ").length > 2 ? [pageName(spec.name.replace(/ \S+$/, ""))] : [];
  const pages = ["hs", ...upper, ...inner, ...near];
  const own = [...pages.map((page) => reference(page, 1)), ...topics.map((each) => reference(each.page, each.section))];
  return paragraph(own.join(", "));
}

/** Pages of commands that a reader of another may want next. */
const related: Readonly<Record<string, readonly string[]>> = {
  "hs cluster": ["hs-submit", "hs-server", "hs-client", "hs-list", "hs-info", "hs-autoscale"],
  "hs server": ["hsx", "hs-client", "hs-submit", "hs-autoscale"],
  "hs client": ["hsx", "hs-server"],
  "hs submit": ["hsx", "hs-run", "hs-server", "hs-list"],
  "hs initdb": ["hs-verify", "hs-clean"],
  "hs info": ["hs-list", "hs-explain", "hs-wait"],
  "hs explain": ["hs-info", "hs-list", "hs-update"],
  "hs wait": ["hs-info", "hs-run"],
  "hs run": ["hs-submit", "hs-wait", "hs-info"],
  "hs autoscale": ["hsx", "hs-server", "hs-client"],
  "hs list": ["hs-info", "hs-update"],
  "hs update": ["hs-list", "hs-info", "hs-clean"],
  "hs clean": ["hs-info", "hs-initdb", "hs-update"],
  "hs verify": ["hs-initdb"],
  "hs init": ["hs-config"],
  "hs config": ["hs-init"],
};

/** hs(1): the overview of the program. */
function programManual(): Manual {
  const markup = markupWith(["COMMAND", "ARGS"]);
  const verbs = listed(root).map(({ name, summary }) => ({
    term: reference(`hs-${name}`, 1),
    meaning: `${markup(summary.replace(/ \(hsx\)$/, ""))}.`,
  }));
  const notes = notesOf(about.epilog);
  const find = (title: string): readonly Block[] => notes.find((note) => note.title === title)?.blocks ?? [];
  const body: Lines = [
    ...section("Synopsis", synopsis(about)),
    ...section("Description", [
      ...paragraph(markup(about.summary)),
      ...paragraph(
        markup("hsx is the same as hs cluster: it runs each line of a file or of its standard input as a command. ") +
          markup("What ran, when, where, and how it ended is kept in a database. "),
      ),
      ...paragraph(`Each command has a page of its own, and a help: ${bold("hs COMMAND --help")}.`),
    ]),
    ...section("Commands", list(verbs)),
    ...section("Options", list(about.options.map((each) => optionItem(each, markup)))),
    ...section("Exit status", list(exitStatuses(find("Exit status")))),
    ...section("Environment", programEnvironment(markup)),
    ...section("Files", files(markup)),
    ...section("Examples", blocks(find("Examples"), markup, true)),
    ...section(
      "See also",
      paragraph(
        [
          ...["hsx", ...listed(root).map(({ name }) => `hs-${name}`)].map((each) => reference(each, 1)),
          ...topics.map((each) => reference(each.page, each.section)),
        ].join(", "),
      ),
    ),
  ];
  return { head: { name: "hs", section: 1, summary: "run shell commands in bulk" }, body };
}

/** The table of the overview, which has two statuses in a line. */
function exitStatuses(parts: readonly Block[]): readonly Item[] {
  const lines = parts.flatMap((block) => (block.kind === "rows" ? block.lines : []));
  return lines
    .flatMap((line) => [...line.matchAll(/(\d+) {2}(\S+(?: \S+)*)/g)])
    .map(([, status = "", meaning = ""]) => ({ status: Number(status), meaning }))
    .toSorted((a, b) => a.status - b.status)
    .map(({ status, meaning }) => ({ term: bold(`${status}`), meaning: sentence(meaning) }));
}

function programEnvironment(markup: Markup): Lines {
  return list([
    { term: bold("HYPERSHELL_SITE"), meaning: "Folder for data, logs and the local configuration file." },
    { term: bold("HYPERSHELL_CONFIG_FILE"), meaning: "The only configuration file to read; empty: none." },
    {
      term: bold("HYPERSHELL_*"),
      meaning:
        `Every setting: ${bold("HYPERSHELL_SERVER_PORT")} is server.port; see ` +
        `${reference("hypershell-config", 5)}.`,
    },
    {
      term: `${bold("NO_COLOR")}, ${bold("FORCE_COLOR")}`,
      meaning:
        "No colours, or colours also where output is no terminal; the latter wins. Each counts when it is not empty.",
    },
    { term: bold("COLUMNS"), meaning: markup("Width of help texts and tables.") },
    { term: `${bold("EDITOR")}, ${bold("VISUAL")}`, meaning: `The editor of ${reference("hs-config-edit", 1)}.` },
  ]);
}
