/*
 * The language of `{= =}`: a subset of Python's expressions, parsed by recursive descent into closures. There are no statements, no
 * assignments, no classes, and no way to the system but what modules.ts lists.
 *
 *   expressions  = conditional { "," conditional } [ "," ]                        several make a tuple
 *   conditional  = or [ "if" or "else" conditional ]
 *   or           = and { "or" and }
 *   and          = not { "and" not }
 *   not          = "not" not | comparison
 *   comparison   = bitor { ( "<" | "<=" | ">" | ">=" | "==" | "!=" | [ "not" ] "in" | "is" [ "not" ] ) bitor }
 *   bitor        = bitxor { "|" bitxor }
 *   bitxor       = bitand { "^" bitand }
 *   bitand       = shift { "&" shift }
 *   shift        = sum { ( "<<" | ">>" ) sum }
 *   sum          = term { ( "+" | "-" ) term }
 *   term         = factor { ( "*" | "/" | "//" | "%" ) factor }
 *   factor       = ( "+" | "-" | "~" ) factor | power
 *   power        = primary [ "**" factor ]
 *   primary      = atom { "." name | "(" [ arguments ] ")" | "[" subscript "]" }
 *   arguments    = argument { "," argument } [ "," ]            argument = [ name "=" ] conditional
 *   subscript    = expressions | [ conditional ] ":" [ conditional ] [ ":" [ conditional ] ]
 *   atom         = name | number | string { string } | "(" [ expressions ] ")" | "[" [ expressions ] "]"
 *                | "{" [ pair { "," pair } [ "," ] ] "}"        pair = conditional ":" conditional
 *   number, string: literal.ts
 *
 * `x` is the input. Names that are not known are found while parsing, and so are calls that cannot fit a known function.
 */
import { allowItems, allowText, spend, startWork } from "./bounds.ts";
import { fail } from "./failure.ts";
import { dictOf } from "./builtins.ts";
import { parseFloatText } from "./float.ts";
import { formatValue } from "./format.ts";
import { converted } from "./formattemplate.ts";
import { parseInteger } from "./integer.ts";
import { acceptNumber, acceptStrings, isText } from "./literal.ts";
import type { Field, Piece } from "./literal.ts";
import { attributeOf, globals, memberNames, memberOfType, methodOf } from "./modules.ts";
import type { Name } from "./modules.ts";
import * as operators from "./operators.ts";
import type { Binary } from "./operators.ts";
import { identifier, reader } from "./reader.ts";
import { call, misfit } from "./signature.ts";
import type { Surroundings } from "../base/surroundings.ts";
import { compare, described, equal, list, repr, text, truth, tuple, typeOf } from "./value.ts";
import type { Value } from "./value.ts";

/** What an expression is evaluated in. */
interface Scope {
  readonly x: Value;
  readonly surroundings: Surroundings;
}

type Evaluate = (scope: Scope) => Value;

/** What a primary is so far: something to evaluate, and the name it still is, if it is one. */
interface Primary {
  readonly evaluate: Evaluate;
  readonly name: Name | null;
}

/** Nodes of the tree: as many levels as its longest chain of operators has, and few enough for the stack. */
const maxNodes = 5000;

const keywords = new Set(
  (
    "and as assert async await break class continue def del elif else except finally for from global if import in is lambda " +
    "nonlocal not or pass raise return try while with yield"
  ).split(" "),
);

const binaries: readonly (readonly (readonly [string, Binary])[])[] = [
  [["|", operators.bitOr]],
  [["^", operators.bitXor]],
  [["&", operators.bitAnd]],
  [
    ["<<", operators.shiftLeft],
    [">>", operators.shiftRight],
  ],
  [
    ["+", operators.add],
    ["-", operators.subtract],
  ],
  [
    ["//", operators.floorQuotient],
    ["*", operators.times],
    ["/", operators.divide],
    ["%", operators.remainder],
  ],
];

/** What an operator must not be followed by: the rest of a longer one. */
const longer: Readonly<Record<string, readonly string[]>> = { "*": ["*"], "/": ["/"] };

const comparisons: readonly (readonly [string, (order: number) => boolean])[] = [
  ["<=", (order) => order <= 0],
  [">=", (order) => order >= 0],
  ["<", (order) => order < 0],
  [">", (order) => order > 0],
];

/** Stands in for a module, which `primary` lets through only with a name behind it. */
function notAValue(): never {
  throw new Error("a module has no value");
}

/** The value of `x` for an input: an integer, a float, a boolean, None, or the text itself. */
function coerceInput(input: string): Value {
  const folded = input.length <= 5 ? input.toLowerCase() : "";
  if (folded === "null" || folded === "none") return null;
  if (folded === "true" || folded === "false") return folded === "true";
  return parseInteger(input) ?? parseFloatText(input) ?? input;
}

/** The text that an expression makes of an input; throws an ExpressionFailure when it has no value for it. */
export type Expression = (input: string, surroundings: Surroundings) => string;

/** Parses the expression in `template` from `start` up to `end`; throws an ExpressionSyntaxError. */
export function parseExpression(template: string, start: number, end: number): Expression {
  const evaluate = compile(template, start, end);
  return (input, surroundings) => {
    startWork();
    return text(evaluate({ x: coerceInput(input), surroundings }));
  };
}

function compile(template: string, start: number, end: number): Evaluate {
  const source = reader(template, start, end);
  const { looksAt, match, accept, acceptWord, skipBlanks, nested } = source;
  const blame: (problem: string, offset?: number) => never = source.blame;
  let nodes = 0;

  function expect(sign: string, what: string): void {
    if (!accept(sign)) blame(unexpected(`'${sign}' is missing ${what}`));
  }

  /** Says what stands at this place instead, where that is a common mistake. */
  function unexpected(otherwise: string): string {
    skipBlanks();
    const word = match(identifier);
    if (word === "for") return "comprehensions are not supported";
    if (word !== null && keywords.has(word) && !["if", "else", "in", "is", "and", "or", "not"].includes(word)) {
      return `'${word}' is not supported in expressions`;
    }
    if (looksAt(":=")) return "assignments are not supported in expressions";
    if (looksAt("=") && !looksAt("==")) return "'=' is no operator here; '==' compares";
    return otherwise;
  }

  function node<T>(made: T): T {
    if (++nodes > maxNodes) blame("the expression is too long");
    return made;
  }

  // Operators.

  function expressions(): Evaluate {
    const first = conditional();
    if (!accept(",")) return first;
    const items = [first, ...moreItems()];
    return (scope) => tuple(items.map((item) => item(scope)));
  }

  /** What follows the first comma. */
  function moreItems(): Evaluate[] {
    const items: Evaluate[] = [];
    while (!atClose()) {
      items.push(conditional());
      if (!accept(",")) break;
    }
    return items;
  }

  function atClose(): boolean {
    skipBlanks();
    return source.at >= end || ")]}:=!".includes(template[source.at] as string);
  }

  function conditional(): Evaluate {
    return nested(() => {
      const value = disjunction();
      if (!acceptWord("if")) return value;
      const condition = disjunction();
      if (!acceptWord("else")) blame(unexpected("'else' is missing: a value is needed for the other case too"));
      const otherwise = conditional();
      return node<Evaluate>((scope) => (truth(condition(scope)) ? value(scope) : otherwise(scope)));
    });
  }

  function disjunction(): Evaluate {
    let left = conjunction();
    while (acceptWord("or")) {
      const [first, second] = [left, conjunction()];
      left = node((scope) => {
        const value = first(scope);
        return truth(value) ? value : second(scope);
      });
    }
    return left;
  }

  function conjunction(): Evaluate {
    let left = negation();
    while (acceptWord("and")) {
      const [first, second] = [left, negation()];
      left = node((scope) => {
        const value = first(scope);
        return truth(value) ? second(scope) : value;
      });
    }
    return left;
  }

  function negation(): Evaluate {
    if (!acceptWord("not")) return comparison();
    const value = nested(negation);
    return node<Evaluate>((scope) => !truth(value(scope)));
  }

  function comparison(): Evaluate {
    const first = binary(0);
    const links: (readonly [(a: Value, b: Value, surroundings: Surroundings) => boolean, Evaluate])[] = [];
    for (let test = acceptComparison(); test !== null; test = acceptComparison()) links.push(node([test, binary(0)]));
    if (links.length === 0) return first;
    return (scope) => {
      let left = first(scope);
      for (const [test, next] of links) {
        const right = next(scope);
        if (!test(left, right, scope.surroundings)) return false;
        left = right;
      }
      return true;
    };
  }

  function acceptComparison(): ((a: Value, b: Value, surroundings: Surroundings) => boolean) | null {
    if (accept("==")) return equal;
    if (accept("!=")) return (a, b) => !equal(a, b);
    for (const [sign, test] of comparisons) {
      // NaN stands for no order at all: every test of it is false.
      if (accept(sign, sign === "<" || sign === ">" ? [sign] : [])) return (a, b) => test(compare(a, b));
    }
    if (acceptWord("in")) return operators.contains;
    if (acceptWord("is")) {
      if (acceptWord("not")) return (a, b) => !operators.identical(a, b);
      return operators.identical;
    }
    const before = source.at;
    if (acceptWord("not")) {
      if (acceptWord("in")) return (a, b, surroundings) => !operators.contains(a, b, surroundings);
      source.at = before;
    }
    return null;
  }

  function binary(level: number): Evaluate {
    const signs = binaries[level];
    if (signs === undefined) return factor();
    let left = binary(level + 1);
    for (;;) {
      const found = signs.find(([sign]) => accept(sign, longer[sign]));
      if (found === undefined) return left;
      const [first, second, operate] = [left, binary(level + 1), found[1]];
      left = node((scope) => operate(first(scope), second(scope)));
    }
  }

  function factor(): Evaluate {
    const operate = accept("-")
      ? operators.negate
      : accept("+")
        ? operators.plus
        : accept("~")
          ? operators.invert
          : null;
    if (operate === null) return power();
    const value = nested(factor);
    return node<Evaluate>((scope) => operate(value(scope)));
  }

  function power(): Evaluate {
    const base = primary();
    if (!accept("**")) return base;
    const exponent = nested(factor);
    return node<Evaluate>((scope) => operators.raise(base(scope), exponent(scope)));
  }

  // Primaries.

  function primary(): Evaluate {
    skipBlanks();
    const begin = source.at;
    let current = atom();
    for (;;) {
      if (accept(".")) current = member(current, begin);
      else if (current.name?.is === "module") {
        return blame(
          `'${template.slice(begin, source.at).trimEnd()}' is a module: name what is in it, after a dot`,
          begin,
        );
      } else if (accept("(")) current = invocation(current, begin);
      else if (accept("[")) current = subscript(current);
      else return current.evaluate;
      node(null);
    }
  }

  function dynamic(evaluate: Evaluate): Primary {
    return { evaluate, name: null };
  }

  function known(name: Name): Primary {
    if (name.is === "module") return { evaluate: notAValue, name };
    const { value } = name;
    return { evaluate: () => value, name };
  }

  function member(whole: Primary, begin: number): Primary {
    skipBlanks();
    const place = source.at;
    const word = match(identifier) ?? blame("a name is missing after the dot");
    source.at += word.length;
    if (whole.name?.is === "module") {
      return known(
        whole.name.names.get(word) ??
          blame(`there is no ${template.slice(begin, source.at).replace(/\s/g, "")}`, place),
      );
    }
    if (whole.name !== null) {
      const { value } = whole.name;
      if (value !== null && typeof value === "object" && value.kind === "function") {
        const found =
          memberOfType(value, word) ??
          blame(`there is no ${template.slice(begin, source.at).replace(/\s/g, "")}`, place);
        return known({ is: "value", value: found });
      }
    }
    if (!memberNames.has(word)) blame(`no value has a method or an attribute that is named '${word}'`, place);
    const { evaluate } = whole;
    if (accept("(")) return methodCall(evaluate, word);
    return dynamic((scope) => {
      const value = evaluate(scope);
      const found = attributeOf(value, word);
      if (found !== null) return found.value;
      if (methodOf(typeOf(value), word) !== null) fail(`${word} is a method: call it, as in .${word}()`);
      return fail(`${described(value)} has no attribute ${word}`);
    });
  }

  function methodCall(evaluate: Evaluate, word: string): Primary {
    const { args, names, named } = argumentList();
    return dynamic((scope) => {
      spend(100);
      const value = evaluate(scope);
      const method = methodOf(typeOf(value), word);
      if (method === null) {
        const hint = methodOf("str", word) === null ? "" : "; str() makes a text of it";
        return fail(`${described(value)} has no method ${word}()${hint}`);
      }
      const given = [value, ...args.map((arg) => arg(scope))];
      return call(
        method,
        given,
        names,
        named.map((arg) => arg(scope)),
        scope.surroundings,
        1,
      );
    });
  }

  function invocation(target: Primary, begin: number): Primary {
    const { args, names, named } = argumentList();
    const value = target.name?.is === "value" ? target.name.value : undefined;
    if (value === undefined || value === null || typeof value !== "object" || value.kind !== "function") {
      return blame("only functions can be called", begin);
    }
    const { signature } = value;
    const problem = misfit(signature, args.length, names);
    if (problem !== null) blame(problem, begin);
    return dynamic((scope) => {
      spend(100);
      return call(
        signature,
        args.map((arg) => arg(scope)),
        names,
        named.map((arg) => arg(scope)),
        scope.surroundings,
      );
    });
  }

  /** Behind the opening parenthesis. */
  function argumentList(): { readonly args: Evaluate[]; readonly names: string[]; readonly named: Evaluate[] } {
    const args: Evaluate[] = [];
    const names: string[] = [];
    const named: Evaluate[] = [];
    while (!accept(")")) {
      skipBlanks();
      if (looksAt("*")) blame("'*' before an argument is not supported");
      const place = source.at;
      const word = match(identifier);
      if (word !== null) source.at += word.length;
      if (word !== null && accept("=", ["="])) {
        names.push(word);
        named.push(conditional());
      } else {
        source.at = place;
        if (names.length > 0) blame("an argument without a name comes after one with a name");
        args.push(conditional());
      }
      if (accept(",")) continue;
      expect(")", "at the end of the arguments");
      break;
    }
    return { args, names, named };
  }

  /** Behind the opening bracket. */
  function subscript({ evaluate }: Primary): Primary {
    const parts: (Evaluate | null)[] = [];
    skipBlanks();
    if (looksAt("]")) blame("an index is missing");
    for (;;) {
      skipBlanks();
      parts.push(looksAt(":") || looksAt("]") ? null : parts.length === 0 ? expressions() : conditional());
      if (parts.length === 3 || !accept(":")) break;
    }
    expect("]", "at the end of the index");
    const [start, stop = null, step = null] = parts;
    if (parts.length === 1 && start) {
      return dynamic((scope) => operators.index(evaluate(scope), start(scope), scope.surroundings));
    }
    return dynamic((scope) =>
      operators.slice(evaluate(scope), start?.(scope) ?? null, stop?.(scope) ?? null, step?.(scope) ?? null),
    );
  }

  // Atoms.

  function atom(): Primary {
    skipBlanks();
    node(null);
    if (source.at >= end)
      blame(
        start === end || template.slice(start, end).trim() === "" ? "an expression is missing" : "a value is missing",
      );
    const char = template[source.at] as string;
    if (char === "(") return nested(parenthesis);
    if (char === "[") return nested(listDisplay);
    if (char === "{") return nested(dictDisplay);
    const number = acceptNumber(source, keywords);
    if (number !== null) return constant(number);
    const pieces = acceptStrings(source, expressions);
    if (pieces !== null) return dynamic(joined(pieces));
    const word = match(identifier);
    if (word !== null) return nameAtom(word);
    return blame(unexpected("a value is missing"));
  }

  function constant(value: Value): Primary {
    return dynamic(() => value);
  }

  function nameAtom(word: string): Primary {
    if (keywords.has(word)) blame(unexpected("a value is missing"));
    const place = source.at;
    source.at += word.length;
    if (word === "x") return dynamic((scope) => scope.x);
    if (word === "True" || word === "False") return constant(word === "True");
    if (word === "None") return constant(null);
    const found = globals.get(word);
    if (found === undefined) {
      const hint = /\bfor\b/.test(template.slice(source.at, end)) ? " (comprehensions are not supported)" : "";
      return blame(`'${word}' is no name that expressions know${hint}`, place);
    }
    return known(found);
  }

  function parenthesis(): Primary {
    const place = source.at++;
    if (accept(")")) return constant(tuple([]));
    const inside = expressions();
    if (!accept(")")) blame(unexpected("the parenthesis is not closed"), source.at < end ? source.at : place);
    return dynamic(inside);
  }

  function listDisplay(): Primary {
    const place = source.at++;
    const items = moreItems();
    if (!accept("]")) blame(unexpected("the bracket is not closed"), source.at < end ? source.at : place);
    return dynamic((scope) => {
      allowItems(items.length);
      return list(items.map((item) => item(scope)));
    });
  }

  function dictDisplay(): Primary {
    const place = source.at++;
    const pairs: (readonly [Evaluate, Evaluate])[] = [];
    while (!accept("}")) {
      const key = conditional();
      if (!accept(":")) blame(unexpected("':' is missing after the key; sets are not supported"));
      pairs.push([key, conditional()]);
      if (accept(",")) continue;
      if (!accept("}")) blame(unexpected("the brace is not closed"), source.at < end ? source.at : place);
      break;
    }
    return dynamic((scope) => dictOf(pairs.map(([key, value]) => [key(scope), value(scope)])));
  }

  function joined(pieces: readonly Piece<Evaluate>[]): Evaluate {
    if (isText(pieces)) {
      const whole = pieces.join("");
      return () => whole;
    }
    const parts = pieces.map((piece) => (typeof piece === "string" ? piece : node(shown(piece))));
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

  const result = expressions();
  skipBlanks();
  if (source.at < end) {
    const rest = match(identifier) ?? String.fromCodePoint(template.codePointAt(source.at) ?? 0);
    blame(unexpected(`'${rest}' is not expected here`));
  }
  return result;
}
