/*
 * Every setting once: its key, what it may hold, its built-in value and its meaning. Defaults, the names of environment
 * variables, checks, warnings about unknown keys and the lists for shells all follow from this table. Knows no files
 * and no environment.
 */
import type { Table, Value } from "./value.ts";

export type Kind = "text" | "integer" | "number" | "boolean" | "list" | "table";

export interface Setting {
  /** `server.tls.cert`. */
  readonly key: string;
  /** What it may hold. A table listed here belongs to the user: its keys are not checked. */
  readonly kinds: readonly Kind[];
  /** The built-in value. */
  readonly fallback: Value;
  readonly meaning: string;
  /** Texts that are allowed (in any case); absent: any text. */
  readonly choices?: readonly string[];
  readonly min?: number;
  readonly max?: number;
  /** null says something (mostly: off). Elsewhere null is as if the key had not been given. */
  readonly nullable?: boolean;
  /** Never shown unless that is asked for, and kept from tasks; `partly`: that holds for a password in it. */
  readonly secret?: boolean | "partly";
  /** It holds no URL: another setting takes that. */
  readonly urlBelongsTo?: string;
  /** A path: a `~` at its start is the home folder. */
  readonly path?: boolean;
  /** Its own keys are settings as well (`logging.file` and `logging.file.level`). */
  readonly section?: boolean;
}

type More = Omit<Setting, "key" | "kinds" | "fallback" | "meaning">;

/** A setting whose key, kinds and nullability the type checker knows. */
interface Row<Key extends string, Kinds extends Kind, Nullable extends boolean> extends Setting {
  readonly key: Key;
  readonly kinds: readonly Kinds[];
  readonly nullable?: Nullable;
}

function setting<const Key extends string, const Kinds extends Kind, const Nullable extends boolean = false>(
  key: Key,
  kinds: Kinds | readonly Kinds[],
  fallback: Value,
  meaning: string,
  more: Omit<More, "nullable"> & { readonly nullable?: Nullable } = {},
): Row<Key, Kinds, Nullable> {
  return { key, kinds: typeof kinds === "string" ? [kinds] : kinds, fallback, meaning, ...more };
}

const levels = ["devel", "trace", "debug", "info", "warning", "error", "critical", "notset"];
const styles = ["default", "system", "detailed", "detailed-compact", "short"];
const off = { nullable: true } as const;
const orOff = { nullable: true, min: 0 } as const;
/** A limit that the program sets for itself unless a number is given. */
/** How the output of tasks is printed; see output/printer.ts. */
export const outputModes = ["inherit", "line", "group", "ordered"] as const;

const adapting = { choices: ["auto"], min: 1 } as const;

const rows = [
  setting(
    "site.shared",
    "boolean",
    false,
    "Others use the site too: modes of files are as the umask has it, and it may belong to somebody else.",
  ),
  setting(
    "site.dumpable",
    "boolean",
    false,
    "Core dumps of programs that have keys and passwords, and debuggers for them (Linux).",
  ),

  setting("database.provider", "text", "sqlite", "Kind of database: sqlite or postgres."),
  setting(
    "database.file",
    "text",
    null,
    "SQLite file; empty or :memory: for no database. Unset: main.db in the site.",
    { ...off, path: true, urlBelongsTo: "database.url", secret: "partly" },
  ),
  setting("database.database", "text", null, "Name of the database (PostgreSQL); for SQLite another word for 'file'.", {
    ...off,
    urlBelongsTo: "database.url",
    secret: "partly",
  }),
  setting("database.url", "text", null, "All in one URL; wins over the others, but for a password that it lacks.", {
    ...off,
    secret: "partly",
  }),
  setting("database.schema", "text", null, "Schema that holds the tables (PostgreSQL).", off),
  setting("database.host", "text", null, "Host of the database server; localhost when a user or port is given.", off),
  setting("database.port", "integer", null, "Port of the database server.", { ...off, min: 1, max: 65535 }),
  setting("database.user", "text", null, "User of the database; needs a password too.", off),
  setting("database.password", "text", null, "Password of the database user.", { ...off, secret: true }),
  setting("database.echo", "boolean", false, "Log every SQL statement."),
  setting("database.connect_args", "table", {}, "Options for the database driver."),
  setting("database.pragmas", "table", {}, "PRAGMA statements for each SQLite connection, as name = value."),

  setting("logging.level", "text", "info", "Least level that is written to the console.", { choices: levels }),
  setting("logging.style", "text", "default", "Named layout of log lines.", { choices: styles }),
  setting("logging.format", "text", null, "Layout of log lines; wins over the style.", off),
  setting("logging.datefmt", "text", "%Y-%m-%d %H:%M:%S", "How times are written, as for strftime."),
  setting("logging.color", "boolean", true, "Colours on a terminal."),
  setting("logging.tasks", ["text", "boolean"], "auto", "A line for each task that starts; auto: if a level was set.", {
    choices: ["auto"],
  }),
  setting(
    "logging.file",
    ["text", "boolean"],
    null,
    "Log into files too: true, a path, or a table of the settings below.",
    { ...off, section: true, path: true },
  ),
  setting("logging.file.path", "text", "<none>", "The log file; <none>: one per role in the site.", {
    ...off,
    path: true,
  }),
  setting("logging.file.level", "text", "trace", "Least level that is written to the file.", { choices: levels }),
  setting("logging.file.style", "text", "system", "Named layout of lines in the file.", { choices: styles }),
  setting("logging.file.format", "text", null, "Layout of lines in the file; wins over the style.", off),
  setting(
    "logging.file.rotate",
    ["text", "integer"],
    "never",
    "When to begin a new file: never, at a size (512MB), or at times as for cron ('0 1 * * 0', @daily).",
    { ...off, min: 1000 },
  ),
  setting("logging.file.compress", "text", "<none>", "Compression of files that are full.", {
    ...off,
    choices: ["<none>", "none", "gzip", "bzip", "lzma", "zstd"],
  }),
  setting("logging.file.keep", "integer", 0, "Full files to leave beside their archives.", orOff),

  setting("output.mode", "text", "inherit", "How a run prints the output of tasks: inherit, line, group or ordered.", {
    choices: outputModes,
  }),
  setting("output.tag", "boolean", false, "Put the input and a tab before each line of the output of tasks."),

  setting(
    "task.cwd",
    "text",
    null,
    "Folder that tasks run in; <submit>: where each was submitted; unset: that on one machine, elsewhere the client's.",
    {
      ...off,
      path: true,
    },
  ),
  setting("task.shell", "text", null, "Shell that runs tasks, as SHELL -c COMMAND; unset: /bin/sh.", {
    ...off,
    path: true,
  }),
  setting("task.shell_reuse", "boolean", true, "Whether one shell may run several tasks in turn, where none can tell."),
  setting("task.cores", "integer", 0, "Cores that a task needs unless it says so itself; 0: not counted.", orOff),
  setting(
    "task.memory",
    "integer",
    0,
    "Bytes of memory that a task needs unless it says so itself; 0: not counted.",
    orOff,
  ),
  setting(
    "task.resources",
    ["list", "text"],
    [],
    "More names of resources that a task asks for by a tag, as in license:2, besides gpus and what clients have.",
  ),
  setting("task.enforce", "boolean", false, "Stop a task that takes more memory than it asked for."),
  setting("task.timeout", "integer", 0, "Seconds that a task may run; 0: as long as it takes.", orOff),
  setting(
    "task.requeue_status",
    "integer",
    null,
    "Exit status (85, say) by which a task asks to be run again, which costs no attempt; 0: none.",
    { ...off, min: 0, max: 255 },
  ),
  setting("task.signalwait", "integer", 10, "Seconds between the signals INT, TERM and KILL to a task that must end.", {
    min: 0,
  }),
  setting("task.ratelimit", "number", null, "Tasks per second and client, as client.ratelimit, which wins.", orOff),

  setting("submit.bundlesize", ["integer", "text"], "auto", "Most tasks to store at once.", adapting),
  setting("submit.bundlewait", "integer", 5, "Seconds that a task may wait for company before it is stored.", {
    min: 0,
  }),

  setting("server.bind", "text", "localhost", "Address that the server listens on."),
  setting("server.host", "text", "localhost", "Address that clients connect to."),
  setting("server.port", "integer", 50001, "Port of the server.", { min: 0, max: 65535 }),
  setting("server.auth", "text", "<not-secure>", "Key that server and clients share.", { ...off, secret: true }),
  setting("server.authfile", "text", null, "File with that key in one line, which only its owner can read.", {
    ...off,
    path: true,
  }),
  setting(
    "server.queuesize",
    "integer",
    1,
    "Accepted, changes nothing: what waits in the server is as much as its clients can take.",
    { min: 1 },
  ),
  setting("server.bundlesize", ["integer", "text"], "auto", "Most tasks to hand to a client at once.", adapting),
  setting("server.attempts", "integer", 1, "Times that a failing task is tried.", { min: 1 }),
  setting(
    "server.retryon",
    "text",
    null,
    "Failures that are tried again, as exit=75,signal=9,timeout; unset: all.",
    off,
  ),
  setting(
    "server.retrydelay",
    "integer",
    0,
    "Seconds before the first retry of a task; each pause is twice the last.",
    {
      min: 0,
    },
  ),
  setting("server.retrymemory", "text", null, "How much more memory each retry asks for, as x2; unset: as much.", off),
  setting("server.halt", "text", null, "Failures after which nothing more is started: a number, or as 20%.", off),
  setting("server.poison", "integer", 5, "Lost clients after which a task is given up that they ran; 0: never.", {
    min: 0,
  }),
  setting("server.eager", "boolean", false, "Try failed tasks again before new ones."),
  setting("server.exitzero", "boolean", false, "End with status 0 even if tasks failed."),
  setting("server.poll", "integer", 30, "Longest pause in seconds between two looks at the database.", { min: 1 }),
  setting("server.evict", "integer", 600, "Seconds of silence after which a client or submitter counts as lost.", {
    min: 10,
  }),
  setting("server.grace", "integer", 30, "Seconds that a client whose connection broke keeps its tasks.", { min: 0 }),
  setting("server.tls.enabled", "boolean", true, "Encrypt connections."),
  setting("server.tls.cert", "text", "<auto>", "Certificate of the server (PEM).", { path: true }),
  setting("server.tls.key", "text", "<auto>", "Private key of the server (PEM).", { path: true }),
  setting("server.tls.cafile", "text", "<auto>", "Certificates that clients trust; <none>: those of the system.", {
    ...off,
    path: true,
  }),
  setting("server.tls.fingerprint", "text", "<none>", "SHA-256 that the server's certificate must have.", off),
  setting("server.tls.insecure", "boolean", false, "Do not verify the server's certificate."),
  setting("server.tls.min_version", "text", "TLSv1.2", "Oldest version of TLS to accept.", {
    choices: ["TLSv1.2", "TLSv1.3"],
  }),
  setting("server.tls.ciphers", "text", "<none>", "Ciphers to allow, as OpenSSL names them.", off),
  setting("server.tls.servername", "text", "<none>", "Name that the server's certificate must have.", off),

  setting("web.viewers", "integer", 64, "Most viewers of a page at a time.", { min: 1, max: 1000 }),
  setting("web.hosts", ["list", "text"], [], "More names by which browsers may call a page; addresses always are."),
  setting("web.plain", "boolean", false, "Let a page beyond this host do without TLS, as behind a proxy that has it."),
  setting("web.tokenfile", "text", null, "File with the token of pages in one line; unset: a new one at each start.", {
    ...off,
    path: true,
  }),

  setting("client.bundlesize", ["integer", "text"], "auto", "Most finished tasks to return at once.", adapting),
  setting("client.bundlewait", "integer", 5, "Seconds that a finished task may wait for company.", { min: 0 }),
  setting(
    "client.heartrate",
    "integer",
    10,
    "Longest time in seconds between two signs of life; never more than a third of server.evict.",
    { min: 1 },
  ),
  setting("client.connect", "integer", 15, "Seconds that a client that starts tries to reach its server.", { min: 0 }),
  setting("client.reconnect", "integer", 600, "Seconds that a client that lost its server tries to reach it again.", {
    min: 0,
  }),
  setting("client.timeout", "integer", 0, "Seconds without tasks after which a client leaves; 0: never.", orOff),
  setting(
    "client.resources",
    "table",
    {},
    "What else tasks can ask for here, as name = number: license = 3, gpus = 2.",
  ),
  setting("client.pin", "boolean", false, "Keep each task on processors of its own, as many as it asks for (Linux)."),
  setting(
    "client.until",
    "text",
    null,
    "When the host's time is up, as for --until; never: no end; unset: that of the batch job.",
    off,
  ),
  setting("client.cores", "integer", 0, "Cores that the client's tasks may use; 0: all.", orOff),
  setting("client.memory", "integer", 0, "Bytes of memory that the client's tasks may use; 0: all.", orOff),
  setting("client.ratelimit", "number", 0, "Tasks per second that the client starts; 0: no limit.", orOff),

  setting("ssh.config", "text", "~/.ssh/config", "Configuration file of the SSH client.", { path: true }),
  setting("ssh.args", "text", null, "More arguments for ssh.", off),
  setting(
    "ssh.nodelist",
    ["text", "list", "table"],
    {},
    "Hosts: a list, a pattern, or a table of named groups of these.",
  ),

  setting("autoscale.policy", "text", "fixed", "Keep a number of clients, or follow the load.", {
    choices: ["fixed", "dynamic"],
  }),
  setting("autoscale.factor", "number", 1, "Load per client that calls for another client.", { min: 0 }),
  setting("autoscale.period", "integer", 60, "Seconds between two looks at the load.", { min: 1 }),
  setting("autoscale.launcher", "text", "", "Command that starts a client elsewhere."),
  setting("autoscale.size.init", "integer", 1, "Clients to start with.", { min: 0 }),
  setting("autoscale.size.min", "integer", 0, "Least number of clients.", { min: 0 }),
  setting("autoscale.size.max", "integer", 1, "Greatest number of clients.", { min: 0 }),

  setting(
    "console.theme",
    "text",
    "monokai",
    "Colours of JSON, YAML and TOML (hs config get --list-console-themes); any other name: the terminal's own.",
  ),

  setting(
    "progress",
    "text",
    "auto",
    "A line with what is done so far, on standard error: auto is on a terminal, always is in a file too.",
    { choices: ["auto", "always", "never"] },
  ),

  setting("export", "table", {}, "Variables for tasks: a key in capitals is the name, tables join names with _."),
] as const;

export const settings: readonly Setting[] = rows;

type Rows = (typeof rows)[number];

/** The key of any setting. */
export type SettingKey = Rows["key"];

/** The rows among `R` that may hold a value of the kind `K`. */
type Holding<K extends Kind, R = Rows> =
  R extends Row<string, infer Kinds, boolean> ? (K extends Kinds ? R : never) : never;

/**
 * The keys among `R` of rows that always have a value: null says nothing there, and no other kind is allowed beside
 * `K`.
 */
type Certain<K extends Kind, R = Rows> =
  R extends Row<infer Key, infer Kinds, infer Nullable> ? ([Kinds, Nullable] extends [K, false] ? Key : never) : never;

export type TextKey = Holding<"text">["key"];
export type IntegerKey = Holding<"integer">["key"];
export type NumberKey = Holding<"number" | "integer">["key"];
export type BooleanKey = Holding<"boolean">["key"];

/** Texts that are never null: what is not set has its built-in value. */
export type CertainTextKey = Certain<"text">;
/** Numbers that are never null, in the same sense. */
export type CertainNumberKey = Certain<"number" | "integer">;

const byKey: ReadonlyMap<string, Setting> = new Map(settings.map((each) => [each.key, each]));

/** Everything above a key: `server`, `server.tls`, ... */
const sections: ReadonlySet<string> = new Set(settings.flatMap((each) => parents(each.key)));

function parents(key: string): string[] {
  const parts = key.split(".");
  return parts.slice(1).map((_, at) => parts.slice(0, at + 1).join("."));
}

export const sectionNames: Iterable<string> = sections;

/** The setting of a key; undefined when there is none. */
export function findSetting(key: string): Setting | undefined {
  return byKey.get(key);
}

/** The built-in value of a setting that always has one. */
export function builtIn<K extends CertainTextKey | CertainNumberKey>(
  key: K,
): K extends CertainTextKey ? string : number {
  return byKey.get(key)!.fallback as never;
}

/** Whether there are settings below this key. */
export function isSection(key: string): boolean {
  return sections.has(key);
}

/** Whether the setting is a table of the user's own keys. */
export function isOpenTable(row: Setting | undefined): boolean {
  return row !== undefined && row.kinds.includes("table");
}

/** Any further key below it is passed on (to the URL of the database). */
export const openSection = "database";

export type Variant = "" | "_env" | "_eval";

/** `server.auth_env` is a way to give `server.auth`. In [export] a name is only a name. */
export function splitVariant(key: string): { readonly base: string; readonly variant: Variant } {
  const variant = key.endsWith("_env") ? "_env" : key.endsWith("_eval") ? "_eval" : "";
  const base = key.slice(0, key.length - variant.length);
  if (variant === "" || base.endsWith(".") || byKey.has(key) || key.startsWith("export."))
    return { base: key, variant: "" };
  return { base, variant };
}

/** The built-in values as one tree; what has none is left out. */
export function defaults(): Table {
  const tree: Table = Object.create(null) as Table;
  for (const { key, fallback } of settings) {
    if (fallback === null) continue;
    const parts = key.split(".");
    const last = parts.pop()!;
    let at = tree;
    for (const part of parts) at = (at[part] ??= Object.create(null) as Table) as Table;
    at[last] = fallback;
  }
  return tree;
}
