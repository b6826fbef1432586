/*
 * Which hosts are meant: patterns as `--ssh` takes them, and what `ssh.nodelist` may hold. Pure; knows no network.
 *
 *   pattern = name { "," name }                  empty names are left out
 *   name    = { text | "[" item { "," item } "]" }   several brackets: every combination, the last one running fastest
 *   item    = number | number "-" number         padded to the width of the lower end if that begins with 0
 *
 * A bracket that holds anything else is text, so `a[x]` and `[::1]` are names as they stand.
 */
import { argumentError, configurationError } from "../base/errors.ts";

/** The largest number of hosts in a pattern: nobody means more. */
const mostHosts = 100_000;

const items = /^\d+(?:-\d+)?(?:,\d+(?:-\d+)?)*$/;

/** The hosts of a pattern, in order and with repeats. Null when they are more than `mostHosts`. */
export function expandHosts(pattern: string): string[] | null {
  const hosts: string[] = [];
  for (const name of splitNames(pattern)) {
    const expanded = expandName(name);
    if (expanded === null || hosts.length + expanded.length > mostHosts) return null;
    for (const host of expanded) hosts.push(host);
  }
  return hosts;
}

/** Splits at commas outside of brackets. */
function splitNames(pattern: string): string[] {
  const names: string[] = [];
  let from = 0;
  for (let at = 0; at < pattern.length; at++) {
    if (pattern[at] === "[") {
      const end = pattern.indexOf("]", at);
      if (end > 0) at = end;
    } else if (pattern[at] === ",") {
      names.push(pattern.slice(from, at));
      from = at + 1;
    }
  }
  names.push(pattern.slice(from));
  return names.map((name) => name.trim()).filter((name) => name !== "");
}

function expandName(name: string): string[] | null {
  let names = [""];
  // The expression has a group, so what the group matched is at odd places of the result.
  for (const [index, part] of name.split(/\[([^[\]]*)\]/).entries()) {
    const choices = index % 2 === 0 ? [part] : items.test(part) ? expandItems(part) : [`[${part}]`];
    if (choices === null || names.length * choices.length > mostHosts) return null;
    if (choices.length === 1 && choices[0] === "") continue;
    names = names.flatMap((before) => choices.map((choice) => before + choice));
  }
  return names;
}

function expandItems(text: string): string[] | null {
  const found: string[] = [];
  for (const item of text.split(",")) {
    const [first = "", second = first] = item.split("-");
    const [low, high] = Number(first) <= Number(second) ? [first, second] : [second, first];
    const span = Number(high) - Number(low);
    if (!Number.isSafeInteger(Number(high)) || found.length + span + 1 > mostHosts) return null;
    if (span === 0) {
      found.push(low);
      continue;
    }
    const width = low.startsWith("0") ? low.length : 0;
    for (let number = Number(low); number <= Number(high); number++) found.push(`${number}`.padStart(width, "0"));
  }
  return found;
}

/**
 * The hosts that `--ssh HOST` names. Throws a UserError for the argument when it names no host, too many, or something
 * that is no name.
 */
export function hostsOfOption(pattern: string): string[] {
  const hosts = expandHosts(pattern);
  if (hosts === null) throw argumentError(`argument --ssh: '${pattern}' names more than ${mostHosts} hosts`);
  if (hosts.length === 0) throw argumentError("argument --ssh: no host is named");
  const odd = hosts.find(isOdd);
  if (odd !== undefined) throw argumentError(`argument --ssh: '${odd}' cannot be the name of a host`);
  return hosts;
}

/** Whether ssh would take the name for an option or for several words. */
function isOdd(host: string): boolean {
  return host.startsWith("-") || /[\s\0]/.test(host);
}

export interface NodeList {
  /** `ssh.nodelist` as it stands. */
  readonly value: unknown;
  /** The origin of the value, for messages: `from: /path`. */
  readonly label: string;
}

/**
 * The hosts that a bare `--ssh` names, with `--ssh-group` or without. A list of names is not taken for patterns. Throws
 * a UserError for the configuration when `ssh.nodelist` names none, or has no group or host of that kind.
 */
export function hostsOfNodeList(nodes: NodeList, group: string | null): string[] {
  const { label } = nodes;
  const refuse = (text: string): Error => configurationError("cluster", `${text} (${label})`);
  let { value } = nodes;
  let key = "ssh.nodelist";
  if (isEmpty(value))
    throw configurationError("cluster", "ssh.nodelist names no hosts: set it, or name them as --ssh HOST");
  if (isTable(value)) {
    const groups = Object.keys(value).join(", ");
    if (group === null) throw refuse(`ssh.nodelist has groups, and none is named: add --ssh-group (one of ${groups})`);
    if (!Object.hasOwn(value, group)) throw refuse(`ssh.nodelist has no group '${group}' (there is ${groups})`);
    value = value[group];
    key = `ssh.nodelist.${group}`;
  } else if (group !== null) {
    throw refuse(`ssh.nodelist has no groups: --ssh-group cannot name '${group}'`);
  }
  const hosts = typeof value === "string" ? expandHosts(value) : listOf(value);
  if (hosts === null) throw refuse(`${key} must be a pattern, or a list of hosts, of no more than ${mostHosts}`);
  if (hosts.length === 0) throw refuse(`${key} names no hosts`);
  const odd = hosts.find(isOdd);
  if (odd !== undefined) throw refuse(`${key}: '${odd}' cannot be the name of a host`);
  return hosts;
}

function isTable(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isEmpty(value: unknown): boolean {
  return value === null || value === undefined || value === "" || (isTable(value) && Object.keys(value).length === 0);
}

function listOf(value: unknown): string[] | null {
  if (!Array.isArray(value) || value.length > mostHosts) return null;
  const hosts: string[] = [];
  for (const each of value as readonly unknown[]) {
    if (typeof each !== "string" || each === "") return null;
    hosts.push(each);
  }
  return hosts;
}
