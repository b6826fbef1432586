/*
 * The language of `{= =}`: a subset of Python's expressions, parsed by recursive descent into closures. There are no
 * statements, no assignments, no classes, and no way to the system but what modules.ts lists.
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
 * `x` is the input. Names that are not known are found while parsing, and so are calls that cannot fit a known
 * function.
 */
import type { System } from "../base/system.ts";
import { startWork } from "./bounds.ts";
import { parseFloatText } from "./float.ts";
import { parseInteger } from "./integer.ts";
import { acceptNumber, acceptStrings } from "./literal.ts";
import { globals, memberNames, memberOfType } from "./modules.ts";
import type { Name } from "./modules.ts";
import * as nodes from "./nodes.ts";
import type { Arguments, Comparison, Evaluate } from "./nodes.ts";
import * as operators from "./operators.ts";
import type { Binary } from "./operators.ts";
import { identifier, reader } from "./reader.ts";
import type { Reader } from "./reader.ts";
import { misfit } from "./signature.ts";
import { compare, equal, text, tuple } from "./value.ts";
import type { Callable, Value } from "./value.ts";

/** The text that an expression makes of an input; throws an ExpressionFailure when it has no value for it. */
export type Expression = (input: string, system: System) => string;

/**
 * Parses the expression in `template` from the offset `start` up to `end`, in UTF-16 units. Throws an
 * ExpressionSyntaxError for a text that is no expression, whose offset counts from the beginning of `template`.
 */
export function parseExpression(template: string, start: number, end: number): Expression {
  const evaluate = whole(reader(template, start, end));
  return (input, system) => {
    startWork();
    return text(evaluate({ x: coerceInput(input), system }));
  };
}

/** The value of `x` for an input: an integer, a float, a boolean, None, or the text itself. */
function coerceInput(input: string): Value {
  const folded = input.length <= 5 ? input.toLowerCase() : "";
  if (folded === "null" || folded === "none") return null;
  if (folded === "true" || folded === "false") return folded === "true";
  return parseInteger(input) ?? parseFloatText(input) ?? input;
}

/** The expression and nothing behind it. */
function whole(source: Reader): Evaluate {
  const result = expressions(source);
  source.skipBlanks();
  if (source.at < source.end) {
    const rest = source.match(identifier) ?? String.fromCodePoint(source.template.codePointAt(source.at) ?? 0);
    source.blame(unexpected(source, `'${rest}' is not expected here`));
  }
  return result;
}

// What is wrong.

const keywords = new Set(
  (
    "and as assert async await break class continue def del elif else except finally for from global if import in is " +
    "lambda nonlocal not or pass raise return try while with yield"
  ).split(" "),
);

/** The keywords that expressions have. */
const operatorWords = new Set(["if", "else", "in", "is", "and", "or", "not"]);

/** Says what stands at this place instead of what is expected, where that is a common mistake. */
function unexpected(source: Reader, otherwise: string): string {
  source.skipBlanks();
  const word = source.match(identifier);
  if (word === "for") return "comprehensions are not supported";
  if (word !== null && keywords.has(word) && !operatorWords.has(word)) {
    return `'${word}' is not supported in expressions`;
  }
  if (source.looksAt(":=")) return "assignments are not supported in expressions";
  if (source.looksAt("=") && !source.looksAt("==")) return "'=' is not an operator here; '==' compares";
  return otherwise;
}

function expect(source: Reader, sign: string, what: string): void {
  if (!source.accept(sign)) source.blame(unexpected(source, `'${sign}' is missing ${what}`));
}

/** Takes the sign that closes what was opened at `place`, which is blamed when the text ends before it. */
function expectClosed(source: Reader, sign: string, what: string, place: number): void {
  if (source.accept(sign)) return;
  source.blame(unexpected(source, `the ${what} is not closed`), source.at < source.end ? source.at : place);
}

// Operators, from those that bind least.

/** The levels of the operators with two operands, from `|` to `*`. */
const binaryLevels: readonly (readonly (readonly [string, Binary])[])[] = [
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

const orders: readonly (readonly [string, (order: number) => boolean])[] = [
  ["<=", (order) => order <= 0],
  [">=", (order) => order >= 0],
  ["<", (order) => order < 0],
  [">", (order) => order > 0],
];

function expressions(source: Reader): Evaluate {
  const first = conditional(source);
  return source.accept(",") ? nodes.tupleDisplay([first, ...moreItems(source)]) : first;
}

/** The items of a display up to its end; a comma may stand behind the last. */
function moreItems(source: Reader): Evaluate[] {
  const items: Evaluate[] = [];
  while (!atClose(source)) {
    items.push(conditional(source));
    if (!source.accept(",")) break;
  }
  return items;
}

function atClose(source: Reader): boolean {
  source.skipBlanks();
  return source.at >= source.end || ")]}:=!".includes(source.template[source.at] as string);
}

function conditional(source: Reader): Evaluate {
  return source.nested(() => {
    const value = disjunction(source);
    if (!source.acceptWord("if")) return value;
    const condition = disjunction(source);
    if (!source.acceptWord("else")) {
      source.blame(unexpected(source, "'else' is missing: a value is needed for the other case too"));
    }
    const otherwise = conditional(source);
    source.countNode();
    return nodes.choice(condition, value, otherwise);
  });
}

function disjunction(source: Reader): Evaluate {
  let left = conjunction(source);
  while (source.acceptWord("or")) {
    left = nodes.either(left, conjunction(source));
    source.countNode();
  }
  return left;
}

function conjunction(source: Reader): Evaluate {
  let left = negation(source);
  while (source.acceptWord("and")) {
    left = nodes.both(left, negation(source));
    source.countNode();
  }
  return left;
}

function negation(source: Reader): Evaluate {
  if (!source.acceptWord("not")) return comparison(source);
  const value = source.nested(() => negation(source));
  source.countNode();
  return nodes.not(value);
}

function comparison(source: Reader): Evaluate {
  const first = binary(source, 0);
  const links: (readonly [Comparison, Evaluate])[] = [];
  for (let test = acceptComparison(source); test !== null; test = acceptComparison(source)) {
    links.push([test, binary(source, 0)]);
    source.countNode();
  }
  return links.length === 0 ? first : nodes.comparisons(first, links);
}

function acceptComparison(source: Reader): Comparison | null {
  if (source.accept("==")) return equal;
  if (source.accept("!=")) return (a, b) => !equal(a, b);
  for (const [sign, test] of orders) {
    // NaN stands for no order at all: every test of it is false.
    if (source.accept(sign, sign === "<" || sign === ">" ? [sign] : [])) return (a, b) => test(compare(a, b));
  }
  if (source.acceptWord("in")) return operators.contains;
  if (source.acceptWord("is")) {
    if (source.acceptWord("not")) return (a, b) => !operators.identical(a, b);
    return operators.identical;
  }
  const before = source.at;
  if (source.acceptWord("not")) {
    if (source.acceptWord("in")) return (a, b, system) => !operators.contains(a, b, system);
    source.at = before;
  }
  return null;
}

function binary(source: Reader, level: number): Evaluate {
  const signs = binaryLevels[level];
  if (signs === undefined) return factor(source);
  let left = binary(source, level + 1);
  for (;;) {
    const found = signs.find(([sign]) => source.accept(sign, longer[sign]));
    if (found === undefined) return left;
    left = nodes.binary(found[1], left, binary(source, level + 1));
    source.countNode();
  }
}

function factor(source: Reader): Evaluate {
  const operate = acceptUnary(source);
  if (operate === null) return power(source);
  const value = source.nested(() => factor(source));
  source.countNode();
  return nodes.unary(operate, value);
}

function acceptUnary(source: Reader): ((value: Value) => Value) | null {
  if (source.accept("-")) return operators.negate;
  if (source.accept("+")) return operators.plus;
  return source.accept("~") ? operators.invert : null;
}

function power(source: Reader): Evaluate {
  const base = primary(source);
  if (!source.accept("**")) return base;
  const exponent = source.nested(() => factor(source));
  source.countNode();
  return nodes.binary(operators.raise, base, exponent);
}

// Primaries.

/** What a primary is so far: something to evaluate, and the name it still is, if it is one. */
interface Primary {
  readonly evaluate: Evaluate;
  readonly name: Name | null;
}

function primary(source: Reader): Evaluate {
  source.skipBlanks();
  const begin = source.at;
  let current = atom(source);
  for (;;) {
    if (source.accept(".")) current = member(source, current, begin);
    else if (current.name?.is === "module") {
      const written = source.template.slice(begin, source.at).trimEnd();
      source.blame(`'${written}' is a module: name what is in it, after a dot`, begin);
    } else if (source.accept("(")) current = invocation(source, current, begin);
    else if (source.accept("[")) current = subscript(source, current);
    else return current.evaluate;
    source.countNode();
  }
}

function unnamed(evaluate: Evaluate): Primary {
  return { evaluate, name: null };
}

function named(name: Name): Primary {
  return { evaluate: name.is === "module" ? notAValue : nodes.constant(name.value), name };
}

/** Stands in for a module, which `primary` lets through only with a name behind it. */
function notAValue(): never {
  throw new Error("a module has no value");
}

/** The function that a primary is known to be while parsing; null for anything else. */
function functionOf({ name }: Primary): Callable | null {
  const value = name?.is === "value" ? name.value : null;
  return value !== null && typeof value === "object" && value.kind === "function" ? value : null;
}

/** The name in a module or a type; null when that has none, undefined for a value, which only evaluation will know. */
function nameIn(owner: Primary, word: string): Name | null | undefined {
  if (owner.name?.is === "module") return owner.name.names.get(word) ?? null;
  const type = functionOf(owner);
  return type === null ? undefined : memberOfType(type, word);
}

/** Behind the dot. `begin` is the offset at which the primary begins. */
function member(source: Reader, owner: Primary, begin: number): Primary {
  source.skipBlanks();
  const place = source.at;
  const word = source.match(identifier) ?? source.blame("a name is missing after the dot");
  source.at += word.length;
  const known = nameIn(owner, word);
  if (known !== null && known !== undefined) return named(known);
  if (known === null) {
    source.blame(`there is no ${source.template.slice(begin, source.at).replace(/\s/g, "")}`, place);
  }
  if (!memberNames.has(word)) source.blame(`no value has a method or an attribute that is named '${word}'`, place);
  const isCall = source.accept("(");
  return unnamed(
    isCall ? nodes.methodCall(owner.evaluate, word, callArguments(source)) : nodes.attribute(owner.evaluate, word),
  );
}

/** Behind the opening parenthesis. */
function invocation(source: Reader, target: Primary, begin: number): Primary {
  const args = callArguments(source);
  const called = functionOf(target) ?? source.blame("only functions can be called", begin);
  const problem = misfit(called.signature, args.placed.length, args.names);
  if (problem !== null) source.blame(problem, begin);
  return unnamed(nodes.functionCall(called.signature, args));
}

/** Behind the opening parenthesis, with the closing one. */
function callArguments(source: Reader): Arguments {
  const placed: Evaluate[] = [];
  const names: string[] = [];
  const byName: Evaluate[] = [];
  while (!source.accept(")")) {
    source.skipBlanks();
    if (source.looksAt("*")) source.blame("'*' before an argument is not supported");
    const place = source.at;
    const word = source.match(identifier);
    if (word !== null) source.at += word.length;
    if (word !== null && source.accept("=", ["="])) {
      names.push(word);
      byName.push(conditional(source));
    } else {
      source.at = place;
      if (names.length > 0) source.blame("an argument without a name comes after one with a name");
      placed.push(conditional(source));
    }
    if (source.accept(",")) continue;
    expect(source, ")", "at the end of the arguments");
    break;
  }
  return { placed, names, named: byName };
}

/** Behind the opening bracket, with the closing one. */
function subscript(source: Reader, { evaluate }: Primary): Primary {
  const bounds: (Evaluate | null)[] = [];
  source.skipBlanks();
  if (source.looksAt("]")) source.blame("an index is missing");
  for (;;) {
    source.skipBlanks();
    const isLeftOut = source.looksAt(":") || source.looksAt("]");
    bounds.push(isLeftOut ? null : bounds.length === 0 ? expressions(source) : conditional(source));
    if (bounds.length === 3 || !source.accept(":")) break;
  }
  expect(source, "]", "at the end of the index");
  const [start = null, stop = null, step = null] = bounds;
  const isIndex = bounds.length === 1 && start !== null;
  return unnamed(isIndex ? nodes.indexed(evaluate, start) : nodes.sliced(evaluate, start, stop, step));
}

// Atoms.

function atom(source: Reader): Primary {
  source.skipBlanks();
  source.countNode();
  if (source.at >= source.end) source.blame(`${source.isEmpty() ? "an expression" : "a value"} is missing`);
  switch (source.template[source.at]) {
    case "(":
      return source.nested(() => parenthesis(source));
    case "[":
      return source.nested(() => listDisplay(source));
    case "{":
      return source.nested(() => dictDisplay(source));
    default:
      break;
  }
  const number = acceptNumber(source, keywords);
  if (number !== null) return unnamed(nodes.constant(number));
  const pieces = acceptStrings(source, () => expressions(source));
  if (pieces !== null) return unnamed(nodes.joined(pieces));
  const word = source.match(identifier);
  if (word === null || keywords.has(word)) return source.blame(unexpected(source, "a value is missing"));
  return nameAtom(source, word);
}

/** A name that stands here. */
function nameAtom(source: Reader, word: string): Primary {
  const place = source.at;
  source.at += word.length;
  if (word === "x") return unnamed(nodes.input);
  if (word === "True" || word === "False") return unnamed(nodes.constant(word === "True"));
  if (word === "None") return unnamed(nodes.constant(null));
  const found = globals.get(word);
  if (found !== undefined) return named(found);
  const isLoop = /\bfor\b/.test(source.template.slice(source.at, source.end));
  const hint = isLoop ? " (comprehensions are not supported)" : "";
  return source.blame(`'${word}' is not a name that expressions know${hint}`, place);
}

function parenthesis(source: Reader): Primary {
  const place = source.at++;
  if (source.accept(")")) return unnamed(nodes.constant(tuple([])));
  const inside = expressions(source);
  expectClosed(source, ")", "parenthesis", place);
  return unnamed(inside);
}

function listDisplay(source: Reader): Primary {
  const place = source.at++;
  const items = moreItems(source);
  expectClosed(source, "]", "bracket", place);
  return unnamed(nodes.listDisplay(items));
}

function dictDisplay(source: Reader): Primary {
  const place = source.at++;
  const pairs: (readonly [Evaluate, Evaluate])[] = [];
  while (!source.accept("}")) {
    const key = conditional(source);
    if (!source.accept(":")) source.blame(unexpected(source, "':' is missing after the key; sets are not supported"));
    pairs.push([key, conditional(source)]);
    if (source.accept(",")) continue;
    expectClosed(source, "}", "brace", place);
    break;
  }
  return unnamed(nodes.dictDisplay(pairs));
}
