/*
 * The names of resources that tasks may ask for by a tag, as far as the configuration knows them. Which clients have
 * some of them, it does not say.
 */
import { configurationError } from "../base/errors.ts";
import { builtInResources } from "../task/demand.ts";
import { whyNoResource } from "../task/tag.ts";
import type { Config } from "./load.ts";

/**
 * The built-in names, and those of `task.resources`: a list, or a text with blanks or commas between the names. Throws
 * UserError (status 3) for a name that no resource can have.
 */
export function resourceNames(config: Config): ReadonlySet<string> {
  const key = "task.resources";
  const value = config.raw(key);
  const given = Array.isArray(value) ? value : typeof value === "string" ? value.split(/[\s,]+/) : [];
  const names = given.filter((name) => name !== "");
  if (names.length === 0) return builtInResources;
  for (const name of names) {
    const why = typeof name === "string" ? whyNoResource(name) : "a name is a text";
    if (why !== null)
      throw configurationError("core.config", `${key} names no resource: ${why} (${config.origin(key).label})`);
  }
  return new Set([...builtInResources, ...names.map(String)]);
}
