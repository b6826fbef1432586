/*
 * A connection to PostgreSQL as everybody else here uses it: statements and transactions over a few connections of the
 * driver's, with errors of ours. Knows no statement about tasks.
 */
import postgres from "postgres";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { cell, cellTypes } from "./cells.ts";
import { isFull, openFailure, runFailure } from "./failure.ts";
import { type Listener, startListening } from "./listener.ts";
import { type Client, type Driver, isBreach, newPool, onlyConnection, type Pool, silentMs } from "./pool.ts";
import type { PostgresTarget } from "./settings.ts";

/**
 * The cells of one row, in the order of its columns. Times are milliseconds since 1970 (fraction: microseconds),
 * bigints are numbers, JSON is text.
 */
export type Row = readonly unknown[];

/**
 * Runs one statement. Values are always parameters ($1, $2, ...), and arrays are those of PostgreSQL. Throws
 * TransientError for what may pass, else UserError or FatalError.
 */
export type Query = (sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

export interface PostgresConnection {
  /** For log lines: `postgresql (host:5432/name)`. */
  readonly title: string;
  /** `host:5432/name`. */
  readonly place: string;
  /**
   * The schema of the tables, part of channel names. Every connection looks there first, so statements name tables
   * alone.
   */
  readonly schema: string | null;
  /** Answer to `question` of the options. */
  readonly answer: readonly Row[];
  /** One statement, prepared once per connection. */
  readonly query: Query;
  /** Several statements in one text, or one that cannot be prepared (`vacuum`); without values. */
  readonly script: (sql: string) => Promise<void>;
  /** Runs `work` in a transaction: wholly or not at all. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** The rows of one statement, in portions, without holding more than one in memory. */
  stream(sql: string, values: readonly unknown[], portion: number): AsyncIterable<readonly Row[]>;
  /**
   * Listens until the connection is closed. `heard` gets the payload of each notification. `ready` is called whenever
   * listening begins, also again after a loss of the connection.
   */
  listen(channel: string, heard: (payload: string) => void, ready: () => void): void;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  /** Told each statement as it runs. */
  readonly echo: ((sql: string) => void) | null;
  /** Statements are planned for tables of any size, whatever is known of the tables when they are prepared. */
  readonly steady?: boolean;
  /** A statement ends as soon as whoever asked has gone (Ctrl-C), not when it has something to say. */
  readonly watched?: boolean;
  /** A statement without values that is asked on the way in, which saves a millisecond. */
  readonly question?: string;
}

/** Claims, commits, insertions and heartbeats of a server, side by side. */
const poolSize = 4;
/**
 * A connection that is not used for this long is given back, seconds: an idle server needs only the one that listens.
 */
const idleSeconds = 60;

/**
 * What is said first on each connection. It does not stand among the parameters of the connection, because poolers
 * refuse it there. The timeout frees what a connection has locked that went silent. Compiling (jit) takes longer than
 * any statement of ours.
 */
const greeting = "set idle_in_transaction_session_timeout = '60s'; set jit = off";
/**
 * For servers, whose tables grow. A server that began with an empty table would otherwise read all of it for each
 * claim, until PostgreSQL has counted again.
 */
const steadily =
  "set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off";
/**
 * For searches that somebody waits for. PostgreSQL 14 and later notice, where the system can tell, that nobody waits
 * any more. With the usual 4 MB of memory two indices of a hundred thousand rows each are put together page by page,
 * not row by row. Counting failures with a tag reads a third of a large table then (1.3 s in place of 45 ms).
 */
const watching = `select set_config('client_connection_check_interval', '1000', false)
  where current_setting('server_version_num')::int >= 140000 and version() ~ 'linux';
  select set_config('work_mem', '64MB', false) where pg_size_bytes(current_setting('work_mem')) < 67108864`;

/** What a database is called in messages: `host:5432/name`. */
export function placeOf({ host, port, database }: PostgresTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

/** The channel on which programs tell each other of new tasks and recalls in this schema. */
export function channelOf(schema: string | null): string {
  return `hypershell ${schema ?? "public"}`;
}

type Options = postgres.Options<Record<string, postgres.PostgresType>>;

/** The way to one database. */
interface Way {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  readonly echo: ((sql: string) => void) | null;
  readonly place: string;
  /** What is said first on each connection. */
  readonly hello: string;
  readonly pool: Pool;
  /** Connections on which it has been said. */
  readonly greeted: WeakSet<Client>;
  /**
   * Whether statements are prepared. A pooler in between gives everybody keys of its own, and may give each transaction
   * another connection, which knows nothing of what was prepared on the one before. Each statement is told anew then.
   */
  prepare: boolean;
}

/** Makes drivers for one target, each with one connection; `more` is added to their options. */
function driversOf(target: PostgresTarget, clock: Clock): (more: object) => Driver {
  const { host, port, database, user, password, schema, tls, parameters } = target;
  const usual = {
    host,
    port,
    database,
    user,
    // Without a password the driver looks for one by itself.
    password: password ?? "",
    ssl: tls as boolean | "prefer",
    max: 1,
    idle_timeout: idleSeconds,
    max_lifetime: null,
    connect_timeout: target.connectSeconds,
    prepare: true,
    // Fetching types would cost a question at each connection. Only arrays need it, and those are written here.
    fetch_types: false,
    connection: {
      application_name: "hypershell",
      ...parameters,
      TimeZone: "UTC",
      DateStyle: "ISO",
      ...(schema === null ? {} : { search_path: quoteIdentifier(schema) }),
    },
    types: cellTypes,
    onnotice: () => undefined,
  };
  const path = host.startsWith("/") ? `${host}/.s.PGSQL.${port}` : null;
  const endpoint = { host, port, path, connectSeconds: target.connectSeconds };
  return (more) =>
    postgres({ ...usual, ...more, socket: onlyConnection(endpoint, clock) } as unknown as Options) as Driver;
}

/** Runs a statement without values, or several in one text. */
async function say({ place }: Way, client: Client, sql: string): Promise<{ readonly command: string }> {
  try {
    return await client.driver.unsafe(sql);
  } catch (error) {
    if (isBreach(error)) client.broken = error;
    throw runFailure(error, place);
  }
}

/** Runs one statement on a connection that is lent. */
async function ask(way: Way, client: Client, sql: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
  if (client.broken !== null) throw runFailure(client.broken, way.place);
  way.echo?.(sql);
  try {
    return await client.driver.unsafe(sql, values.map(cell) as never[], { prepare: way.prepare }).values();
  } catch (error) {
    if (isBreach(error)) client.broken = error;
    throw runFailure(error, way.place);
  }
}

/**
 * Lends a connection on which the greeting has been said. Makes do with fewer when the server has no room for another.
 */
async function use<T>(way: Way, work: (client: Client) => Promise<T>): Promise<T> {
  const { pool, greeted } = way;
  for (;;) {
    const done = await pool.use(async (client) => {
      try {
        if (!greeted.has(client)) await say(way, client, way.hello);
      } catch (error) {
        if (isFull(client.broken) && pool.narrow()) return null;
        throw error;
      }
      greeted.add(client);
      return { answer: await work(client) };
    });
    if (done !== null) return done.answer;
  }
}

/** The first use: whatever is wrong with the way in shows here. Answers the rows of `question`. */
async function enter(way: Way, question: string | undefined): Promise<readonly Row[]> {
  try {
    return await way.pool.use(async (client) => {
      if (question !== undefined) way.echo?.(question);
      const first = `select pg_backend_pid(); ${way.hello}; ${question ?? "select 1"}`;
      const said = await client.driver.unsafe(first).values();
      way.greeted.add(client);
      // The driver has one answer for each statement that has rows.
      const answers = said as unknown as (readonly Row[] & { readonly state: { readonly pid: number } })[];
      way.prepare = answers[0]?.[0]?.[0] === answers[0]?.state.pid;
      return answers.at(-1) ?? [];
    });
  } catch (error) {
    await way.pool.close();
    throw openFailure(error, way.place, typeof way.target.tls === "object");
  }
}

async function transact<T>(way: Way, work: (query: Query) => Promise<T>): Promise<T> {
  return use(way, async (client) => {
    await say(way, client, "begin");
    let answer: T;
    try {
      answer = await work((sql, values) => ask(way, client, sql, values));
    } catch (error) {
      // What broke the transaction is known. A connection that is gone undoes everything by itself.
      if (client.broken === null) await say(way, client, "rollback").catch(() => undefined);
      throw error;
    }
    const { command } = await say(way, client, "commit");
    assert(command === "COMMIT", "a transaction ends with its first error");
    return answer;
  });
}

async function* stream(
  way: Way,
  sql: string,
  values: readonly unknown[],
  portion: number,
): AsyncGenerator<readonly Row[]> {
  // The connection is lent for as long as somebody reads.
  const over = Promise.withResolvers<void>();
  const lent = Promise.withResolvers<Client>();
  const using = use(way, (client) => {
    // Readers may rest.
    client.turn = null;
    lent.resolve(client);
    return over.promise;
  });
  // There may be no way in.
  using.catch(lent.reject);
  const client = await lent.promise;
  way.echo?.(sql);
  try {
    const statement = client.driver.unsafe(sql, values.map(cell) as never[], { prepare: way.prepare });
    for await (const rows of statement.values().cursor(portion)) yield rows;
  } catch (error) {
    if (isBreach(error)) client.broken = error;
    throw runFailure(error, way.place);
  } finally {
    over.resolve();
    await using;
  }
}

/** Opens the way to a database. Throws UserError when there is none. */
export async function openPostgres(options: PostgresOptions): Promise<PostgresConnection> {
  const { target, clock, echo } = options;
  const place = placeOf(target);
  const hello = [greeting, options.steady === true ? steadily : "", options.watched === true ? watching : ""]
    .filter((each) => each !== "")
    .join("; ");
  const driver = driversOf(target, clock);
  const pool = newPool(poolSize, (onClose) => driver({ onclose: onClose }), clock);
  const way: Way = { target, clock, echo, place, hello, pool, greeted: new WeakSet(), prepare: true };
  const answer = await enter(way, options.question);
  const listeners: Listener[] = [];
  let closed = false;
  return {
    title: `postgresql (${place})`,
    place,
    schema: target.schema,
    answer,
    query: (sql, values) => use(way, (client) => ask(way, client, sql, values)),
    script: (sql) =>
      use(way, async (client) => {
        echo?.(sql);
        await say(way, client, sql);
      }),
    transaction: (work) => transact(way, work),
    stream: (sql, values, portion) => stream(way, sql, values, portion),
    listen(channel, heard, ready) {
      const statement = `listen ${quoteIdentifier(channel)}`;
      const answerMs = Math.max(silentMs, target.connectSeconds * 1000);
      listeners.push(startListening({ channel, statement, heard, ready, driver, clock, answerMs }));
    },
    async close() {
      if (closed) return;
      closed = true;
      for (const listener of listeners) listener.close();
      await pool.close();
    },
  };
}

/** A name as SQL has it where it may hold any character. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
