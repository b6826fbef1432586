/* The compiled programs as such: their two names, what they say without work to do, and what they leave alone. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import pkg from "../../package.json";
import { dist, openSite } from "./harness.ts";

const line = `hs ${pkg.version} (compatible with HyperShell 2.8, Bun ${Bun.version})\n`;
const version = { status: 0, stdout: line, stderr: "" };

test("the version is that of package.json", async () => {
  await using site = openSite();
  expect(await site.hs(["--version"])).toEqual(version);
  expect(await site.hs(["-v"])).toEqual(version);
  expect(await site.hsx(["--version"])).toEqual(version);
});

test("help is a word too, and a misspelt option gets a hint", async () => {
  await using site = openSite();
  expect(await site.hs(["help"])).toEqual(await site.hs(["--help"]));
  expect(await site.hs(["help", "list"])).toEqual(await site.hs(["list", "--help"]));
  const misspelt = "CRITICAL [hypershell] unrecognized arguments: --hlep (did you mean '--help'?)\n";
  for (const words of [["--hlep"], ["list", "--hlep"]])
    expect(await site.hs(words)).toEqual({ status: 2, stdout: "", stderr: misspelt });
});

test("the program knows by its name whether it is hs or hsx", async () => {
  await using site = openSite();
  expect((await site.hs(["--help"])).stdout).toContain("hs COMMAND");
  expect((await site.hsx(["--help"])).stdout).toContain("hsx [FILE");
  await site.shell(`ln -s "$(command -v hsx)" ./hs`);
  expect((await site.shell("./hs --help")).stdout).toContain("hs COMMAND");
});

test("an unknown command is one line on stderr and status 2", async () => {
  await using site = openSite();
  expect(await site.hs(["nonsense"])).toEqual({
    status: 2,
    stdout: "",
    stderr: "CRITICAL [hypershell] unrecognized command: nonsense\n",
  });
});

test("settings for Bun that lie in the working directory do not change the program", async () => {
  await using site = openSite();
  site.write("bunfig.toml", 'preload = ["./intruder.ts"]\n');
  site.write("intruder.ts", 'console.log("intruder");\n');
  site.write(".env", "HYPERSHELL_LOGGING_LEVEL=intruder\nFORCE_COLOR=1\n");
  site.write("package.json", "{ not json");
  site.write("tsconfig.json", "{ not json");
  expect(await site.hs(["--version"])).toEqual(version);
  const { stdout } = await site.shell("hs --help");
  expect(stdout).not.toContain("\u001b");
});

test("hs and hsx are one file", () => {
  expect(readFileSync(join(dist, "hs")).equals(readFileSync(join(dist, "hsx")))).toBe(true);
});
