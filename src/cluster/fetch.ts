/*
 * One file of another host, fetched by the system's `sftp`, or by `ssh HOST cat` where sftp is missing here or there.
 * Both read the user's own configuration, keys and known hosts, and are told never to ask: a host whose key is not
 * known yet is refused, not accepted.
 *
 * The bytes go from ssh into the file and never through this program. Knows no task: a path there, a file here, and
 * what went wrong in words for the user.
 */
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileMode } from "../base/modes.ts";
import { startByLoginShell } from "../base/shell.ts";

/** How hosts are reached from here. */
export interface Reach {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** A configuration file for ssh that takes the place of the user's and the system's; null: those count. */
  readonly config: string | null;
  /** More words for the command line of ssh. */
  readonly args: readonly string[];
}

export interface Wanted {
  readonly host: string;
  /** The path on that host. */
  readonly path: string;
  /** A folder on this host, and the name of the file to make in it (plain letters, digits, dots). */
  readonly folder: string;
  readonly name: string;
}

/** Why the file could not be fetched. `gone` means that the host answered that it has no such file. */
export interface FetchFailure {
  readonly kind: "gone" | "failed";
  /** The problem, and what to do about it. */
  readonly reason: string;
}

/** Fetches a file. Answers null when it is there. */
export async function fetchFile(wanted: Wanted, reach: Reach): Promise<FetchFailure | null> {
  const { host } = wanted;
  // The name of a host comes from a database, and must not become an option or a command of ssh.
  if (!/^[A-Za-z0-9_][\w.:%@-]*$/.test(host)) return failed(`'${host}' is not the name of a host`);
  if (/[\r\n\0]/.test(wanted.path)) return failed("the name of the file has an end of line in it");
  const find = (program: string): string | null => Bun.which(program, { PATH: reach.env["PATH"] ?? "" });
  if (find("ssh") === null) return failed("there is no ssh on this host - install an OpenSSH client");
  // sftp reads some options differently (-p), so words of the user's own go to ssh only.
  if (find("sftp") !== null && reach.args.length === 0) {
    const { status, said } = await run(sftpWords(host, reach), sftpBatch(wanted), null, wanted.folder, reach);
    if (status === 0) return null;
    if (!/subsystem request failed/i.test(said)) return diagnose(said, status, wanted);
  }
  const file = openSync(join(wanted.folder, wanted.name), "w", fileMode());
  try {
    // The messages must be in English, because `meanings` reads them.
    const { line, input } = startByLoginShell(["env", "LC_ALL=C", "sh", "-c", printPlain, "sh", wanted.path]);
    const { status, said } = await run(catWords(line, wanted, reach), input, file, wanted.folder, reach);
    return status === 0 ? null : diagnose(said, status, wanted);
  } finally {
    closeSync(file);
  }
}

/** Prints a plain file, and nothing that may never end: sftp refuses those by itself. */
const printPlain = 'if [ -e "$1" ] && ! [ -f "$1" ]; then echo "not a regular file" >&2; exit 1; fi; exec cat -- "$1"';

/**
 * Options for a run in which nobody can answer a question. The user's configuration decides whether an unknown key is
 * accepted.
 */
const batch = ["-o", "BatchMode=yes"];

function configWords({ config }: Reach): readonly string[] {
  return config === null ? [] : ["-F", config];
}

function sftpWords(host: string, reach: Reach): string[] {
  // After the first colon sftp would expect a path.
  const destination = host.includes(":") ? `[${host}]` : host;
  // The option -q is not used: it would hide the reason of a failure.
  return ["sftp", ...configWords(reach), ...batch, "-b", "-", destination];
}

/**
 * The command for sftp. Only these two characters have a meaning for sftp between double quotes: blanks and `*` have
 * none.
 */
function sftpBatch({ path, name }: Wanted): string {
  return `get "${absolute(path).replace(/["\\]/g, "\\$&")}" ${name}\n`;
}

/** A path that cannot be taken for an option by its dash. Windows' paths get a slash in front. */
function absolute(path: string): string {
  if (/^[A-Za-z]:[\\/]/.test(path)) return `/${path.replaceAll("\\", "/")}`;
  return path.startsWith("/") ? path : `./${path}`;
}

function catWords(line: string, { host }: Wanted, reach: Reach): string[] {
  return ["ssh", ...configWords(reach), ...reach.args, ...batch, "-T", host, line];
}

interface Ended {
  readonly status: number;
  readonly said: string;
}

async function run(words: string[], input: string, output: number | null, cwd: string, { env }: Reach): Promise<Ended> {
  // Messages go to a file: a connection that ssh leaves open for later (ControlPersist) would keep a pipe open too.
  const folder = mkdtempSync(join(tmpdir(), "hs-fetch-"));
  const saidPath = join(folder, "said");
  const said = openSync(saidPath, "w", 0o600);
  try {
    const child = Bun.spawn(words, {
      cwd,
      env: { ...env },
      stdin: Buffer.from(input),
      stdout: output ?? "ignore",
      stderr: said,
    });
    const status = await child.exited;
    return { status, said: readFileSync(saidPath, "utf8") };
  } finally {
    closeSync(said);
    rmSync(folder, { recursive: true, force: true });
  }
}

function failed(reason: string): FetchFailure {
  return { kind: "failed", reason };
}

/** What the messages of ssh, sftp and cat mean. The first that matches counts. */
const meanings: readonly (readonly [said: RegExp, meaning: (host: string) => string])[] = [
  [
    /HOST IDENTIFICATION HAS CHANGED/i,
    (host) => `${host} has another key than before - find out why, then forget the old one: ssh-keygen -R ${host}`,
  ],
  [
    /Host key verification failed|host key is known for|can't be established/i,
    (host) => `ssh does not know the key of ${host} - call 'ssh ${host}' once yourself, compare the key and accept it`,
  ],
  [
    /Could not resolve hostname/i,
    (host) =>
      `no address is known here for ${host} - give it one in your ssh configuration (Host ${host}, then HostName)`,
  ],
  [
    /Permission denied \(|Too many authentication failures|No supported authentication/i,
    (host) =>
      `${host} does not let you in without a question - load your key (ssh-add), or put it there: ssh-copy-id ${host}`,
  ],
  [
    /Connection refused|timed out|Timeout, server|No route to host|Network is unreachable/i,
    (host) => `${host} cannot be reached by ssh - check that it is up, or copy the file some other way`,
  ],
  [/Permission denied|remote readlink/i, (host) => `you may not read that file on ${host}`],
  [/not a regular file/i, (host) => `that is no plain file on ${host}`],
  [/No space left|Disk quota exceeded/i, () => "there is no space left for it on this host"],
];

function diagnose(said: string, status: number, { host }: Wanted): FetchFailure {
  for (const [pattern, meaning] of meanings) {
    if (pattern.test(said)) return failed(meaning(host));
  }
  if (/No such file|not found\b/i.test(said) && status !== 127) {
    return { kind: "gone", reason: `${host} has no such file any more` };
  }
  const lines = said
    .split(/[\r\n]+/)
    .filter((line) => line.trim() !== "" && !/^(?:Connection closed|Connected to .*)\.?\s*$/i.test(line));
  return failed(`ssh to ${host} failed: ${lines.at(-1)?.trim() ?? `status ${status}`}`);
}
