/*
 * A PostgreSQL of its own for tests and benches: on loopback, with port, socket, data and folder of its own, nothing of
 * which touches one that may be installed here. As root it runs as the user `postgres`, who comes with Debian's
 * package. Knows nothing of hs.
 *
 *     await using postgres = await startPostgres();
 *     const name = await postgres.create();
 *     site.hs(["list"], { env: { HYPERSHELL_DATABASE_URL: postgres.url(name) } });
 */
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePorts } from "./ports.ts";

export interface Postgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  /** The folder of its socket. */
  readonly socket: string;
  /** A new, empty database; its name. */
  readonly create: () => Promise<string>;
  /** How hs and others name a database over TCP. */
  readonly url: (database: string) => string;
  /** What hs needs in its environment to use a database. */
  readonly env: (database: string) => Readonly<Record<string, string>>;
  /** Runs SQL as the owner; rows, with their cells separated by `|`. Throws what psql says. */
  readonly sql: (database: string, text: string) => Promise<readonly string[]>;
  /** Ends it as a crash would: connections break, what was committed stays. */
  readonly crash: () => Promise<void>;
  /** Ends it in order, breaking connections. */
  readonly stop: () => Promise<void>;
  /** Starts it again, on the same port and data. */
  readonly start: () => Promise<void>;
}

export interface PostgresOptions {
  /** Lines of postgresql.conf. */
  readonly settings?: readonly string[];
  /** Files beside it, by name: certificates, keys. */
  readonly files?: Readonly<Record<string, string>>;
}

/** Debian keeps the programs of the server out of the PATH. */
function programs(): string | null {
  const root = "/usr/lib/postgresql";
  const versions = existsSync(root) ? readdirSync(root).sort((a, b) => Number(b) - Number(a)) : [];
  const folders = versions.map((version) => join(root, version, "bin"));
  const found = folders.find((folder) => existsSync(join(folder, "initdb")) && existsSync(join(folder, "postgres")));
  if (found !== undefined) return found;
  const initdb = Bun.which("initdb");
  return initdb === null ? null : join(initdb, "..");
}

/** Why there is none; null: there is. */
export const noPostgres: string | null = programs() === null || Bun.which("psql") === null ? "no PostgreSQL" : null;

let databases = 0;

const user = "hs";
const password = "pass/word@1:2 %41";

/** Where one PostgreSQL has its things, and its programs. */
interface Place {
  readonly bin: string;
  readonly folder: string;
  readonly data: string;
  /** The folder of its socket. */
  readonly socket: string;
  readonly log: string;
  readonly port: number;
}

const isRoot = process.getuid?.() === 0;

/** Before a command that root is to run as the user of the server: PostgreSQL refuses to serve as root. */
const asOwner = isRoot ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];

function newPlace(): Place {
  const bin = programs();
  if (bin === null) throw new Error("PostgreSQL is not installed (Debian: postgresql)");
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "hs-postgres-")));
  const [data, socket, log] = [join(folder, "data"), join(folder, "run"), join(folder, "log")];
  for (const each of [data, socket]) mkdirSync(each);
  chmodSync(folder, 0o755);
  const [port] = freePorts(1) as [number];
  return { bin, folder, data, socket, log, port };
}

/** Runs a command; its standard output. Throws what it says, with the end of the server's log. */
async function run({ log }: Place, words: readonly string[]): Promise<string> {
  const child = Bun.spawn([...words], {
    cwd: "/",
    env: { ...process.env, LC_ALL: "C.UTF-8" },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  if ((await child.exited) !== 0)
    throw new Error(`${words.join(" ")}: ${err}${existsSync(log) ? readFileSync(log, "utf8").slice(-2000) : ""}`);
  return out;
}

async function handOver(place: Place): Promise<void> {
  if (isRoot) await run(place, ["chown", "-R", "postgres:postgres", place.folder]);
}

/** Makes the files of the database and its settings. */
async function initialize(place: Place, options: PostgresOptions): Promise<void> {
  const { bin, folder, data, socket, port } = place;
  await handOver(place);
  const passwordFile = join(folder, "password");
  await Bun.write(passwordFile, `${password}\n`);
  const initdb = [join(bin, "initdb"), "-D", data, "-U", user, "-E", "UTF8", "--no-sync"];
  const access = ["--auth-local=trust", "--auth-host=scram-sha-256", `--pwfile=${passwordFile}`];
  await run(place, [...asOwner, ...initdb, ...access]);
  const settings = [
    "listen_addresses = '127.0.0.1'",
    `port = ${port}`,
    `unix_socket_directories = '${socket}'`,
    "fsync = off",
    "max_connections = 200",
    ...(options.settings ?? []),
  ];
  await Bun.write(join(data, "postgresql.auto.conf"), `${settings.join("\n")}\n`);
  for (const [name, text] of Object.entries(options.files ?? {})) {
    await Bun.write(join(data, name), text, { mode: 0o600 });
    chmodSync(join(data, name), 0o600);
  }
  await handOver(place);
}

async function control(place: Place, ...words: readonly string[]): Promise<void> {
  await run(place, [...asOwner, join(place.bin, "pg_ctl"), "-D", place.data, "-w", "-s", ...words]);
}

async function sqlIn(place: Place, database: string, text: string): Promise<readonly string[]> {
  const { socket, port } = place;
  const psql = ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", socket, "-p", String(port)];
  const printed = await run(place, [...psql, "-U", user, "-d", database, "-c", text]);
  return printed.split("\n").filter((line) => line !== "");
}

/** Starts one, and waits until it answers. Throws when there is none to start. */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const place = newPlace();
  const { folder, socket, port } = place;
  await initialize(place, options);
  const start = (): Promise<void> => control(place, "-l", place.log, "-t", "60", "start");
  const halt = (mode: string): Promise<void> => control(place, "-m", mode, "stop");
  const sql = (database: string, text: string): Promise<readonly string[]> => sqlIn(place, database, text);
  await start();
  let running = true;

  return {
    host: "127.0.0.1",
    port,
    user,
    password,
    socket,
    async create() {
      const name = `test_${++databases}`;
      await sql("postgres", `create database ${name}`);
      return name;
    },
    url: (database) =>
      `postgresql+psycopg://${user}:${encodeURIComponent(password)}@127.0.0.1:${port}/${encodeURIComponent(database)}`,
    env: (database) => ({
      HYPERSHELL_DATABASE_PROVIDER: "postgresql",
      HYPERSHELL_DATABASE_DATABASE: database,
      HYPERSHELL_DATABASE_HOST: "127.0.0.1",
      HYPERSHELL_DATABASE_PORT: String(port),
      HYPERSHELL_DATABASE_USER: user,
      HYPERSHELL_DATABASE_PASSWORD: password,
    }),
    sql,
    async crash() {
      running = false;
      await halt("immediate");
    },
    async stop() {
      running = false;
      await halt("fast");
    },
    async start() {
      await start();
      running = true;
    },
    async [Symbol.asyncDispose]() {
      if (running) await halt("immediate");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
