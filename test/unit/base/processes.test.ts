import { expect, test } from "bun:test";
import { allProcesses, rowsOfPs, variableIn } from "../../../src/base/processes.ts";

test("what ps of macOS prints is read, environment included", () => {
  const text = [
    "    1     0     1 Ss   /sbin/launchd",
    "  812   700   812 S+   /bin/sleep 33 HOME=/Users/a b TASK_ID=one TASK_CLIENT_ID=c LANG=C",
    " 9813   812   812 Z    (sleep)",
  ].join("\n");
  const rows = rowsOfPs(`${text}\n`, "TASK_CLIENT_ID");
  expect(rows.map(({ pid, parent, group, name }) => [pid, parent, group, name])).toEqual([
    [1, 0, 1, "launchd"],
    [812, 700, 812, "sleep"],
  ]);
  const [first, second] = rows.map(({ environment }) => environment);
  expect(first).toBeNull();
  expect([variableIn(second!, "TASK_ID"), variableIn(second!, "TASK_CLIENT_ID")]).toEqual(["one", "c"]);
});

test("a variable is found as a whole only", () => {
  const environment = "\0NOTE=x TASK_ID=no\0MY_TASK_ID=no\0TASK_ID=yes\0EMPTY=\0";
  expect(["TASK_ID", "EMPTY", "TASK"].map((name) => variableIn(environment, name))).toEqual(["yes", "", null]);
  expect(variableIn("\0A=cut off", "A")).toBe("cut off");
});

test.skipIf(process.platform !== "linux")("this process is among all of them, with who started it", () => {
  const own = allProcesses("PATH=").find(({ pid }) => pid === process.pid);
  expect(own?.parent).toBe(process.ppid);
  expect(variableIn(own!.environment!, "PATH")).not.toBeNull();
});
