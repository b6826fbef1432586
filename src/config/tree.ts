/*
 * Layers seen as one: which layer gives a key, the merged tree, and the resolving of `_env` and `_eval`. The higher
 * layer wins, whatever the suffix it uses. Checks no values.
 */
import { configurationError } from "../base/errors.ts";
import { findSetting, splitVariant } from "./schema.ts";
import type { Variant } from "./schema.ts";
import { coerceVariant } from "./source.ts";
import type { Layer } from "./source.ts";
import { isTable, own } from "./value.ts";
import type { Table, Value } from "./value.ts";

export interface Found {
  readonly layer: Layer;
  readonly variant: Variant;
  /** As it stands: for a variant the name of a variable or a command. */
  readonly value: Value;
}

const variants: readonly Variant[] = ["", "_env", "_eval"];

/**
 * How messages name the place a key comes from: `from: /etc/hypershell.toml`, `from: HYPERSHELL_SERVER_PORT`, `from:
 * <default>`.
 */
export function labelOf(layer: Layer, key: string): string {
  if (layer.file !== "") return `from: ${layer.file}`;
  if (layer.source !== "env") return "from: <default>";
  const exact = variants.map((variant) => layer.names.get(key + variant)).find((name) => name !== undefined);
  // A table is named by the first variable that puts something into it.
  return `from: ${exact ?? [...layer.names].find(([name]) => name.startsWith(`${key}.`))?.[1] ?? "environment"}`;
}

/**
 * Where a key has its value from: the highest layer (they are given lowest first) that has it in any form. A table is
 * found where its highest part is. Throws UserError (status 3) when a layer has more than one form of it.
 */
export function find(layers: readonly Layer[], key: string): Found | null {
  const path = key.split(".");
  const name = path.pop()!;
  const forms = formsOf(key);
  for (let at = layers.length - 1; at >= 0; at -= 1) {
    const layer = layers[at]!;
    const table = descend(layer.tree, path);
    if (table === "shadowed") return null;
    if (table === null) continue;
    const given = forms.filter((variant) => own(table, name + variant) !== undefined);
    if (given.length > 1) throw moreThanOne(key, layer);
    const [variant] = given;
    if (variant === undefined) continue;
    const value = own(table, name + variant)!;
    if (value === null && isAbsent(key)) continue;
    return { layer, variant, value };
  }
  return null;
}

/**
 * The suffixes that may follow a key: none where it has one already, and none in [export], where a name is only a name.
 */
function formsOf(key: string): readonly Variant[] {
  return key.startsWith("export.") || splitVariant(key).variant !== "" ? [""] : variants;
}

function moreThanOne(key: string, layer: Layer): Error {
  return configurationError(
    "core.config",
    `'${key}' has more than one variant (${labelOf(layer, key)}): keep one of them`,
  );
}

/** null where null says nothing is as if it had not been given. */
function isAbsent(key: string): boolean {
  return findSetting(key)?.nullable !== true;
}

/**
 * null: nothing there. `shadowed`: a plain value stands in for the whole table (`logging.file = "x"`), and hides lower
 * layers.
 */
function descend(tree: Table, path: readonly string[]): Table | null | "shadowed" {
  let at = tree;
  for (const part of path) {
    const next = own(at, part);
    if (next === undefined || next === null) return null;
    if (!isTable(next)) return "shadowed";
    at = next;
  }
  return at;
}

/**
 * All layers as one tree: tables key by key, everything else replaced, a form of a key by whatever form a higher layer
 * uses.
 */
export function merge(layers: readonly Layer[]): Table {
  const merged: Table = Object.create(null) as Table;
  for (const layer of layers) mergeInto(merged, layer.tree, "", layer);
  return merged;
}

function mergeInto(target: Table, from: Table, prefix: string, layer: Layer): void {
  for (const [name, value] of Object.entries(from)) {
    const key = prefix + name;
    const before = own(target, name);
    if (isTable(value)) {
      const table = isTable(before) ? before : (Object.create(null) as Table);
      target[name] = table;
      mergeInto(table, value, `${key}.`, layer);
      continue;
    }
    if (value === null && isAbsent(key)) continue;
    const { base } = splitVariant(key);
    const plain = base.slice(prefix.length);
    const forms = formsOf(base);
    if (forms.filter((variant) => own(from, plain + variant) !== undefined).length > 1) throw moreThanOne(base, layer);
    for (const variant of forms) delete target[plain + variant];
    target[name] = value;
  }
}

/** What `_env` and `_eval` need from outside. */
export interface Resolver {
  /** The variable's text; undefined when it is not set. */
  readonly variable: (name: string) => string | undefined;
  /** The output of a shell command, trimmed; throws with the reason when it fails. */
  readonly evaluate: (command: string) => string;
}

/** What a key says once its variable is read or its command is run. */
export function resolve(found: Found, key: string, resolver: Resolver): Value {
  return resolveVariant(key, found.variant, found.value, resolver, () => labelOf(found.layer, key));
}

function resolveVariant(key: string, variant: Variant, value: Value, resolver: Resolver, label: () => string): Value {
  if (variant === "") return value;
  if (typeof value !== "string") {
    const meant = variant === "_env" ? "the name of a variable" : "a command";
    throw configurationError("core.config", `${key}${variant} must be ${meant}, in quotes (${label()})`);
  }
  const setting = findSetting(key);
  if (variant === "_env") {
    const text = resolver.variable(value);
    return text === undefined ? null : coerceVariant(setting, text);
  }
  try {
    return coerceVariant(setting, resolver.evaluate(value));
  } catch (thrown) {
    const reason = thrown instanceof Error ? thrown.message : String(thrown);
    throw configurationError("core.config", `${key}${variant}: the command ${reason} (${label()})`);
  }
}

/** A merged tree with every `_env` and `_eval` in it resolved. `key` is where the table stands. */
export function resolveTree(table: Table, key: string, layers: readonly Layer[], resolver: Resolver): Table {
  const resolved: Table = Object.create(null) as Table;
  for (const [name, value] of Object.entries(table)) {
    const path = key === "" ? name : `${key}.${name}`;
    const { base, variant } = splitVariant(path);
    const label = (): string => {
      const found = find(layers, base);
      return found === null ? "from: <default>" : labelOf(found.layer, base);
    };
    const plain = variant === "" ? name : name.slice(0, -variant.length);
    resolved[plain] = isTable(value)
      ? resolveTree(value, path, layers, resolver)
      : resolveVariant(base, variant, value, resolver, label);
  }
  return resolved;
}

/** The value at a path of a tree; undefined when there is none. */
export function valueAt(tree: Table, path: readonly string[]): Value | undefined {
  let at: Value | undefined = tree;
  for (const part of path) {
    if (!isTable(at)) return undefined;
    at = own(at, part);
  }
  return at;
}
