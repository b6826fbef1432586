/*
 * The values that a shell can offer, by the kind that an option or argument declares (args/spec.ts). What has to be
 * looked up (files of settings, the database, hosts) comes from `Sources`, which may fail: whoever asks says nothing
 * then.
 */
import type { Expected } from "../args/cursor.ts";
import type { ValueKind } from "../args/spec.ts";
import { findSetting, sectionNames, type Setting, settings } from "../config/schema.ts";
import { comparisonOf, fieldNamed, fieldNames, kindOf, meaningOf, type TaskField, taskFields } from "../task/field.ts";
import { type Candidate, type Native, shellNames } from "./complete-shells.ts";

export interface Offer {
  readonly candidates: readonly Candidate[];
  readonly native: Native;
  /** What of the value stays as it is: the part of a list before its last comma. */
  readonly kept: string;
}

/** A tag key with its values, as texts, in order of appearance; one without a value is not among them. */
export type TagValues = ReadonlyMap<string, ReadonlySet<string>>;

/** What is looked up when it is needed. Each may throw, or reject. */
export interface Sources {
  /** Keys, and of the values those that can still be typed: `current` is KEY:VALUE as far as it stands. */
  readonly tags: (current: string) => Promise<TagValues>;
  /** The latest tasks whose id begins so. */
  readonly tasks: (prefix: string) => Promise<readonly { readonly id: string; readonly args: string }[]>;
  /** Names from the files of ssh, and from ssh.nodelist. */
  readonly hosts: () => readonly string[];
  readonly hostGroups: () => readonly string[];
  /** Names and addresses of this host. */
  readonly addresses: () => readonly string[];
  /** Names of programs that begin so. */
  readonly programs: (prefix: string) => readonly string[];
  /** Paths that begin so, folders with a slash at their end. */
  readonly paths: (prefix: string) => readonly string[];
  readonly shells: () => readonly string[];
  readonly resources: () => readonly string[];
  /** Whether a program of this name is installed. */
  readonly isThere: (program: string) => boolean;
}

const plain = (texts: Iterable<string>, help = ""): Candidate[] => [...texts].map((text) => ({ text, help }));
const open = (texts: Iterable<string>, help = ""): Candidate[] =>
  [...texts].map((text) => ({ text, help, goesOn: true }));
const only = (candidates: readonly Candidate[], native: Native = "none"): Offer => ({ candidates, native, kept: "" });

/**
 * What can be typed in place of `current`, which has no quotes. `positional`: the words of the command before it.
 * Rejects when what it would take cannot be looked up.
 */
export async function offerFor(
  { value, before }: Expected,
  current: string,
  positional: readonly string[],
  sources: Sources,
): Promise<Offer> {
  if (typeof value !== "string") return only(plain(value));
  const offer = await offers[value](current, sources, positional);
  const taken = new Set(before);
  return { ...offer, candidates: offer.candidates.filter(({ text }) => !taken.has(text)) };
}

type Offering = (current: string, sources: Sources, positional: readonly string[]) => Offer | Promise<Offer>;

const offers: Readonly<Record<ValueKind, Offering>> = {
  free: () => only([]),
  file: () => only([], "files"),
  folder: () => only([], "folders"),
  command: () => only([], "command"),
  task: () => only([], "command"),
  commandLine: commandLineOffer,
  launcher: launcherOffer,
  shell: (_, { shells }) => only(plain(shells()), "files"),
  shellName: () => only(plain(shellNames)),
  taskId: async (current, { tasks }) =>
    only((await tasks(current.toLowerCase())).map(({ id, args }) => ({ text: id, help: args }))),
  host: (_, { hosts }) => only(plain(hosts())),
  hosts: (current, { hosts }) => listOffer(current, plain(hosts())),
  hostGroup: (_, { hostGroups }) => only(plain(hostGroups())),
  address: (_, { addresses }) => only(plain(addresses())),
  field: () => only(fieldCandidates()),
  condition: conditionOffer,
  edit: editOffer,
  tag: async (current, sources) => tagOffer(current, sources, [...settingsOfTasks, ...resourceTags(sources)]),
  tagFilter: (current, sources) => tagOffer(current, sources, []),
  tagKey: async (_, { tags }) => only(plain((await tags("")).keys())),
  resource: (_, sources) => only(resourceTags(sources)),
  failures: (current) => listOffer(current, failureCandidates),
  setting: (current) => only(settingCandidates(current)),
  settingOrSection: (current) => only([...settingCandidates(current), ...plain(sectionNames, "Section.")]),
  settingValue: (_, __, [key = ""]) => settingValues(findSetting(key)),
};

function fieldCandidates(): readonly Candidate[] {
  return fieldNames.map((text) => ({ text, help: meaningOf(fieldNamed(text)!) }));
}

/** The last item of a list with commas. */
function listOffer(current: string, candidates: readonly Candidate[]): Offer {
  const kept = current.slice(0, current.lastIndexOf(",") + 1);
  const taken = new Set(kept.split(","));
  return { candidates: candidates.filter(({ text }) => !taken.has(text)), native: "none", kept };
}

const failureCandidates: readonly Candidate[] = [
  ...open(["exit="], "An exit status, or a range."),
  ...plain(["signal=TERM", "signal=KILL", "signal=SEGV", "signal=ABRT"], "A signal."),
  ...plain(["timeout"], "It reached its time limit."),
  ...plain(["memory"], "It took more memory than it asked for."),
  ...plain(["template"], "There was no command for its line."),
  ...plain(["resources"], "No client had what it needs."),
  ...plain(["lost"], "Its clients were lost."),
];

/** The settings of a task that look like tags. */
const settingsOfTasks: readonly Candidate[] = [
  { text: "group:", help: "Group; the lowest goes first.", goesOn: true },
  { text: "cores:", help: "Cores that it needs.", goesOn: true },
  { text: "memory:", help: "Memory that it needs, as 2GB.", goesOn: true },
  { text: "timeout:", help: "Time limit, as 10m.", goesOn: true },
];

function resourceTags({ resources }: Sources): readonly Candidate[] {
  return resources().map((name) => ({ text: `${name}:`, help: "How many it needs.", goesOn: true }));
}

/** KEY, or KEY:VALUE. What cannot be looked up does not keep the others back. */
async function tagOffer(current: string, { tags }: Sources, others: readonly Candidate[]): Promise<Offer> {
  const known = await tags(current).catch(() => new Map<string, Set<string>>());
  const colon = current.indexOf(":");
  if (colon >= 0) {
    const key = current.slice(0, colon);
    return only(plain([...(known.get(key) ?? [])].map((value) => `${key}:${value}`)));
  }
  const keys = [...known].map(([key, values]) =>
    values.size === 0 ? { text: key, help: "Tag." } : { text: `${key}:`, help: "Tag.", goesOn: true as const },
  );
  const names = new Set(others.map(({ text }) => text));
  return only([...others, ...keys.filter(({ text }) => !names.has(text))]);
}

/** FIELD, an operator, VALUE; with blanks around the operator where there are some before it. */
function conditionOffer(current: string): Offer {
  const [, name = "", gap = "", operator = ""] = /^(\w*)([ \t]*)([=!<>~]*)/.exec(current) ?? [];
  const field = fieldNamed(name);
  if (field === undefined || (gap === "" && operator === "" && !isWhole(name))) {
    const searched = fieldNames.filter((each) => fieldNamed(each) !== "tag");
    return only(searched.map((text) => ({ text, help: meaningOf(fieldNamed(text)!), goesOn: true })));
  }
  const end = name.length + gap.length + operator.length;
  const operators = operatorsOf(field).map((each) => `${name}${gap}${each}${gap}`);
  if (!/^(?:==|!=|>=|<=|[<>~])$/.test(operator)) return only(open(operators));
  const before = current.slice(0, end) + /^[ \t]*/.exec(current.slice(end))![0];
  const values = plain(valuesOf(field).map((value) => before + value));
  return only(/[<>]/.test(operator) && current.length === end ? [...values, ...open(operators)] : values);
}

/** Whether no other field begins with the name of this one. */
const isWhole = (name: string): boolean => !fieldNames.some((each) => each !== name && each.startsWith(name));

function operatorsOf(field: TaskField): readonly string[] {
  const comparison = comparisonOf(field);
  if (comparison === "boolean") return ["==", "!="];
  return comparison === "number" ? ["==", "!=", ">=", "<=", ">", "<"] : ["==", "!=", "~", ">=", "<="];
}

function valuesOf(field: TaskField): readonly string[] {
  if (kindOf(field) === "boolean") return ["true", "false"];
  return field === "exit_status" ? ["0", "1", "-1", "-2", "-3", "-4", "-5", "null"] : [];
}

async function editOffer(current: string, sources: Sources): Promise<Offer> {
  const equals = current.indexOf("=");
  if (equals >= 0) {
    const field = fieldNamed(current.slice(0, equals));
    if (field === undefined || kindOf(field) !== "boolean") return only([]);
    return only(plain(["true", "false"].map((value) => current.slice(0, equals + 1) + value)));
  }
  const edited = taskFields.filter((name) => name !== "id" && name !== "tag");
  const fields = edited.map((name) => ({ text: `${name}=`, help: meaningOf(name), goesOn: true as const }));
  return tagOffer(current, sources, current.includes(":") ? [] : fields);
}

/** A command in one word: a program, then paths. */
function commandLineOffer(current: string, { programs, paths }: Sources): Offer {
  const kept = /^(?:.*[\s|&;(<>])?/s.exec(current)![0];
  const word = current.slice(kept.length);
  const isFirst = kept.trim() === "" || /[|&;(]\s*$/.test(kept);
  const found = isFirst && !word.includes("/") ? plain(programs(word)) : pathCandidates(paths(word));
  return { candidates: found, native: "none", kept };
}

function pathCandidates(paths: readonly string[]): readonly Candidate[] {
  return paths.map((text) => (text.endsWith("/") ? { text, help: "", goesOn: true } : { text, help: "" }));
}

/** Programs that start others elsewhere, or submit jobs. */
const launchers = ["srun", "mpirun", "mpiexec", "sbatch", "qsub", "bsub", "flux", "kubectl"];

/** Those that are installed here; all, where none is. Behind the first word: paths, as of a script. */
function launcherOffer(current: string, sources: Sources): Offer {
  if (/\s/.test(current)) return commandLineOffer(current, sources);
  const here = launchers.filter(sources.isThere);
  return only(plain(here.length === 0 ? launchers : here));
}

function settingCandidates(current: string): readonly Candidate[] {
  const all = settings.map(({ key, meaning }) => ({ text: key, help: meaning }));
  const base = settings.find(({ key }) => current.startsWith(`${key}_`))?.key;
  if (base === undefined) return all;
  return [
    ...all,
    { text: `${base}_env`, help: "The variable that holds it." },
    { text: `${base}_eval`, help: "The command that prints it." },
  ];
}

function settingValues(setting: Setting | undefined): Offer {
  if (setting === undefined) return only([]);
  const { kinds, choices = [], nullable = false, path = false } = setting;
  const words = [...choices, ...(kinds.includes("boolean") ? ["true", "false"] : []), ...(nullable ? ["null"] : [])];
  return only(plain(words), path ? "files" : "none");
}
