/*
 * Tags keep the form in which they were written: where they are stored, shown, exported, searched for, and handed to
 * tasks, on this host and over the wire.
 */
import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { linesOf, openSite, type Site, until } from "./harness.ts";
import { secured, startClient, startServer } from "./serving.ts";
import { ask } from "./tables.ts";

const written = { fl: "1.0", th: "1000.0", e: "1e3", z: "007", v: "1.10", u: "1_000", big: "12345678901234567890" };
const words = Object.entries(written).map(([key, value]) => `${key}:${value}`);
const stored =
  '{"fl": 1.0, "th": 1000.0, "e": "1e3", "z": "007", "v": "1.10", "u": "1_000", ' +
  '"big": "12345678901234567890", "part": 0}';
const command = `echo ${Object.keys(written)
  .map((key) => `$TASK_TAG_${key.toUpperCase()}`)
  .join(" ")}`;
const printed = Object.values(written).join(" ");

const found = async (site: Site, ...filter: string[]): Promise<string> =>
  (await site.hs(["list", "--count", "-t", ...filter])).stdout.trim();

test("what was written is stored, shown, searched, exported, and in the environment of the task", async () => {
  await using site = openSite();
  site.write("tasks.in", `${command}  # HYPERSHELL: ${words.join(" ")}\n`);
  expect(await site.hsx(["tasks.in"])).toEqual({ status: 0, stdout: `${printed}\n`, stderr: "" });
  expect(ask<{ tag: string }>(site.database, "select tag from task")[0]!.tag).toBe(stored);
  for (const word of words) expect([word, await found(site, word)]).toEqual([word, "1"]);
  for (const other of ["v:1.1", "v:1.100", "z:7", "e:1000", "fl:1.1", "big:12345678901234567000"])
    expect([other, await found(site, other)]).toEqual([other, "0"]);
  // Numbers are found by their value.
  expect([await found(site, "fl:1"), await found(site, "th:1000")]).toEqual(["1", "1"]);
  expect((await site.hs(["list", "tag", "--json"])).stdout).toMatch(/"fl": 1\.0,\s+"th": 1000\.0,\s+"e": "1e3"/);
  expect((await site.hs(["list", "tag", "--csv"])).stdout).toContain('""fl"": 1.0, ""th"": 1000.0');
  expect((await site.hs(["list", "-f", "table", "tag"])).stdout).toContain('"fl": 1.0');
  const [{ id }] = ask<{ id: string }>(site.database, "select id from task") as [{ id: string }];
  expect((await site.hs(["info", id, "-f", "yaml"])).stdout).toContain("fl: 1.0\n");
  expect((await site.hs(["info", id])).stdout).toContain("fl:1.0, th:1000.0, e:1e3");
});

test("they keep their form over a retry, an update and the wire", async () => {
  await using site = openSite();
  const { server, port } = await startServer(site, ["--forever", "-r1"]);
  const env = { ...secured, HYPERSHELL_DATABASE_FILE: "" };
  const line = `${command}; false`;
  expect((await site.hs(["submit", "-q", "-p", port, "-t", ...words, "--", line], { env })).status).toBe(0);
  const client = startClient(site, port, ["-N1"]);
  await until(
    () => linesOf(client.stdout()).length === 2,
    () => client.stderr() + server.stderr(),
  );
  server.kill("SIGUSR1");
  await server.ended;
  expect(linesOf((await client.ended).stdout)).toEqual([printed, printed]);
  expect(ask<{ tag: string }>(site.database, "select tag from task").map(({ tag }) => tag)).toEqual([stored, stored]);
  expect((await site.hs(["update", "fl:2.0", "-t", "fl:1.0", "-f"])).status).toBe(0);
  expect(ask<{ tag: string }>(site.database, "select tag from task")[0]!.tag).toBe(stored.replace("1.0", "2.0"));
});

test("numbers that other programs have stored are shown as they stored them", async () => {
  await using site = openSite();
  await site.hs(["submit", "--", "echo $TASK_TAG_A $TASK_TAG_N"]);
  const db = new Database(site.database);
  db.run(`update task set tag = '{"a": 1000.0, "n": 12345678901234567890, "x": 1e+16, "part": 0}'`);
  db.close();
  expect(await found(site, "a:1000.0")).toBe("1");
  expect((await site.hs(["list", "tag", "--csv"])).stdout).toContain('""n"": 12345678901234567890, ""x"": 1e+16');
  expect((await site.hsx(["--restart"])).stdout).toBe("1000.0 12345678901234567890\n");
});
