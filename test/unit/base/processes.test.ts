import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { variableIn } from "../../../src/base/process-source.ts";
import { processes } from "../../../src/base/processes.ts";
import { type DarwinPorts, darwinProcesses } from "../../../src/base/processes-darwin.ts";

const onLinux = test.skipIf(process.platform !== "linux");

test("a variable is found as a whole only", () => {
  const environment = "\0NOTE=x TASK_ID=no\0MY_TASK_ID=no\0TASK_ID=yes\0EMPTY=\0";
  expect(["TASK_ID", "EMPTY", "TASK"].map((name) => variableIn(environment, name))).toEqual(["yes", "", null]);
  expect(variableIn("\0A=cut off", "A")).toBe("cut off");
});

onLinux("this process is among all of them, with who started it", () => {
  const own = processes()
    .all("PATH=")
    .find(({ pid }) => pid === process.pid);
  expect(own?.parent).toBe(process.ppid);
  expect(variableIn(own!.environment!, "PATH")).not.toBeNull();
});

onLinux("a process table is named by the boot and the namespace in which processes are numbered", () => {
  expect(processes().table()).toMatch(/^[0-9a-f-]{36}\/\d+$/);
});

onLinux("a process is known by its start", () => {
  const { stateOf, isStill } = processes();
  const { startedAt, isOver } = stateOf(process.pid)!;
  expect([isOver, isStill(process.pid, startedAt), isStill(process.pid, "1")]).toEqual([false, true, false]);
  expect([stateOf(999_999_999), isStill(999_999_999, startedAt)]).toEqual([null, false]);
});

/* What programs of macOS 14 print. 9813 is a zombie, and the only one left in its group. */
const printed: Readonly<Record<string, string>> = {
  "/bin/ps -A -o pid= -o ppid= -o pgid= -o state= -o lstart=": [
    "    1     0     1 Ss   Thu Nov  5 08:00:01 2026",
    "  812   700   812 S+   Mon Nov 30 19:49:30 2026",
    " 9813   812  9813 Z    Mon Nov 30 19:49:31 2026",
    "",
  ].join("\n"),
  "/bin/ps -A -E -ww -o pid= -o ppid= -o pgid= -o state= -o lstart= -o command=": [
    "    1     0     1 Ss   Thu Nov  5 08:00:01 2026     /sbin/launchd",
    "  812   700   812 S+   Mon Nov 30 19:49:30 2026     /o/sleep 33 HOME=/Users/a b TASK_ID=one TASK_CLIENT_ID=c L=C",
    " 9813   812  9813 Z    Mon Nov 30 19:49:31 2026     (sleep)",
    "",
  ].join("\n"),
  "/bin/ps -p 812 -o pid= -o ppid= -o pgid= -o state= -o lstart=": "  812   700   812 S+   Mon Nov 30 19:49:30 2026\n",
  "/bin/ps -p 9813 -o pid= -o ppid= -o pgid= -o state= -o lstart=": " 9813   812  9813 Z    Mon Nov 30 19:49:31 2026\n",
  [`/usr/sbin/lsof -w -n -P -u ${process.getuid?.()} -F n`]:
    "p812\nfcwd\nn/private/tmp\nf1\nn/private/tmp/x y.out\nf3\nn*:50001\n",
  "/usr/sbin/sysctl -n kern.bootsessionuuid": "6B6F1D0C-4C6D-4E44-9F3A-0E1E3B1A7C11\n",
};

function macOs(): { readonly asked: string[]; readonly ports: DarwinPorts; pass(ms: number): void } {
  const asked: string[] = [];
  let now = 1_000_000;
  const ports: DarwinPorts = {
    ask(words) {
      asked.push(words.join(" "));
      return printed[words.join(" ")] ?? null;
    },
    isThere: (pid) => pid !== 4000,
    now: () => now,
  };
  return { asked, ports, pass: (ms) => void (now += ms) };
}

test("what ps of macOS prints is read, environment included", () => {
  const rows = darwinProcesses(macOs().ports).all("TASK_CLIENT_ID");
  expect(rows.map(({ pid, parent, group, name, startedAt }) => [pid, parent, group, name, startedAt])).toEqual([
    [1, 0, 1, "launchd", "Thu Nov 5 08:00:01 2026"],
    [812, 700, 812, "sleep", "Mon Nov 30 19:49:30 2026"],
  ]);
  const [first, second] = rows.map(({ environment }) => environment);
  expect(first).toBeNull();
  expect([variableIn(second!, "TASK_ID"), variableIn(second!, "TASK_CLIENT_ID")]).toEqual(["one", "c"]);
});

test("macOS names a boot once, and tells when a process began and whether it is over", () => {
  const { asked, ports } = macOs();
  const { table, stateOf } = darwinProcesses(ports);
  expect([table(), table()]).toEqual(Array(2).fill("6B6F1D0C-4C6D-4E44-9F3A-0E1E3B1A7C11"));
  expect(asked).toHaveLength(1);
  expect(stateOf(812)).toEqual({ startedAt: "Mon Nov 30 19:49:30 2026", isOver: false });
  expect([stateOf(9813)?.isOver, stateOf(5)]).toEqual([true, null]);
});

test("on macOS a zombie is not alive, although kill finds it, and looks are shared for a moment", () => {
  const { asked, ports, pass } = macOs();
  const { isStill, memberOf } = darwinProcesses(ports);
  expect([isStill(812, "Mon Nov 30 19:49:30 2026"), isStill(812, "Mon Nov 30 19:49:29 2026")]).toEqual([true, false]);
  expect([isStill(9813, "Mon Nov 30 19:49:31 2026"), isStill(4000, "")]).toEqual([false, false]);
  // Kill reaches somebody in the first group, and is refused in the others.
  expect([memberOf(77, null, false), memberOf(812, null, true), memberOf(9813, null, true)]).toEqual([77, 812, null]);
  expect(asked).toHaveLength(1);
  pass(201);
  expect(isStill(812, "")).toBeTrue();
  expect(asked).toHaveLength(2);
});

test("on macOS lsof tells which files are open", () => {
  expect([...darwinProcesses(macOs().ports).openFiles()]).toEqual(["/private/tmp", "/private/tmp/x y.out"]);
});

test("on macOS nothing is known where ps does not answer", () => {
  const { table, stateOf, all, memberOf } = darwinProcesses({ ...macOs().ports, ask: () => null });
  expect([table(), stateOf(812), all(""), memberOf(812, null, true)]).toEqual([null, null, [], null]);
});

test.skipIf(!existsSync("/bin/ps"))("columns of ps are asked for as any ps understands them", () => {
  const { stateOf, isStill } = darwinProcesses();
  const state = stateOf(process.pid)!;
  expect([state.isOver, isStill(process.pid, state.startedAt)]).toEqual([false, true]);
  expect(Math.abs(Date.parse(`${state.startedAt} UTC`) - performance.timeOrigin)).toBeLessThan(60_000);
});
