/*
 * The examples in docs/examples: each prints what its last lines say and ends by itself, and the page of the library
 * shows each of them as it is.
 */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { newSite } from "./surroundings.ts";

const root = resolve(import.meta.dir, "../..");
const folder = join(root, "docs/examples");
const names = readdirSync(folder).toSorted();

function textOf(name: string): string {
  return readFileSync(join(folder, name), "utf8");
}

test("the page of the library shows every example, and nothing else", () => {
  const page = readFileSync(join(root, "docs/library.md"), "utf8");
  const blocks = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  expect(blocks.toSorted()).toEqual(names.map(textOf).toSorted());
});

for (const name of names) {
  test.concurrent(`docs/examples/${name} prints what it says`, async () => {
    using place = newSite();
    const env = { ...process.env, HYPERSHELL_SITE: place.site };
    const path = join(folder, name);
    const child = Bun.spawn([process.execPath, path], { cwd: place.site, env, stdout: "pipe", stderr: "pipe" });
    const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
    const said = [...textOf(name).matchAll(/^\/\/> (.*)$/gm)].map(([, line]) => `${line}\n`).join("");
    expect(said).not.toBe("");
    expect([status, errors, out]).toEqual([0, "", said]);
  });
}
