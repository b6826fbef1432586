/*
 * What Tab does in real shells. After each Tab the words of the line are shown as a program gets them, so that quoting
 * counts: a value with blanks must come out as one word.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Database } from "bun:sqlite";
import { chmodSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { openTerminal, type Terminal } from "../systems/terminal.ts";
import { dist, needs, openSite, type Site } from "./harness.ts";

const odd = `a b$x"y'z`;
const id = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** What stands before Tab, and the words that there are behind it. */
const presses: readonly (readonly [typed: string, words: readonly (string | RegExp)[]])[] = [
  ["hs su", ["hs", "submit"]],
  ["hs list --fi", ["hs", "list", "--fields"]],
  ["hs list exit", ["hs", "list", "exit_status"]],
  ["hs list id exit", ["hs", "list", "id", "exit_status"]],
  ["hs list -w stat", ["hs", "list", "-w", "exit_status"]],
  ["hs list -w exit_status==0 retr", ["hs", "list", "-w", "exit_status==0", "retried"]],
  ["hs list -t si", ["hs", "list", "-t", "site:"]],
  ["hs list -t site:", ["hs", "list", "-t", "site:b"]],
  ["hs list -t odd:", ["hs", "list", "-t", `odd:${odd}`]],
  ["hs list --format=j", ["hs", "list", "--format=json"]],
  ["hs list --json --cs", ["hs", "list", "--json", "--cs"]],
  ["hs info ", ["hs", "info", id]],
  ["hs config get server.tls.min", ["hs", "config", "get", "server.tls.min_version"]],
  ["hs config set server.eager t", ["hs", "config", "set", "server.eager", "true"]],
  ["hs submit -f 'a f", ["hs", "submit", "-f", "a file.txt"]],
  ["hs submit -f a", ["hs", "submit", "-f", "a file.txt"]],
  ["hs run -- ls my", ["hs", "run", "--", "ls", /^my folder\/?$/]],
  ["hs client -H log", ["hs", "client", "-H", "login07"]],
  ["hsx -N4 a", ["hsx", "-N4", "a file.txt"]],
  ["hsx --output=a", ["hsx", "--output=a file.txt"]],
  ["hsx --ssh login07,no", ["hsx", "--ssh", "login07,node1"]],
  ["hsx --launcher=sru", ["hsx", "--launcher=srun"]],
];

interface Shell {
  readonly name: string;
  readonly program: string;
  readonly options: string;
  readonly setUp: string;
  /** As many of the presses as are tried, where it is not all of them. */
  readonly only?: RegExp;
}

const shells: readonly Shell[] = [
  {
    name: "bash",
    program: "bash",
    options: "--norc --noprofile",
    setUp: "PS1='> '; source <(hs completion bash)",
  },
  {
    name: "bash without compopt, as 3.2 is",
    program: "bash",
    options: "--norc --noprofile",
    setUp: "PS1='> '; enable -n compopt; source <(hs completion bash)",
    only: /^hs (?:su|list -t|submit|run)|output/,
  },
  {
    name: "zsh",
    program: "zsh",
    options: "-f",
    setUp: "PS1='> '; autoload -Uz compinit; compinit -u -D; source <(hs completion zsh)",
  },
  {
    name: "zsh, as a package installs it",
    program: "zsh",
    options: "-f",
    setUp:
      "PS1='> '; mkdir funs; hs completion zsh > funs/_hs; fpath=($PWD/funs $fpath); " +
      "autoload -Uz compinit; compinit -u -D",
    only: /^hs (?:su|list --|submit)|output/,
  },
  {
    name: "fish",
    program: "fish",
    options: "--no-config",
    setUp: "function fish_prompt; echo -n '> '; end; hs completion fish | source",
  },
];

/** A place with a database, files and hosts to complete. */
async function openPlace(): Promise<Site> {
  const site = openSite();
  site.write("a file.txt", "");
  mkdirSync(join(site.work, "my folder"));
  chmodSync(site.write("bin/show", `#!/bin/sh\nprintf '<%s>' "$@"; echo .\n`), 0o755);
  site.write("../home/.ssh/config", "Host login07 *.cluster\n  User me\nHost node1\n");
  expect((await site.hs(["submit", "-t", "site:b", "odd:x", "--", "echo", "1"])).status).toBe(0);
  const db = new Database(site.database);
  db.run("update task set tag = ?", [JSON.stringify({ site: "b", odd })]);
  db.close();
  return site;
}

for (const { name, program, options, setUp, only = /^/ } of shells) {
  const isHere = Bun.which("tmux") !== null && Bun.which(program) !== null;
  describe.if(isHere)(`in ${name}`, () => {
    let site: Site;
    let terminal: Terminal;
    /** Lines that were shown, each with its number, so that none is taken for another. */
    let shown = 0;

    beforeAll(async () => {
      site = await openPlace();
      const path = `${site.work}/bin:${dist}:${process.env["PATH"] ?? "/usr/bin:/bin"}`;
      terminal = await openTerminal(site, `${program} ${options}`, { PATH: path, TERM: "screen" });
      await terminal.type(`${setUp}; echo rea''dy`);
      await terminal.press("Enter");
      await terminal.shows((lines) => lines.some((line) => line.startsWith("ready")));
    });
    afterAll(async () => site[Symbol.asyncDispose]());

    test.each(presses.filter(([typed]) => only.test(typed)))("%s<Tab>", async (typed, words) => {
      await terminal.press("C-l");
      await terminal.type(typed);
      await terminal.shows((lines) => lines.some((line) => line.includes(typed.trimEnd())));
      await terminal.press("Tab");
      // The shell reads this when it is done with the Tab.
      await terminal.press("C-a");
      shown += 1;
      await terminal.type(`show ${shown} `);
      await terminal.press("Enter");
      const begin = `<${shown}><hs`;
      const lines = await terminal.shows((all) => all.some((line) => line.startsWith(begin) && line.endsWith(">.")));
      const got = lines
        .findLast((line) => line.startsWith(begin))!
        .slice(`<${shown}><`.length, -2)
        .split("><");
      expect(got).toEqual(words.map((word) => (typeof word === "string" ? word : expect.stringMatching(word))));
    });

    test("several candidates are listed", async () => {
      await terminal.press("C-l");
      await terminal.type("hs config get server.tls.");
      await terminal.press("Tab");
      await terminal.press("Tab");
      await terminal.shows((lines) =>
        ["cafile", "fingerprint"].every((key) => lines.some((line) => line.includes(key))),
      );
      await terminal.press("C-c");
    });
  });
  needs(["tmux", program])(`${name} was tried`, async () => expect(isHere).toBe(true));
}

describe("the hidden verb", () => {
  const asks = ["__complete", "bash", "hs list -t s", "=:"];

  test("makes no site and no database, and says nothing where there is none", async () => {
    await using site = openSite();
    const missing = join(site.path, "missing");
    for (const env of [{ HYPERSHELL_SITE: missing }, { HYPERSHELL_SITE: undefined, HOME: missing }]) {
      for (const words of [
        asks,
        ["__complete", "zsh", "hs", "info", ""],
        ["__complete", "fish", "hs", "submit", "-t", ""],
      ]) {
        const { status, stdout, stderr } = await site.hs(words, { env });
        expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
        expect(stdout).not.toContain("site:");
      }
    }
    expect(existsSync(missing)).toBe(false);
    await site.hs(asks);
    expect(readdirSync(join(site.path, "site"))).toEqual([]);
  });

  test("says nothing of a broken configuration, or of a file that is no database, and runs no command", async () => {
    await using site = openSite();
    const broken = site.write("broken.toml", "[server\nport=");
    const file = site.write("no.db", "this is no database, but a text that is longer than a header of one".repeat(9));
    const evil = site.write("eval.toml", `[database]\nfile_eval = "touch ${site.work}/touched"\n`);
    for (const env of [
      { HYPERSHELL_CONFIG_FILE: broken },
      { HYPERSHELL_DATABASE_FILE: file },
      { HYPERSHELL_CONFIG_FILE: evil },
      { HYPERSHELL_DATABASE_URL: "postgresql://nobody@127.0.0.1:1/none" },
    ])
      expect(await site.hs(asks, { env })).toEqual({ status: 0, stdout: "none\t-\t\ts\n", stderr: "" });
    expect(site.exists("touched")).toBe(false);
    expect(site.read("no.db")).toStartWith("this is no database");
  });

  test("has no answer for words that ask nothing", async () => {
    await using site = openSite();
    for (const words of [[], ["tcsh"], ["bash"], ["zsh"], ["bash", "hs nonsense x"], ["powershell"]]) {
      const { status, stderr } = await site.hs(["__complete", ...words]);
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    }
  });

  test("answers PowerShell, which hands over the words in the environment", async () => {
    const separator = "\u001f";
    await using site = openSite();
    const ask = async (...words: readonly string[]): Promise<readonly string[]> =>
      (await site.hs(["__complete", "powershell"], { env: { HS_COMPLETE: words.join(separator) } })).stdout.split("\n");
    expect(await ask("hs.exe", "su")).toContain("submit\tAdd tasks to the database, or to a running server\tsubmit");
    expect((await ask("C:\\bin\\hsx.exe", "--output=a"))[0]).toBe("files\t-\t--output=\ta");
    expect(await ask("hs", "list", "--format=j")).toContain("--format=json\tjson\tjson");
  });
});

test("hs completion prints a script for each shell, and refuses others with a hint", async () => {
  await using site = openSite();
  for (const shell of ["bash", "zsh", "fish", "powershell"]) {
    const { status, stdout } = await site.hs(["completion", shell]);
    expect(status).toBe(0);
    expect(stdout).toContain(`__complete ${shell}`);
  }
  expect((await site.hs(["completion", "pwsh"])).stdout).toContain("Register-ArgumentCompleter");
  expect(await site.hs(["completion", "zhs"])).toMatchObject({
    status: 2,
    stderr: "CRITICAL [hypershell] argument SHELL: there is no completion for 'zhs' (did you mean 'zsh'?)\n",
  });
  expect((await site.hs(["completion"])).status).toBe(1);
});

needs(["bash", "zsh", "fish"])("the shells find nothing wrong with their scripts", async () => {
  await using site = openSite();
  for (const shell of ["bash", "zsh", "fish"])
    expect(await site.shell(`hs completion ${shell} > script && ${shell} -n script`)).toMatchObject({
      status: 0,
      stderr: "",
    });
});
