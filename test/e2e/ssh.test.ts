/* Clients that ssh brings up, with a real sshd. */
import { afterAll, beforeAll, expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Sshd, sshPrograms, startSshd } from "../systems/sshd.ts";
import { dist, needs, openSite, type Site, sorted, until } from "./harness.ts";
import { ask } from "./tables.ts";

const root = process.getuid?.() === 0 ? null : "not root";
const withSshd = needs(sshPrograms, root);
const available = root === null && sshPrograms.every((program) => Bun.which(program) !== null);
let sshd: Sshd | null = null;
let site: Site | null = null;

beforeAll(async () => {
  if (!available) return;
  site = openSite();
  // Who logs in finds a site of its own.
  sshd = await startSshd({ HYPERSHELL_SITE: join(site.path, "remote"), TMPDIR: join(site.path, "tmp") });
});
afterAll(async () => {
  await sshd?.[Symbol.asyncDispose]();
  await site?.[Symbol.asyncDispose]();
});

const all = (count: number): string[] => Array.from({ length: count }, (_, n) => `${n}`);

const reached = (): string[] =>
  [`--ssh-args=${sshd!.args}`, "--remote-exe", join(dist, "hs")].concat(["-H", "127.0.0.1", "-p", "0"]);

function run(words: readonly string[], stdin: string, env: Record<string, string> = {}) {
  return site!.hsx([...words, ...reached()], { stdin, env, timeoutMs: 60_000 });
}

withSshd("W29: ssh brings up a client on each host of a pattern, and captures its output there", async () => {
  // On each host a task must be running at the same time before any of them ends.
  const meet = "touch $TASK_CLIENT_ID; while [ $(ls | grep -c -- '-.*-') -lt 3 ]; do sleep 0.05; done; echo";
  const lines = all(12).map((n) => `cd ${site!.work}; ${meet} ${n}\n`);
  const ended = await run(["-N2", "--ssh", "127.0.0.[1-3]", "--capture"], lines.join(""));
  expect([ended.status, ended.stdout]).toEqual([0, ""]);
  const rows = ask<{ client_id: string; outpath: string; exit_status: number }>(
    site!.database,
    "select client_id, outpath, exit_status from task",
  );
  expect([rows.length, new Set(rows.map((row) => row.client_id)).size]).toEqual([12, 3]);
  expect(sorted(rows.map(({ outpath }) => site!.read(outpath)).join(""))).toEqual(all(12));
});

withSshd("hosts come from a group of the configuration", async () => {
  const nodes = { HYPERSHELL_SSH_NODELIST_PAIR: "127.0.0.1,127.0.0.2" };
  const ended = await run(["--ssh", "--ssh-group", "pair", "-t", "echo {}"], "1\n2\n", nodes);
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["1", "2"]]);
});

withSshd("a template with every kind of quote arrives as it was typed, and so do variables with -E", async () => {
  const template = `printf '%s|' "{}" 'it'\\''s' "\\$HOME" \`echo back\` "$HYPERSHELL_EXPORT_WORDS"; echo`;
  const ended = await run(["--ssh", "127.0.0.1", "-E", "-t", template], "a b\n", {
    HYPERSHELL_EXPORT_WORDS: `two  words, "quoted" 'twice'`,
  });
  expect([ended.status, ended.stdout]).toEqual([0, `a b|it's|$HOME|back|two  words, "quoted" 'twice'|\n`]);
});

for (const shell of ["tcsh", "fish", "zsh"]) {
  const withShell = needs([...sshPrograms, shell], root);
  withShell(`words arrive unchanged where ${shell} is the login shell`, async () => {
    await using own = await startSshd({ TMPDIR: join(site!.path, "tmp") }, true, shell);
    const way = [`--ssh-args=${own.args}`, "--remote-exe", join(dist, "hs"), "-H", "127.0.0.1", "-p", "0", "--no-db"];
    const odd = `!x !! \\ \\\\ "q" é日🙂 %d ^`;
    const template = [
      `printf '%s|' '${odd}' "it's $HYPERSHELL_EXPORT_WORDS"`,
      `printf '%s\\n' {Q} \\`,
      String.raw`"\$d" 'end\'`,
    ].join("\n");
    const words = `two\nlines! it's "quoted" \\`;
    const ended = await site!.hsx(["--ssh", "127.0.0.1", "-E", "-t", template, ...way], {
      stdin: "a !b\n",
      env: { HYPERSHELL_EXPORT_WORDS: words },
    });
    expect([ended.status, ended.stdout]).toEqual([0, `${odd}|it's ${words}|a !b\n$d\nend\\\n`]);
    const plain = ["-t", `sed -n "/x/!p" /etc/hostname`, "--ssh", "127.0.0.1"];
    const host = await site!.hsx([...plain, ...way], { stdin: "5\n" });
    expect([host.status, host.stdout]).toEqual([0, readFileSync("/etc/hostname", "utf8")]);
  });
}

withSshd("a host that cannot be reached is told of, and the others do the work", async () => {
  const ended = await run(["--ssh", "127.0.0.1,127.0.0.9", "-t", "echo {}"], "1\n2\n");
  expect([ended.status, sorted(ended.stdout)]).toEqual([0, ["1", "2"]]);
  expect(ended.stderr).toMatch(/WARNING \[hypershell\.cluster\] .*127\.0\.0\.9/);
});

withSshd("when no host can be reached, the run ends with the words of ssh", async () => {
  const ended = await run(["--ssh", "127.0.0.9", "-t", "echo {}"], "1\n");
  expect(ended.status).toBe(5);
  expect(ended.stderr).toMatch(/CRITICAL \[hypershell\.cluster\] .*(?:refused|255)/);
});

const endings = [
  ["Ctrl-C ends clients and tasks on other hosts", "SIGINT", 4],
  ["when a run is killed, its clients on other hosts find its port closed, and end with their tasks", "SIGKILL", 137],
] as const;

for (const [rule, signal, status] of endings) {
  withSshd(rule, async () => {
    const stdin = `echo $$ >> ${site!.work}/${signal}; exec sleep 100\n`.repeat(4);
    const words = ["-N2", "-S", "1", "--ssh", "127.0.0.[1-2]", ...reached()] as const;
    const running = site!.start(["hsx", ...words], { stdin });
    await until(() => site!.lines(signal).length === 4, "not all tasks start");
    // Who becomes another program is not seen for a moment.
    await until(() => sshd!.left().length >= 6, "not all are there");
    running.kill(signal);
    expect((await running.ended).status).toBe(status);
    await until(
      () => sshd!.left().length === 0,
      () => `processes are left: ${sshd!.left().join(" ")}`,
    );
  });
}
