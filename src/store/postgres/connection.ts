/*
 * A connection to PostgreSQL as the rest of store/postgres uses it: a few connections of the driver's, opened when they are needed; how values
 * become text and back; errors as ours. Knows no statement about tasks.
 */
import postgres from "postgres";
import type { Clock, Timer } from "../../base/clock.ts";
import { openFailure, runFailure } from "./failure.ts";
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
}

/** Claims, commits, insertions and heartbeats of a server, side by side. */
const poolSize = 4;
/** A connection that is not used for this long is given back, seconds: an idle server needs only the one that listens. */
const idleSeconds = 60;
/** Pause before listening is tried again, milliseconds. */
const listenAgainMs = 1000;
/** What is still under way gets this long when the connection is closed, milliseconds. */
const closeMs = 5000;
/** The driver waits in vain for a connection that broke in the middle of a statement and was not used again. Others take a millisecond. */
const endSeconds = 0.2;

/** What a connection that went silent has locked is free again after this. Not among the parameters of the connection: poolers refuse those. */
const abandoned = "set local idle_in_transaction_session_timeout = '60s'";

/** `host:5432/name`. */
export function placeOf({ host, port, database }: PostgresTarget): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}/${database}`;
}

/** Throws UserError when there is no way in. */
export async function openPostgres({ target, clock, echo }: PostgresOptions): Promise<PostgresConnection> {
  const { host, port, database, user, password, schema, tls, parameters } = target;
  const place = placeOf(target);
  const options = {
    ...(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}`, host: "localhost" } : { host }),
    port,
    database,
    user,
    // Without one the driver looks for one by itself.
    password: password ?? "",
    ssl: tls as boolean | "prefer",
    max: poolSize,
    idle_timeout: idleSeconds,
    max_lifetime: null,
    connect_timeout: target.connectSeconds,
    // Whoever waits for a database has a pause of his own.
    backoff: () => 0,
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
  const pool = postgres(options as unknown as Options);
  let closed = false;

  let underWay = 0;
  let idle: (() => void) | null = null;

  async function counted<T>(work: () => Promise<T>): Promise<T> {
    underWay++;
    try {
      return await work();
    } catch (error) {
      throw runFailure(error, place);
    } finally {
      ended();
    }
  }

  function ended(): void {
    underWay--;
    if (underWay === 0) idle?.();
  }

  async function settled(): Promise<void> {
    if (underWay === 0) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    idle = resolve;
    const late = clock.after(closeMs, resolve);
    await promise;
    late.cancel();
  }

  const querying =
    (client: Pick<postgres.Sql, "unsafe">): Query =>
    async (sql, values = []) => {
      echo?.(sql);
      try {
        return await client.unsafe(sql, values.map(cell) as never[], { prepare: true }).values();
      } catch (error) {
        throw runFailure(error, place);
      }
    };
  const ask = querying(pool);

  try {
    // Everything that is wrong with the way in shows here.
    await pool.unsafe("select 1");
  } catch (error) {
    await pool.end({ timeout: 0 });
    throw openFailure(error, place, typeof tls === "object");
  }

  const ears: { readonly end: () => Promise<void> }[] = [];

  function listen(channel: string, heard: (payload: string) => void, ready: () => void): void {
    let again: Timer | null = null;
    const name = quoteIdentifier(channel);
    const ear = postgres({
      ...options,
      max: 1,
      idle_timeout: null,
      onnotify: (from: string, payload: string) => {
        if (from === channel) heard(payload);
      },
      // Also after an attempt that failed.
      onclose: () => later(),
    } as unknown as Options);
    function later(): void {
      if (closed || again !== null) return;
      again = clock.after(listenAgainMs, () => {
        again = null;
        attempt();
      });
    }
    function attempt(): void {
      if (closed) return;
      ear.unsafe(`listen ${name}`).then(() => {
        if (!closed) ready();
      }, later);
    }
    attempt();
    ears.push({
      end: async () => {
        again?.cancel();
        await ear.end({ timeout: 0 });
      },
    });
  }

  return {
    title: `postgresql (${place})`,
    place,
    schema,
    query: (sql, values) => counted(() => ask(sql, values)),
    script: (sql) =>
      counted(async () => {
        echo?.(sql);
        await pool.unsafe(sql);
      }),
    // Of its statements the driver forgets those that wait when the connection is lost: they are never answered, the transaction is.
    transaction: (work) =>
      counted(
        async () =>
          (await pool.begin(async (client) => {
            const [, answer] = await Promise.all([client.unsafe(abandoned), work(querying(client))]);
            return answer;
          })) as Awaited<ReturnType<typeof work>>,
      ),
    async *stream(sql, values, portion) {
      echo?.(sql);
      underWay++;
      try {
        const cursor = pool
          .unsafe(sql, values.map(cell) as never[], { prepare: true })
          .values()
          .cursor(portion);
        for await (const rows of cursor) yield rows;
      } catch (error) {
        throw runFailure(error, place);
      } finally {
        ended();
      }
    },
    listen,
    async close() {
      if (closed) return;
      closed = true;
      await settled();
      await Promise.all([pool.end({ timeout: endSeconds }), ...ears.map(({ end }) => end())]);
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
function parseInstant(text: string): number | null {
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
