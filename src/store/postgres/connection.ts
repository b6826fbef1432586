/*
 * A connection to PostgreSQL as the rest of store/postgres uses it: statements and transactions over a few connections of the driver's, how values
 * become text and back, errors as ours. Knows no statement about tasks.
 */
import postgres from "postgres";
import { assert } from "../../base/assert.ts";
import type { Clock, Timer } from "../../base/clock.ts";
import { isFull, openFailure, runFailure } from "./failure.ts";
import { type Client, type Driver, isBreach, newPool, onlyConnection, silentMs } from "./pool.ts";
import type { PostgresTarget } from "./settings.ts";

/** Cells of one row, in the order of its columns. Times are milliseconds since 1970 (fraction: microseconds), bigints are numbers, JSON is text. */
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
  /** `heard` gets the payload of each notification; `ready` is called whenever listening begins, also again after a loss of the connection. */
  listen(channel: string, heard: (payload: string) => void, ready: () => void): void;
  close(): Promise<void>;
}

export interface PostgresOptions {
  readonly target: PostgresTarget;
  readonly clock: Clock;
  /** Told each statement as it runs. */
  readonly echo: ((sql: string) => void) | null;
  /** Statements are planned for tables that grow to any size, whatever is known of them when they are prepared. */
  readonly steady?: boolean;
  /** Statements that end when whoever asked has gone (Ctrl-C), not when they have something to say. */
  readonly watched?: boolean;
  /** A statement without values that is asked on the way in, which saves one a millisecond. */
  readonly question?: string;
}

/** Claims, commits, insertions and heartbeats of a server, side by side. */
const poolSize = 4;
/** A connection that is not used for this long is given back, seconds: an idle server needs only the one that listens. */
const idleSeconds = 60;
/** Pause before listening is tried again, milliseconds. */
const listenAgainMs = 1000;
/** Who listens hears nothing for days, and networks forget such connections without a word: it is asked for a sign this often, milliseconds. */
const listenCheckMs = 30_000;

/**
 * Said first; not among the parameters of the connection, where poolers refuse it. What a connection that went silent has locked is free again after a
 * while. Without the others a server that began with an empty table would read all of it for each claim when it has grown, until PostgreSQL has
 * counted again; compiling takes longer than any statement.
 */
const greeting = "set idle_in_transaction_session_timeout = '60s'; set jit = off";
const steadily =
  "set enable_seqscan = off; set enable_bitmapscan = off; set enable_hashjoin = off; set enable_mergejoin = off";
/**
 * For who has somebody waiting. PostgreSQL 14 and later notice where the system can tell that nobody does any more. With the usual 4 MB two indices of a
 * hundred thousand rows each are put together page by page, not row by row: then counting failures with a tag reads a third of a large table (1.3 s for
 * 45 ms).
 */
const watching = `select set_config('client_connection_check_interval', '1000', false)
  where current_setting('server_version_num')::int >= 140000 and version() ~ 'linux';
  select set_config('work_mem', '64MB', false) where pg_size_bytes(current_setting('work_mem')) < 67108864`;

/** `host:5432/name`. */
export function placeOf({ host, port, database }: PostgresTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

/** Throws UserError when there is no way in. */
export async function openPostgres(options: PostgresOptions): Promise<PostgresConnection> {
  const { target, clock, echo } = options;
  const { host, port, database, user, password, schema, tls, parameters } = target;
  const place = placeOf(target);
  const hello = [greeting, options.steady === true ? steadily : "", options.watched === true ? watching : ""]
    .filter((each) => each !== "")
    .join("; ");
  const way = {
    host,
    port,
    database,
    user,
    // Without one the driver looks for one by itself.
    password: password ?? "",
    ssl: tls as boolean | "prefer",
    max: 1,
    idle_timeout: idleSeconds,
    max_lifetime: null,
    connect_timeout: target.connectSeconds,
    prepare: true,
    // A question at each connection, for arrays; those are written here.
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
  const address = { host, port, path, connectSeconds: target.connectSeconds };
  const driver = (more: object): Driver =>
    postgres({ ...way, ...more, socket: onlyConnection(address, clock) } as unknown as Options) as Driver;
  const pool = newPool(poolSize, (onClose) => driver({ onclose: onClose }), clock);
  let closed = false;

  /** A statement without values, or several in one text. */
  async function say(client: Client, sql: string): Promise<{ readonly command: string }> {
    try {
      return await client.driver.unsafe(sql);
    } catch (error) {
      if (isBreach(error)) client.broken = error;
      throw runFailure(error, place);
    }
  }

  const asking =
    (client: Client): Query =>
    async (sql, values = []) => {
      if (client.broken !== null) throw runFailure(client.broken, place);
      echo?.(sql);
      try {
        return await client.driver.unsafe(sql, values.map(cell) as never[], { prepare }).values();
      } catch (error) {
        if (isBreach(error)) client.broken = error;
        throw runFailure(error, place);
      }
    };

  async function use<T>(work: (client: Client) => Promise<T>): Promise<T> {
    for (;;) {
      const done = await pool.use(async (client) => {
        try {
          if (!greeted.has(client)) await say(client, hello);
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
  const greeted = new WeakSet<Client>();

  /**
   * A pooler in between gives everybody keys of its own. It may give each transaction another connection, where nobody knows what was prepared on the
   * one before: then each statement is told anew.
   */
  let prepare = true;

  let answer: readonly Row[] = [];
  try {
    // Everything that is wrong with the way in shows here.
    answer = await pool.use(async (client) => {
      const { question } = options;
      if (question !== undefined) echo?.(question);
      const said = await client.driver.unsafe(`select pg_backend_pid(); ${hello}; ${question ?? "select 1"}`).values();
      greeted.add(client);
      // One for each statement that has rows, when there are several.
      const answers = said as unknown as (readonly Row[] & { readonly state: { readonly pid: number } })[];
      prepare = answers[0]?.[0]?.[0] === answers[0]?.state.pid;
      return answers.at(-1) ?? [];
    });
  } catch (error) {
    await pool.close();
    throw openFailure(error, place, typeof tls === "object");
  }

  const ears: { readonly close: () => void }[] = [];

  function listen(channel: string, heard: (payload: string) => void, ready: () => void): void {
    let next: Timer | null = null;
    let ear: Driver | null = null;

    function attempt(): void {
      const own = driver({
        idle_timeout: null,
        onnotify: (from: string, payload: string) => {
          if (from === channel && ear === own) heard(payload);
        },
        // Also after an attempt that failed.
        onclose: () => lost(own),
      });
      ear = own;
      ask(own, `listen ${quoteIdentifier(channel)}`, ready);
    }

    function ask(own: Driver, sql: string, answered: () => void): void {
      next = clock.after(Math.max(silentMs, target.connectSeconds * 1000), () => lost(own));
      own.unsafe(sql).then(
        () => {
          if (ear !== own) return;
          next?.cancel();
          next = clock.after(listenCheckMs, () => ask(own, "select 1", () => undefined));
          answered();
        },
        () => lost(own),
      );
    }

    function lost(own: Driver): void {
      if (ear !== own) return;
      drop();
      next = clock.after(listenAgainMs, attempt);
    }

    function drop(): void {
      next?.cancel();
      const last = ear;
      ear = null;
      // Whatever is wrong with it, nobody listens there any more.
      last?.end({ timeout: 0 }).catch(() => undefined);
    }

    attempt();
    ears.push({ close: drop });
  }

  return {
    title: `postgresql (${place})`,
    place,
    schema,
    answer,
    query: (sql, values) => use((client) => asking(client)(sql, values)),
    script: (sql) =>
      use(async (client) => {
        echo?.(sql);
        await say(client, sql);
      }),
    transaction: (work) =>
      use(async (client) => {
        await say(client, "begin");
        let answer: Awaited<ReturnType<typeof work>>;
        try {
          answer = await work(asking(client));
        } catch (error) {
          // What broke it is known; a connection that is gone undoes everything by itself.
          if (client.broken === null) await say(client, "rollback").catch(() => undefined);
          throw error;
        }
        const { command } = await say(client, "commit");
        assert(command === "COMMIT", "a transaction ends with its first error");
        return answer;
      }),
    async *stream(sql, values, portion) {
      // Lent for as long as it is read.
      const over = Promise.withResolvers<void>();
      const lent = Promise.withResolvers<Client>();
      const using = use((client) => {
        // Who reads it may rest.
        client.turn = null;
        lent.resolve(client);
        return over.promise;
      });
      // There may be no way in.
      using.catch(lent.reject);
      const client = await lent.promise;
      echo?.(sql);
      try {
        const cursor = client.driver
          .unsafe(sql, values.map(cell) as never[], { prepare })
          .values()
          .cursor(portion);
        for await (const rows of cursor) yield rows;
      } catch (error) {
        if (isBreach(error)) client.broken = error;
        throw runFailure(error, place);
      } finally {
        over.resolve();
        await using;
      }
    },
    listen,
    async close() {
      if (closed) return;
      closed = true;
      for (const ear of ears) ear.close();
      await pool.close();
    },
  };
}

type Options = postgres.Options<Record<string, postgres.PostgresType>>;

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Text of a parameter: arrays as PostgreSQL writes them, everything else as the driver does by the type that the server asks for. */
function cell(value: unknown): unknown {
  return Array.isArray(value) ? arrayText(value) : value;
}

/** https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO; 0.1 µs a number, 0.2 a short text. */
function arrayText(values: readonly unknown[]): string {
  let text = "{";
  for (let i = 0; i < values.length; i++) {
    if (i > 0) text += ",";
    const value = values[i];
    if (value === null || value === undefined) text += "NULL";
    else if (typeof value === "string") text += quoted(value);
    else text += String(value);
  }
  return `${text}}`;
}

function quoted(value: string): string {
  return /["\\]/.test(value) ? `"${value.replace(/["\\]/g, "\\$&")}"` : `"${value}"`;
}

const cellTypes = {
  bigint: { to: 20, from: [20], serialize: String, parse: Number },
  json: { to: 114, from: [114, 3802], serialize: String, parse: (text: string) => text },
  date: {
    to: 1184,
    from: [1082, 1114, 1184],
    serialize: (time: unknown) => (typeof time === "number" ? instantText(time) : String(time)),
    parse: parseInstant,
  },
};

/** Text of a time in milliseconds since 1970, to the microsecond; for parameters, also in arrays. */
export function instantText(ms: number): string {
  const whole = Math.floor(ms);
  const micros = Math.min(999, Math.round((ms - whole) * 1000));
  return `${new Date(whole).toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`;
}

/** `2026-11-22 07:07:22.761974+00`; null for what has no place on a calendar (`infinity`). */
export function parseInstant(text: string): number | null {
  const parts = /^(\d{4,})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::?(\d\d))?)?)?$/.exec(
    text,
  );
  if (parts === null) return null;
  const number = (i: number): number => Number(parts[i] ?? 0);
  const ms = Date.UTC(number(1), number(2) - 1, number(3), number(4), number(5), number(6));
  const micros = Number((parts[7] ?? "").padEnd(6, "0"));
  const offsetMinutes = (parts[8] === "-" ? -1 : 1) * (number(9) * 60 + number(10));
  return ms - offsetMinutes * 60_000 + micros / 1000;
}
