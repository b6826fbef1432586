import { describe, expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresSettings, postgresTarget } from "../../../../src/store/postgres/settings.ts";

const none: PostgresSettings = {
  url: null,
  database: null,
  host: null,
  port: null,
  user: null,
  password: null,
  schema: null,
  parameters: {},
};

const target = (settings: Partial<PostgresSettings>, env: Record<string, string> = {}) =>
  postgresTarget({ ...none, ...settings }, { HOME: "/nowhere", ...env }, "me");

describe("separate settings", () => {
  test("the host is localhost when a user or a port is given", () => {
    const database = "d";
    expect(target({ database, user: "u", password: "p" })).toMatchObject({ host: "localhost", port: 5432 });
    expect(target({ database, port: 7 })).toMatchObject({ host: "localhost", port: 7, user: "me", password: null });
    expect(target({ database, host: "db", port: 7 })).toMatchObject({ host: "db", port: 7 });
    expect(target({ database }, { PGHOST: "/run/pg" })).toMatchObject({ host: "/run/pg", tls: false });
  });

  test("what is missing is said", () => {
    expect(() => target({})).toThrow("Must provide 'database'");
    expect(() => target({ database: "d", user: "u" })).toThrow("Must provide 'password' if 'user' provided");
    expect(() => target({ database: "d", password: "p" })).toThrow("Must provide 'user' if 'password' provided");
  });

  test("a URL without a password gets that of the settings, unless libpq's own places have one", () => {
    const url = "postgresql://u@h/d";
    const passwordOf = (settings: Partial<PostgresSettings>, env: Record<string, string> = {}) =>
      target({ password: "set", ...settings }, env).password;
    expect(passwordOf({ url })).toBe("set");
    expect(passwordOf({ url: "postgresql://u:own@h/d" })).toBe("own");
    expect(passwordOf({ url }, { PGPASSWORD: "libpq" })).toBe("libpq");
    expect(passwordOf({ url, password: "" })).toBe(null);
    expect(passwordOf({ url: "postgresql:///d" })).toBe("set");
  });

  test("further keys are parameters, some of them for the way there", () => {
    const parameters = { application_name: "x", connect_timeout: "3", sslmode: "require" };
    expect(target({ database: "d", host: "h", parameters })).toMatchObject({
      connectSeconds: 3,
      parameters: { application_name: "x" },
      tls: { rejectUnauthorized: false },
    });
    expect(() => target({ database: "d", parameters: { sslmode: "yes" }, host: "h" })).toThrow("sslmode");
    expect(() => target({ database: "d", parameters: { connect_timeout: "soon" } })).toThrow("connect_timeout");
  });

  test("what only libpq goes by is not sent to the server, and what it would insist on is refused", () => {
    const kept = { application_name: "x", options: "-c statement_timeout=5s" };
    const parameters = { keepalives: "1", target_session_attrs: "any", channel_binding: "prefer", ...kept };
    expect(target({ database: "d", parameters }).parameters).toEqual(kept);
    for (const key of ["channel_binding", "gssencmode"])
      expect(() => target({ database: "d", parameters: { [key]: "require" } })).toThrow(`leave ${key} out`);
  });

  test("certificates are compared as far as sslmode asks", () => {
    const modeOf = (sslmode: string) => target({ database: "d", host: "h", parameters: { sslmode } }).tls;
    expect([modeOf("disable"), modeOf("prefer")]).toEqual([false, "prefer"]);
    expect(modeOf("verify-full")).toEqual({ rejectUnauthorized: true, servername: "h" });
    expect(modeOf("verify-ca")).toMatchObject({ rejectUnauthorized: true });
  });
});

describe("URLs", () => {
  test("have the same parts, percent-encoded where needed", () => {
    const url = "postgresql+psycopg://u%40x:p%2Fw%3A1@db.example:6000/my%20db?application_name=a&sslmode=disable";
    expect(target({ url })).toEqual({
      host: "db.example",
      port: 6000,
      database: "my db",
      user: "u@x",
      password: "p/w:1",
      peer: null,
      schema: null,
      tls: false,
      connectSeconds: 10,
      parameters: { application_name: "a" },
    });
  });

  test("may have a password that nobody encoded, an address of IPv6, or a socket", () => {
    expect(target({ url: "postgres://u:p@w/x:1@h/d" })).toMatchObject({ host: "h", user: "u", password: "p@w/x:1" });
    expect(target({ url: "postgresql://u:100%@[::1]:7/d" })).toMatchObject({ host: "::1", port: 7, password: "100%" });
    expect(target({ url: "postgresql:///d?host=/run/pg" })).toMatchObject({ host: "/run/pg", database: "d" });
  });

  test("may have their parts among the keys, as libpq takes them", () => {
    expect(target({ url: "postgresql:///?host=/run/pg&port=7&dbname=d&user=u&password=p%2F" })).toMatchObject({
      host: "/run/pg",
      port: 7,
      database: "d",
      user: "u",
      password: "p/",
      parameters: {},
    });
    expect(() => target({ url: "postgresql:///d?port=x" })).toThrow("port");
  });

  test("without a database, or with a wrong port, are refused", () => {
    expect(() => target({ url: "postgresql://u:p@h" })).toThrow("database");
    expect(() => target({ url: "postgresql://u:p@h:70000/d" })).toThrow("port");
  });
});

describe("passwords that are kept elsewhere", () => {
  test("PGPASSWORD counts where none is configured", () => {
    expect(target({ database: "d", user: "u" }, { PGPASSWORD: "s" }).password).toBe("s");
    expect(target({ database: "d", user: "u", password: "p" }, { PGPASSWORD: "s" }).password).toBe("p");
  });

  test("without PGPASSWORD the password file counts: passfile, else PGPASSFILE, else ~/.pgpass", () => {
    const folder = mkdtempSync(join(tmpdir(), "hs-pgpass-"));
    const [own, other, usual] = ["own", "other", ".pgpass"].map((name) => {
      writeFileSync(join(folder, name), `h:5432:d:u:${name}\n`, { mode: 0o600 });
      return join(folder, name);
    }) as [string, string, string];
    const settings = { database: "d", host: "h", user: "u" };
    const env = { HOME: folder };
    expect(target(settings, env).password).toBe(".pgpass");
    expect(target(settings, { ...env, PGPASSFILE: other }).password).toBe("other");
    const passfile = { ...settings, parameters: { passfile: own } };
    expect(target(passfile, { ...env, PGPASSFILE: other })).toMatchObject({ password: "own", parameters: {} });
    const said: string[] = [];
    chmodSync(usual, 0o644);
    expect(() => postgresTarget({ ...none, ...settings }, env, "me", (text) => void said.push(text))).toThrow(
      "password",
    );
    expect(said).toEqual([expect.stringContaining("other users may read it")]);
    rmSync(folder, { recursive: true });
  });

  test("the owner of a socket may be named, as libpq has it", () => {
    const settings = { database: "d", host: "/run/pg" };
    expect(target(settings).peer).toBeNull();
    expect(target(settings, { PGREQUIREPEER: "alice" }).peer).toBe("alice");
    const parameters = { requirepeer: "bob" };
    expect(target({ ...settings, parameters })).toMatchObject({ peer: "bob", parameters: {} });
  });
});
