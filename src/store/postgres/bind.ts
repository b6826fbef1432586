/*
 * Statements put together from parts, each of which binds the values that it needs: no value ever becomes part of the
 * text. Does not know what the statements are about.
 */

/** Takes a value, answers how the statement names it: `$1`, `$2`, ... */
export type Bind = (value: unknown) => string;

export interface Statement {
  readonly sql: string;
  readonly values: readonly unknown[];
}

export function bindTo(values: unknown[]): Bind {
  return (value) => `$${values.push(value)}`;
}

export function statementOf(write: (bind: Bind) => string, first: readonly unknown[] = []): Statement {
  const values = [...first];
  return { sql: write(bindTo(values)), values };
}
