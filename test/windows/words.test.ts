/* Paths, variables, quotes and long lines as Windows has them, where Linux has others. */
import { expect } from "bun:test";
import { until } from "../e2e/harness.ts";
import { openPlace, testOnWindows } from "./place.ts";

testOnWindows("paths, variables and quotes of templates are those of Windows", async () => {
  await using place = await openPlace();
  place.write("in.txt", "C:\\data\\run.1\\a b.dat\r\n");
  const patterns = "echo [{/}] [{.}] [{-}] [{/Q}]";
  const functions = "{= os.environ['comSpec'][-7:] + os.sep + path.basename(x) =}";
  const template = `${patterns} ${functions} {% echo "q r" %}& echo %TASK_OUTPATH%& set greet`;
  const env = { greeting: "inherited", HYPERSHELL_EXPORT_Greeting: "exported" };
  const { status, stdout, stderr } = await place.hsx(["in.txt", "--no-db", "-t", template], { env });
  const [shown, path, ...rest] = stdout.split("\r\n");
  expect([status, stderr, rest]).toEqual([0, "", ["GREETING=exported", ""]]);
  expect(shown).toBe(String.raw`[a b.dat] [C:\data\run.1] [C:\data\run.1\a b] ["a b.dat"] cmd.exe\a b.dat "q r"`);
  expect(path).toMatch(/^Z:\\.*\\win\\Library\\task\\[0-9a-f-]{36}\.out$/);
});

testOnWindows("a command whose output is a setting gets its quotes as they are", async () => {
  await using place = await openPlace();
  const env = { HYPERSHELL_DATABASE_FILE_EVAL: 'echo "a b" c\\"' };
  const { status, stdout } = await place.hs(["config", "get", "database.file", "--expand"], { env });
  expect([status, stdout.trimEnd()]).toEqual([0, '"a b" c\\"']);
});

testOnWindows("a line that is longer than cmd.exe takes fails, and says so", async () => {
  await using place = await openPlace();
  const { status, stderr } = await place.hsx(["--no-db", "-t", "echo {= 'x' * 8200 =}", ":::", "a"]);
  expect([status, stderr.includes("characters, and cmd.exe takes 8191")]).toEqual([7, true]);
});

testOnWindows("a client waits for a server that is not there yet, with TLS as without", async () => {
  await using place = await openPlace();
  const words = ["client", "-H", "127.0.0.1", "-p", "9"];
  const env = { HYPERSHELL_SERVER_AUTH: "0123456789abcdef0123456789abcdef" };
  const clients = [[], ["--no-tls"]].map((more) => place.start(["hs", ...words, ...more], { env }));
  for (const client of clients)
    await until(() => /Connection refused.* trying again/.test(client.stderr()), "it tries again");
  for (const client of clients) client.kill("SIGKILL");
  await Promise.all(clients.map(({ ended }) => ended));
});

testOnWindows("a project has its folders where its runs keep things, and what they say may go to a file", async () => {
  await using place = await openPlace();
  const steps = ["hs init proj >nul", "cd proj", 'echo one| hsx -t "echo {}" 2>said', "dir /b .hypershell\\Library"];
  const { status, stdout } = await place.cmd(steps.join("\n"), { env: { HYPERSHELL_SITE: undefined } });
  const [printed, ...names] = stdout.trimEnd().split("\r\n");
  expect([status, printed, names.filter((name) => !name.startsWith("Main.db-")).toSorted()]).toEqual([
    0,
    "one",
    ["Main.db", "task"],
  ]);
});
