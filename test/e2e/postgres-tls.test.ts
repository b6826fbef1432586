/*
 * TLS between hs and PostgreSQL, with certificates of an authority of our own: who is trusted, and what is said of who
 * is not.
 */
import { afterAll, beforeAll, expect } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noPostgres, type Postgres, startPostgres } from "../systems/postgres.ts";
import { needs, openSite, until } from "./harness.ts";

const folder = mkdtempSync(join(tmpdir(), "hs-certificates-"));
const file = (name: string): string => join(folder, name);

function openssl(...words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync(["openssl", ...words], { cwd: folder });
  if (exitCode !== 0) throw new Error(stderr.toString());
}

function authority(name: string): void {
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`];
  openssl("req", "-x509", ...key, "-out", `${name}.pem`, "-days", "2", "-subj", `/CN=${name}`);
}

/** Signed by `authority`; for no days: it has expired. */
function certificate(name: string, who: string, alternative: string, days = 2): void {
  writeFileSync(file(`${name}.ext`), `subjectAltName=${alternative}\n`);
  const key = ["-newkey", "rsa:2048", "-nodes", "-keyout", `${name}.key`];
  openssl("req", ...key, "-out", `${name}.csr`, "-subj", `/CN=${who}`);
  const signed = ["-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial", "-days", String(days)];
  openssl("x509", "-req", "-in", `${name}.csr`, ...signed, "-extfile", `${name}.ext`, "-out", `${name}.pem`);
}

const withTls = needs(["openssl"], noPostgres);
let postgres: Postgres | null = null;

beforeAll(async () => {
  if (noPostgres !== null || Bun.which("openssl") === null) return;
  authority("authority");
  authority("stranger");
  certificate("server", "localhost", "DNS:localhost");
  certificate("client", "hs", "DNS:hs");
  const files = Object.fromEntries(
    ["server.pem", "server.key", "authority.pem"].map((name) => [name, readFileSync(file(name), "utf8")]),
  );
  const settings = ["ssl_cert_file = 'server.pem'", "ssl_key_file = 'server.key'", "ssl_ca_file = 'authority.pem'"];
  postgres = await startPostgres({ settings: ["ssl = on", ...settings], files });
}, 60_000);
afterAll(async () => {
  await postgres?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const untrusted = "cannot be trusted";

withTls("a server is trusted as far as sslmode asks, and otherwise a line says why not", async () => {
  await using site = openSite();
  const base = postgres!.env(await postgres!.create());
  const initialized = await site.hs(["initdb", "--yes"], { env: base });
  expect(initialized.status).toBe(0);
  const [ours, theirs] = [file("authority.pem"), file("stranger.pem")];
  const byName = { HOST: "localhost" };
  const cases: readonly (readonly [settings: Record<string, string>, status: number, part: string])[] = [
    [{}, 0, ""],
    [{ SSLMODE: "disable" }, 0, ""],
    [{ SSLMODE: "prefer" }, 0, ""],
    [{ SSLMODE: "require" }, 0, ""],
    [{ SSLMODE: "require", SSLROOTCERT: ours }, 0, ""],
    [{ SSLMODE: "require", SSLROOTCERT: theirs }, 5, untrusted],
    [{ SSLMODE: "verify-ca", SSLROOTCERT: ours }, 0, ""],
    [{ SSLMODE: "verify-ca", SSLROOTCERT: theirs }, 5, untrusted],
    [{ SSLMODE: "verify-full", SSLROOTCERT: ours, ...byName }, 0, ""],
    [{ SSLMODE: "verify-full", SSLROOTCERT: theirs, ...byName }, 5, untrusted],
    // The certificate is for a name, not for this address.
    [{ SSLMODE: "verify-full", SSLROOTCERT: ours }, 5, untrusted],
    [{ SSLMODE: "verify-full", SSLROOTCERT: "system", ...byName }, 5, untrusted],
    [{ SSLMODE: "verify-full", SSLROOTCERT: file("nowhere.pem") }, 3, "cannot be read"],
    [{ SSLMODE: "verify-full", SSLROOTCERT: file("server.ext") }, 3, "cannot be used"],
    [{ SSLMODE: "require", SSLCERT: file("client.pem"), SSLKEY: file("client.key") }, 0, ""],
    [{ SSLMODE: "require", SSLCERT: file("client.pem"), SSLKEY: file("server.key") }, 3, "cannot be used"],
  ];
  for (const [settings, status, part] of cases) {
    const more = Object.entries(settings).map(([key, value]) => [`HYPERSHELL_DATABASE_${key}`, value] as const);
    const told = await site.hs(["list", "--count"], { env: { ...base, ...Object.fromEntries(more) } });
    expect([settings, told.status, told.stdout]).toEqual([settings, status, status === 0 ? "0\n" : ""]);
    expect(told.stderr).toContain(part);
    expect(told.stderr.split("\n").length).toBeLessThanOrEqual(2);
  }
});

withTls("who must show a certificate does, and one that has expired is told to be so", async () => {
  await using site = openSite();
  const database = await postgres!.create();
  const env = { ...postgres!.env(database), HYPERSHELL_DATABASE_HOST: "localhost" };
  expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
  const told = async (settings: Record<string, string>): Promise<readonly [number | null, string]> => {
    const more = Object.entries(settings).map(([key, value]) => [`HYPERSHELL_DATABASE_${key}`, value] as const);
    const { status, stderr } = await site.hs(["list", "-l1"], { env: { ...env, ...Object.fromEntries(more) } });
    expect(stderr.split("\n").length).toBeLessThanOrEqual(2);
    return [status, stderr];
  };
  const [data] = await postgres!.sql(database, "show data_directory");
  const change = async (name: string, text: string): Promise<void> => {
    writeFileSync(join(data!, name), text);
    await postgres!.sql(database, "select pg_reload_conf()");
  };
  const rules = readFileSync(join(data!, "pg_hba.conf"), "utf8");
  const reloaded = (wanted: number): Promise<void> =>
    until(async () => (await told({ SSLMODE: "verify-full", SSLROOTCERT: file("authority.pem") }))[0] === wanted, "");
  try {
    await change("pg_hba.conf", `local all all trust\nhostssl all all all scram-sha-256 clientcert=verify-ca\n`);
    await reloaded(5);
    const own = { SSLCERT: file("client.pem"), SSLKEY: file("client.key") };
    expect((await told({ SSLMODE: "require", ...own }))[0]).toBe(0);
    expect(await told({ SSLMODE: "require" })).toEqual([5, expect.stringContaining("valid client certificate")]);
    expect(await told({ SSLMODE: "disable" })).toEqual([5, expect.stringContaining("lets this user not in")]);
    await change("pg_hba.conf", rules);
    await reloaded(0);
    certificate("expired", "localhost", "DNS:localhost", -1);
    await change("server.key", readFileSync(file("expired.key"), "utf8"));
    await change("server.pem", readFileSync(file("expired.pem"), "utf8"));
    await reloaded(5);
    const ours = { SSLROOTCERT: file("authority.pem") };
    expect(await told({ SSLMODE: "verify-ca", ...ours })).toEqual([5, expect.stringContaining("EXPIRED")]);
    expect((await told({ SSLMODE: "require" }))[0]).toBe(0);
  } finally {
    await change("pg_hba.conf", rules);
    await change("server.key", readFileSync(file("server.key"), "utf8"));
    await change("server.pem", readFileSync(file("server.pem"), "utf8"));
    await reloaded(0);
  }
});

withTls(
  "without a word about it a connection is encrypted, and a run goes through a crash of the database",
  async () => {
    await using site = openSite();
    const database = await postgres!.create();
    const env = postgres!.env(database);
    expect((await site.hs(["initdb", "--yes"], { env })).status).toBe(0);
    site.write("tasks", Array.from({ length: 600 }, (_, i) => `echo ${i} >> out; sleep 0.01`).join("\n"));
    await using run = site.start(["hsx", "-N", "4", "tasks"], { env });
    const ran = (): number => (site.exists("out") ? site.lines("out").length : 0);
    await until(() => ran() > 100, run.stderr);
    const encrypted = await postgres!.sql(
      database,
      "select distinct ssl from pg_stat_ssl join pg_stat_activity using (pid) where application_name = 'hypershell'",
    );
    expect(encrypted).toEqual(["t"]);
    await postgres!.crash();
    await postgres!.start();
    const { status, stderr } = await run.ended;
    expect(status).toBe(0);
    expect(stderr).toContain("Database is back");
    expect(ran()).toBe(600);
    expect((await site.hs(["list", "--count", "--succeeded"], { env })).stdout).toBe("600\n");
  },
);
