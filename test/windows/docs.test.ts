/* The commands of docs/windows.md, as its reader types them. */
import { afterAll, beforeAll, expect } from "bun:test";
import { linkSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readPage } from "../docs/markdown.ts";
import { dist, type Ended } from "../e2e/harness.ts";
import { secured, startServer } from "../e2e/serving.ts";
import { noWindows, openPlace, type Place, testOnWindows } from "./place.ts";

const root = resolve(import.meta.dir, "../..");
const page = readPage(readFileSync(join(root, "docs/windows.md"), "utf8"));

let place: Place;
beforeAll(async () => {
  if (noWindows === null) place = await openPlace();
}, 60_000);
afterAll(async () => {
  if (noWindows === null) await place[Symbol.asyncDispose]();
}, 60_000);

const left = new Set(page.leftOut.map(({ text }) => text));

/** Runs a block of the page, which must be these lines. `here`: words of the page, and what they are here. */
function run(lines: string, here: Readonly<Record<string, string>> = {}): Promise<Ended> {
  expect(left.delete(`${lines}\n`)).toBe(true);
  const words = Object.entries(here).reduce((text, [word, meant]) => text.replaceAll(word, meant), lines);
  return place.cmd(words, { timeoutMs: 60_000 });
}

testOnWindows("docs/windows.md: put it on the machine", async () => {
  linkSync(join(dist, "hs-windows-x64.exe"), join(place.linux.work, "hs.exe"));
  const { status, stderr } = await run(String.raw`mkdir C:\hs
copy hs.exe C:\hs\hs.exe
mklink /h C:\hs\hsx.exe C:\hs\hs.exe`);
  expect([status, stderr]).toEqual([0, ""]);
  expect((await place.cmd(String.raw`C:\hs\hsx --version`)).stdout).toStartWith("hs ");
});

testOnWindows("docs/windows.md: run lines", async () => {
  place.write("numbers.txt", "1\r\n2\r\n");
  for (const name of ["a", "b"]) place.write(`in/${name}.txt`, `one\r\nNEEDLE ${name}\r\n`);
  place.write("out/.keep", "");
  const { status, stdout } = await run(String.raw`type numbers.txt | hsx -t "echo number {}"
dir /s /b in | hsx -N2 -t "find ""NEEDLE"" < {} > out/{/-}.out"
hs list args exit_status`);
  expect(status).toBe(0);
  expect(stdout).toContain("number 1\r\nnumber 2\r\n");
  expect([place.linux.read("out/a.out"), place.linux.read("out/b.out")]).toEqual(["NEEDLE a\r\n", "NEEDLE b\r\n"]);
  expect(stdout).toMatch(/\\in\\b\.txt\t0/);
});

testOnWindows("docs/windows.md: be a client of a Linux server, and submit to it", async () => {
  const { server, port } = await startServer(place.linux, ["--forever"]);
  place.write("tasks.txt", "echo from afar\r\necho of Windows  # HYPERSHELL: windows:1\r\n");
  const here = {
    login07: `localhost:${port}`,
    "the-key-of-the-server": secured.HYPERSHELL_SERVER_AUTH,
    "-T 60": "-T 1 --resource windows:4",
    // It is set for the client only.
    "hs submit": `set HYPERSHELL_SERVER_AUTH=${secured.HYPERSHELL_SERVER_AUTH}\nhs submit`,
  };
  const submitted = await run(String.raw`hs submit --queue -H login07 -f tasks.txt`, here);
  expect(submitted).toMatchObject({ status: 0 });
  const { status, stdout } = await run(
    String.raw`set HYPERSHELL_SERVER_AUTH=the-key-of-the-server
hs client --host login07 -N4 -T 60`,
    here,
  );
  expect([status, stdout.split("\r\n").toSorted()]).toEqual([0, ["", "from afar", "of Windows"]]);
  server.kill("SIGTERM");
});

testOnWindows("docs/windows.md: a client that starts with the machine, and does no more", async () => {
  for (const step of page.steps) if ("path" in step) place.write(step.path, step.text);
  // Wine keeps the task, but starts nothing by itself.
  place.write("key.txt", "key");
  const here = { "C:\\hs\\key": "key.txt" };
  const made = await run(
    String.raw`icacls C:\hs\key /inheritance:r /grant:r *S-1-5-19:R *S-1-5-32-544:F
schtasks /create /tn hs-client /xml client.xml
schtasks /run /tn hs-client`,
    here,
  );
  expect(made.status).toBe(0);
  const ended = await run(String.raw`schtasks /end /tn hs-client
schtasks /delete /tn hs-client /f`);
  expect(ended.status).toBe(0);
  expect([...left]).toEqual([]);
});
