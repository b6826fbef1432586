/*
 * The working directory was deleted: what needs none works, everything else says in one line what to do, with status 5.
 */
import { expect, test } from "bun:test";
import { openSite } from "./harness.ts";

const text =
  "CRITICAL [hypershell] The working directory is not there any more: go to one that is (cd), and try again\n";

test("in a deleted working directory commands that need none work, others say so", async () => {
  await using site = openSite();
  expect((await site.hsx([], { stdin: "true\n" })).status).toBe(0);
  const inGone = (line: string) => site.shell(`mkdir gone; cd gone; rmdir ../gone; ${line}`);
  for (const [line, stdout] of [
    ["hs list --count", "1\n"],
    ["hs config get server.port", "50001\n"],
    ["hs config --user", `${site.path}/home/.hypershell/config.toml\n`],
    ["hs update x:1 --completed --yes; hs list --count -t x:1", "1\n"],
  ]) {
    const ended = await inGone(line!);
    expect([line, ended.status, ended.stdout]).toEqual([line, 0, stdout]);
  }
  expect((await inGone("hs --version")).stdout).toMatch(/^hs \d/);
  for (const line of [
    "echo true | hsx",
    "echo true | hsx --no-db",
    "hs submit true",
    "hs config --local",
    "hs config set --local server.port 1",
    "hs init",
    "HYPERSHELL_SITE=here hs list --count",
  ]) {
    expect([line, await inGone(line)]).toEqual([line, { status: 5, stdout: "", stderr: text }]);
  }
}, 60_000);

test("a run whose working directory is deleted goes on", async () => {
  await using site = openSite();
  const line = "mkdir gone; cd gone; printf 'rmdir ../gone\\ntrue\\n' | cat - <(yes true | head -20) | hsx -N1 --no-db";
  expect((await site.shell(line)).status).toBe(0);
});
