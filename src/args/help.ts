/*
 * The help of a command, made from the same CommandSpec that the parser goes by, so that the two cannot disagree. Pure:
 * width and colour are given, text comes back. How it is laid out is layout.ts's business.
 */
import { findSetting } from "../config/schema.ts";
import type { CommandSpec, Option, Positional } from "./spec.ts";
import { helpOption } from "./flags.ts";
import { closing, fill, optionRow, type Page, table, usage, type Verb } from "./layout.ts";

/** The whole help of a command; `inner` are the commands below it. */
export function help(spec: CommandSpec, page: Page, inner: readonly Verb[] = []): string {
  const verbRows = inner.map((verb) => ({ label: verb.name, text: verb.summary }));
  const argumentRows = spec.positionals.map((positional) => ({
    label: positionalLabel(positional),
    text: positional.help,
  }));
  const optionRows = shownSections(spec).map((section) => ({
    title: section.title,
    rows: section.options.map((option) => optionRow(option, fallbackOf(option))),
  }));
  const blocks = [
    usage(spec, page),
    `${fill(spec.summary, page).join("\n")}\n`,
    ...table([{ title: "Commands", rows: verbRows }, { title: "Arguments", rows: argumentRows }, ...optionRows], page),
    ...(spec.epilog === undefined ? [] : [closing(spec.epilog, page)]),
  ];
  return blocks.join("\n");
}

/** The options that the help shows, under their headings; `--help` is among them. */
export function shownSections(spec: CommandSpec): readonly { readonly title: string; readonly options: Option[] }[] {
  const declared = spec.sections.flatMap((section) => section.options);
  const sections = spec.sections.map(({ title, options }) => ({
    title,
    options: options.filter((each) => each.hidden !== true),
  }));
  if (!declared.some((option) => option.names.includes("--help"))) {
    const home = sections.find((section) => section.title === "Options") ?? sections.at(-1);
    if (home === undefined) sections.push({ title: "Options", options: [helpOption] });
    else home.options.push(helpOption);
  }
  return sections.filter((section) => section.options.length > 0);
}

/** What the value is when nothing is said; null: nothing that is worth saying. */
export function fallbackOf({ kind, fallback, preset, setting }: Option): string | null {
  if (fallback !== undefined) return fallback;
  if (preset !== undefined) return `${preset}`;
  if (setting === undefined || kind === "flag") return null;
  const builtIn = findSetting(setting)?.fallback ?? null;
  return builtIn === null ? null : String(builtIn);
}

/** How the help calls a positional: `FILE`, or `ARGS...` where there can be several. */
export function positionalLabel(positional: Positional): string {
  return positional.max > 1 ? `${positional.metavar.replace(/\.\.\.$/, "")}...` : positional.metavar;
}
