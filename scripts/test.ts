/*
 * Runs the checks, the build and the suites one after the other (some of them beside others), goes on after a
 * failure, and ends with a line `N passed, N failed` (and `, N skipped`). A step that is not a suite counts as one.
 * What is skipped says why in its own name.
 */
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type SecretWatch, watchSecrets } from "./watch-secrets.ts";
import { say } from "./say.ts";

const root = resolve(import.meta.dir, "..");

/** Quick ones first; folders below test/ that are not named here come last. */
const order = [
  "unit",
  "integration",
  "property",
  "conformance",
  "simulation",
  "e2e",
  "docs",
  "fault",
  "compat",
  "batch",
  "windows",
  "release",
  "packages",
];

/**
 * They wait far more than they compute, so they run beside the first one that needs the build. Each is told of in its
 * turn.
 */
const besideOthers = ["fault", "batch", "docs", "windows", "packages"];

/** These talk to the executable: without one they would only wait in vain. */
const needBuild = ["e2e", "docs", "fault", "compat", "batch", "windows", "packages"];

/** Not suites: numbers are for reading. */
const notSuites = ["bench", "systems"];

/** The unit tests are run at every save. */
const unitBudgetSeconds = 10;

/** Failures are shown once more at the end: who is given only the end of a long log wants to know which it was. */
const mostLinesOfFailure = 50;

interface Tally {
  readonly name: string;
  readonly passed: number;
  readonly failed: number;
  readonly skipped: readonly string[];
  /** What was printed about those that failed. */
  readonly failures: readonly string[];
  readonly seconds: number;
}

/** Programs that tests use, and the Debian packages they are in. */
const programs: Readonly<Record<string, string>> = {
  ps: "procps",
  setsid: "util-linux",
  bash: "bash",
  cc: "gcc",
  strip: "binutils",
  objcopy: "binutils",
  "eu-strip": "elfutils",
  xz: "xz-utils",
  gpg: "gnupg",
  parallel: "parallel",
  python3: "python3",
  "qemu-aarch64-static": "qemu-user-static",
  "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1": "libc6-arm64-cross",
  ip: "iproute2",
  openssl: "openssl",
  munged: "munge",
  slurmctld: "slurm-wlm",
  srun: "slurm-wlm",
  mpirun: "openmpi-bin",
  sshd: "openssh-server",
  ssh: "openssh-client",
  tcsh: "tcsh",
  fish: "fish",
  zsh: "zsh",
  tmux: "tmux",
  chromium: "chromium",
  mandoc: "mandoc",
  col: "bsdextrautils",
  pg_ctlcluster: "postgresql",
  psql: "postgresql-client",
  faketime: "faketime",
  rpmbuild: "rpm",
  lintian: "lintian",
  man: "man-db",
  "dh_bash-completion": "bash-completion",
  modulecmd: "environment-modules",
  "systemd-nspawn": "systemd-container",
  podman: "podman",
  runc: "runc",
  busybox: "busybox",
  ruby: "ruby",
  // hs.exe is for x64 only.
  ...(process.arch === "x64" ? { wine64: "wine64", "x86_64-w64-mingw32-gcc": "gcc-mingw-w64-x86-64-win32" } : {}),
};

/** Daemons are where only root looks for programs, and Wine is where only Debian's own packages look. */
const PATH = `${process.env["PATH"] ?? "/usr/bin:/bin"}:/usr/sbin:/sbin:/usr/lib/wine`;

/** While it is there, Debian starts no daemon that it installs: tests start their own. */
const policy = "/usr/sbin/policy-rc.d";

/**
 * Debian packages are installed where that is possible without asking; without them the tests that need them are
 * skipped.
 */
async function installPrograms(): Promise<void> {
  const missing = Object.keys(programs).filter((program) => Bun.which(program, { PATH }) === null);
  if (missing.length === 0) return;
  const packages = [...new Set(missing.flatMap((program) => programs[program] ?? []))];
  if (process.getuid?.() !== 0 || Bun.which("apt-get", { PATH }) === null) {
    say.warn(`not installed, and not to be had here: ${missing.join(", ")} (Debian: ${packages.join(" ")})`);
    return;
  }
  const install = ["apt-get", "install", "-y", "--no-install-recommends", ...packages];
  const quietly = {
    env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" },
    stdin: "ignore",
    stdout: "ignore",
  } as const;
  const ownPolicy = !existsSync(policy);
  if (ownPolicy) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    if ((await Bun.spawn(install, quietly).exited) === 0) return;
    await Bun.spawn(["apt-get", "update"], quietly).exited;
    if ((await Bun.spawn(install, quietly).exited) !== 0) say.warn(`could not install: ${packages.join(" ")}`);
  } finally {
    if (ownPolicy) rmSync(policy);
  }
}

interface Ended {
  readonly status: number;
  readonly seconds: number;
  /** Of each failed test the lines that led to it, its own last; of a command that failed otherwise its last lines. */
  readonly failures: readonly string[];
}

/** Runs a command, and shows what it says at once, or when `shown` is there. */
async function timed(command: readonly string[], shown: Promise<void> | null): Promise<Ended> {
  const startedAt = performance.now();
  // Bun tells a test that it is in UTC. The C library is told as well.
  const env = { TZ: "UTC", ...process.env, PATH };
  const child = Bun.spawn([...command], { cwd: root, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  // Bun's report of tests goes to stderr; to stdout goes what tests print, which is passed on and forgotten.
  const [err, out]: readonly [Said, Said] = [
    { failures: [], last: [] },
    { failures: [], last: [] },
  ];
  const read = Promise.all([
    passOn(child.stderr, process.stderr, err, shown),
    passOn(child.stdout, process.stdout, out, shown),
  ]);
  const status = await child.exited;
  const seconds = (performance.now() - startedAt) / 1000;
  await shown;
  // Whoever was left behind with these pipes is not waited for.
  await Promise.race([read, Bun.sleep(1000)]);
  const failures = status === 0 || err.failures.length > 0 ? err.failures : [[...out.last, ...err.last].join("\n")];
  return { status, seconds, failures };
}

interface Said {
  readonly failures: string[];
  last: string[];
}

/** Shows everything, and keeps what was said about each test that failed, and at last. */
async function passOn(
  from: ReadableStream<Uint8Array>,
  to: NodeJS.WriteStream,
  said: Said,
  shown: Promise<void> | null,
): Promise<void> {
  const decoder = new TextDecoder();
  let rest = "";
  let summed = false;
  for await (const bytes of from) {
    if (shown === null) to.write(bytes);
    else void shown.then(() => to.write(bytes));
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      said.last = [...said.last, line].slice(-mostLinesOfFailure);
      // Bun names them once more by itself.
      summed ||= /^\d+ tests? failed:$/.test(line);
      if (line.startsWith("(fail)") && !summed) said.failures.push(said.last.join("\n"));
      if (/^\((?:pass|fail|skip|todo)\)/.test(line)) said.last = [];
    }
  }
}

async function step(name: string, command: readonly string[]): Promise<Tally> {
  const { status, ...rest } = await timed(command, null);
  return { name, passed: status === 0 ? 1 : 0, failed: status === 0 ? 0 : 1, skipped: [], ...rest };
}

/** Builds hs.exe for the tests under Wine. An older one would be tested where that fails. */
async function buildForWindows(): Promise<Tally> {
  rmSync(join(root, "dist/hs-windows-x64.exe"), { force: true });
  return step("hs.exe", ["scripts/build", "windows-x64"]);
}

/**
 * Runs the tests of one folder and counts by Bun's report; a run that ended badly without a failed test counts as one.
 */
async function suite(name: string, shown: Promise<void> | null = null): Promise<Tally> {
  const folder = mkdtempSync(join(tmpdir(), "hs-report-"));
  const report = join(folder, "report.xml");
  const reporting = ["--reporter=junit", `--reporter-outfile=${report}`];
  try {
    // The timeout is that of scripts/bun.
    const words = [process.execPath, "test", "--timeout=60000", ...reporting, `./test/${name}/`];
    const { status, seconds, failures } = await timed(words, shown);
    const cases = existsSync(report) ? readCases(readFileSync(report, "utf8")) : [];
    const counted = cases.filter(({ outcome }) => outcome === "failed").length;
    return {
      name,
      passed: cases.filter(({ outcome }) => outcome === "passed").length,
      failed: status !== 0 && counted === 0 ? 1 : counted,
      skipped: cases.filter(({ outcome }) => outcome === "skipped").map((found) => found.name),
      failures,
      seconds,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Case {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "skipped";
}

function readCases(xml: string): readonly Case[] {
  return [...xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)].map(
    ([, attributes = "", body = ""]) => {
      const outcome = /<(?:failure|error)\b/.test(body) ? "failed" : /<skipped\b/.test(body) ? "skipped" : "passed";
      return { name: plain(/\bname="([^"]*)"/.exec(attributes)?.[1] ?? "?"), outcome };
    },
  );
}

function plain(text: string): string {
  const characters: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (whole, name: string) => characters[name] ?? whole);
}

function suites(): readonly string[] {
  const folders = readdirSync(join(root, "test"), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const withTests = folders
    .map(({ name }) => name)
    .filter((name) => !notSuites.includes(name))
    .filter((name) => [...new Bun.Glob("**/*.test.ts").scanSync({ cwd: join(root, "test", name) })].length > 0);
  const place = (name: string): number => (order.includes(name) ? order.indexOf(name) : order.length);
  return withTests.toSorted((one, other) => place(one) - place(other) || one.localeCompare(other));
}

const known = ["check", "build", ...suites()];
const chosen = process.argv.slice(2);
const unknown = chosen.filter((name) => !known.includes(name));
if (unknown.length > 0) {
  say.error(`scripts/test: no such suite: ${unknown.join(", ")} (there are: ${known.join(", ")})`);
  process.exit(2);
}

await installPrograms();
const tallies: Tally[] = [];
const wanted = known.filter((each) => chosen.length === 0 || chosen.includes(each));
/** Suites that run beside others, and what lets them tell. */
const beside = new Map<string, { readonly turn: PromiseWithResolvers<void>; readonly tally: Promise<Tally> }>();
function startBeside(): void {
  for (const name of besideOthers) {
    if (!wanted.includes(name)) continue;
    const turn = Promise.withResolvers<void>();
    beside.set(name, { turn, tally: suite(name, turn.promise) });
  }
}

/** What became of the keys and passwords in the suites that run whole programs. */
function tallyOfSecrets(watch: SecretWatch): Tally {
  const { wrong, processes, secrets } = watch.stop();
  say.info(`${processes} processes, and ${secrets} keys and passwords that none may show`);
  const failures = wrong.map((each) => `a key or a password can be read ${each}`);
  // Where nothing was seen, nothing was watched.
  if (processes === 0 || secrets === 0) failures.push("no process with a key was seen: the watch is blind");
  const failed = failures.length;
  return { name: "secrets", passed: failed === 0 ? 1 : 0, failed, skipped: [], failures, seconds: 0 };
}

let watch: SecretWatch | null = null;
for (const name of wanted) {
  console.log(`\n=== ${name}`);
  const isBuilt = tallies.every((tally) => tally.name !== "build" || tally.failed === 0);
  if (isBuilt && needBuild.includes(name) && beside.size === 0) startBeside();
  if (isBuilt && name === "e2e" && process.platform === "linux") watch = watchSecrets(join(root, "dist"));
  if (name === "check") tallies.push(await step(name, ["scripts/check"]));
  else if (name === "build") {
    tallies.push(await step(name, ["scripts/build"]));
    if (wanted.includes("windows") && Bun.which("wine64", { PATH }) !== null) tallies.push(await buildForWindows());
  } else if (needBuild.includes(name) && !isBuilt) {
    say.fail("not run, and counted as one failure: there is no executable of this source");
    tallies.push({ name, passed: 0, failed: 1, skipped: [], failures: [], seconds: 0 });
  } else if (beside.has(name)) {
    beside.get(name)?.turn.resolve();
    tallies.push(await beside.get(name)!.tally);
  } else tallies.push(await suite(name));
}
if (watch !== null) tallies.push(tallyOfSecrets(watch));

console.log("");
for (const { name, failures } of tallies) for (const each of failures) console.log(`failed in ${name}:\n${each}\n`);
for (const { name, skipped } of tallies) for (const each of skipped) console.log(`skipped in ${name}: ${each}`);
for (const { name, passed, failed, seconds } of tallies) {
  const late =
    name === "unit" && seconds > unitBudgetSeconds ? `  (more than the ${unitBudgetSeconds} s that it may take)` : "";
  const counts = `${String(passed).padStart(5)} passed ${String(failed).padStart(4)} failed`;
  const line = `${name.padEnd(12)} ${counts} ${seconds.toFixed(1).padStart(7)} s${late}`;
  if (failed === 0) say.success(line);
  else say.fail(line);
}
const sum = (count: (tally: Tally) => number): number => tallies.reduce((total, tally) => total + count(tally), 0);
const [passed, failed, skipped] = [
  sum((tally) => tally.passed),
  sum((tally) => tally.failed),
  sum((tally) => tally.skipped.length),
];
// Plain, and last: programs read it.
console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exit(failed > 0 ? 1 : 0);
