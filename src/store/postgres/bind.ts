/*
 * Statements that are put together from parts. Each part binds the values that it needs, so no value ever becomes part
 * of the text. Does not know what the statements are about.
 */

/** Binds a value, and answers how the statement names it: `$1`, `$2`, ... */
export type Bind = (value: unknown) => string;

export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

/** A Bind that adds each value to `values`; its place there is the number of the parameter. */
export function bindTo(values: unknown[]): Bind {
  return (value) => `$${values.push(value)}`;
}

/** A statement whose text `write` makes. The parameters `first` come before those that it binds. */
export function statementOf(write: (bind: Bind) => string, first: readonly unknown[] = []): Statement {
  const values = [...first];
  return { sql: write(bindTo(values)), values };
}
