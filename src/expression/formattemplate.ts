/*
 * The replacement fields of Python's `str.format`. A field names its value by number only: names would need keyword
 * arguments, which `format` does not take here. f-strings can do that.
 *
 *   text     = { char | "{{" | "}}" | field }
 *   field    = "{" [ number ] { "[" key "]" } [ "!" ( "r" | "s" | "a" ) ] [ ":" spec ] "}"
 *   spec     = { char | field }                                     fields may stand in a spec, one level deep
 */
import { allowText, clipped } from "./bounds.ts";
import { fail } from "./failure.ts";
import { formatValue } from "./format.ts";
import { parseInteger } from "./integer.ts";
import { placeOf } from "../base/slice.ts";
import { ascii, described, keyOf, repr, text } from "./value.ts";
import type { Value } from "./value.ts";

/**
 * Python's `template.format(*values)`, by the grammar above. Throws an ExpressionFailure for a field that is malformed
 * or has no value.
 */
export function formatTemplate(template: string, values: readonly Value[]): string {
  let at = 0;
  let next = 0;
  let numbered: boolean | null = null;

  function valueOf(name: string): Value {
    const isNumbered = name !== "";
    if (numbered !== null && numbered !== isNumbered)
      fail("format() takes either numbered fields or fields without numbers");
    numbered = isNumbered;
    if (isNumbered && !/^\d+$/.test(name))
      fail(`format() has no value that is named '${clipped(name)}'; use an f-string`);
    const index = isNumbered ? Number(name) : next++;
    return values[index] ?? (index < values.length ? null : fail(`format() has no value for the field {${name}}`));
  }

  /** Behind the opening brace. */
  function field(depth: number): string {
    const head = /^\s*([^[\]{}!:.]*)((?:\[[^\]]*\])*)(?:!(.))?/u.exec(template.slice(at));
    const [all = "", name = "", keys = "", conversion] = head ?? [];
    at += all.length;
    let value = valueOf(name.trim());
    for (const [, key = ""] of keys.matchAll(/\[([^\]]*)\]/g)) value = member(value, key);
    if (conversion !== undefined) value = converted(value, conversion);
    let spec = "";
    if (template[at] === ":") {
      at++;
      spec = body(depth + 1);
    }
    if (template[at] !== "}")
      fail(`a field of format() is not closed, or has what it cannot have: '${clipped(template)}'`);
    at++;
    return formatValue(value, spec);
  }

  /** Text and fields; in a spec up to its closing brace. */
  function body(depth: number): string {
    let shown = "";
    if (depth > 2) fail("fields of format() are nested too deeply");
    while (at < template.length) {
      const char = template[at] as string;
      if (char === "}" && depth > 0) return shown;
      at++;
      if ((char === "{" || char === "}") && depth === 0 && template[at] === char) at++;
      else if (char === "}") fail("a single '}' in format(); write '}}' for the sign itself");
      else if (char === "{") {
        shown += field(depth);
        allowText(shown.length);
        continue;
      }
      shown += char;
    }
    return shown;
  }

  return body(0);
}

/**
 * What `!r`, `!s` or `!a` makes of a value, as in Python's f-strings. Throws an ExpressionFailure for any other
 * conversion.
 */
export function converted(value: Value, conversion: string): string {
  if (conversion === "s") return text(value);
  if (conversion === "r") return repr(value);
  if (conversion === "a") return ascii(repr(value));
  return fail(`there is no conversion '!${conversion}'; it is !r, !s or !a`);
}

function member(value: Value, key: string): Value {
  const index = parseInteger(key);
  if (value !== null && typeof value === "object" && value.kind === "dict") {
    return (value.entries.get(keyOf(index ?? key)) ?? fail(`the dict has no key '${key}'`))[1];
  }
  const isSequence = value !== null && typeof value === "object" && (value.kind === "list" || value.kind === "tuple");
  if (!isSequence && typeof value !== "string") return fail(`${described(value)} cannot be indexed`);
  const items: readonly Value[] = typeof value === "string" ? Array.from(value) : value.items;
  const place = index === null ? fail(`'${key}' is not an index`) : placeOf(Number(index), items.length);
  return place === null ? fail("index out of range") : (items[place] as Value);
}
