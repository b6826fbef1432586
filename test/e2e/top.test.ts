/*
 * `hs top` as it is seen: in a real terminal (tmux), whose screen it takes and gives back, and where there is none.
 */
import { expect, test } from "bun:test";
import { openTerminal } from "../systems/terminal.ts";
import { needs, openSite, type Site, until } from "./harness.ts";

const hasTmux = needs(["tmux"]);
const long = { timeoutMs: 60_000 };

/** A database with a task that failed and two that wait, and a run that works on one that stays. */
async function workedOn(site: Site): Promise<void> {
  await site.hsx(["-N1", "--capture", site.write("failed.in", "false\n")]);
  site.write("go.in", "echo fir''st; until test -e go; do sleep 0.05; done; echo la''st\n");
  site.start(["hsx", "-N1", "--capture", "go.in"], long);
  await until(
    async () => (await site.hs(["list", "--running", "--count"])).stdout === "1\n",
    () => "nothing runs",
    20_000,
  );
}

hasTmux(
  "the screen shows what runs and what it prints, asks before it cancels, and is given back",
  async () => {
    await using site = openSite();
    await workedOn(site);
    const shell = "env PS1='$ ' bash --norc --noprofile";
    const terminal = await openTerminal(site, shell, { TERM: "screen-256color" });
    const has = (text: string) => (lines: readonly string[]) => lines.some((line) => line.includes(text));
    const run = async (line: string): Promise<void> => {
      await terminal.type(line);
      await terminal.press("Enter");
    };
    await run("clear; echo bef''ore; hs top");
    const lines = await terminal.shows((shown) => has("2 Running 1")(shown) && has("until test -e go")(shown));
    expect(lines[0]).toStartWith("hs top  database");
    expect(lines.find((line) => line.includes("false"))).toContain(" 1 ");
    expect(lines.at(-1)).toStartWith("? help");
    await site.shell(`tmux -S ${site.path}/tmux resize-window -x 80 -y 24`);
    const narrow = await terminal.shows((shown) => has("peak")(shown) && shown.every((line) => line.length <= 80));
    expect(narrow.at(-1)).toEndWith("q quit");

    await terminal.press("Enter");
    await terminal.shows((shown) => shown[0]!.includes("stdout of") && has("following")(shown) && shown[1] === "first");
    await terminal.press("q");
    await terminal.shows(has("2 Running 1"));
    await terminal.press("r");
    await terminal.shows(has("? y/n"));
    await terminal.press("n");
    await terminal.shows(has("Nothing was changed"));

    await terminal.press("C-z");
    await terminal.shows((shown) => has("Stopped")(shown) && has("before")(shown));
    await run("fg; echo status $?");
    await terminal.shows(has("2 Running 1"));
    await terminal.press("c");
    await terminal.shows(has("Cancel task "));
    await terminal.press("y");
    await terminal.shows((shown) => has("Cancelled 1 task")(shown) || has("2 Running 0")(shown));
    await terminal.press("q");
    const after = await terminal.shows((shown) => has("status 0")(shown) && has("before")(shown));
    expect(has("2 Running")(after)).toBe(false);

    await run("clear; stty -a | tr ' ' '\\n' | grep -x 'icanon\\|echo'; echo don''e");
    expect(await terminal.shows((shown) => has("done")(shown))).toEqual(expect.arrayContaining(["icanon", "echo"]));
    await run("clear; hs top; echo status $?");
    await terminal.shows(has("2 Running 0"));
    const top = site.left().find((line) => / \S*hs top$/.test(line))!;
    process.kill(Number.parseInt(top, 10), "SIGTERM");
    expect(has("2 Running 0")(await terminal.shows(has("status 143")))).toBe(false);
    await run("clear; TERM=dumb hs top; echo status $?");
    await terminal.shows((shown) => has("TERM is 'dumb'")(shown) && has("status 2")(shown));
  },
  60_000,
);

test("without a terminal a snapshot is printed, as text or JSON, with the numbers of hs list", async () => {
  await using site = openSite();
  expect(await site.hs(["top"])).toMatchObject({ status: 5, stdout: "" });
  await site.hsx(["-N1", site.write("some.in", "true\nfalse\necho '\u001b[2J'\n")]);
  const text = await site.hs(["top"]);
  expect(text).toMatchObject({ status: 0, stderr: "" });
  expect(text.stdout).toContain("3 tasks   0 running   0 waiting   2 ok   1 failed\n");
  expect(text.stdout).not.toMatch(/(?!\n)\p{Cc}/u);
  const { stdout } = await site.hs(["top", "--json", "--filter", "false"]);
  const view = JSON.parse(stdout) as { counts: unknown; failures: readonly { text: string }[] };
  expect(view.counts).toEqual({ total: 3, remaining: 0, running: 0, succeeded: 2, failed: 1, cancelled: 0 });
  expect(view.failures.map((each) => each.text)).toEqual(["false"]);
  expect(await site.shell("hs top | head -n1 | wc -l")).toMatchObject({ status: 0, stdout: "1\n", stderr: "" });
});
