/*
 * Measures hs on one machine, next to the tools a user would take instead and to the limit, a C loop of posix_spawn.
 * All figures of a table come from one run, in rounds that go through all tools, and are given in relation to the C
 * loop: absolute times say more about the machine. Each tool's output is counted, so that no one is fast by doing less.
 * Targets are for reading; nothing fails.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir } from "node:os";
import { basename, join } from "node:path";
import { atMost, lineCount, measure, median, megabytes, milliseconds, statusBytes, table } from "./bench-measure.ts";
import type { Measured } from "./bench-measure.ts";
import { captured, findTools, freshShells, hs, hsx, printing, referenceHs, yardstick } from "./bench-tools.ts";
import type { Call, Tool, Work } from "./bench-tools.ts";

/** How many times as fast as another tool hs has to be. */
interface Comparison {
  readonly tool: string;
  readonly than: string;
  readonly atLeast: number;
}

const byShell = "xargs -P, sh -c";
const comparisons = {
  /** `true` by dash, or whatever /bin/sh is. */
  spawn: [
    { tool: "hsx --no-db", than: byShell, atLeast: 2.5 },
    { tool: "hsx", than: byShell, atLeast: 1.8 },
    { tool: "hsx", than: "HyperQueue", atLeast: 2.5 },
    { tool: "hsx", than: "GNU Parallel", atLeast: 8 },
    { tool: "hsx", than: "HyperShell 2.8.2 --no-db", atLeast: 10 },
  ],
  bash: [
    { tool: "hsx --no-db", than: byShell, atLeast: 2 },
    { tool: "hsx", than: byShell, atLeast: 1.5 },
  ],
  pipes: [
    { tool: "hsx --no-db", than: byShell, atLeast: 1.2 },
    { tool: "hsx", than: byShell, atLeast: 1 },
  ],
  plain: [
    { tool: "hsx --no-db", than: "xargs -P, no shell", atLeast: 1 },
    { tool: "hsx", than: "xargs -P, no shell", atLeast: 0.9 },
  ],
  modes: [
    { tool: "hsx --no-db --output-mode=group", than: "hsx --no-db", atLeast: 0.6 },
    { tool: "hsx --no-db --output-mode=ordered", than: "hsx --no-db", atLeast: 0.6 },
  ],
  capture: [{ tool: "hsx --capture", than: "hsx", atLeast: 0.5 }],
  starts: [{ tool: "hsx", than: "hsx, task.shell_reuse = false", atLeast: 1 }],
} satisfies Readonly<Record<string, readonly Comparison[]>>;

const targets = {
  peakBytes: 150e6,
  versionSeconds: 0.015,
  helpSeconds: 0.015,
  oneTaskSeconds: 0.06,
  submitSeconds: 10,
  growth: 1.1,
};

const executorCounts = [2, 4, 16];

interface Settings {
  readonly parts: readonly Part[];
  readonly rounds: number;
  readonly tasks: number;
  readonly lines: number;
}

const parts = ["spawn", "bash", "pipes", "plain", "capture", "modes", "starts", "single", "submit", "memory"] as const;
type Part = (typeof parts)[number];

const folder = mkdtempSync(join(tmpdir(), "hs-bench-"));
let places = 0;

/** An environment with nothing in it: no configuration, no database, no tasks of earlier runs. */
function newPlace(): { readonly cwd: string; readonly env: Readonly<Record<string, string>> } {
  places += 1;
  const cwd = join(folder, String(places));
  mkdirSync(cwd);
  const env = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: cwd,
    HYPERSHELL_SITE: join(cwd, "site"),
    SHELL: "/bin/sh",
    LANG: "C.UTF-8",
  };
  return { cwd, env };
}

async function runIn(place: ReturnType<typeof newPlace>, call: Call, stdout?: string): Promise<Measured> {
  const measured = await measure({
    command: call.command,
    cwd: place.cwd,
    env: { ...place.env, ...call.env },
    ...(call.stdin === undefined ? {} : { stdin: call.stdin }),
    ...(stdout === undefined ? {} : { stdout }),
  });
  if (measured.status !== 0) {
    throw new Error(`status ${measured.status} of ${call.command.join(" ")}\n${measured.stderr.slice(0, 2000)}`);
  }
  return measured;
}

async function runAlone(call: Call, stdout?: string): Promise<Measured> {
  const place = newPlace();
  try {
    return await runIn(place, call, stdout);
  } finally {
    rmSync(place.cwd, { recursive: true });
  }
}

function input(name: string, line: (number: number) => string, count: number): string {
  const path = join(folder, name);
  if (!existsSync(path))
    writeFileSync(path, Array.from({ length: count }, (_, index) => `${line(index + 1)}\n`).join(""));
  return path;
}

/** One run of one tool, which must print as many lines as expected. */
async function runTool(tool: Tool, call: Call, printed: number): Promise<Measured> {
  const stdout = join(folder, "stdout");
  const measured = await runAlone(call, stdout);
  const count = lineCount(stdout);
  if (count !== printed)
    throw new Error(`${tool.name} printed ${count} lines, not ${printed}: its figure would not count`);
  if (tool.saysSeconds !== true) return measured;
  return { ...measured, seconds: Number(/^seconds ([\d.]+)$/m.exec(measured.stderr)?.[1] ?? Number.NaN) };
}

/** Tasks without output say nothing about how many there were; these do. */
async function checkThatAllRun(tools: readonly Tool[]): Promise<void> {
  const work: Work = {
    kind: "shell",
    line: "echo done",
    input: input("check.in", () => "echo done", 100),
    tasks: 100,
    executors: 4,
    prints: true,
  };
  for (const tool of tools) {
    const call = tool.call(work);
    if (call !== null) await runTool(tool, call, 100);
  }
}

interface Series {
  readonly tool: Tool;
  readonly call: Call;
  readonly seconds: number[];
  readonly peaks: number[];
}

async function sideBySide(
  part: keyof typeof comparisons,
  title: string,
  tools: readonly Tool[],
  work: Work,
  { rounds }: Settings,
): Promise<void> {
  const { tasks } = work;
  const series: Series[] = tools.flatMap((tool) => {
    const call = tool.call(work);
    return call === null ? [] : [{ tool, call, seconds: [], peaks: [] }];
  });
  for (let round = 1; round <= rounds; round += 1) {
    for (const { tool, call, seconds, peaks } of series) {
      if (tool.slow && round > 1) continue;
      const measured = await runTool(tool, call, work.kind === "program" || work.prints === true ? tasks : 0);
      seconds.push(measured.seconds);
      if (measured.peakBytes !== null) peaks.push(measured.peakBytes);
    }
  }
  const limit = series.find(({ tool }) => tool.name === yardstick)?.seconds ?? [];
  const rows = series.map(({ tool, seconds, peaks }) => {
    const time = median(seconds);
    const peak = peaks.length > 0 ? Math.max(...peaks) : null;
    const own = tool.name.startsWith("hsx");
    return [
      tool.name,
      `${time.toFixed(2)} s`,
      (tasks / time).toFixed(0),
      timesAsFast(seconds, limit).toFixed(2),
      megabytes(peak),
      !own || peak === null ? "" : atMost(peak, targets.peakBytes, megabytes),
      String(seconds.length),
    ];
  });
  const head = ["tool", "time", "tasks/s", "x C loop", "peak memory", "target", "rounds"];
  console.log(table(title, head, rows));
  for (const { tool, than, atLeast } of comparisons[part]) {
    const [one, other] = [tool, than].map((name) => series.find((each) => each.tool.name === name)?.seconds);
    if (one === undefined || other === undefined) continue;
    const ratio = timesAsFast(one, other);
    const verdict = ratio >= atLeast ? "ok" : "MISSED";
    console.log(`  ${tool}: ${ratio.toFixed(2)} times as fast as ${than} (target ${atLeast.toFixed(2)} ${verdict})`);
  }
}

/** The ratio of the medians of rounds that went through all tools in turn. */
function timesAsFast(one: readonly number[], other: readonly number[]): number {
  return median(other) / median(one);
}

/** Lines for the shell that print nothing. */
async function linesForShell(
  part: "spawn" | "bash" | "pipes",
  line: string,
  tools: readonly Tool[],
  settings: Settings,
): Promise<void> {
  const { tasks } = settings;
  for (const executors of executorCounts) {
    const work: Work = { kind: "shell", line, input: input(`${part}.in`, () => line, tasks), tasks, executors };
    const shell = part === "bash" ? "bash as sh" : `sh (${shellName()})`;
    await sideBySide(part, `${tasks} tasks \`${line}\` by ${shell}, ${executors} executors`, tools, work, settings);
  }
}

async function plain(tools: readonly Tool[], settings: Settings): Promise<void> {
  const { tasks } = settings;
  for (const executors of executorCounts) {
    const work: Work = { kind: "program", line: "", input: input("numbers.in", String, tasks), tasks, executors };
    await sideBySide("plain", `${tasks} tasks \`/bin/echo NUMBER\`, ${executors} executors`, tools, work, settings);
  }
}

/** What the output of each task in files of its own costs. */
async function capture(tools: readonly Tool[], settings: Settings): Promise<void> {
  const { tasks } = settings;
  const compared = [...tools.filter(({ name }) => name === yardstick || name === "hsx"), captured];
  for (const executors of executorCounts) {
    const line = "true";
    const work: Work = { kind: "shell", line, input: input("spawn.in", () => line, tasks), tasks, executors };
    await sideBySide("capture", `${tasks} tasks \`true\`, ${executors} executors`, compared, work, settings);
  }
}

/** What it costs that the output of tasks is printed in lines, as whole tasks, or in order. */
async function modes(tools: readonly Tool[], settings: Settings): Promise<void> {
  const { tasks } = settings;
  const compared = [...tools.filter(({ name }) => name === yardstick || name === "hsx --no-db"), ...printing(tools)];
  for (const executors of executorCounts) {
    const text = input("modes.in", (n) => `echo ${n}`, tasks);
    const work: Work = { kind: "shell", line: "echo 1", input: text, tasks, executors, prints: true };
    await sideBySide("modes", `${tasks} tasks \`echo NUMBER\`, ${executors} executors`, compared, work, settings);
  }
}

/** How many tasks one client starts where it has the executors of a large node. */
async function starts(tools: readonly Tool[], settings: Settings): Promise<void> {
  const tasks = 5760;
  const executors = 192;
  const line = "sleep 0.1";
  const work: Work = { kind: "shell", line, input: input("sleep.in", () => line, tasks), tasks, executors };
  const compared = [...tools.filter(({ slow }) => !slow), freshShells];
  const title = `${tasks} tasks \`${line}\`, ${executors} executors: at most ${executors * 10} tasks/s`;
  await sideBySide("starts", title, compared, work, settings);
}

/** Measures this very part again where /bin/sh is bash: in a mount namespace of its own, which takes root. */
async function bash({ rounds, tasks }: Settings): Promise<void> {
  const program = Bun.which("bash");
  if (process.getuid?.() !== 0 || program === null || Bun.which("unshare") === null) {
    console.log("\nleft out: bash as sh (it takes root, bash and unshare)");
    return;
  }
  const again = [process.execPath, import.meta.path, "--only", "spawn", "--rounds", `${rounds}`, "--tasks", `${tasks}`];
  // A layer over the folder of sh, in which sh is a link to bash as on Red Hat.
  const script =
    'dir=$(readlink -f /bin) && mount -t tmpfs tmpfs "$1" && mkdir "$1/upper" "$1/work" && ' +
    'mount -t overlay -o "lowerdir=$dir,upperdir=$1/upper,workdir=$1/work" overlay "$dir" && ' +
    'ln -sf bash "$dir/sh" && shift && exec "$@"';
  const layer = join(folder, "layer");
  mkdirSync(layer);
  const child = Bun.spawn(["unshare", "-m", program, "-c", script, "bash", layer, ...again], {
    env: { ...process.env, HS_BENCH_SHELL: "bash" },
    stdio: ["ignore", "inherit", "inherit"],
  });
  if ((await child.exited) !== 0) throw new Error("the part with bash as sh failed");
}

const isBash = process.env["HS_BENCH_SHELL"] === "bash";

function shellName(): string {
  return basename(realpathSync("/bin/sh"));
}

/** Start to end of programs with little or nothing to do. */
async function single({ rounds }: Settings): Promise<void> {
  const stdin = input("one.in", () => "true", 1);
  const used = newPlace();
  await runIn(used, { command: [hsx], stdin });
  const cases: readonly {
    readonly name: string;
    readonly target: number | null;
    readonly run: () => Promise<Measured>;
  }[] = [
    { name: "sh -c true", target: null, run: () => runAlone({ command: ["sh", "-c", "true"] }) },
    { name: "hs --version", target: targets.versionSeconds, run: () => runAlone({ command: [hs, "--version"] }) },
    { name: "hs --help", target: targets.helpSeconds, run: () => runAlone({ command: [hs, "--help"] }) },
    { name: "hsx --help", target: targets.helpSeconds, run: () => runAlone({ command: [hsx, "--help"] }) },
    {
      name: "echo true | xargs sh -c",
      target: null,
      run: () => runAlone({ command: ["xargs", "-n1", "sh", "-c"], stdin }),
    },
    {
      name: "echo true | hsx --no-db",
      target: targets.oneTaskSeconds,
      run: () => runAlone({ command: [hsx, "--no-db"], stdin }),
    },
    {
      name: "echo true | hsx, database new",
      target: targets.oneTaskSeconds,
      run: () => runAlone({ command: [hsx], stdin }),
    },
    {
      name: "echo true | hsx, database there",
      target: targets.oneTaskSeconds,
      run: () => runIn(used, { command: [hsx], stdin }),
    },
  ];
  const times = cases.map((): number[] => []);
  for (let round = 0; round < rounds * 5; round += 1) {
    for (const [index, { run }] of cases.entries()) times[index]?.push((await run()).seconds);
  }
  const rows = cases.map(({ name, target }, index) => {
    const seconds = times[index] ?? [];
    const time = median(seconds);
    return [name, milliseconds(time), milliseconds(Math.min(...seconds)), atMost(time, target, milliseconds)];
  });
  console.log(table(`start to end (median of ${rounds * 5})`, ["command", "median", "least", "target"], rows));
}

async function submit({ lines }: Settings): Promise<void> {
  const submitted = async (program: string, count: number, words: readonly string[]): Promise<Measured> => {
    const place = newPlace();
    const file = input(`submit-${count}.in`, (number) => `echo ${number}`, count);
    const measured = await runIn(place, {
      command: [program, "submit", "-f", file],
      env: { HYPERSHELL_LOGGING_LEVEL: "warning" },
    });
    const counted = join(folder, "stdout");
    await runIn(place, { command: [program, "list", "--count", ...words] }, counted);
    const found = Number(readFileSync(counted, "utf8"));
    rmSync(place.cwd, { recursive: true });
    if (found !== count) throw new Error(`${program} submit stored ${found} of ${count} tasks`);
    return measured;
  };
  const row = (name: string, count: number, { seconds, peakBytes }: Measured, target: number | null): string[] => [
    name,
    String(count),
    `${seconds.toFixed(1)} s`,
    `${Math.round(count / seconds)}`,
    atMost((seconds / count) * 1e6, target, (value) => `${value.toFixed(1)} s a million`),
    megabytes(peakBytes),
  ];
  const rows = [row("hs", lines, await submitted(hs, lines, []), targets.submitSeconds)];
  // As many as it takes in some seconds.
  const fewer = Math.min(lines, 2000);
  if (existsSync(referenceHs)) rows.push(row("HyperShell 2.8.2", fewer, await submitted(referenceHs, fewer, []), null));
  console.log(
    table("hs submit -f FILE, into SQLite", ["tool", "lines", "time", "lines/s", "target", "peak memory"], rows),
  );
}

/** An endless input: what is held must not grow with what was read. */
async function memory(): Promise<void> {
  const place = newPlace();
  const pipe = join(place.cwd, "pipe");
  await Bun.$`mkfifo ${pipe}`;
  const quiet = { cwd: place.cwd, env: { ...place.env }, stdin: "ignore", stdout: "ignore", stderr: "ignore" } as const;
  const feeder = Bun.spawn(["sh", "-c", 'exec yes true >"$0"', pipe], quiet);
  const eater = Bun.spawn(["sh", "-c", 'exec "$0" -N2 --no-db <"$1"', hsx, pipe], quiet);
  const seen: { readonly second: number; readonly held: number; readonly written: number }[] = [];
  const startedAt = performance.now();
  for (const second of [2, 4, 6, 8, 10, 12, 14, 16, 18, 20]) {
    await Bun.sleep(Math.max(0, startedAt + second * 1000 - performance.now()));
    const held = statusBytes(eater.pid, "VmRSS");
    if (held === null) throw new Error("hsx ended although its input goes on");
    const written = Number(/^wchar: (\d+)/m.exec(readFileSync(`/proc/${feeder.pid}/io`, "latin1"))?.[1] ?? Number.NaN);
    seen.push({ second, held, written });
  }
  eater.kill("SIGTERM");
  feeder.kill();
  await Promise.all([eater.exited, feeder.exited]);
  rmSync(place.cwd, { recursive: true });
  const rows = seen.map(({ second, held, written }) => [
    `${second} s`,
    megabytes(held),
    String(Math.round(written / "true\n".length)),
  ]);
  const half = seen.length / 2;
  const heldIn = (from: number, to: number): number => median(seen.slice(from, to).map(({ held }) => held));
  // Halves, because what is held goes up and down with each garbage collection.
  const growth = heldIn(half, seen.length) / heldIn(0, half);
  rows.push(["growth", growth.toFixed(2), atMost(growth, targets.growth, (value) => value.toFixed(2))]);
  console.log(table("yes true | hsx -N2 --no-db, memory over time", ["after", "held", "lines read"], rows));
}

function readSettings(words: readonly string[]): Settings {
  const settings = { parts: [...parts] as Part[], rounds: 5, tasks: 5000, lines: 1_000_000 };
  const number = (name: string, text: string | undefined): number => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1)
      throw new Error(`${name} takes a whole number from 1, not ${text ?? "nothing"}`);
    return value;
  };
  const rest = [...words];
  for (let name = rest.shift(); name !== undefined; name = rest.shift()) {
    const value = rest.shift();
    if (name === "--rounds") settings.rounds = number(name, value);
    else if (name === "--tasks") settings.tasks = number(name, value);
    else if (name === "--lines") settings.lines = number(name, value);
    else if (name === "--only") {
      settings.parts = (value ?? "").split(",").map((word) => {
        const part = parts.find((each) => each === word);
        if (part === undefined) throw new Error(`--only takes ${parts.join(", ")}, not '${word}'`);
        return part;
      });
    } else throw new Error(`no such option: ${name} (there are --only --rounds --tasks --lines)`);
  }
  return settings;
}

async function main(): Promise<void> {
  const settings = readSettings(process.argv.slice(2));
  const has = (part: Part): boolean => settings.parts.includes(part);
  console.log(
    `${cpus().length} x ${cpus()[0]?.model ?? "unknown"}, ${process.platform} ${release()}, Bun ${Bun.version}`,
  );
  if (has("spawn") || has("pipes") || has("plain") || has("capture") || has("modes") || has("starts")) {
    const { tools, leftOut } = await findTools(folder);
    for (const reason of leftOut) console.log(`left out: ${reason}`);
    const compared = isBash ? tools.filter(({ slow }) => !slow) : tools;
    await checkThatAllRun(compared);
    if (has("spawn")) await linesForShell(isBash ? "bash" : "spawn", "true", compared, settings);
    if (has("pipes")) await linesForShell("pipes", "echo abc | tr a-z A-Z > f", compared, settings);
    if (has("plain")) await plain(compared, settings);
    if (has("capture")) await capture(compared, settings);
    if (has("modes")) await modes(compared, settings);
    if (has("starts")) await starts(compared, settings);
  }
  if (has("bash")) await bash(settings);
  if (has("single")) await single(settings);
  if (has("submit")) await submit(settings);
  if (has("memory")) await memory();
}

try {
  await main();
} catch (thrown) {
  console.error(`scripts/bench local: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
