/*
 * Looking up what is set, as `hs config get` shows it: a value, a section or everything, out of some layers of
 * settings.
 */
import { configurationError } from "../base/errors.ts";
import type { Layer } from "./source.ts";
import { merge, valueAt } from "./tree.ts";
import { isTable } from "./value.ts";
import type { Table, Value } from "./value.ts";

/** Some layers, as one looks at them. */
export interface View {
  readonly layers: readonly Layer[];
  /** How messages call it. */
  readonly name: string;
}

/**
 * What is set at a path. `expand` is called for the smallest table that holds it, so that only its commands are run.
 * Throws a configuration error, which names the shortest part of the path that is not there.
 */
export function lookUp(view: View, path: readonly string[], expand: (table: Table, key: string) => Table): Value {
  const tree = merge(view.layers);
  if (path.length === 0) return expand(tree, "");
  const key = path.join(".");
  const parentPath = path.slice(0, -1);
  const parent = valueAt(tree, parentPath);
  if (parent === undefined)
    throw configurationError("config", `"${missing(tree, parentPath)}" not found in ${view.name}`);
  if (!isTable(parent))
    throw configurationError("config", `"${parentPath.join(".")}" is not a section in ${view.name}`);
  const whole = valueAt(parent, [path.at(-1)!]);
  if (isTable(whole)) return expand(whole, key);
  // One key only: others in its table may be commands that nobody asked to run.
  const forms = ["", "_env", "_eval"]
    .map((suffix) => path.at(-1)! + suffix)
    .filter((form) => Object.hasOwn(parent, form));
  const only: Table = Object.create(null) as Table;
  for (const form of forms) only[form] = parent[form]!;
  const value = valueAt(expand(only, parentPath.join(".")), [path.at(-1)!]);
  if (value !== undefined) return value;
  const given = forms.length === 0 ? "" : `, but "${parentPath.join(".")}.${forms[0]}" is: add --expand for its value`;
  throw configurationError("config", `"${key}" not found in ${view.name}${given}`);
}

/** The shortest part of a path that is not there. */
function missing(tree: Table, path: readonly string[]): string {
  const length = path.findIndex((_, at) => valueAt(tree, path.slice(0, at + 1)) === undefined);
  return path.slice(0, length + 1).join(".");
}
