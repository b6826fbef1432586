/*
 * Statements and transactions on a PostgreSQL database, over a few connections of the driver, with errors of ours.
 * Knows no statement about tasks.
 */
import postgres from "postgres";
import { assert } from "../../base/assert.ts";
import type { Clock } from "../../base/clock.ts";
import { cell, cellTypes } from "./cells.ts";
import { isFull, openFailure, runFailure } from "./failure.ts";
import { type Listener, startListening } from "./listener.ts";
import { type Client, type Driver, isBreach, newPool, onlyConnection, type Pool, silentMs } from "./pool.ts";
import { type PostgresTarget, socketIn } from "./settings.ts";

/**
 * The cells of one row, in the order of its columns. Times are milliseconds since 1970 (the fraction has microseconds),
 * bigints are numbers, JSON is text.
 */
export type Row = readonly unknown[];

/**
 * Runs one statement. Values are always parameters ($1, $2, ...); an array becomes one of PostgreSQL. Throws
 * TransientError for a failure that may pass, else UserError or FatalError.
 */
export type Query = (sql: string, values?: readonly unknown[]) => Promise<readonly Row[]>;

export interface PostgresConnection {
  /** The database as log lines name it: `postgresql (host:5432/name)`. */
  readonly title: string;
  /** The database as messages name it: `host:5432/name`. */
  readonly place: string;
  /**
   * The schema of the tables; null: the usual one. Channel names contain it. Every connection looks there first, so
   * statements name tables without it.
   */
  readonly schema: string | null;
  /** The rows that answered `question` of the options. */
  readonly answer: readonly Row[];
  /** Runs one statement, which each connection prepares once. */
  readonly query: Query;
  /** Runs several statements in one text, or one that cannot be prepared (`vacuum`); without values. */
  readonly script: (sql: string) => Promise<void>;
  /** Runs `work` in a transaction: all of it or nothing. */
  transaction<T>(work: (query: Query) => Promise<T>): Promise<T>;
  /** The rows of one statement in portions, of which only one is in memory at a time. */
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
  /** Called with each statement as it runs. */
  readonly echo: ((sql: string) => void) | null;
  /**
   * For tables that grow: statements are planned for large tables, whatever the size of a table when they are prepared.
   */
  readonly steady?: boolean;
  /** For searches: a statement ends soon after the program that asked has gone (Ctrl-C). */
  readonly watched?: boolean;
  /** A statement without values that runs while the first connection is opened, which saves a millisecond. */
  readonly question?: string;
}

/**
 * The largest number of connections: a server has claims, commits, insertions and heartbeats under way side by side.
 */
const poolSize = 4;
/** A connection that is not used for this long is closed, seconds. An idle server needs only the one that listens. */
const idleSeconds = 60;

/**
 * The statements that every connection runs first. They do not stand among the parameters of the connection, because
 * poolers refuse them there. The timeout frees the locks of a connection that went silent. Compiling (jit) is off
 * because it takes longer than any statement of ours.
 */
const greeting = "set idle_in_transaction_session_timeout = '60s'; set jit = off";
/**
 * For servers, whose tables grow. A server that began with an empty table would otherwise read all of it for each
 * claim, until PostgreSQL has new statistics.
 */
const steadily =
  "set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off";
/**
 * For searches that a person waits for. On Linux, PostgreSQL 14 and later can notice that nobody waits any more. The
 * memory is for joining two indices: with the usual 4 MB, two indices of a hundred thousand rows each are joined page
 * by page, not row by row, and counting failures with a tag then reads a third of a large table (1.3 s in place of 45
 * ms).
 */
const watching = `select set_config('client_connection_check_interval', '1000', false)
  where current_setting('server_version_num')::int >= 140000 and version() ~ 'linux';
  select set_config('work_mem', '64MB', false) where pg_size_bytes(current_setting('work_mem')) < 67108864`;

/** The database as messages name it: `host:5432/name`. */
export function placeOf({ host, port, database }: PostgresTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

/** The channel on which programs tell each other of new tasks and recalls in this schema. */
export function channelOf(schema: string | null): string {
  return `hypershell ${schema ?? "public"}`;
}

type Options = postgres.Options<Record<string, postgres.PostgresType>>;

/** The state of an open connection. */
interface Way {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  readonly echo: ((sql: string) => void) | null;
  readonly place: string;
  /** The statements that every connection runs first. */
  readonly hello: string;
  readonly pool: Pool;
  /** The connections that have run them. */
  readonly greeted: WeakSet<Client>;
  /**
   * Whether statements are prepared. Behind a pooler they are not: it may give each transaction another connection,
   * which does not know what was prepared on the one before. A pooler is recognised because it hands out keys of its
   * own.
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
    // If it were left out, the driver would look for a password by itself.
    password: password ?? "",
    ssl: tls as boolean | "prefer",
    max: 1,
    idle_timeout: idleSeconds,
    max_lifetime: null,
    connect_timeout: target.connectSeconds,
    prepare: true,
    // Fetching types would cost a round trip for each connection. Only arrays need it, and cells.ts writes those.
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
  const path = host.startsWith("/") ? socketIn(host, port) : null;
  const endpoint = { host, port, path, peer: target.peer ?? null, connectSeconds: target.connectSeconds };
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

/** Runs one statement on a connection that is lent to the caller. */
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
 * Lends a connection that has run the greeting. Makes do with fewer connections when the server has no room for
 * another.
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

/**
 * Opens the first connection, so that anything wrong with the way to the database shows here. Answers the rows of
 * `question`.
 */
async function enter(way: Way, question: string | undefined): Promise<readonly Row[]> {
  try {
    return await way.pool.use(async (client) => {
      if (question !== undefined) way.echo?.(question);
      const first = `select pg_backend_pid(); ${way.hello}; ${question ?? "select 1"}`;
      const said = await client.driver.unsafe(first).values();
      way.greeted.add(client);
      // The driver gives one answer for each statement that has rows.
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
      // The error that broke the transaction matters, not that of the rollback. A connection that is gone undoes
      // everything by itself.
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
    // A reader may pause for as long as they like.
    client.turn = null;
    lent.resolve(client);
    return over.promise;
  });
  // The database may be out of reach.
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

/** Opens a database. Throws UserError when it cannot be reached. */
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

/** Quotes a name for SQL, whatever its characters. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
