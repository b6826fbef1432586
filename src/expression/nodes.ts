/*
 * What a parsed expression is: closures, one for each node of its tree, that make a value of a scope. Each function
 * here makes such a closure from those of its parts. Knows what a node does, and nothing of how it was written.
 */
import type { System } from "../base/system.ts";
import { allowItems, allowText, spend } from "./bounds.ts";
import { dictOf } from "./builtins.ts";
import { fail } from "./failure.ts";
import { formatValue } from "./format.ts";
import { converted } from "./formattemplate.ts";
import { isText } from "./literal.ts";
import type { Field, Piece } from "./literal.ts";
import { attributeOf, methodOf } from "./modules.ts";
import * as operators from "./operators.ts";
import type { Binary } from "./operators.ts";
import { call } from "./signature.ts";
import { described, list, repr, text, truth, tuple, typeOf } from "./value.ts";
import type { Signature, Value } from "./value.ts";

/** What an expression is evaluated in. */
export interface Scope {
  readonly x: Value;
  readonly system: System;
}

/** The value of a node; throws an ExpressionFailure when it has none. */
export type Evaluate = (scope: Scope) => Value;

/** Whether two values compare as an operator asks; `in` may look into the environment. */
export type Comparison = (a: Value, b: Value, system: System) => boolean;

/** The arguments of a call: by place, and by name in the order of `names`. */
export interface Arguments {
  readonly placed: readonly Evaluate[];
  readonly names: readonly string[];
  readonly named: readonly Evaluate[];
}

/** What a method costs to look up and a function to enter, in units of work. */
const callCost = 100;

/** The name `x`. */
export const input: Evaluate = (scope) => scope.x;

/** The same value in every scope. */
export function constant(value: Value): Evaluate {
  return () => value;
}

/** `a, b`. */
export function tupleDisplay(items: readonly Evaluate[]): Evaluate {
  return (scope) => tuple(items.map((item) => item(scope)));
}

/** `[a, b]`. */
export function listDisplay(items: readonly Evaluate[]): Evaluate {
  return (scope) => {
    allowItems(items.length);
    return list(items.map((item) => item(scope)));
  };
}

/** `{key: value}`. */
export function dictDisplay(pairs: readonly (readonly [Evaluate, Evaluate])[]): Evaluate {
  return (scope) => dictOf(pairs.map(([key, value]) => [key(scope), value(scope)]));
}

/** `value if condition else otherwise`. */
export function choice(condition: Evaluate, value: Evaluate, otherwise: Evaluate): Evaluate {
  return (scope) => (truth(condition(scope)) ? value(scope) : otherwise(scope));
}

/** `first or second`: one of the two values, as in Python, and not a boolean. */
export function either(first: Evaluate, second: Evaluate): Evaluate {
  return (scope) => {
    const value = first(scope);
    return truth(value) ? value : second(scope);
  };
}

/** `first and second`: one of the two values, as in Python, and not a boolean. */
export function both(first: Evaluate, second: Evaluate): Evaluate {
  return (scope) => {
    const value = first(scope);
    return truth(value) ? second(scope) : value;
  };
}

/** `not value`. */
export function not(value: Evaluate): Evaluate {
  return (scope) => !truth(value(scope));
}

/**
 * `first < a < b`: each comparison has to hold, each value is made once, and none after the first that does not hold.
 */
export function comparisons(first: Evaluate, links: readonly (readonly [Comparison, Evaluate])[]): Evaluate {
  return (scope) => {
    let left = first(scope);
    for (const [test, next] of links) {
      const right = next(scope);
      if (!test(left, right, scope.system)) return false;
      left = right;
    }
    return true;
  };
}

/** `first + second` and its like. */
export function binary(operate: Binary, first: Evaluate, second: Evaluate): Evaluate {
  return (scope) => operate(first(scope), second(scope));
}

/** `-value` and its like. */
export function unary(operate: (value: Value) => Value, value: Evaluate): Evaluate {
  return (scope) => operate(value(scope));
}

/** `whole.name` without a call. */
export function attribute(whole: Evaluate, name: string): Evaluate {
  return (scope) => {
    const value = whole(scope);
    const found = attributeOf(value, name);
    if (found !== null) return found.value;
    if (methodOf(typeOf(value), name) !== null) fail(`${name} is a method: call it, as in .${name}()`);
    return fail(`${described(value)} has no attribute ${name}`);
  };
}

/** `whole.name(...)`; which method that is depends on the type of the value. */
export function methodCall(whole: Evaluate, name: string, { placed, names, named }: Arguments): Evaluate {
  return (scope) => {
    spend(callCost);
    const value = whole(scope);
    const method = methodOf(typeOf(value), name);
    if (method === null) {
      const hint = methodOf("str", name) === null ? "" : "; str() makes a text of it";
      return fail(`${described(value)} has no method ${name}()${hint}`);
    }
    const args = [value, ...placed.map((arg) => arg(scope))];
    const byName = named.map((arg) => arg(scope));
    return call(method, args, names, byName, scope.system, 1);
  };
}

/** `name(...)` of a function that is known when the expression is parsed. */
export function functionCall(target: Signature, { placed, names, named }: Arguments): Evaluate {
  return (scope) => {
    spend(callCost);
    const args = placed.map((arg) => arg(scope));
    const byName = named.map((arg) => arg(scope));
    return call(target, args, names, byName, scope.system);
  };
}

/** `whole[key]`. */
export function indexed(whole: Evaluate, key: Evaluate): Evaluate {
  return (scope) => operators.index(whole(scope), key(scope), scope.system);
}

/** `whole[start:stop:step]`; null for a bound that is left out. */
export function sliced(
  whole: Evaluate,
  start: Evaluate | null,
  stop: Evaluate | null,
  step: Evaluate | null,
): Evaluate {
  return (scope) => operators.slice(whole(scope), start?.(scope) ?? null, stop?.(scope) ?? null, step?.(scope) ?? null);
}

/** Literals of texts, f-strings among them, that stand side by side: one text. */
export function joined(pieces: readonly Piece<Evaluate>[]): Evaluate {
  if (isText(pieces)) return constant(pieces.join(""));
  const parts = pieces.map((piece) => (typeof piece === "string" ? piece : shown(piece)));
  return (scope) => {
    let whole = "";
    for (const part of parts) {
      whole += typeof part === "string" ? part : text(part(scope));
      allowText(whole.length);
    }
    return whole;
  };
}

/** What a field of an f-string shows. */
function shown({ value, label, conversion, spec }: Field<Evaluate>): Evaluate {
  const format = spec === null ? null : joined(spec);
  return (scope) => {
    const found = value(scope);
    if (conversion === null && label !== null && format === null) return label + repr(found);
    const made = conversion === null ? found : converted(found, conversion);
    return (label ?? "") + formatValue(made, format === null ? "" : text(format(scope)));
  };
}
