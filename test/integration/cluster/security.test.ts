import { describe, expect, test } from "bun:test";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../src/base/errors.ts";
import {
  clientSecurity,
  type ClientSecurityOptions,
  freshKey,
  keyProblem,
  serverSecurity,
  type ServerSecurityOptions,
} from "../../../src/cluster/security.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Loggers } from "../../../src/log/logger.ts";
import { makeCertificate, makeKey, pairOf, showFingerprint } from "../../../src/wire/certificate.ts";
import { makeLog } from "../../make.ts";

const goodKey = "0123456789abcdef";
const privateKey = await makeKey();
const certificate = await makeCertificate(privateKey, { full: "n1.example", short: "n1" }, Date.now());
/** Without settings: nothing but ephemeral key exchange. */
const safe = "ECDHE+AESGCM:ECDHE+CHACHA20";
const digits = pairOf(certificate, privateKey).fingerprint;

interface Place extends Disposable {
  readonly path: string;
  readonly file: (name: string, text: string) => string;
  /** What was logged: `LEVEL logger: text`. */
  readonly said: string[];
  readonly server: (settings?: Settings, options?: Partial<ServerSecurityOptions>) => ReturnType<typeof serverSecurity>;
  readonly client: (settings?: Settings, options?: Partial<ClientSecurityOptions>) => ReturnType<typeof clientSecurity>;
}

/** Without the common beginning: `AUTH`, `TLS_CERT`. */
type Settings = Readonly<Record<string, string>>;

/** Unless it is fresh, it has its certificate already: making one takes a while. */
function openPlace({ fresh = false } = {}): Place {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "hs-security-")));
  mkdirSync(join(path, "home"));
  if (!fresh) {
    mkdirSync(join(path, "site/lib/tls"), { recursive: true });
    writeFileSync(join(path, "site/lib/tls/server.key"), privateKey, { mode: 0o600 });
    writeFileSync(join(path, "site/lib/tls/server.crt"), certificate);
  }
  const said: string[] = [];
  const loggers: Loggers = (name) => makeLog((level, text) => said.push(`${level} ${name}: ${text}`));
  const common = (settings: Settings) => {
    const env = Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [`HYPERSHELL_SERVER_${name}`, value]),
    );
    const config = loadConfig({ HOME: join(path, "home"), HYPERSHELL_SITE: join(path, "site"), ...env }, path);
    return { noTls: false, key: null, cert: null, certKey: null, ca: null, config, loggers };
  };
  return {
    path,
    said,
    file(name, text) {
      writeFileSync(join(path, name), text);
      return join(path, name);
    },
    server: async (settings = {}, options = {}) =>
      serverSecurity({ ...common({ AUTH: goodKey, ...settings }), bind: "0.0.0.0", ...options }),
    client: async (settings = {}, options = {}) =>
      clientSecurity({ ...common({ AUTH: goodKey, ...settings }), host: "n1.example", role: "client", ...options }),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

async function refusalOf(access: Promise<unknown>): Promise<string> {
  try {
    await access;
  } catch (error) {
    if (error instanceof UserError) return `${error.status} [${error.logger}] ${error.message}`;
    throw error;
  }
  return "taken";
}

describe("the key", () => {
  test("a server without one, or with the placeholder, does not start", async () => {
    using place = openPlace({ fresh: true });
    for (const key of ["<not-secure>", ""])
      expect(await refusalOf(place.server({}, { key }))).toStartWith(
        "2 [] Refusing to run server without authentication key",
      );
    expect(await refusalOf(place.server({ AUTH: "<not-secure>" }))).toStartWith("2 [] Refusing");
    expect(existsSync(join(place.path, "site", "lib", "tls"))).toBe(false);
  });

  test("a client with the placeholder is warned, one with an empty key is refused", async () => {
    using place = openPlace();
    expect((await place.client({ AUTH: "<not-secure>" }, { role: "submit" })).key).toBe("<not-secure>");
    expect(place.said).toEqual(["WARNING submit: Using default authentication key - do not use this in production!"]);
    expect(await refusalOf(place.client({}, { key: "" }))).toContain("key is empty");
  });

  test("an option wins over the setting", async () => {
    using place = openPlace();
    expect((await place.client({}, { key: "another-good-key-of-mine" })).key).toBe("another-good-key-of-mine");
    expect((await place.client()).key).toBe(goodKey);
  });

  test("a short one is taken with a warning, which does not repeat it", async () => {
    using place = openPlace();
    expect((await place.server({}, { key: "mykey123" })).key).toBe("mykey123");
    expect((await place.client({}, { key: "mykey123" })).key).toBe("mykey123");
    expect(place.said.filter((line) => line.startsWith("WARNING") && line.includes("at least 16"))).toHaveLength(2);
    expect(place.said.join("\n")).not.toContain("mykey123");
  });

  test("a short one is refused where others could listen and guess", async () => {
    using place = openPlace();
    const words = { key: "mykey123", noTls: true };
    expect(await refusalOf(place.server({}, { ...words, bind: "0.0.0.0" }))).toStartWith(
      "2 [] Authentication key must",
    );
    expect(await refusalOf(place.client({}, { ...words, host: "login07" }))).toStartWith(
      "2 [] Authentication key must",
    );
    expect(await refusalOf(place.server({ TLS_ENABLED: "false" }, { key: "mykey123" }))).toContain("without TLS");
    expect((await place.server({}, { ...words, bind: "localhost" })).tls).toBeNull();
    expect((await place.client({}, { ...words, host: "127.0.0.1" })).tls).toBeNull();
  });

  test.each(["two words and more", "schlüssel-mit-umlaut", "0123456789abcdef\n", "semi;colon;semi;colon"])(
    "%p has characters that no key has",
    async (key) => {
      using place = openPlace();
      const expected = '2 [] Authentication key must contain only "[A-Za-z0-9._+/=-]"';
      expect(await refusalOf(place.server({}, { key }))).toBe(expected);
      expect(await refusalOf(place.client({}, { key }))).toBe(expected);
    },
  );

  test("sixteen characters of every allowed kind are a key", () => {
    expect(keyProblem("Az09._+/=-Az09._", true)).toBeNull();
    expect(keyProblem("Az09._+/=-Az09.", false)?.refused).toBe(false);
  });

  test("a fresh one is good, long and never the same", () => {
    expect(freshKey()).toMatch(/^[\da-f]{128}$/);
    expect(freshKey()).not.toBe(freshKey());
    expect(keyProblem(freshKey(), true)).toBeNull();
  });
});

describe("a server", () => {
  test("makes its certificate once, and says where and which", async () => {
    using place = openPlace({ fresh: true });
    const file = join(place.path, "site", "lib", "tls", "server.crt");
    const { tls } = await place.server();
    expect(tls?.cert).toBe(readFileSync(file, "utf8"));
    const shown = showFingerprint(pairOf(tls!.cert, tls!.key).fingerprint);
    expect(place.said.splice(0)).toEqual([
      `INFO core.tls: Generated self-signed TLS certificate (${file})`,
      `INFO core.tls: Certificate fingerprint: ${shown}`,
    ]);
    expect((await place.server()).tls).toEqual(tls);
    expect(place.said).toEqual([`TRACE core.tls: Using existing TLS materials (${shown})`]);
  });

  test("without TLS has none, and is warned", async () => {
    using place = openPlace({ fresh: true });
    expect(await place.server({}, { noTls: true })).toEqual({ key: goodKey, tls: null });
    expect(await place.server({ TLS_ENABLED: "false" })).toEqual({ key: goodKey, tls: null });
    const warning = "WARNING server: TLS is disabled - this is not recommended for production!";
    expect(place.said).toEqual([warning, warning]);
    expect(existsSync(join(place.path, "site", "lib", "tls"))).toBe(false);
  });

  test("where none can be kept has one for this run, and says so", async () => {
    using place = openPlace({ fresh: true });
    mkdirSync(join(place.path, "site", "lib"), { recursive: true });
    place.file("site/lib/tls", "in the way");
    const { tls } = await place.server();
    expect(pairOf(tls!.cert, tls!.key).expiresAt).toBeGreaterThan(Date.now());
    expect(place.said[0]).toStartWith("WARNING core.tls: Made a certificate for this run only");
    expect(place.said[1]).toStartWith("INFO core.tls: Certificate fingerprint: SHA256:");
  });

  test("takes a certificate of the user's own, of options or settings", async () => {
    using place = openPlace();
    const [cert, certKey] = [place.file("c.pem", certificate), place.file("k.pem", privateKey)];
    chmodSync(certKey, 0o600);
    const expected = { cert: certificate, key: privateKey, minVersion: "TLSv1.2", ciphers: safe } as const;
    expect((await place.server({}, { cert, certKey })).tls).toEqual(expected);
    expect((await place.server({ TLS_CERT: cert, TLS_KEY: certKey })).tls).toEqual(expected);
    expect(place.said).toEqual([]);
    chmodSync(certKey, 0o644);
    await place.server({}, { cert, certKey });
    expect(place.said).toEqual([
      `WARNING core.tls: Every user of this host can read the private key ${certKey} (chmod 600 mends it)`,
    ]);
  });

  test("with an expired certificate is warned", async () => {
    using place = openPlace();
    const tenYears = 3651 * 86_400_000;
    const old = await makeCertificate(privateKey, { full: "n1", short: "n1" }, Date.now() - tenYears);
    const file = place.file("all.pem", privateKey + old);
    chmodSync(file, 0o600);
    await place.server({}, { cert: file, certKey: file });
    expect(place.said.join()).toMatch(/^WARNING core.tls: The certificate .*expired on \d{4}-\d\d-\d\d/);
  });

  test("needs both parts of a pair", async () => {
    using place = openPlace();
    expect(await refusalOf(place.server({}, { cert: "c.pem" }))).toStartWith(
      "2 [] argument --tls-cert: needs --tls-key",
    );
    expect(await refusalOf(place.server({}, { certKey: "k.pem" }))).toStartWith(
      "2 [] argument --tls-key: needs --tls-cert",
    );
    expect(await refusalOf(place.server({ TLS_KEY: "k.pem" }))).toMatch(
      /^3 \[core.tls\] server.tls.key needs server.tls.cert .*HYPERSHELL_SERVER_TLS_KEY/,
    );
    expect(await refusalOf(place.server({}, { cert: "c.pem", certKey: "k.pem" }))).toMatch(
      /^5 \[core.tls\] Cannot read 'c.pem': no such file/,
    );
  });

  test("takes version and ciphers from the settings, and refuses ciphers that nobody knows", async () => {
    using place = openPlace();
    const ciphers = "ECDHE-RSA-AES128-GCM-SHA256";
    expect((await place.server({ TLS_MIN_VERSION: "tlsv1.3", TLS_CIPHERS: ciphers })).tls).toMatchObject({
      minVersion: "TLSv1.3",
      ciphers: `${ciphers}:!kRSA:!kPSK`,
    });
    expect((await place.server({ TLS_CIPHERS: "none" })).tls?.ciphers).toBe(safe);
    // The second exists, but without an ephemeral key exchange the proof of the key could be relayed.
    for (const unusable of ["nonsense", "AES128-GCM-SHA256"])
      expect(await refusalOf(place.client({ TLS_CIPHERS: unusable }))).toMatch(
        /^3 \[core.tls\] server.tls.ciphers .*HYPERSHELL_SERVER_TLS_CIPHERS/,
      );
  });
});

describe("a client", () => {
  test("makes no certificate, and goes by the proof of the key", async () => {
    using place = openPlace({ fresh: true });
    for (const cafile of ["<auto>", ""]) {
      expect((await place.client({ TLS_CAFILE: cafile })).tls).toEqual({
        ca: null,
        trust: "proof",
        fingerprint: null,
        servername: null,
        minVersion: "TLSv1.2",
        ciphers: safe,
      });
    }
    expect(existsSync(join(place.path, "site", "lib", "tls"))).toBe(false);
    expect(place.said).toEqual([]);
  });

  test("goes by certificates that it is given, of the option before the setting", async () => {
    using place = openPlace();
    const cafile = place.file("ca.pem", certificate);
    const expected = { trust: "chain", ca: certificate, fingerprint: null, servername: null } as const;
    expect((await place.client({ TLS_CAFILE: cafile })).tls).toMatchObject(expected);
    expect((await place.client({ TLS_CAFILE: "/nowhere" }, { ca: cafile })).tls).toMatchObject(expected);
    expect((await place.client({ TLS_CAFILE: cafile, TLS_SERVERNAME: "n1" })).tls?.servername).toBe("n1");
    expect((await place.client({ TLS_CAFILE: cafile }, { ca: "<auto>" })).tls?.trust).toBe("proof");
  });

  test("goes by those of the system if told so", async () => {
    using place = openPlace();
    for (const cafile of ["<none>", "none"])
      expect((await place.client({ TLS_CAFILE: cafile })).tls).toMatchObject({ trust: "chain", ca: null });
  });

  test("goes by a fingerprint before certificates, and by nothing before that", async () => {
    using place = openPlace();
    const settings = { TLS_FINGERPRINT: showFingerprint(digits), TLS_CAFILE: "/nowhere" };
    expect((await place.client(settings)).tls).toMatchObject({ trust: "fingerprint", fingerprint: digits, ca: null });
    expect(place.said).toEqual([]);
    const { tls } = await place.client({ ...settings, TLS_INSECURE: "true" });
    expect(tls).toMatchObject({ trust: "none", fingerprint: null });
    expect(place.said.join()).toStartWith("WARNING core.tls: TLS verification disabled (insecure mode) - ");
  });

  test("without TLS is warned, and looks at no certificates", async () => {
    using place = openPlace();
    const settings = { TLS_CAFILE: "/nowhere", TLS_INSECURE: "true" };
    expect((await place.client(settings, { noTls: true, role: "submit" })).tls).toBeNull();
    expect(place.said).toEqual(["WARNING submit: TLS is disabled - this is not recommended for production!"]);
  });

  test("is told what is wrong with a fingerprint or a file", async () => {
    using place = openPlace();
    expect(await refusalOf(place.client({ TLS_FINGERPRINT: "AB:CD" }))).toMatch(
      /^3 \[core.tls\] server.tls.fingerprint is not a SHA-256 .*HYPERSHELL_SERVER_TLS_FINGERPRINT/,
    );
    expect(await refusalOf(place.client({ TLS_CAFILE: "/nowhere" }))).toBe(
      "5 [core.tls] Cannot read '/nowhere': no such file or directory",
    );
    expect(await refusalOf(place.client({}, { ca: place.file("x", "hello") }))).toContain("holds no certificate (PEM)");
  });
});
