/*
 * What functions take: their parameters, written once as a short text, and the binding of arguments to them.
 *
 *   signature  = name "(" [ parameter { ", " parameter } ] ")"
 *   parameter  = word           required, by place only
 *              | word "?"       optional, by place only
 *              | word "!"       required, by place or by name
 *              | word "="       optional, by place or by name
 *              | "*" word       any number of values; what follows goes by name only
 */
import { assert } from "../base/assert.ts";
import { fail } from "./failure.ts";
import type { System } from "../base/system.ts";
import type { Body, Parameter, Signature, Value } from "./value.ts";

/**
 * A function by its shape, in the grammar above, and what it does. The shape is ours: one that is malformed is a bug.
 */
export function signature(shape: string, body: Body): Signature {
  const match = /^([\w.]+)\((.*)\)$/.exec(shape);
  assert(match !== null, `the shape of a signature: ${shape}`);
  const [, name = "", inside = ""] = match;
  const parameters: Parameter[] = [];
  let placed: number | null = null;
  for (const word of inside === "" ? [] : inside.split(", ")) {
    if (word.startsWith("*")) {
      placed = parameters.length;
      continue;
    }
    const mark = /[?!=]$/.exec(word)?.[0] ?? "";
    parameters.push({
      name: mark === "" ? word : word.slice(0, -1),
      required: mark === "" || mark === "!",
      byName: mark === "!" || mark === "=",
    });
  }
  return { name, parameters, placed: placed ?? parameters.length, variadic: placed !== null, body };
}

/**
 * Why so many arguments by place and these by name do not fit, or null when they do. `hidden` is 1 for a method that is
 * called behind a dot: its first argument stands before it.
 */
export function misfit(
  { name, parameters, placed, variadic }: Signature,
  count: number,
  names: readonly string[],
  hidden: 0 | 1 = 0,
): string | null {
  if (count > placed && !variadic) {
    const most = placed - hidden;
    return `${name}() takes ${most === 0 ? "no arguments" : `at most ${most} argument${most === 1 ? "" : "s"}`}`;
  }
  const given = new Set<number>();
  for (const word of names) {
    const index = parameters.findIndex((parameter) => parameter.name === word && parameter.byName);
    if (index === -1) return `${name}() has no argument that is named ${word}`;
    if (index < Math.min(count, placed) || given.has(index)) return `${name}() got the argument ${word} twice`;
    given.add(index);
  }
  const missing = parameters.findIndex(
    (parameter, index) => parameter.required && index >= Math.min(count, placed) && !given.has(index),
  );
  return missing === -1 ? null : `${name}() misses its argument ${parameters[missing]?.name}`;
}

/**
 * Calls a function with arguments by place, and by name in the order of `names`, as Python binds them. Throws an
 * ExpressionFailure when they do not fit, and what the function itself throws. `hidden` as for `misfit`.
 */
export function call(
  target: Signature,
  args: readonly Value[],
  names: readonly string[],
  named: readonly Value[],
  system: System,
  hidden: 0 | 1 = 0,
): Value {
  if (names.length === 0 && args.length <= target.placed && !target.variadic) {
    // The common case, without allocations.
    if (target.parameters[args.length]?.required === true) fail(misfit(target, args.length, names, hidden) ?? "");
    return target.body(args, noValues, system);
  }
  const problem = misfit(target, args.length, names, hidden);
  if (problem !== null) fail(problem);
  const bound: (Value | undefined)[] = args.slice(0, target.placed);
  names.forEach(
    (name, index) => (bound[target.parameters.findIndex((parameter) => parameter.name === name)] = named[index]),
  );
  return target.body(bound, args.slice(target.placed), system);
}

const noValues: readonly Value[] = [];
