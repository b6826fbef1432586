import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Surroundings } from "../../../src/cli/context.ts";
import { hs } from "../../../src/cli/hs.ts";
import pkg from "../../../package.json";

interface Result {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

let site = "";
beforeAll(() => {
  site = mkdtempSync(join(tmpdir(), "hs-cli-"));
});
afterAll(() => {
  rmSync(site, { recursive: true });
});

async function call(words: readonly string[], of: Partial<Surroundings> = {}): Promise<Result> {
  let out = "";
  let err = "";
  const surroundings: Surroundings = {
    program: "hs",
    env: { HYPERSHELL_CONFIG_FILE: "", HYPERSHELL_SITE: site },
    cwd: site,
    hostname: () => "vm",
    startedAt: 0,
    stdout: () => ({
      write: (data) => {
        out += String(data);
      },
      isTerminal: false,
      coloured: false,
      columns: 80,
    }),
    stderr: (text) => {
      err += text;
    },
    isTerminal: () => false,
    input: () => "none",
    ...of,
  };
  const status = await hs(words, surroundings, () => {});
  return { status, out, err };
}

describe("hs itself", () => {
  test.each([["-v"], ["--version"], ["--vers"]])("%s prints the version", async (word) => {
    expect(await call([word])).toEqual({
      status: 0,
      out: `hs ${pkg.version} (compatible with HyperShell 2.8, Bun ${Bun.version})\n`,
      err: "",
    });
  });
  test.each([["-h"], ["--help"]])("%s prints the help", async (word) => {
    const { status, out, err } = await call([word, "list"]);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toStartWith("Usage:\n  hs COMMAND");
    for (const part of [
      "Commands:\n",
      "  cluster  ",
      "  submit  ",
      "Options:\n",
      "-v, --version",
      "--citation",
      "Exit status:\n",
    ]) {
      expect(out).toContain(part);
    }
  });
  test("--citation prints a BibTeX entry", async () => {
    const { status, out } = await call(["--citation"]);
    expect(status).toBe(0);
    expect(out).toMatch(/^@software\{\w+,\n(  \w+ += \{.*\},\n)+\}\n$/);
  });
  test("without arguments prints its usage, and nothing else, with status 1", async () => {
    const { status, out, err } = await call([]);
    expect([status, err]).toEqual([1, ""]);
    expect(out).toStartWith("Usage:\n");
    expect(out).not.toContain("Options:");
  });
  test("help is a word too, alone and with the name of a command", async () => {
    for (const words of [["help"], ["help", "--help"], ["help", "help"]])
      expect(await call(words)).toEqual(await call(["--help"]));
    expect(await call(["help", "list"])).toEqual(await call(["list", "--help"]));
    expect(await call(["help", "config", "get"])).toEqual(await call(["config", "get", "--help"]));
    expect(await call(["help", "hsx"])).toEqual(await call(["cluster", "--help"]));
    expect(await call(["help", "lsit"])).toEqual(await call(["lsit"]));
  });
  test("a misspelt option gets a hint", async () => {
    const complaint = async (...words: string[]): Promise<string> => (await call(words)).err.trim();
    const hint = "CRITICAL [hypershell] unrecognized arguments:";
    expect(await complaint("--hlep")).toBe(`${hint} --hlep (did you mean '--help'?)`);
    expect(await complaint("list", "--limt=3", "args")).toBe(`${hint} --limt=3 args (did you mean '--limit'?)`);
    expect(await complaint("submit", "--tempalte", "echo")).toContain("(did you mean '--template'?)");
    expect(await complaint("list", "-Q")).toBe(`${hint} -Q`);
  });
  test("an option it does not have is an error", async () => {
    expect(await call(["--frobnicate", "list"])).toEqual({
      status: 2,
      out: "",
      err: "CRITICAL [hypershell] unrecognized arguments: --frobnicate\n",
    });
  });
  test("a command it does not have is an error", async () => {
    expect(await call(["foo", "--help"])).toEqual({
      status: 2,
      out: "",
      err: "CRITICAL [hypershell] unrecognized command: foo\n",
    });
  });
  test("a slip of the finger gets a hint", async () => {
    expect((await call(["lsit"])).err).toBe(
      "CRITICAL [hypershell] unrecognized command: lsit (did you mean 'list'?)\n",
    );
  });
  test.each([["toString"], ["__proto__"], ["-"]])("%p is no command", async (word) => {
    expect((await call([word])).err).toBe(`CRITICAL [hypershell] unrecognized command: ${word}\n`);
  });
  test("the error line is coloured when it is forced to be", async () => {
    const { err } = await call(["foo"], {
      env: { HYPERSHELL_CONFIG_FILE: "", HYPERSHELL_SITE: site, FORCE_COLOR: "1" },
    });
    expect(err).toContain("\u001b[35mCRITICAL\u001b[0m");
  });
});

const verbs = [
  "cluster",
  "submit",
  "initdb",
  "info",
  "list",
  "config",
  "config get",
  "config set",
  "config which",
  "config edit",
];

describe("every command", () => {
  test.each(verbs.map((verb) => [verb]))("hs %s --help prints usage and help", async (verb) => {
    const { status, out, err } = await call([...verb.split(" "), "--help"]);
    expect([status, err]).toEqual([0, ""]);
    expect(out).toStartWith(verb === "cluster" ? "Usage:\n  hsx " : `Usage:\n  hs ${verb}`);
    expect(out).toContain("  -h, --help");
  });
  test.each([
    ["cluster"],
    ["submit"],
    ["initdb"],
    ["info ID"],
    ["list"],
    ["config"],
    ["config get"],
    ["config set a.b 1"],
    ["config which a.b"],
    ["config edit"],
  ])("hs %s refuses an option it does not have", async (verb) => {
    const { status, out, err } = await call([...verb.split(" "), "--frobnicate"]);
    expect([status, out]).toEqual([2, ""]);
    expect(err).toBe("CRITICAL [hypershell] unrecognized arguments: --frobnicate\n");
  });
});

describe("a command without any word", () => {
  test.each([["submit"], ["update"], ["info"], ["config"]])("hs %s prints its usage with status 1", async (verb) => {
    const { status, out, err } = await call([verb]);
    expect([status, err]).toEqual([1, ""]);
    expect(out).toStartWith(`Usage:\n  hs ${verb}`);
    expect(out).not.toContain("Options:");
  });
  test("hs list lists", async () => {
    expect(await call(["list"])).toEqual({ status: 0, out: "", err: "" });
  });
  test("hs config lists what is below it", async () => {
    expect((await call(["config", "--help"])).out).toMatch(/\nCommands:\n  get .*\n  set .*\n  which .*\n  edit /);
  });
  test("below hs config an unknown word is an unknown command", async () => {
    expect((await call(["config", "gte"])).err).toBe(
      "CRITICAL [hypershell] unrecognized command: gte (did you mean 'get'?)\n",
    );
  });
});

describe("hsx", () => {
  test("is hs cluster", async () => {
    const { status, out } = await call(["--help"], { program: "hsx" });
    expect(status).toBe(0);
    expect(out).toStartWith("Usage:\n  hsx ");
  });
  test("without arguments and input prints its usage with status 1", async () => {
    const { status, out } = await call([], { program: "hsx" });
    expect(status).toBe(1);
    expect(out).toStartWith("Usage:\n  hsx ");
  });
  test("tells its version", async () => {
    expect(await call(["--version"], { program: "hsx" })).toEqual(await call(["--version"]));
  });
  test("has no -v", async () => {
    expect((await call(["-v"], { program: "hsx" })).err).toBe("CRITICAL [hypershell] unrecognized arguments: -v\n");
  });
});
