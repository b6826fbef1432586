/*
 * What is wrong with a run is told before anything is done for it, with the name of what is wrong.
 */
import { expect, test } from "bun:test";
import { linesOf, openSite } from "./harness.ts";

test("hs server looks at its file before it asks for a key, and a run with a launcher before it listens", async () => {
  await using site = openSite();
  for (const [program, words] of [
    ["hs", ["server", "missing.in"]],
    ["hsx", ["missing.in", "--launcher=true"]],
    ["hsx", ["missing.in"]],
  ] as const) {
    const { status, stderr } = await site[program](words);
    expect([status, linesOf(stderr)]).toEqual([5, [expect.stringContaining("'missing.in'")]]);
  }
  expect(site.exists("../site/lib/tls")).toBe(false);
});

test("without a database there is nothing to continue from, and nothing to wait for", async () => {
  await using site = openSite();
  const env = { HYPERSHELL_DATABASE_FILE: "" };
  for (const [program, words] of [
    ["hsx", ["--restart"]],
    ["hsx", ["--forever"]],
    ["hsx", ["--restart", "--launcher=true"]],
    ["hs", ["server", "--restart"]],
  ] as const) {
    const { status, stderr } = await site[program](words, { env });
    expect([words, status]).toEqual([words, 2]);
    expect(stderr).toMatch(/--(restart|forever) .* database.*, and none is configured \(set database\.file/);
  }
});

test("an input that cannot be opened is named in one line, also a terminal that there is not", async () => {
  await using site = openSite();
  for (const command of ["hsx --no-db /dev/tty", "hs submit -f /dev/tty"]) {
    const { status, stderr } = await site.shell(`setsid -w ${command} </dev/null`);
    expect([status, linesOf(stderr).at(-1)]).toEqual([
      5,
      "CRITICAL [hypershell.submit] Cannot read '/dev/tty': no such device or address",
    ]);
  }
});
