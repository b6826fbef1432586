import { describe, expect, test } from "bun:test";
import { environmentLayer } from "../../../src/config/source.ts";
import { showValue } from "../../../src/config/value.ts";

const tree = (env: Record<string, string>): unknown => JSON.parse(JSON.stringify(environmentLayer(env).tree));

describe("variables become keys", () => {
  test.each<[string, unknown]>([
    ["HYPERSHELL_SERVER_PORT=50100", { server: { port: 50100 } }],
    ["HYPERSHELL_SERVER_TLS_MIN_VERSION=TLSv1.3", { server: { tls: { min_version: "TLSv1.3" } } }],
    ["HYPERSHELL_AUTOSCALE_SIZE_MAX=4", { autoscale: { size: { max: 4 } } }],
    ["HYPERSHELL_DATABASE_PRAGMAS_JOURNAL_MODE=wal", { database: { pragmas: { journal_mode: "wal" } } }],
    [
      "HYPERSHELL_DATABASE_CONNECT_ARGS_CHECK_SAME_THREAD=false",
      { database: { connect_args: { check_same_thread: false } } },
    ],
    ["HYPERSHELL_DATABASE_APPLICATION_NAME=x", { database: { application_name: "x" } }],
    ["HYPERSHELL_DATABASE_PASSWORD_ENV=PW", { database: { password_env: "PW" } }],
    ["HYPERSHELL_SERVER_AUTH_EVAL=pass hs", { server: { auth_eval: "pass hs" } }],
    ["HYPERSHELL_SERVER_TLS_MIN_VERSION_ENV=V", { server: { tls: { min_version_env: "V" } } }],
    ["HYPERSHELL_SSH_NODELIST=a[1-3]", { ssh: { nodelist: "a[1-3]" } }],
    ["HYPERSHELL_SSH_NODELIST_GPU=g[1-3]", { ssh: { nodelist: { gpu: "g[1-3]" } } }],
    ["HYPERSHELL_DATABASE=/x.db", { database: { file: "/x.db" } }],
    ["HYPERSHELL_LOGGING_FILE=/x.log", { logging: { file: "/x.log" } }],
    ["HYPERSHELL_LOGGING_FILE_LEVEL=debug", { logging: { file: { level: "debug" } } }],
    ["HYPERSHELL_server_port=1", { server: { port: 1 } }],
    ["HYPERSHELL_SERVER_TLS_NO_SUCH=1", { server: { tls: { no_such: 1 } } }],
    ["HYPERSHELL_NO_SUCH=1", { no: { such: 1 } }],
  ])("%s", (assignment, expected) => {
    const at = assignment.indexOf("=");
    expect(tree({ [assignment.slice(0, at)]: assignment.slice(at + 1) })).toEqual(expected);
  });
  test("unless they do not begin with HYPERSHELL_ or have a meaning of their own", () => {
    const env = {
      HYPERSHELLX: "1",
      HYPERSHELL: "1",
      HYPERSHELL_: "1",
      HYPERSHELL_SITE: "/s",
      HYPERSHELL_CONFIG_FILE: "",
      HYPERSHELL_PYTHONPATH: "/p",
      HYPERSHELL_RUN_KEY: "k",
      HYPERSHELL_RUN_LAUNCH: "1",
    };
    expect(tree(env)).toEqual({});
  });
  test("a log file can be named and described at once", () => {
    expect(tree({ HYPERSHELL_LOGGING_FILE_LEVEL: "debug", HYPERSHELL_LOGGING_FILE: "/x.log" })).toEqual({
      logging: { file: { path: "/x.log", level: "debug" } },
    });
    expect(tree({ HYPERSHELL_LOGGING_FILE_LEVEL: "debug", HYPERSHELL_LOGGING_FILE: "enabled" })).toEqual({
      logging: { file: { level: "debug" } },
    });
  });
  test("of two variables that contradict each other the second is warned about", () => {
    const layer = environmentLayer({ HYPERSHELL_SSH_NODELIST: "a", HYPERSHELL_SSH_NODELIST_GPU: "b" });
    expect(layer.warnings).toHaveLength(1);
    expect(layer.warnings[0]).toContain("from: HYPERSHELL_SSH_NODELIST_GPU");
  });
});

describe("texts of variables", () => {
  test.each<[string, string, unknown]>([
    ["SERVER_PORT", " 5", 5],
    ["SERVER_PORT", "01", 1],
    ["SERVER_PORT", "1_000", 1000],
    ["SERVER_PORT", "1e3", 1000],
    ["SERVER_PORT", "abc", "abc"],
    ["SERVER_EAGER", "TRUE", true],
    ["SERVER_EAGER", "0", false],
    ["AUTOSCALE_FACTOR", "0.5", 0.5],
    ["DATABASE_FILE", "", null],
    ["DATABASE_FILE", "Null", null],
    ["DATABASE_FILE", "none", "none"],
    ["DATABASE_PASSWORD", "007", "007"],
    ["SERVER_AUTH", "1234567890123456", "1234567890123456"],
    ["SERVER_AUTH", "true", "true"],
    ["LOGGING_TASKS", "false", false],
    ["SERVER_BUNDLESIZE", "auto", "auto"],
    ["SERVER_BUNDLESIZE", "16", 16],
    ["DATABASE_OTHER", "16", 16],
    ["DATABASE_OTHER", "0", 0],
    ["DATABASE_OTHER", "1.5", 1.5],
  ])("%s=%s is %p, as its setting says", (name, text, expected) => {
    const value = Object.values(Object.values(environmentLayer({ [`HYPERSHELL_${name}`]: text }).tree)[0] as object)[0];
    expect(value).toEqual(expected);
  });
  test("of infinity and nan are numbers", () => {
    const value = (text: string): unknown => {
      const { database } = environmentLayer({ HYPERSHELL_DATABASE_OTHER: text }).tree as {
        database: { other: number };
      };
      return showValue(database.other);
    };
    expect(["inf", "-Infinity", "NaN"].map(value)).toEqual(["inf", "-inf", "nan"]);
  });
});
