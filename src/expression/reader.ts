/*
 * The place in an expression up to which it has been read, for the parsers of expressions and of literals, and how much
 * an expression may be. Blames the user for what is wrong at a place. Does not know the grammar.
 */
import { ExpressionSyntaxError } from "./failure.ts";

/** Levels of nesting: more than anyone can follow, few enough for the stack. A pair of parentheses counts twice. */
const maxDepth = 200;

/** Nodes of the tree, which is as deep as its longest chain of operators is long: few enough for the stack. */
const maxNodes = 5000;

export interface Reader {
  /** The text in which the expression stands; offsets count its UTF-16 units. */
  readonly template: string;
  /** Behind the last character of the expression. */
  readonly end: number;
  at: number;
  /** Throws an ExpressionSyntaxError, by default for this place. */
  blame(problem: string, offset?: number): never;
  /** Whether there is nothing but white space in the whole expression. */
  isEmpty(): boolean;
  skipBlanks(): void;
  /** Without moving. */
  looksAt(sign: string): boolean;
  /** The text that a sticky pattern finds here, without moving. */
  match(pattern: RegExp): string | null;
  /** Takes a sign that does not go on as one of `unless`; blanks before it are skipped. */
  accept(sign: string, unless?: readonly string[]): boolean;
  acceptWord(word: string): boolean;
  /** A level of nesting further; throws an ExpressionSyntaxError when that is one too many. */
  nested<T>(parse: () => T): T;
  /** Throws an ExpressionSyntaxError when the tree would have too many nodes. */
  countNode(): void;
}

/** A name, as Python's identifiers are (Unicode Standard Annex #31). */
export const identifier = /[\p{XID_Start}_]\p{XID_Continue}*/uy;

/**
 * A reader of the expression in `template` from `start` to `end`, in UTF-16 units. Its `blame` throws an
 * ExpressionSyntaxError.
 */
export function reader(template: string, start: number, end: number): Reader {
  let depth = 0;
  let nodes = 0;

  const self: Reader = {
    template,
    end,
    at: start,
    blame(problem, offset = self.at) {
      throw new ExpressionSyntaxError(problem, offset);
    },
    isEmpty: () => template.slice(start, end).trim() === "",
    skipBlanks() {
      while (self.at < end && " \t\n\r\f".includes(template[self.at] as string)) self.at++;
    },
    looksAt: (sign) => template.startsWith(sign, self.at) && self.at + sign.length <= end,
    match(pattern) {
      pattern.lastIndex = self.at;
      const found = pattern.exec(template)?.[0];
      return found === undefined || self.at + found.length > end ? null : found;
    },
    accept(sign, unless = []) {
      self.skipBlanks();
      if (!self.looksAt(sign) || unless.some((more) => template.startsWith(more, self.at + sign.length))) return false;
      self.at += sign.length;
      return true;
    },
    acceptWord(word) {
      self.skipBlanks();
      if (self.match(identifier) !== word) return false;
      self.at += word.length;
      return true;
    },
    nested(parse) {
      if (++depth > maxDepth) self.blame("the expression is nested too deeply");
      const result = parse();
      depth--;
      return result;
    },
    countNode() {
      if (++nodes > maxNodes) self.blame("the expression is too long");
    },
  };
  return self;
}
