/*
 * The certificate (X.509) of a server and its private key: makes them, keeps them in a folder, reads them, and tells
 * certificates apart by fingerprint. Knows neither settings nor sockets, and writes no log.
 *
 * The key in the folder decides which pair is valid. A key is put there whole, and only if there is none (a hard link
 * fails if the name is taken). The certificate is made for the key that is there. So servers that start together, or
 * one that follows another killed half-way, end up with one pair, and nobody waits for a lock.
 */
import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from "node:crypto";
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from "node:fs";
import { isIP } from "node:net";
import { dirname, join } from "node:path";
import { messageOf, runtimeError, type UserError } from "../base/errors.ts";
import { secretDigits, uniqueName } from "../base/ids.ts";
import { fileMode, folderMode } from "../base/modes.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { writeAll } from "../base/write.ts";

/** A certificate and its key, in PEM. `cert` may have its chain behind the first certificate. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the first certificate: 64 lower-case hex digits. */
  readonly fingerprint: string;
  /** The end of its validity, milliseconds since 1970. */
  readonly expiresAt: number;
}

/** The names of a host, with its domain (if that is known) and without. */
export interface HostNames {
  readonly full: string;
  readonly short: string;
}

const algorithm = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  modulusLength: 3072,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;
const daysValid = 3650;
const dayMs = 86_400_000;
/** A certificate is valid from this long before it is made, milliseconds, because the clocks of hosts differ. */
const leadMs = 5 * 60_000;

/**
 * Makes a private key, in PEM (PKCS 8, not encrypted). WebCrypto looks for the primes off the main thread, which takes
 * 60 to 700 ms, mostly 150.
 */
export async function makeKey(): Promise<string> {
  const { privateKey } = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  return pemOf("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", privateKey));
}

/**
 * Makes a self-signed certificate for a key, PEM. `now`: milliseconds since 1970. Throws a UserError for a key that is
 * not RSA.
 */
export async function makeCertificate(key: string, names: HostNames, now: number): Promise<string> {
  const privateKey = createPrivateKey(key);
  if (privateKey.asymmetricKeyType !== "rsa") throw tlsError("a certificate can only be made for an RSA key");
  // The library finds its parts by decorators, which need this import first. Loading both takes 60 ms, so only this
  // function loads them.
  await import("reflect-metadata");
  const x509 = await import("@peculiar/x509");
  const san = subjectNames(names).map((value) => ({
    type: isIP(value) === 0 ? ("dns" as const) : ("ip" as const),
    value,
  }));
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    // With a digit in front the number is positive, and its length is always the same.
    serialNumber: `4${secretDigits(31)}`,
    name: [{ O: ["HyperShell"] }, { CN: [commonName(names)] }],
    notBefore: new Date(now - leadMs),
    notAfter: new Date(now + daysValid * dayMs),
    signingAlgorithm: algorithm,
    keys: {
      privateKey: await crypto.subtle.importKey("pkcs8", derOf(privateKey), algorithm, true, ["sign"]),
      publicKey: await crypto.subtle.importKey("spki", derOf(createPublicKey(privateKey)), algorithm, true, ["verify"]),
    },
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.SubjectAlternativeNameExtension(san),
    ],
  });
  return `${certificate.toString("pem").trimEnd()}\n`;
}

function derOf(key: KeyObject): Uint8Array<ArrayBuffer> {
  return new Uint8Array(key.export({ format: "der", type: key.type === "private" ? "pkcs8" : "spki" }));
}

function pemOf(label: string, der: ArrayBuffer): string {
  const lines =
    Buffer.from(der)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ""].join("\n");
}

/**
 * The name of a host, but not one that ends in `.arpa`: some resolvers answer with the name under which they looked,
 * which nobody uses.
 */
function withoutArpa({ full, short }: HostNames): string {
  return /\.arpa\.?$/i.test(full) ? short : full;
}

function subjectNames(names: HostNames): readonly string[] {
  const own = [withoutArpa(names), names.short].filter((name) => /^[\x21-\x7e]{1,253}$/.test(name));
  return [...new Set([...own, "localhost", "127.0.0.1", "::1"])];
}

/** X.520 has room for 64 characters in a common name. */
const longestCommonName = 64;

function commonName(names: HostNames): string {
  const own = [withoutArpa(names), names.short].filter((name) => name !== "");
  return own.find((name) => name.length <= longestCommonName) ?? own[0]?.slice(0, longestCommonName) ?? "hypershell";
}

export const certificateFile = "server.crt";
export const keyFile = "server.key";

export interface Kept {
  readonly certificate: Certificate;
  /** Whether this call made the certificate. */
  readonly made: boolean;
}

/**
 * The pair in a folder. It is made if it, or a part of it, is missing. `now`: milliseconds since 1970. Throws the
 * errors of the file system if the folder cannot be read or written, and a UserError if the files are there but are no
 * pair.
 */
export async function keepCertificate(
  folder: string,
  names: () => Promise<HostNames>,
  now: () => number,
): Promise<Kept> {
  const keyPath = join(folder, keyFile);
  const certPath = join(folder, certificateFile);
  const remedy = `remove both ${keyPath} and ${certPath}, and they are made anew`;
  const key = readIfThere(keyPath) ?? (await placeKey(keyPath, certPath));
  const found = readIfThere(certPath);
  const own =
    found === null
      ? await attempt(remedy, async () => makeCertificate(parseable(key, keyPath), await names(), now()))
      : null;
  const made = own !== null && publish(certPath, own, fileMode() & 0o644);
  // Another server may have made the certificate meanwhile.
  const cert = found ?? readIfThere(certPath) ?? own ?? "";
  return { certificate: await attempt(remedy, async () => pairOf(cert, key, certPath, keyPath)), made };
}

async function attempt<Result>(remedy: string, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    throw tlsError(`${messageOf(error)}: ${remedy}`);
  }
}

/**
 * Puts a new key into the folder, unless another server is quicker. A certificate without a key is of no use, so it is
 * moved aside first. It comes back if it belongs to a key that another server has just put there.
 */
async function placeKey(keyPath: string, certPath: string): Promise<string> {
  mkdirSync(dirname(keyPath), { recursive: true, mode: folderMode() });
  const fresh = await makeKey();
  // That took a while. The certificate of another server must not be gone when a third one looks.
  const other = readIfThere(keyPath);
  if (other !== null) return other;
  const aside = freshName(certPath);
  const moved = rename(certPath, aside);
  publish(keyPath, fresh, 0o600);
  const key = readIfThere(keyPath) ?? fresh;
  if (moved) {
    if (isPair(readIfThere(aside) ?? "", key)) place(aside, certPath);
    rmSync(aside, { force: true });
  }
  return key;
}

function rename(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (failureCode(error) === "ENOENT") return false;
    throw error;
  }
}

function isPair(cert: string, key: string): boolean {
  try {
    return new X509Certificate(cert).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** A name next to the file. What is written under it can be moved to the file in one step. */
function freshName(path: string): string {
  return join(dirname(path), `.${uniqueName()}.tmp`);
}

/** Writes a file so that nobody ever sees a part of it. Answers false if there was one already, which stays. */
function publish(path: string, text: string, mode: number): boolean {
  const fresh = freshName(path);
  try {
    const file = openSync(fresh, "wx", 0o600);
    try {
      writeAll(file, Buffer.from(text));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    chmodSync(fresh, mode);
    return place(fresh, path);
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** The errors of file systems without hard links (FAT, some of FUSE and CIFS). */
const noLinks = ["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EINVAL"];

function place(fresh: string, path: string): boolean {
  try {
    linkSync(fresh, path);
    return true;
  } catch (error) {
    if (failureCode(error) === "EEXIST") return false;
    if (!noLinks.includes(failureCode(error))) throw error;
  }
  try {
    copyFileSync(fresh, path, constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if (failureCode(error) === "EEXIST") return false;
    throw error;
  }
}

function readIfThere(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (failureCode(error) === "ENOENT") return null;
    throw error;
  }
}

/** Reads a pair that the user has made. Both may be in one file. Throws a UserError when they are no pair. */
export function readCertificate(certPath: string, keyPath: string): Certificate {
  return pairOf(readPem(certPath), readPem(keyPath), certPath, keyPath);
}

/** Reads certificates to trust, PEM. Throws a UserError when there are none in the file, or broken ones. */
export function readAuthorities(path: string): string {
  const text = readPem(path);
  const blocks = text.match(/-----BEGIN (?:TRUSTED )?CERTIFICATE-----[^-]*-----END (?:TRUSTED )?CERTIFICATE-----/g);
  if (blocks === null) throw tlsError(`${path} holds no certificate (PEM)`);
  for (const [index, block] of blocks.entries()) {
    const which = blocks.length === 1 ? "the certificate" : `certificate ${index + 1} of ${blocks.length}`;
    parsed(() => new X509Certificate(block), `${which} in ${path} is broken`);
  }
  return text;
}

/** Reads a user's file, whose absence is an error. PEM is ASCII; anything else is found when it is parsed. */
function readPem(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    throw tlsError(`Cannot read '${path}': ${failureReason(error)}`);
  }
}

/** Makes a pair of two PEM texts. Throws a UserError, which names the files, when they do not belong together. */
export function pairOf(cert: string, key: string, certPath = "this text", keyPath = "that text"): Certificate {
  const certificate = parsed(() => new X509Certificate(cert), `${certPath} holds no certificate (PEM)`);
  if (!certificate.checkPrivateKey(createPrivateKey(parseable(key, keyPath))))
    throw tlsError(`${keyPath} is not the private key of ${certPath}`);
  const fingerprint = parseFingerprint(certificate.fingerprint256) ?? "";
  return { cert, key, fingerprint, expiresAt: certificate.validToDate.getTime() };
}

function parseable(key: string, path: string): string {
  if (/-----BEGIN ENCRYPTED|^Proc-Type: 4,ENCRYPTED/m.test(key))
    throw tlsError(`the private key in ${path} is encrypted, and nobody could be asked for its passphrase`);
  parsed(() => createPrivateKey(key), `${path} holds no private key (PEM)`);
  return key;
}

function parsed<Result>(parse: () => Result, problem: string): Result {
  try {
    return parse();
  } catch {
    // The library's own words would not help the user.
    throw tlsError(problem);
  }
}

function tlsError(text: string): UserError {
  return runtimeError("core.tls", text);
}

/** Whether a file that holds a key can be read by more than its owner and group. */
export function isOpenToAll(path: string): boolean {
  if (process.platform === "win32") return false;
  try {
    return (statSync(path).mode & 0o007) !== 0;
  } catch {
    // A file that is missing or out of reach is read by nobody.
    return false;
  }
}

/**
 * The 64 lower-case hex digits of a SHA-256 fingerprint; null if the text is none. It may be written as
 * `SHA256:AB:CD:...`, `AB:CD:...`, plain digits, or what openssl prints (`sha256 Fingerprint=AB:...`), in any case.
 */
export function parseFingerprint(text: string): string | null {
  const digits = text
    .trim()
    .replace(/^sha-?256(?:\s+fingerprint)?\s*[:=]\s*/i, "")
    .toLowerCase();
  return /^(?:[\da-f]{64}|[\da-f]{2}(?::[\da-f]{2}){31})$/.test(digits) ? digits.replaceAll(":", "") : null;
}

/** A fingerprint of hex digits as people see it: `SHA256:AB:CD:...`. */
export function showFingerprint(digits: string): string {
  return `SHA256:${(digits.toUpperCase().match(/../g) ?? []).join(":")}`;
}
