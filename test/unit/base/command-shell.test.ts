import { describe, expect, test } from "bun:test";
import { isCmd, shellCall, systemProgram, usualShell } from "../../../src/base/command-shell.ts";

describe("a shell runs a line", () => {
  test("behind -c, and behind -- where the line begins with a sign", () => {
    const verbatim = { windowsVerbatimArguments: false };
    expect(shellCall("/bin/sh", 'echo "a"', "linux")).toEqual({ words: ["/bin/sh", "-c", 'echo "a"'], ...verbatim });
    expect(shellCall("/bin/bash", "-x", "darwin").words).toEqual(["/bin/bash", "-c", "--", "-x"]);
    expect(shellCall("/usr/bin/fish", "-x", "linux").words).toEqual(["/usr/bin/fish", "-c", "-x"]);
  });
  test("of cmd.exe as it stands, between quotes that cmd.exe takes away", () => {
    const shell = String.raw`C:\Windows\System32\cmd.exe`;
    expect(shellCall(shell, '"C:\\a b\\x.exe" "y"', "win32")).toEqual({
      words: [shell, "/d", "/s", "/c", '""C:\\a b\\x.exe" "y""'],
      windowsVerbatimArguments: true,
    });
    expect(shellCall("C:/x/CMD", "-x", "win32").words.at(-1)).toBe('"-x"');
  });
  test("that is longer than cmd.exe takes not at all, and says so", () => {
    const line = "x".repeat(8200);
    expect(() => shellCall("cmd.exe", line, "win32")).toThrow(
      "the command line has 8219 characters, and cmd.exe takes 8191",
    );
    expect(shellCall("cmd.exe", "x".repeat(8172), "win32").words.join(" ")).toHaveLength(8191);
    expect(shellCall("/bin/sh", line, "linux").words).toHaveLength(3);
  });
  test("of another shell on Windows as a word", () => {
    const { words, windowsVerbatimArguments } = shellCall(String.raw`C:\pwsh\pwsh.exe`, 'echo "a"', "win32");
    expect([words.slice(1), windowsVerbatimArguments]).toEqual([["-c", 'echo "a"'], false]);
  });
});

test("who has chosen no shell has that of the system, which is not looked for on the PATH", () => {
  expect(usualShell({ COMSPEC: "D:\\cmd.exe" }, "linux")).toBe("/bin/sh");
  expect(usualShell({ COMSPEC: "D:\\cmd.exe" }, "win32")).toBe("D:\\cmd.exe");
  expect(usualShell({ SYSTEMROOT: "D:\\Win" }, "win32")).toBe(String.raw`D:\Win\System32\cmd.exe`);
  expect(systemProgram({}, "icacls.exe")).toBe(String.raw`C:\Windows\System32\icacls.exe`);
  expect(isCmd("/bin/cmd", "linux")).toBeFalse();
});
