/*
 * A connection to PostgreSQL as the rest of store/postgres uses it. Knows no statement about tasks.
 */

/** Cells of one row, in the order of its columns. Times are milliseconds since 1970 (fraction: microseconds), bigints are numbers. */
export type Row = readonly unknown[];

/** Values are always parameters ($1, $2, ...); arrays are those of PostgreSQL. Throws TransientError for what may pass, else UserError or FatalError. */
export type Query = (sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

export interface PostgresConnection {
  /** For log lines: `postgresql (host:5432/name)`. */
  readonly title: string;
  /** `host:5432/name`. */
  readonly place: string;
  /** Of the tables, for channel names; every connection looks there first, so statements name tables alone. */
  readonly schema: string | null;
  /** One statement, prepared once per connection. */
  readonly query: Query;
  /** Runs `work` in a transaction: wholly or not at all. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** The rows of one statement, in portions, without holding more than one in memory. */
  stream(sql: string, values: readonly unknown[], portion: number): AsyncIterable<readonly Row[]>;
  /** `heard` gets the payload of each notification; `ready` is called whenever listening begins, also again after a loss of the connection. */
  listen(channel: string, heard: (payload: string) => void, ready: () => void): Promise<void>;
  close(): Promise<void>;
}
