/*
 * What goes into an executable is what package-lock.json says, or scripts/build refuses to make it; and it remains the
 * program that it is when its symbols are stripped.
 */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { dist, needs, openSite } from "./harness.ts";

const root = resolve(import.meta.dir, "../..");

async function contents(...words: readonly string[]) {
  const child = Bun.spawn([process.execPath, join(root, "scripts/contents.ts"), ...words], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, stdout, stderr };
}

test("a Bun that is not the one of the lock is refused, and so is a lock without its hash", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hs-build-"));
  try {
    const [file, lock] = [join(folder, "bun.tgz"), join(folder, "lock.json")];
    writeFileSync(file, "as it was published");
    const integrity = `sha512-${createHash("sha512").update("as it was published").digest("base64")}`;
    const bun = { version: "1.0.0", integrity };
    const packages = { "node_modules/@oven/bun-a": bun, "node_modules/@oven/bun-b": { version: "1.0.0" } };
    writeFileSync(lock, JSON.stringify({ packages }));
    expect(await contents("check", file, "@oven/bun-a", lock)).toEqual({ status: 0, stdout: "", stderr: "" });
    writeFileSync(file, "as somebody changed it");
    const changed = await contents("check", file, "@oven/bun-a", lock);
    expect(changed.status).toBe(1);
    expect(changed.stderr).toContain(`${file} is not @oven/bun-a 1.0.0: its hash is sha512-`);
    for (const name of ["@oven/bun-b", "@oven/bun-c"]) {
      const unknown = await contents("check", file, name, lock);
      expect(unknown.status).toBe(1);
      expect(unknown.stderr).toContain(`package-lock.json has no sha512 of node_modules/${name}`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("what went in is told: Bun and each package that the source maps name, also below another", async () => {
  const folder = mkdtempSync(join(tmpdir(), "hs-build-"));
  try {
    const sources = ["../src/main.ts", "../../node_modules/nanoid/index.js", "node_modules/citty/dist/index.mjs"];
    writeFileSync(join(folder, "main.js.map"), JSON.stringify({ sources }));
    writeFileSync(join(folder, "bun"), "bun");
    const { status, stdout } = await contents("tell", folder, join(folder, "bun"));
    expect(status).toBe(0);
    const hash = createHash("sha256").update("bun").digest("hex");
    expect(stdout).toMatch(
      new RegExp(
        `^went in: bun \\S+ sha256-${hash}\nwent in: citty \\S+ sha512-\\S+\nwent in: nanoid \\S+ sha512-\\S+\n$`,
      ),
    );
    const deep = "node_modules/nanoid/node_modules/other/x.js";
    writeFileSync(join(folder, "more.js.map"), JSON.stringify({ sources: [deep] }));
    const unknown = await contents("tell", folder, join(folder, "bun"));
    expect(unknown.status).toBe(1);
    expect(unknown.stderr).toContain("no sha512 of node_modules/nanoid/node_modules/other");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the lock has the hash of the Bun for every platform that scripts/build makes", () => {
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    readonly packages: Readonly<Record<string, { readonly integrity?: string }>>;
  };
  const script = readFileSync(join(root, "scripts/build"), "utf8");
  const names = [...script.matchAll(/\) package=(\S+) ;;/g)].map(([, name]) => name!);
  expect(names).toHaveLength(7);
  for (const name of names)
    expect(packages[`node_modules/@oven/bun-${name}`]?.integrity).toMatch(/^sha512-[A-Za-z0-9+/]{86}==$/);
});

const strippers: readonly (readonly [program: string, ...options: string[]])[] = [
  ["strip"],
  ["strip", "-g"],
  ["eu-strip"],
  ["objcopy", "--strip-debug"],
];

for (const [program, ...options] of strippers)
  needs([program])(`what ${[program, ...options].join(" ")} leaves of hs still runs tasks`, async () => {
    await using site = openSite();
    const stripped = join(site.work, "hs");
    copyFileSync(join(dist, "hs"), stripped);
    expect(Bun.spawnSync([program, ...options, stripped]).stderr.toString()).toBe("");
    expect(await site.shell("seq 2 | ./hs cluster -t 'echo {}'")).toEqual({ status: 0, stdout: "1\n2\n", stderr: "" });
    expect(await site.shell("./hs --version")).toEqual(await site.hs(["--version"]));
  });
