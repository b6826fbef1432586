/*
 * The live line in a real terminal (tmux): it stays in the last row whatever tasks print, goes away without a trace,
 * and is not there where nobody wants it.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { openTerminal, type Terminal } from "../systems/terminal.ts";
import { needs, openSite, type Site, until } from "./harness.ts";

let site: Site;
let terminal: Terminal;
const withTmux = needs(["tmux", "bash"]);
const hasTmux = Bun.which("tmux") !== null;
const size = [80, 24] as const;

beforeAll(async () => {
  site = openSite();
  site.write("shell", "PS1='$ '; unset HISTFILE\n");
  if (hasTmux) terminal = await openTerminal(site, "bash --rcfile shell -i", { TERM: "screen" }, size);
});

afterAll(async () => {
  await terminal?.press("C-c");
  await terminal?.type("tmux kill-server\n").catch(() => undefined);
  await site[Symbol.asyncDispose]();
});

/** Types a command on an empty screen. */
async function call(command: string): Promise<void> {
  const isEmpty = async (): Promise<boolean> => {
    // What ended before may still have something to say.
    await terminal.press("C-l");
    const lines = await terminal.screen();
    return lines.length === 1 && lines[0] === "$";
  };
  await until(isEmpty, "the screen is not empty", 10_000);
  await terminal.type(`${command}\n`);
}

const live = /^\d[\d,]* of [\d,]+ done, (?:\d+ failed, )?\d+ running/;
const last = (lines: readonly string[]): string => lines.at(-1) ?? "";
const shown = (lines: readonly string[]): number => lines.filter((line) => live.test(line)).length;

withTmux("tasks print above the line, and at the end there is only what they printed", async () => {
  await call("seq 40 | HYPERSHELL_LOGGING_LEVEL=error hsx --no-db -N8 -t 'sleep 0.3; echo task {}; test {} != 3'");
  const during = await terminal.shows((lines) => live.test(last(lines)) && lines.length > 10);
  expect(shown(during)).toBe(1);
  expect(during.slice(2, -1).filter((line) => !/^task \d+$/.test(line))).toEqual([]);
  const after = await terminal.shows((lines) => last(lines) === "$" && lines.length > 5);
  expect(shown(after)).toBe(0);
  expect(after.join("\n")).toMatch(/\n40 done, 1 failed, \d\.\d s, \d+\.\d tasks\/s\n\$$/);
});

withTmux("log lines, output without a newline and a new size leave one line, in the last row", async () => {
  await call("seq 300 | HYPERSHELL_LOGGING_LEVEL=debug hsx --no-db -N4 -t 'sleep 0.2; printf {},'");
  await terminal.shows((lines) => live.test(last(lines)));
  await terminal.resize(200, 60);
  const wide = await terminal.shows((lines) => /\[#*-+\] \d+%$/.test(last(lines)));
  expect(shown(wide)).toBe(1);
  await terminal.resize(80, 24);
  await terminal.shows((lines) => live.test(last(lines)) && shown(lines) === 1);
  await terminal.press("C-z");
  const stopped = await terminal.shows((lines) => lines.some((line) => line.includes("Stopped")));
  expect(shown(stopped)).toBe(0);
  await terminal.type("kill -9 %1; fg\n");
  await terminal.press("C-l");
});

withTmux("a process that is killed leaves a terminal whose last row is free", async () => {
  await call("hsx --no-db ::: 'sleep 60' & echo $! > pid; fg");
  await terminal.shows((lines) => last(lines).startsWith("0 of 1 done"));
  const pid = Number(site.read("pid"));
  process.kill(pid, "SIGKILL");
  await terminal.shows((lines) => lines.some((line) => line.includes("Killed")) && shown(lines) === 0);
  await terminal.type("clear; seq 60\n");
  const rows = await terminal.shows((lines) => lines.includes("60"));
  // With a row still set apart there would be one number less.
  expect(rows).toEqual([...Array.from({ length: 23 }, (_, i) => String(38 + i)), "$"]);
});

withTmux("nothing is drawn on the screen of a pager, nor where nobody wants it", async () => {
  await call("(seq 100 | hsx --no-db -N4 -t 'sleep 0.06; echo task {}'; touch over) | less");
  await terminal.shows((lines) => {
    expect(shown(lines)).toBe(0);
    return existsSync(`${site.work}/over`) && last(lines).startsWith(":");
  });
  await terminal.press("q");
  await terminal.shows((lines) => last(lines) === "$");
  await call("clear; hsx --no-progress --no-db ::: 'sleep 1.4; echo end'");
  await terminal.shows((lines) => {
    expect(shown(lines)).toBe(0);
    return lines.some((line) => line.endsWith("1 succeeded"));
  });
});

test("without a terminal nothing is written; --progress ends with one line, in the log or of its own", async () => {
  const words = ["--no-db", ":::", "sleep 1.1"] as const;
  const level = (name: string) => ({ env: { HYPERSHELL_LOGGING_LEVEL: name } });
  const quiet = await site.hsx([...words], level("warning"));
  expect(quiet).toEqual({ status: 0, stdout: "", stderr: "" });
  const asked = await site.hsx(["--progress", ...words], level("warning"));
  expect(asked.stderr).toMatch(/^1 done, 1\.\d s, \d+\.\d tasks\/(?:s|min)\n$/);
  const logged = await site.hsx(["--progress", ...words], level("info"));
  expect(logged.stderr).toMatch(/1 task in 0:00:01\.\d+: 1 succeeded\n$/);
  expect(logged.stderr).not.toContain("done,");
});

test("what contradicts itself is refused, and so is what is no choice", async () => {
  const both = await site.hsx(["--progress", "--no-progress", "--no-db", ":::", "true"]);
  expect(both.status).toBe(2);
  expect(both.stderr).toContain("argument --no-progress: not allowed with argument --progress");
  const odd = await site.hsx(["--no-db", ":::", "true"], { env: { HYPERSHELL_PROGRESS: "sometimes" } });
  expect(odd.status).toBe(3);
  expect(odd.stderr).toContain("sometimes");
});
