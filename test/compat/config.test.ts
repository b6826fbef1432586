/*
 * Configurations written for HyperShell 2.7 and 2.8 load without an error or a warning, and say what they said there.
 */
import { describe, expect, test } from "bun:test";
import { chmodSync } from "node:fs";
import { loadConfig } from "../../src/config/load.ts";
import type { Config } from "../../src/config/load.ts";
import { temporaryFolder, userFile } from "../unit/config/folder.ts";

function load(text: string, env: Record<string, string> = {}): Config {
  using folder = temporaryFolder();
  chmodSync(folder.write(userFile, text), 0o600);
  return loadConfig({ HOME: folder.at("home"), ...env }, "/", folder.host);
}

/** A configuration as an operator of a cluster has it, with every section. */
const facility = `
# File automatically created on 2024-05-17 11:57:01.250135
# Settings here are merged automatically with defaults and environment variables

[database]
provider = "postgresql"
database = "tasks"
schema = "hypershell"
host = "db.cluster.example"
port = 5432
user = "svc-tasks"
password_eval = "echo hunter2"
echo = false
sslmode = "require"

[database.connect_args]
connect_timeout = 10

[logging]
level = "debug"
style = "detailed-compact"
datefmt = '%m-%d %H:%M:%S'

  [logging.file]
  path = "/scratch/log/hs.log"
  level = "TRACE"
  style = "system"
  rotate = "1 GB"
  compress = "gzip"
  keep = 2

[task]
cwd = "/scratch/run"
cores = 1
memory = 2147483648
timeout = 3600
signalwait = 30

[submit]
bundlesize = 200
bundlewait = 10

[server]
bind = "0.0.0.0"
host = "login07.cluster.example"
port = 50001
auth = "0123456789abcdef"
queuesize = 4
bundlesize = 20
attempts = 2
eager = true
poll = 10
evict = 300

[server.tls]
enabled = true
cert = "/etc/ssl/hs.pem"
key = "/etc/ssl/hs.key"
cafile = "<none>"
min_version = "TLSv1.3"

[client]
bundlesize = 20
bundlewait = 10
heartrate = 30
timeout = 60
cores = 48
memory = 0
ratelimit = 2.5

[ssh]
config = "~/.ssh/config"
args = "-i ~/.ssh/some.key"

[ssh.nodelist]
xyz = ["a00.cluster", "a01.cluster"]
gpu = "g[00-07].cluster"

[autoscale]
policy = "dynamic"
factor = 2
period = 30
launcher = "srun -Q -A mylab"

[autoscale.size]
init = 1
min = 0
max = 12

[console]
theme = "solarized-dark"

[export]
foo = "bar"
path = ["/opt/a/bin", "/opt/b/bin"]
`;

describe("a file with every section", () => {
  test("loads without a warning", () => {
    expect(load(facility).warnings).toEqual([]);
  });
  test("says what it said", () => {
    const config = load(facility);
    expect(config.text("database.password")).toBe("hunter2");
    expect(config.raw("database")).toMatchObject({ sslmode: "require", connect_args: { connect_timeout: 10 } });
    expect(config.integer("server.bundlesize")).toBe(20);
    expect(config.boolean("server.eager")).toBe(true);
    expect(config.text("server.tls.min_version")).toBe("TLSv1.3");
    expect(config.integer("task.memory")).toBe(2_147_483_648);
    expect(config.number("client.ratelimit")).toBe(2.5);
    expect(config.text("logging.file.level")).toBe("TRACE");
    expect(config.raw("ssh.nodelist")).toEqual({ xyz: ["a00.cluster", "a01.cluster"], gpu: "g[00-07].cluster" });
    expect(config.exports()).toEqual({ FOO: "bar", PATH: "/opt/a/bin:/opt/b/bin" });
  });
});

describe("short forms", () => {
  test.each([
    ["[logging]\nfile = true\n", "logging.file", true],
    ['[logging]\nfile = "enabled"\n', "logging.file", "enabled"],
    ['[logging]\nfile = "/x.log"\n', "logging.file", "/x.log"],
    ["[logging]\nfile = false\n", "logging.file", false],
    ['[ssh]\nnodelist = ["a", "b"]\n', "ssh.nodelist", ["a", "b"]],
    ['[ssh]\nnodelist = "a[00-32].cluster"\n', "ssh.nodelist", "a[00-32].cluster"],
    ['[database]\nfile = ""\n', "database.file", ""],
    ['[database]\nfile = ":memory:"\n', "database.file", ":memory:"],
    ["[autoscale]\nfactor = 1.0\n", "autoscale.factor", 1],
    ["[autoscale]\nfactor = 1\n", "autoscale.factor", 1],
    ['[logging]\nlevel = "WARNING"\n', "logging.level", "WARNING"],
  ])("%j keeps its meaning", (text, key, value) => {
    const config = load(text);
    expect([config.raw(key), config.warnings]).toEqual([value, []]);
  });
});

test("the environment of a batch script keeps its meaning", () => {
  const config = load("", {
    HYPERSHELL_LOGGING_LEVEL: "DEBUG",
    HYPERSHELL_LOGGING_STYLE: "system",
    HYPERSHELL_LOGGING_FILE_ROTATE: "100MB",
    HYPERSHELL_DATABASE_FILE: "/scratch/main.db",
    HYPERSHELL_SERVER_AUTH: "mykey123",
    HYPERSHELL_CLIENT_TIMEOUT: "300",
    HYPERSHELL_EXPORT_OMP_NUM_THREADS: "04",
    HYPERSHELL_PYTHONPATH: "/old/packages",
  });
  expect(config.warnings).toEqual([]);
  expect(config.text("logging.level")).toBe("DEBUG");
  expect(config.text("logging.file.rotate")).toBe("100MB");
  expect(config.text("database.file")).toBe("/scratch/main.db");
  expect(config.text("server.auth")).toBe("mykey123");
  expect(config.integer("client.timeout")).toBe(300);
  expect(config.exports()).toEqual({ OMP_NUM_THREADS: "04" });
});
