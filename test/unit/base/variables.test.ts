import { expect, test } from "bun:test";
import { variableName, variablesOf } from "../../../src/base/variables.ts";

test("names of variables are in capitals on Windows, and as they are elsewhere", () => {
  const env = { Path: "C:\\x", ComSpec: "C:\\cmd.exe", TASK_ID: undefined };
  expect(variablesOf(env, "win32")).toEqual({ PATH: "C:\\x", COMSPEC: "C:\\cmd.exe", TASK_ID: undefined });
  expect(variablesOf(env, "linux")).toBe(env);
  expect([variableName("Path", "win32"), variableName("Path", "darwin")]).toEqual(["PATH", "Path"]);
});
