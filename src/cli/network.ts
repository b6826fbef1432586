/*
 * The options that `hs server`, `hs client` and `hs submit --queue` have in common: where the server is, the key, and
 * TLS; and what they mean together with the configuration. What makes a connection safe is decided in
 * cluster/security.ts.
 */
import { readFileSync } from "node:fs";
import { argumentError, runtimeError, type UserError } from "../base/errors.ts";
import { isStandardInput } from "../base/paths.ts";
import { type Endpoint, parseAddress } from "../cluster/endpoint.ts";
import type { Config } from "../config/load.ts";
import type { Logger } from "../log/logger.ts";
import type { Option, ParsedWith } from "../args/spec.ts";
import { settled } from "../args/settled.ts";

export const portOption = {
  key: "port",
  names: ["-p", "--port"],
  kind: "integer",
  metavar: "PORT",
  min: 0,
  setting: "server.port",
  help: "Port of the server.",
  fallback: "50001, or server.port",
} as const satisfies Option;

export const keyOption = {
  key: "auth",
  names: ["-k", "--auth"],
  value: "free",
  kind: "text",
  metavar: "KEY",
  help: "Key that server and clients share; others see it in the list of processes, so better: --auth-file.",
  secret: true,
} as const satisfies Option;

export const keyFileOption = {
  key: "authFile",
  names: ["--auth-file"],
  value: "file",
  kind: "text",
  metavar: "PATH",
  help: "File with that key, which only you can read ('-': standard input).",
  fallback: "HYPERSHELL_SERVER_AUTH, server.auth or server.authfile",
} as const satisfies Option;

/** Ways to give a key that exclude each other. */
export const keyOptions = [keyOption.key, keyFileOption.key] as const;

/** For the side that connects. */
export const hostOption = {
  key: "host",
  names: ["-H", "--host"],
  value: "host",
  kind: "text",
  metavar: "ADDR",
  setting: "server.host",
  help: "Name or address of the server, or ADDR:PORT.",
  fallback: "localhost, or server.host",
} as const satisfies Option;

/** The same for who may go to another server when one is gone. */
export const hostsOption = {
  ...hostOption,
  repeatable: true,
  help: "Name or address of the server, or ADDR:PORT; several (-H A -H B, or A,B): the next is taken when one is gone.",
} as const satisfies Option;

const noTlsOption = {
  key: "noTls",
  names: ["--no-tls"],
  kind: "flag",
  help:
    "Do not encrypt; server and clients alike. What is sent can be read, but neither changed nor made up " +
    "without the key.",
} as const satisfies Option;

export const serverTlsOptions = [
  noTlsOption,
  {
    key: "tlsCert",
    names: ["--tls-cert"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Certificate (PEM).",
    fallback: "made once, lib/tls of the site",
  },
  {
    key: "tlsKey",
    names: ["--tls-key"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Its private key (PEM).",
    fallback: "made with it",
  },
  {
    key: "tlsCa",
    names: ["--tls-ca"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Accepted, changes nothing here: it is clients who check certificates.",
  },
] as const satisfies readonly Option[];

export const clientTlsOptions = [
  noTlsOption,
  {
    key: "tlsCa",
    names: ["--tls-ca"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Trust only certificates signed by these (PEM).",
    fallback: "any, if the server proves the key",
  },
  {
    key: "tlsCert",
    names: ["--tls-cert"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Accepted, changes nothing here: only a server has a certificate.",
  },
  {
    key: "tlsKey",
    names: ["--tls-key"],
    value: "file",
    kind: "text",
    metavar: "PATH",
    help: "Accepted, changes nothing here: only a server has a certificate.",
  },
] as const satisfies readonly Option[];

type TlsOption = (typeof serverTlsOptions)[number];

/** What the command line says about TLS; null: nothing. */
export interface TlsWords {
  readonly noTls: boolean;
  readonly cert: string | null;
  readonly certKey: string | null;
  readonly ca: string | null;
}

/** What the command line says about the connection; null: nothing. */
export interface NetworkWords extends TlsWords {
  readonly key: string | null;
}

/** What a command with the options of TLS was told about it. */
export function tlsWords(parsed: ParsedWith<TlsOption>): TlsWords {
  return {
    noTls: parsed.flag("noTls"),
    cert: parsed.text("tlsCert") ?? null,
    certKey: parsed.text("tlsKey") ?? null,
    ca: parsed.text("tlsCa") ?? null,
  };
}

/**
 * What a command with the options of TLS and the key was told about them. `stdin`: what standard input is needed for;
 * null: for nothing, so that the key may come from there. Throws an argument error for a file without a key.
 */
export async function networkWords(
  parsed: ParsedWith<TlsOption | typeof keyOption | typeof keyFileOption>,
  stdin: string | null,
  log: Logger,
): Promise<NetworkWords> {
  const word = parsed.text("auth");
  if (word !== undefined && showsWords()) log.warning(keyIsSeen);
  const path = parsed.text("authFile");
  const key = path !== undefined ? await keyAt(path, stdin, log) : word === undefined ? null : await keyOf(word);
  return { ...tlsWords(parsed), key };
}

const keyIsSeen =
  "Every user of this host may have seen the key, because it was on the command line (-k): " +
  "give it by --auth-file, HYPERSHELL_SERVER_AUTH or server.auth, and make a new one";

async function keyOf(word: string): Promise<string> {
  const { secretOf } = await import("./hidden-words.ts");
  return secretOf(word);
}

async function keyAt(path: string, stdin: string | null, log: Logger): Promise<string> {
  const blame = (text: string): UserError => argumentError(`argument --auth-file: ${text}`);
  const { readKeyFile, readKeyFromStdin } = await import("../cluster/key-file.ts");
  if (!isStandardInput(path)) return readKeyFile(path, blame, log.warning);
  if (stdin !== null) throw blame(`standard input cannot be the key, it is ${stdin}`);
  return readKeyFromStdin(blame);
}

/** Whether users of this host see the command lines of others, and so the secrets there. Source: proc(5), hidepid. */
export function showsWords(): boolean {
  if (process.platform === "win32") return false;
  try {
    const mounts = readFileSync("/proc/self/mounts", "utf8");
    return !/^\S+ \/proc proc \S*\bhidepid=(?:[12]|noaccess|invisible)/m.test(mounts);
  } catch {
    return true;
  }
}

/**
 * The key that a launcher of clients hands over: the first line of standard input. Throws UserError when there is none.
 */
export async function keyFromStdin(): Promise<string> {
  const { readKeyFromStdin } = await import("../cluster/key-file.ts");
  return readKeyFromStdin(() => runtimeError("client", "Standard input has no key in its first line (--auth-stdin)"));
}

/** The port. `lowest`: 0 where any free one will do, 1 for one to connect to. Throws argumentError out of range. */
export function portOf(parsed: ParsedWith<typeof portOption>, config: Config, lowest: 0 | 1): number {
  const port = settled(portOption, parsed, config);
  if (port > 65535 || port < lowest) {
    throw argumentError(`argument -p/--port: must be a number from ${lowest} to 65535, not ${port}`);
  }
  return port;
}

const addressName = "argument -H/--host";

/** The server to connect to. Throws an argument error for what is no address or no port. */
export function addressOf(parsed: ParsedWith<typeof hostOption | typeof portOption>, config: Config): Endpoint {
  const port = portOf(parsed, config, 1);
  return parseAddress(settled(hostOption, parsed, config), port, addressName);
}

/**
 * The servers to choose from, in the order in which they are asked, each of them once. Throws an argument error for
 * what is no address or no port.
 */
export function addressesOf(
  parsed: ParsedWith<typeof hostsOption | typeof portOption>,
  config: Config,
): readonly Endpoint[] {
  const port = portOf(parsed, config, 1);
  const given = parsed.words("host");
  const words = given.length > 0 ? given : [config.text("server.host")];
  const found = new Map<string, Endpoint>();
  for (const word of words.flatMap((each) => each.split(","))) {
    const address = parseAddress(word.trim(), port, addressName);
    found.set(`${address.host} ${address.port}`, address);
  }
  return [...found.values()];
}
