/*
 * As the first process of a container, or as a "subreaper": what tasks leave behind is taken leave of when it ends,
 * tasks keep their statuses, and signals end the program as elsewhere.
 */
import { expect } from "bun:test";
import { needs, openSite, sorted, until } from "./harness.ts";
import { ask } from "./tables.ts";

function problem(): string | null {
  if (process.platform !== "linux") return "process namespaces are a thing of Linux";
  if (process.getuid?.() !== 0) return "process namespaces need root";
  return Bun.spawnSync(["unshare", "--fork", "--pid", "--mount-proc", "true"]).success ? null : "none can be made here";
}

const inside = needs(["unshare", "ps"], Bun.which("unshare") === null ? null : problem());
const container = "unshare --fork --pid --mount-proc";

/** Waits, for a while, until no zombie is there; then says how many are. */
const countZombies = `n=0; until [ $n -ge 100 ] || ! ps -eo stat= | grep -q Z; do n=$((n+1)); sleep 0.1; done;
  ps -eo stat= | grep -c Z`;
/** Leaves a process behind that ends soon, and ends with a status of its own. */
const leaving = (n: number): string => `(sleep 0.${n % 4} &); echo >>ends; exit ${n % 5}`;

inside("what tasks leave behind is no zombie for long, and tasks end with their own statuses", async () => {
  await using site = openSite();
  site.write("in", `${Array.from({ length: 60 }, (_, n) => leaving(n)).join("\n")}\n`);
  site.write("look", `sleep 1; ${countZombies.replaceAll("\n", " ")} >zombies; true\n`);
  const ended = await site.shell(`cat in look | ${container} hsx -N4`, { timeoutMs: 60_000 });
  expect([ended.status, site.read("zombies")]).toEqual([7, "0\n"]);
  const rows = ask<{ args: string; status: number }>(
    site.database,
    "select args, exit_status status from task where args like '%exit%'",
  );
  expect(rows).toHaveLength(60);
  for (const { args, status } of rows) expect(args).toEndWith(`exit ${status}`);
});

inside("a run, a server and a command that waits are ended by SIGTERM, with status 143", async () => {
  await using site = openSite();
  const run = await site.shell(`printf 'kill -TERM 1; sleep 60\\n' | ${container} hsx`);
  expect(run.status).toBe(143);
  expect(ask<{ status: number | null }>(site.database, "select exit_status status from task")).toEqual([
    { status: null },
  ]);
  const [waiting] = ask<{ id: string }>(site.database, "select id from task");
  for (const words of ["hs server --forever -p0", `hs wait ${waiting!.id}`]) {
    const env = { HYPERSHELL_SERVER_AUTH: "0123456789abcdef-key-of-tests" };
    const ready = `until set -- $(cat /proc/$!/task/$!/children); grep -qs hs "/proc/$1/comm"; do sleep 0.1; done`;
    const line = `${container} ${words} & ${ready}; sleep 1; kill -TERM $1; wait $!`;
    expect([words, (await site.shell(line, { env })).status]).toEqual([words, 143]);
  }
});

inside("a run in another container of the same host name waits for what a living run reserves", async () => {
  await using site = openSite();
  site.write("t.in", "echo start >>ran; sleep 1.5; echo end >>ran\n".repeat(2));
  const first = `${container} hsx t.in -N2 & until grep -qs start ran; do sleep 0.05; done`;
  const ended = await site.shell(`${first}; ${container} hsx --restart -N2; echo $?; wait $!; echo $?`);
  expect([ended.stdout, sorted(site.read("ran"))]).toEqual(["0\n0\n", ["end", "end", "start", "start"]]);
  expect(ended.stderr).toMatch(/Server \S+: \S+ was at work a moment ago - waiting for a heartbeat/);
});

needs(["python3"], process.platform === "linux" ? null : "subreapers are a thing of Linux")(
  "a subreaper, too, takes leave of what tasks leave behind",
  async () => {
    await using site = openSite();
    site.write("in", `${Array.from({ length: 20 }, (_, n) => leaving(n)).join("\n")}\n`);
    site.write(
      "sub.py",
      "import ctypes, os\nctypes.CDLL(None).prctl(36, 1, 0, 0, 0)\nos.execvp('hsx', ['hsx', '-'])\n",
    );
    await using run = site.start(["sh", "-c", "python3 sub.py"], { keepOpen: true });
    run.type(site.read("in"));
    const zombies = (): string =>
      Bun.spawnSync(["ps", "--ppid", `${childOf(run.pid)}`, "-o", "stat=,comm="]).stdout.toString();
    await until(() => site.lines("ends").length === 20, "the end of all tasks");
    await until(
      () => !/^Z/m.test(zombies()),
      () => `zombies: ${zombies()}`,
    );
    run.closeStdin();
    expect((await run.ended).status).toBe(7);
  },
);

/** The program that a shell has started, or has become. */
function childOf(pid: number): number {
  const found = Bun.spawnSync(["ps", "--ppid", `${pid}`, "-o", "pid=,comm="]).stdout.toString();
  return Number(/^\s*(\d+) hsx/m.exec(found)?.[1] ?? pid);
}
