import { expect, test } from "bun:test";
import { temporaryFolder, userFile } from "./folder.ts";

test("tasks inherit no keys and passwords, however they are given, and of a URL all but the password", () => {
  using folder = temporaryFolder();
  folder.write(userFile, '[database]\nurl_env = "DB"\n[database.connect_args]\npassword_env = "DRIVER"\n');
  const env = {
    HYPERSHELL_SERVER_AUTH: "key",
    HYPERSHELL_DATABASE_PASSWORD_ENV: "PW",
    HYPERSHELL_DATABASE_SSLPASSWORD: "s",
    HYPERSHELL_SERVER_AUHT: "key",
    HYPERSHELL_DATABASE_CONNECT_ARGS_SSLPASSWORD: "s",
    PW: "pw",
    DB: "postgresql://u:p@ss@h:5/d?sslmode=require&password=x",
    DRIVER: "pw",
    PGPASSWORD: "pw",
  };
  const kept = {
    HYPERSHELL_SERVER_AUTH_EVAL: "pass hs",
    HYPERSHELL_SERVER_PORT: "50123",
    HYPERSHELL_EXPORT_TOKEN: "mine",
    HYPERSHELL_DATABASE_USER: "u",
    HYPERSHELL_SITE: folder.at("site"),
    PGHOST: "h",
    TOKEN: "t",
  };
  const { HYPERSHELL_SERVER_AUTH_EVAL: asked, ...given } = { ...env, ...kept };
  const config = folder.load(given);
  expect(config.inheritable({ ...given, HYPERSHELL_SERVER_AUTH_EVAL: asked })).toEqual({
    ...kept,
    HYPERSHELL_DATABASE_PASSWORD_ENV: "PW",
    DB: "postgresql://u@h:5/d?sslmode=require",
  });
});

test.each([
  ["postgresql://u:p@h/d?password=x&a=b", "postgresql://u@h/d?a=b"],
  ["postgresql://u@h/d", "postgresql://u@h/d"],
  ["postgresql://h/d?a=b&sslpassword=x", "postgresql://h/d?a=b"],
  ["sqlite:////x:y@z.db", "sqlite:////x:y@z.db"],
])("tasks get HYPERSHELL_DATABASE_URL=%s as %s", (url, seen) => {
  using folder = temporaryFolder();
  const env = { HYPERSHELL_DATABASE_URL: url };
  expect(folder.load(env).inheritable(env)).toEqual({ HYPERSHELL_DATABASE_URL: seen });
});
