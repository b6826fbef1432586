/*
 * How an expression of the language goes wrong where Python would raise an exception, in two kinds: its text, when it
 * is parsed, and its evaluation for one input. Knows nothing of templates, which make their own errors of both, and is
 * loaded without the rest of the language.
 */

/** A text that is no expression of the language. `message` is the problem, without the place. */
export class ExpressionSyntaxError extends Error {
  override readonly name = "ExpressionSyntaxError";
  constructor(
    problem: string,
    /** In UTF-16 units, from the beginning of the text that was handed to the parser. */
    readonly offset: number,
  ) {
    super(problem);
  }
}

/** Why an expression has no value for an input. */
export class ExpressionFailure extends Error {
  override readonly name = "ExpressionFailure";
}

/** Throws an ExpressionFailure with this reason. */
export function fail(reason: string): never {
  throw new ExpressionFailure(reason);
}
