import { describe, expect, test } from "bun:test";
import { generateKeyPairSync, X509Certificate } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import {
  type HostNames,
  isOpenToAll,
  keepCertificate,
  type Kept,
  makeCertificate,
  makeKey,
  pairOf,
  parseFingerprint,
  readAuthorities,
  readCertificate,
  showFingerprint,
} from "../../../src/wire/certificate.ts";

const now = Date.UTC(2026, 0, 2, 3, 4, 5);
const node = { full: "n1.cluster.example", short: "n1" };
// Made once: each takes a good part of a second.
const [key, otherKey] = await Promise.all([makeKey(), makeKey()]);
const made = await makeCertificate(key, node, now);
const digits = "0123456789abcdef".repeat(4);
const pairs = digits.match(/../g)!.join(":");

interface Folder extends Disposable {
  readonly path: string;
  readonly file: (name: string, text: string) => string;
}

function openFolder(): Folder {
  const path = mkdtempSync(join(tmpdir(), "hs-certificate-"));
  return {
    path,
    file(name, text) {
      writeFileSync(join(path, name), text);
      return join(path, name);
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

const keep = (folder: string, names: HostNames = node): Promise<Kept> =>
  keepCertificate(folder, async () => names, Date.now);

function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (error instanceof UserError) return `${error.status} ${error.logger} ${error.message}`;
    throw error;
  }
  return "taken";
}

describe("a certificate that is made", () => {
  const certificate = new X509Certificate(made);

  test("is signed by itself, with 3072 bits and SHA-256", () => {
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.issuer).toBe(certificate.subject);
    expect(certificate.publicKey.asymmetricKeyDetails?.modulusLength).toBe(3072);
    // sha256WithRSAEncryption (RFC 8017), in the certificate and around it.
    const oid = Buffer.from("06092a864886f70d01010b", "hex");
    expect(certificate.raw.toString("latin1").split(oid.toString("latin1")).length - 1).toBe(2);
  });

  test("is valid from five minutes ago for ten years, and is no authority", () => {
    expect(certificate.validFromDate.getTime()).toBe(now - 5 * 60_000);
    expect(certificate.validToDate.getTime()).toBe(now + 3650 * 86_400_000);
    expect(certificate.ca).toBe(false);
  });

  test("names the host with and without its domain, and this host", () => {
    expect(certificate.subject.split("\n")).toEqual(["O=HyperShell", "CN=n1.cluster.example"]);
    expect(["n1.cluster.example", "n1", "localhost"].map((name) => certificate.checkHost(name))).not.toContain(
      undefined,
    );
    expect(["127.0.0.1", "::1"].map((address) => certificate.checkIP(address))).not.toContain(undefined);
    expect(certificate.checkHost("n2")).toBeUndefined();
  });

  test.each([
    ["the first name that is short enough", { full: `${"x".repeat(60)}.example`, short: "n1" }, "n1"],
    ["a part of a name that is too long", { full: "y".repeat(70), short: "y".repeat(70) }, "y".repeat(64)],
    [
      "the plain name where the resolver knows only how it looked",
      { full: "1.0.0.127.in-addr.arpa", short: "n1" },
      "n1",
    ],
    ["a name of ours for a host without any", { full: "", short: "" }, "hypershell"],
  ])("is called by %s", async (_, names, name) => {
    const { subject, subjectAltName } = new X509Certificate(await makeCertificate(key, names, now));
    expect(subject.split("\n")[1]).toBe(`CN=${name}`);
    expect(subjectAltName).not.toContain("arpa");
  });

  test("takes names that no certificate can hold for none", async () => {
    const names = { full: "knoten-äöü.example", short: "a b" };
    expect(new X509Certificate(await makeCertificate(key, names, now)).subjectAltName).toStartWith("DNS:localhost");
  });

  test("belongs to its key", () => {
    expect(pairOf(made, key).expiresAt).toBe(now + 3650 * 86_400_000);
    expect(refusalOf(() => pairOf(made, otherKey))).toContain("is not the private key of");
  });
});

describe("a folder of a site", () => {
  test("gets a pair once, and keeps it", async () => {
    using folder = openFolder();
    const tls = join(folder.path, "tls");
    const first = await keep(tls);
    expect(first.made).toBe(true);
    expect(await keep(tls, { full: "renamed", short: "renamed" })).toEqual({ ...first, made: false });
    expect(readdirSync(tls).toSorted()).toEqual(["server.crt", "server.key"]);
    expect(["server.crt", "server.key"].map((name) => statSync(join(tls, name)).mode & 0o777)).toEqual([0o600, 0o600]);
    expect(readCertificate(join(tls, "server.crt"), join(tls, "server.key"))).toEqual(first.certificate);
  });

  test("gives servers that start together the same pair", async () => {
    using folder = openFolder();
    const several = await Promise.all(Array.from({ length: 2 }, () => keep(folder.path)));
    expect(new Set(several.map(({ certificate }) => `${certificate.fingerprint} ${certificate.key}`)).size).toBe(1);
    expect(several.filter((each) => each.made).length).toBe(1);
    expect(readdirSync(folder.path).toSorted()).toEqual(["server.crt", "server.key"]);
  });

  test("whose maker was killed after the key gets the certificate of that key", async () => {
    using folder = openFolder();
    folder.file("server.key", key);
    const kept = await keep(folder.path);
    expect([kept.made, kept.certificate.key]).toEqual([true, key]);
  });

  test("whose key is gone gets a new pair", async () => {
    using folder = openFolder();
    folder.file("server.crt", made);
    const { certificate, made: isMade } = await keep(folder.path);
    expect([isMade, certificate.cert === made, certificate.key === key]).toEqual([true, false, false]);
    expect(readFileSync(join(folder.path, "server.crt"), "utf8")).toBe(certificate.cert);
    expect(readdirSync(folder.path).toSorted()).toEqual(["server.crt", "server.key"]);
  });

  test.each([
    ["a key that is cut off", made, key.slice(0, 300), /server.key holds no private key/],
    ["a certificate that is cut off", made.slice(0, 300), key, /server.crt holds no certificate/],
    ["an empty certificate", "", key, /server.crt holds no certificate/],
    ["parts of two pairs", made, otherKey, /server.key is not the private key of .*server.crt/],
  ])("with %s says which file, and what to do", async (_, cert, privateKey, expected) => {
    using folder = openFolder();
    folder.file("server.crt", cert);
    folder.file("server.key", privateKey);
    const failure = await keep(folder.path).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UserError);
    expect((failure as UserError).message).toMatch(expected);
    expect((failure as UserError).message).toMatch(/remove both .*server.key and .*server.crt/);
    expect(readFileSync(join(folder.path, "server.crt"), "utf8")).toBe(cert);
  });

  test("with a key that makes no such certificates says so", async () => {
    using folder = openFolder();
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    folder.file("server.key", privateKey.export({ format: "pem", type: "pkcs8" }).toString());
    const failure = await keep(folder.path).catch((error: unknown) => error);
    expect((failure as UserError).message).toContain("can only be made for an RSA key");
  });

  test("that cannot be there passes on what the system says", async () => {
    using folder = openFolder();
    const failure = await keep(join(folder.file("plain", ""), "tls")).catch((error: unknown) => error);
    expect(failure).not.toBeInstanceOf(UserError);
    expect((failure as { code: string }).code).toBe("ENOTDIR");
  });
});

describe("a pair of the user's own", () => {
  test("may be in one file, with its chain", () => {
    using folder = openFolder();
    const file = folder.file("all.pem", `${key}${made}${made}`);
    expect(readCertificate(file, file).fingerprint).toBe(pairOf(made, key).fingerprint);
  });

  test.each([
    ["is missing", null, "Cannot read "],
    ["is a folder", "folder", "Cannot read "],
    ["is another text", "hello\n", ""],
    ["has a key of another pair", otherKey, ""],
  ])("whose key %s is refused in one line", (_, text, expected) => {
    using folder = openFolder();
    const cert = folder.file("c.pem", made);
    const path =
      text === "folder" ? folder.path : text === null ? join(folder.path, "none") : folder.file("k.pem", text);
    const said = refusalOf(() => readCertificate(cert, path));
    expect(said).toStartWith(`5 core.tls ${expected}`);
    expect(said).toContain(path);
    expect(said).not.toContain("\n");
  });

  test("with an encrypted key is refused with the reason", () => {
    using folder = openFolder();
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const pem = privateKey.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "x" }).toString();
    expect(refusalOf(() => readCertificate(folder.file("c", made), folder.file("k", pem)))).toContain("is encrypted");
  });

  test("is open to all only if everybody may read the key", () => {
    using folder = openFolder();
    const file = folder.file("k", key);
    for (const [mode, open] of [
      [0o600, false],
      [0o640, false],
      [0o644, true],
    ] as const) {
      chmodSync(file, mode);
      expect(isOpenToAll(file)).toBe(open);
    }
    expect(isOpenToAll(join(folder.path, "none"))).toBe(false);
  });
});

describe("certificates to trust", () => {
  test("may be several", () => {
    using folder = openFolder();
    expect(readAuthorities(folder.file("ca", `# ours\n${made}${made}`))).toContain(made);
  });

  test("must be there, and whole", () => {
    using folder = openFolder();
    expect(refusalOf(() => readAuthorities(join(folder.path, "none")))).toContain("no such file or directory");
    expect(refusalOf(() => readAuthorities(folder.file("a", "hello")))).toContain("holds no certificate (PEM)");
    expect(refusalOf(() => readAuthorities(folder.file("b", key)))).toContain("holds no certificate (PEM)");
    const broken = made.replace(/\n[^-\n]{64}\n/, "\n");
    expect(refusalOf(() => readAuthorities(folder.file("c", made + broken)))).toContain("certificate 2 of 2");
  });
});

describe("a fingerprint", () => {
  test.each([
    ["as it is shown", `SHA256:${pairs.toUpperCase()}`],
    ["without the word", pairs],
    ["as plain digits", digits],
    ["in any case", digits.toUpperCase()],
    ["as openssl prints it", `sha256 Fingerprint=${pairs.toUpperCase()}`],
    ["with blanks around it", `  SHA-256: ${pairs}\n`],
    ["as plain digits after the word", `sha256:${digits}`],
  ])("is understood %s", (_, text) => {
    expect(parseFingerprint(text)).toBe(digits);
  });

  test.each([
    "",
    "SHA256:",
    digits.slice(1),
    `${digits}0`,
    digits.replace("f", "g"),
    `${pairs}:00`,
    pairs.replace(":", ""),
    `MD5:${pairs}`,
  ])("is not %p", (text) => {
    expect(parseFingerprint(text)).toBeNull();
  });

  test("is shown in pairs", () => {
    expect(showFingerprint(digits)).toBe(`SHA256:${pairs.toUpperCase()}`);
    expect(showFingerprint(pairOf(made, key).fingerprint)).toBe(`SHA256:${new X509Certificate(made).fingerprint256}`);
  });
});
