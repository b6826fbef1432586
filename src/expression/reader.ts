/*
 * The place in an expression up to which it has been read, for the parsers of expressions and of literals. Blames the user with a caret.
 */
import { ExpressionSyntaxError } from "./failure.ts";

/** More than anyone can follow, few enough for the stack. A pair of parentheses counts twice. */
const maxDepth = 200;

export interface Reader {
  readonly template: string;
  /** Behind the last character of the expression. */
  readonly end: number;
  at: number;
  blame(problem: string, offset?: number): never;
  skipBlanks(): void;
  /** Without moving. */
  looksAt(sign: string): boolean;
  /** The text that a sticky pattern finds here, without moving. */
  match(pattern: RegExp): string | null;
  /** Takes a sign that does not go on as one of `unless`; blanks before it are skipped. */
  accept(sign: string, unless?: readonly string[]): boolean;
  acceptWord(word: string): boolean;
  /** A level of nesting further. */
  nested<T>(parse: () => T): T;
}

export const identifier = /[\p{XID_Start}_]\p{XID_Continue}*/uy;

export function reader(template: string, start: number, end: number): Reader {
  let depth = 0;

  const self: Reader = {
    template,
    end,
    at: start,
    blame(problem, offset = self.at) {
      throw new ExpressionSyntaxError(problem, offset);
    },
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
  };
  return self;
}
