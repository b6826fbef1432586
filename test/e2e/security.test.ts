/*
 * How server and client recognise each other, as users meet it: with nothing but a key in common, and with certificates
 * for those who want them. What happens to those who should not be let in is in test/fault/intruders.test.ts.
 */
import { expect, test } from "bun:test";
import { chmodSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { type Ended, linesOf, needs, openSite, type Running, type Site, sorted, until } from "./harness.ts";
import { filesOf, namespaceProblem, openNamespace } from "./namespace.ts";
import { secured, startClient, startServer } from "./serving.ts";

const certificateOf = (site: Site): string => join(site.path, "site", "lib", "tls", "server.crt");

function fingerprintOf(server: Running): string {
  const [, shown = ""] = /Certificate fingerprint: (SHA256:[\dA-F:]{95})\n/.exec(server.stderr()) ?? [];
  return shown;
}

/** Served for as long as the test lasts; a client that is let in leaves after a second without tasks, with status 0. */
const forever = ["--forever", "--no-db"] as const;
const brief = ["-T1"] as const;

function lastLine({ stderr }: Ended): string {
  return linesOf(stderr).at(-1) ?? "";
}

/** The only line, or the last of them, and the status of those who may not connect. */
function expectRefusal(end: Ended, line: RegExp): void {
  expect([end.status, lastLine(end)]).toEqual([5, expect.stringMatching(line)]);
  expect(linesOf(end.stderr).filter((each) => each.includes("CRITICAL"))).toHaveLength(1);
  expect(end.stderr).not.toContain("traceback");
}

needs(["ip"], namespaceProblem())(
  "a client on another host needs the address, the port and the key, and nothing else",
  async () => {
    using network = openNamespace();
    for (const address of [network.v4, network.v6]) {
      await using here = openSite();
      await using there = openSite();
      here.write("tasks.in", "echo 1\necho 2\necho 3\n");
      const { server, port } = await startServer(here, ["tasks.in", "-H", address]);
      const client = there.start(
        ["sh", "-c", '"$@"', "sh", ...network.words, "hs", "client", "-H", address, "-p", port, "-N2"],
        { env: secured },
      );
      const end = await client.ended;
      expect([end.status, sorted(end.stdout), end.stderr]).toEqual([0, ["1", "2", "3"], ""]);
      expect((await server.ended).status).toBe(0);
      // It has learned nothing that lasts, and made no certificate.
      expect(filesOf(there).filter((path) => /\.(?:crt|key|pem)$/.test(path))).toEqual([]);
    }
  },
);

test("servers that start together on a fresh site have one certificate, and only one of them has made it", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_LOGGING_LEVEL: "trace" };
  const started = await Promise.all([1, 2, 3].map(() => startServer(site, forever, { env })));
  const voices = started.map(({ server }) => server.stderr());
  expect(voices.filter((text) => text.includes("Generated self-signed TLS certificate"))).toHaveLength(1);
  const fingerprints = voices.map((text) => /\((SHA256:[\dA-F:]{95})\)|fingerprint: (SHA256:[\dA-F:]{95})/.exec(text));
  expect(new Set(fingerprints.map((found) => found?.[1] ?? found?.[2])).size).toBe(1);
  // Each of them really shows it.
  const pinned = { HYPERSHELL_SERVER_TLS_FINGERPRINT: fingerprints[0]?.[1] ?? fingerprints[0]?.[2] };
  const ends = await Promise.all(started.map(({ port }) => startClient(site, port, brief, { env: pinned }).ended));
  expect(ends.map(({ status, stderr }) => [status, stderr])).toEqual([
    [0, ""],
    [0, ""],
    [0, ""],
  ]);
});

test("a client that is told the fingerprint takes no other certificate", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, forever);
  const fingerprint = fingerprintOf(server);
  const connect = (text: string): Promise<Ended> =>
    startClient(site, port, brief, { env: { HYPERSHELL_SERVER_TLS_FINGERPRINT: text } }).ended;
  const bare = fingerprint.slice("SHA256:".length).replaceAll(":", "").toLowerCase();
  const other = fingerprint.replace(/.$/, (last) => (last === "0" ? "1" : "0"));
  const [right, plain, wrong, none] = await Promise.all([
    connect(fingerprint),
    connect(bare),
    connect(other),
    connect("SHA256:AB:CD"),
  ]);
  expect([right.status, right.stderr, plain.status]).toEqual([0, "", 0]);
  expectRefusal(wrong, /CRITICAL \[hypershell.client\] .*fingerprint mismatch/);
  expect(lastLine(wrong)).toContain(`expected ${other}, got ${fingerprint}`);
  expect([none.status, lastLine(none)]).toEqual([3, expect.stringContaining("server.tls.fingerprint")]);
});

test("a client that is given certificates takes only those, and only with the name it was told", async () => {
  await using site = openSite();
  await using other = openSite();
  const [{ port }] = await Promise.all([startServer(site, forever), startServer(other, forever)]);
  const connect = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    startClient(site, port, [...brief, ...words], { env }).ended;
  const ours = ["--tls-ca", certificateOf(site)];
  const refusal = /CRITICAL \[hypershell.client\] Certificate verify failed: /;
  const [right, setting, named, misnamed, wrong, system, missing] = await Promise.all([
    connect(ours),
    connect([], { HYPERSHELL_SERVER_TLS_CAFILE: certificateOf(site) }),
    connect(ours, { HYPERSHELL_SERVER_TLS_SERVERNAME: "localhost" }),
    connect(ours, { HYPERSHELL_SERVER_TLS_SERVERNAME: "elsewhere.example" }),
    connect(["--tls-ca", certificateOf(other)]),
    connect(["--tls-ca", "<none>"]),
    connect(["--tls-ca", "nowhere.pem"]),
  ]);
  expect([right, setting, named].map(({ status, stderr }) => [status, stderr])).toEqual([
    [0, ""],
    [0, ""],
    [0, ""],
  ]);
  expectRefusal(misnamed, refusal);
  expect(lastLine(misnamed)).toContain("elsewhere.example");
  expectRefusal(wrong, refusal);
  expectRefusal(system, refusal);
  expectRefusal(missing, /CRITICAL \[hypershell.core.tls\] Cannot read 'nowhere.pem': no such file/);
});

test("a client that is told to be careless says so, and still asks for the key", async () => {
  await using site = openSite();
  const { port } = await startServer(site, forever);
  const env = { HYPERSHELL_SERVER_TLS_INSECURE: "true", HYPERSHELL_SERVER_TLS_CAFILE: "/nowhere" };
  const warning = / WARNING \[hypershell.core.tls\] TLS verification disabled \(insecure mode\) - /;
  const taken = await startClient(site, port, brief, { env }).ended;
  expect([taken.status, linesOf(taken.stderr)]).toEqual([0, [expect.stringMatching(warning)]]);
  const foreign = { ...env, HYPERSHELL_SERVER_AUTH: "another-key-than-the-server-has" };
  const refused = await startClient(site, port, brief, { env: foreign }).ended;
  expectRefusal(refused, /give both sides the same key/);
});

test("a server shows the certificate that it is given, and a client on the newest TLS takes it", async () => {
  await using site = openSite();
  await using other = openSite();
  const made = await startServer(other, forever);
  const [cert, key] = ["server.crt", "server.key"].map((name) => join(other.path, "site", "lib", "tls", name));
  const { server, port } = await startServer(site, [...forever, "--tls-cert", cert!, "--tls-key", key!]);
  expect(server.stderr()).not.toContain("core.tls");
  const env = {
    HYPERSHELL_SERVER_TLS_FINGERPRINT: fingerprintOf(made.server),
    HYPERSHELL_SERVER_TLS_MIN_VERSION: "TLSv1.3",
  };
  expect((await startClient(site, port, brief, { env }).ended).status).toBe(0);
  expect(filesOf(site).filter((path) => path.endsWith(".crt"))).toEqual([]);
});

needs(["openssl"])(
  "TLS has an ephemeral key exchange, or there is none: the proofs of the key depend on it",
  async () => {
    await using site = openSite();
    const { port } = await startServer(site, forever);
    const speak = async (words: readonly string[]): Promise<string> => {
      const { stdout } = await site.start([
        "sh",
        "-c",
        'exec openssl s_client "$@"',
        "-",
        "-connect",
        `127.0.0.1:${port}`,
        ...words,
      ]).ended;
      return /^New, .*, Cipher is (.*)$/m.exec(stdout)?.[1] ?? "";
    };
    const old = (cipher: string): readonly string[] => ["-tls1_2", "-cipher", cipher];
    expect(await speak(old("AES128-GCM-SHA256"))).toBe("(NONE)");
    expect(await speak(old("ECDHE-RSA-AES128-GCM-SHA256"))).toBe("ECDHE-RSA-AES128-GCM-SHA256");
    expect(await speak([])).toMatch(/^TLS_/);
  },
);

test("a server with a bad certificate does not start, and says which file", async () => {
  await using site = openSite();
  site.write("bad.pem", "hello\n");
  const serve = (words: readonly string[]): Promise<Ended> =>
    site.hs(["server", "-p", "0", ...forever, ...words], { env: secured });
  expectRefusal(await serve(["--tls-cert", "bad.pem", "--tls-key", "bad.pem"]), /core.tls\] .*bad.pem/);
  expectRefusal(await serve(["--tls-cert", "no.pem", "--tls-key", "bad.pem"]), /Cannot read 'no.pem'/);
  const half = await serve(["--tls-cert", "bad.pem"]);
  expect([half.status, lastLine(half)]).toEqual([2, expect.stringContaining("argument --tls-cert: needs --tls-key")]);
});

test("without TLS both sides say so, and tasks run", async () => {
  await using site = openSite();
  site.write("tasks.in", "echo plain\n");
  const { server, port } = await startServer(site, ["tasks.in", "--no-db", "--no-tls"]);
  const client = await startClient(site, port, ["--no-tls"]).ended;
  const warning = (who: string): string =>
    ` WARNING [hypershell.${who}] TLS is disabled - this is not recommended for production!`;
  expect([client.status, client.stdout, client.stderr]).toEqual([0, "plain\n", `${warning("client")}\n`]);
  expect((await server.ended).stderr).toContain(`${warning("server")}\n`);
  expect(filesOf(site).filter((path) => path.endsWith(".crt"))).toEqual([]);
});

test("a key that is short or malformed is told of, and the placeholder is refused", async () => {
  await using site = openSite();
  const serve = (words: readonly string[], key: string): Promise<Ended> =>
    site.hs(["server", "-p", "0", ...forever, ...words], { env: { HYPERSHELL_SERVER_AUTH: key } });
  const missing = await serve([], "<not-secure>");
  expect([missing.status, missing.stderr]).toEqual([
    2,
    expect.stringContaining("CRITICAL [hypershell] Refusing to run server without authentication key"),
  ]);
  const malformed = await serve([], "two words, and more");
  expect([malformed.status, malformed.stderr]).toEqual([2, expect.stringContaining("must contain only")]);
  const exposed = await serve(["--no-tls", "-H", "0.0.0.0"], "mykey123");
  expect([exposed.status, exposed.stderr]).toEqual([2, expect.stringContaining("at least 16 characters")]);
  const env = { HYPERSHELL_SERVER_AUTH: "mykey123" };
  const { server, port } = await startServer(site, forever, { env });
  const short = await startClient(site, port, brief, { env }).ended;
  expect([short.status, short.stderr]).toEqual([0, expect.stringContaining("at least 16 characters")]);
  expect(server.stderr()).toContain("at least 16 characters");
  const words = [malformed.stderr, exposed.stderr, short.stderr, server.stderr()].join("");
  expect(words).not.toMatch(/mykey123|two words/);
});

const typedKey = "a-key-that-somebody-typed-0123456";
const seen = /WARNING \[hypershell\.\w+\] Every user of this host may have seen the key, .* --auth-file/;

needs([], process.platform === "linux" ? null : "needs /proc")(
  "a key that was on the command line is soon gone from it, and from what a crash prints",
  async () => {
    await using site = openSite();
    const wordsOf = (pid: number): string => readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
    // As often as one likes, in all forms.
    const words = [
      "server",
      "-p",
      "0",
      "--no-tls",
      "--no-db",
      "--forever",
      "-k",
      "an-earlier-one-0123",
      `-k${typedKey}`,
    ];
    const server = site.start(["hs", ...words]);
    const line = await server.line(/Server listening on/);
    const port = line.slice(line.lastIndexOf(":") + 1);
    const client = site.start(["hs", "client", "-p", port, "--no-tls", `--auth=${typedKey}`]);
    const file = site.start(["sh", "-c", `printf '${typedKey}\r\n' | hs client --no-tls -p ${port} --auth-file -`]);
    const submit = `hs submit -q --no-tls -p ${port} --auth-file <(echo ${typedKey}) echo ran`;
    expect((await site.shell(submit)).stderr).not.toContain("seen the key");
    await until(() => client.stdout() + file.stdout() === "ran\n", "the task is not run");
    // The other one may have run it before this one was up.
    await client.line(seen);
    expect(wordsOf(server.pid)).toMatch(/hs server -p 0 --no-tls --no-db --forever -k <fd:\d+> -k<fd:\d+> $/);
    expect(wordsOf(client.pid)).toMatch(/--auth=<fd:\d+> $/);
    for (const each of [server, client]) each.kill("SIGSEGV");
    const ends = await Promise.all([server.ended, client.ended]);
    for (const { status, stderr } of ends) {
      expect([status, stderr.match(seen)?.length]).toEqual([139, 1]);
      expect(stderr).toContain('Args: "');
      expect(stderr).not.toMatch(/a-key-that|an-earlier/);
    }
    file.kill("SIGTERM");
  },
);

test("a key comes from a file that only its user can read, and a file without one is told of", async () => {
  await using site = openSite();
  const path = site.write("key", `${typedKey}\n`);
  const connect = (words: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
    site.hs(["client", "-p", "9", ...words], { env: { HYPERSHELL_CLIENT_CONNECT: "0", ...env } });
  const asked = async (mode: number, env?: Readonly<Record<string, string>>): Promise<string> => {
    chmodSync(path, mode);
    return (await connect(env === undefined ? ["--auth-file", path] : [], env)).stderr;
  };
  expect(await asked(0o644)).toContain(`Other users can read the key in '${path}' (mode 0644): chmod 600 ${path}`);
  expect(await asked(0o620)).toMatch(/^CRITICAL .* other users can change '.*key' \(mode 0620\), .* chmod 600 /);
  expect(await asked(0o600)).not.toContain("key");
  const setting = { HYPERSHELL_SERVER_AUTHFILE: path };
  expect(await asked(0o602, setting)).toMatch(
    /^CRITICAL \[hypershell.core.auth\] server.authfile is no use: other users/,
  );
  expect(await asked(0o600, setting)).not.toContain("key");
  site.write("config", `[server]\nauthfile = "nowhere"\n`);
  const config = { HYPERSHELL_CONFIG_FILE: "config" };
  site.write("two", "one\ntwo\n");
  const [above, below, both, none, empty, two, off, gone] = await Promise.all([
    connect([], { ...config, HYPERSHELL_SERVER_AUTH: typedKey }),
    connect([], { ...config }),
    connect([], { ...setting, HYPERSHELL_SERVER_AUTH: typedKey }),
    connect(["--auth-file", "nowhere"]),
    connect(["--auth-file", "/dev/null"]),
    connect(["--auth-file", "two"]),
    connect(["--auth-file", "-"]),
    site.hs(["submit", "-q", "-p", "9", "--auth-file", "-", "-f", "-"], { stdin: "echo 1\n" }),
  ]);
  expect(lastLine(above)).toContain("Connection refused");
  expect([below.status, lastLine(below)]).toEqual([3, expect.stringContaining("cannot read 'nowhere': no such file")]);
  expect([both.status, lastLine(both)]).toEqual([3, expect.stringContaining("server.auth are both set in one place")]);
  expect([none.status, lastLine(none)]).toEqual([
    2,
    expect.stringContaining("--auth-file: cannot read 'nowhere': no "),
  ]);
  expect(lastLine(empty)).toContain("'/dev/null' is empty: there must be one line");
  expect(lastLine(two)).toContain("'two' has 2 lines: there must be one");
  expect(lastLine(off)).toContain("standard input has no key");
  expect(lastLine(gone)).toContain("standard input cannot be the key, it is the tasks");
});

test("a key is made, or read, without being shown", async () => {
  await using site = openSite();
  const file = join(site.path, "home", ".hypershell", "config.toml");
  const made = await site.hs(["config", "set", "server.auth", "--generate"]);
  expect([made.status, made.stdout, made.stderr]).toEqual([
    0,
    "",
    expect.stringMatching(/Wrote a new key to .*\.toml/),
  ]);
  const [, first = ""] = /^auth = "([0-9a-f]{128})"$/m.exec(readFileSync(file, "utf8")) ?? [];
  expect([first.length, statSync(file).mode & 0o777, made.stderr.includes(first)]).toEqual([128, 0o600, false]);
  const shown = await site.hs(["config", "set", "server.auth", "--generate", "--reveal"]);
  expect(shown.stdout).toMatch(/^[0-9a-f]{128}\n$/);
  expect(shown.stdout).not.toContain(first);
  const typed = await site.hs(["config", "set", "server.auth", "-"], { stdin: `${typedKey}\nmore\n` });
  expect([typed.status, typed.stdout, typed.stderr]).toEqual([0, "", ""]);
  expect((await site.hs(["config", "get", "server.auth", "--reveal"])).stdout).toBe(`${typedKey}\n`);
  const word = await site.hs(["config", "set", "server.auth", "word-word-word-word"]);
  expect([word.status, word.stderr]).toEqual([0, expect.stringContaining("server.auth was on the command line")]);
  for (const words of [
    ["server.port", "--generate"],
    ["server.auth", "x", "--generate"],
    ["server.auth", "--generate", "--system"],
    ["server.auth"],
    ["database.password", "-"],
  ])
    expect((await site.hs(["config", "set", ...words])).status).toBe(2);
});

test("the key is in no line of any log", async () => {
  await using site = openSite();
  const wrong = "a-key-that-the-server-does-not-have";
  const env = { HYPERSHELL_LOGGING_LEVEL: "trace" };
  const { server, port } = await startServer(site, forever, { env });
  const { port: plain, server: other } = await startServer(site, [...forever, "--no-tls"], { env });
  const client = startClient(site, port, brief, { env });
  const submitted = await site.hs(["submit", "-q", "-p", port, "echo", "ran"], { env: { ...secured, ...env } });
  expect(submitted.status).toBe(0);
  const ends = await Promise.all([
    client.ended,
    startClient(site, plain, [...brief, "--no-tls"], { env }).ended,
    startClient(site, port, brief, { env: { ...env, HYPERSHELL_SERVER_AUTH: wrong } }).ended,
    startClient(site, plain, [...brief, "--no-tls"], { env: { ...env, HYPERSHELL_SERVER_AUTH: wrong } }).ended,
  ]);
  expect(ends.map(({ status }) => status)).toEqual([0, 0, 5, 5]);
  expect(ends[0].stdout).toBe("ran\n");
  const said = [...ends.map(({ stderr }) => stderr), submitted.stderr, server.stderr(), other.stderr()];
  for (const text of said) expect(text).toMatch(/TRACE|DEBUG/);
  for (const key of [wrong, secured.HYPERSHELL_SERVER_AUTH]) expect(said.join("")).not.toContain(key);
});

needs([], process.platform === "linux" ? null : "needs /proc")(
  "the key of a cluster is on no command line and in no log",
  async () => {
    await using site = openSite();
    // Asked for in the middle of the run: all that a user of this host could see. Between it and the client is a shell.
    site.write(
      "look",
      `cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' > lines; client=$(cut -d' ' -f4 /proc/$PPID/stat); ` +
        `tr '\\0' '\\n' < /proc/$client/environ | grep RUN_KEY= > key`,
    );
    const env = { HYPERSHELL_LOGGING_LEVEL: "trace" };
    const end = await site.hsx(["--launcher=nice", "--no-db", "-"], { stdin: "sh look\n", env });
    expect(end.status).toBe(0);
    const key = site.read("key").trim().replace(/^.*=/, "");
    expect(key).toMatch(/^[\da-f]{128}$/);
    expect(site.read("lines")).toContain("client -H");
    expect(site.read("lines")).not.toContain(key);
    expect(end.stderr).not.toContain(key);
  },
);

test("the certificate on disk is the one that was announced", async () => {
  await using site = openSite();
  const { server } = await startServer(site, forever);
  const der = Buffer.from(readFileSync(certificateOf(site), "utf8").replace(/-----.*?-----|\s/g, ""), "base64");
  const digits = new Bun.CryptoHasher("sha256").update(der).digest("hex").toUpperCase();
  expect(fingerprintOf(server)).toBe(`SHA256:${digits.match(/../g)!.join(":")}`);
});
