import { expect, test } from "bun:test";
import { programName } from "../../../src/cli/program.ts";

test.each([
  ["hs", "/opt/bin/hs", "hs"],
  ["hsx", "/opt/bin/hs", "hsx"],
  ["./hsx", "/opt/bin/hs", "hsx"],
  ["/usr/bin/hs", "/opt/bin/hsx", "hs"],
  ["bun", "/usr/bin/bun", "hs"],
  ["renamed", "/opt/bin/hsx", "hsx"],
  ["C:\\tools\\hsx.exe", "C:\\tools\\hs.exe", "hsx"],
  ["HSX.EXE", "C:\\tools\\HSX.EXE", "hsx"],
  ["", "/opt/bin/hsx", "hsx"],
])("called as %p, being the file %p, it is %s", (argv0, execPath, name) => {
  expect(programName(argv0, execPath)).toBe(name as "hs" | "hsx");
});
