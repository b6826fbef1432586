/* The manual pages as the tools for them read them: without a warning, and with the names that people ask for. */
import { expect } from "bun:test";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { needs, openSite } from "./harness.ts";

const root = resolve(import.meta.dir, "../..");

needs(["mandoc", "man"])("mandoc and man have nothing to object, and twice written pages are the same", async () => {
  await using site = openSite();
  for (const folder of ["one", "two"])
    expect(await site.shell(`${root}/scripts/manuals ${folder}`)).toEqual({ status: 0, stdout: "", stderr: "" });
  expect(await site.shell("diff -r one two")).toMatchObject({ status: 0, stdout: "" });
  expect(readdirSync(join(site.work, "one/completions")).toSorted()).toEqual(["_hs", "hs.bash", "hs.fish", "hs.ps1"]);
  expect(await site.shell("mandoc -Tlint -W warning one/man/*")).toEqual({ status: 0, stdout: "", stderr: "" });
  const warned = await site.shell("man --warnings -l one/man/* >/dev/null");
  expect(warned).toEqual({ status: 0, stdout: "", stderr: "" });
});

needs(["mandoc", "man"])("man hs-submit shows the page from a folder of MANPATH", async () => {
  await using site = openSite();
  const made = await site.shell(
    `${root}/scripts/manuals out && mkdir -p share/man1 share/man5 share/man7 && ` +
      "for n in 1 5 7; do mv out/man/*.$n share/man$n/; done",
  );
  expect(made.status).toBe(0);
  const env = { MANPATH: join(site.work, "share"), MANWIDTH: "100" };
  const read = async (name: string): Promise<string> => (await site.shell(`man ${name} | col -bx`, { env })).stdout;
  expect(await read("hs-submit")).toMatch(/^ {7}hs-submit - add tasks to the database/m);
  expect(await read("hsx")).toContain("seq 4 | hsx -t 'echo {}'");
  expect(await read("hypershell-config")).toContain("HYPERSHELL_SERVER_PORT");
  expect(await read("5 hypershell-taskfile")).toContain("# HYPERSHELL: site:b timeout:10m");
  expect(await read("hypershell-templates")).toMatch(/\{\/-\} +a b\.tar$/m);
});
