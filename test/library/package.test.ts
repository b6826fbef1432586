/*
 * The package as it is published: made, packed, installed in an empty folder without a network, checked by a strict
 * compiler that knows nothing of this checkout, and run there.
 */
import { afterAll, expect, test } from "bun:test";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import manifest from "../../package.json";

const root = resolve(import.meta.dir, "../..");
const folder = mkdtempSync(join(tmpdir(), "hs-package-"));
const app = join(folder, "app");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function called(words: readonly string[], cwd: string): Promise<string> {
  // No registry and no cache is there to help, and no settings of the user.
  const none = { BUN_INSTALL_CACHE_DIR: join(folder, "cache"), npm_config_registry: "http://127.0.0.1:9/" };
  const env = { ...process.env, ...none, HOME: folder, HYPERSHELL_SITE: join(folder, "site") };
  const child = Bun.spawn([...words], { cwd, env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [out, errors, status] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  if (status !== 0) throw new Error(`${words.join(" ")} ended with ${status}\n${out}\n${errors}`);
  return out;
}

const archive = `hypershell-${manifest.version}.tgz`;

/** What docs/library.md tells people to type, in the checkout and in the folder of their program. */
const making = `scripts/library
cd dist/library
bun pm pack
`;
const installing = `bun add ./hypershell-*.tgz
`;

/** Runs lines as they are typed, with our Bun as the one that people have. */
function typed(lines: string, cwd: string): Promise<string> {
  return called(["/bin/sh", "-ec", `PATH='${join(root, "scripts")}':$PATH\n${lines}`], cwd);
}

test("the package is made, and is small", async () => {
  await typed(making, root);
  cpSync(join(root, "dist/library"), join(folder, "library"), { recursive: true });
  const { size } = statSync(join(folder, "library", archive));
  expect(size).toBeGreaterThan(100_000);
  expect(size).toBeLessThan(600_000);
  const made = JSON.parse(readFileSync(join(folder, "library/package.json"), "utf8")) as Record<string, unknown>;
  expect([made["version"], made["dependencies"], made["private"]]).toEqual([manifest.version, undefined, undefined]);
  // Whoever passes the code on passes on what its makers ask for.
  const licences = readFileSync(join(folder, "library/LICENSES.txt"), "utf8");
  for (const name of ["postgres", "@peculiar/x509", "toml", "nanoid", "consola", "tslib"])
    expect(licences).toContain(`\n${name} ${versionOf(name)}`);
  expect(licences).toContain("Permission is hereby granted");
});

function versionOf(name: string): string {
  return (JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8")) as { version: string })
    .version;
}

test("it is installed in an empty folder, without a network", async () => {
  mkdirSync(app);
  writeFileSync(join(app, "package.json"), '{ "name": "app", "type": "module" }');
  cpSync(join(folder, "library", archive), join(app, archive));
  await typed(installing, app);
  expect(readdirSync(join(app, "node_modules"))).toEqual(["hypershell"]);
});

/** A program whose mistakes the compiler must see: the types are not `any`. */
const mistaken = `import { run, search } from "hypershell";
// @ts-expect-error
for await (const outcome of run(["true"])) outcome.exitstatus;
// @ts-expect-error
for await (const task of search({ status: "broken" })) console.log(task.id);
// @ts-expect-error
for await (const task of search()) task.exitStatus.toFixed();
// @ts-expect-error
run([{ arg: "true" }]);
`;

test("its types satisfy a strict compiler by themselves, and the examples with them", async () => {
  cpSync(join(root, "docs/examples"), join(app, "examples"), { recursive: true });
  writeFileSync(join(app, "examples/mistaken.ts"), mistaken);
  const settings = {
    target: "esnext",
    lib: ["esnext", "dom"],
    types: [],
    strict: true,
    skipLibCheck: false,
    noEmit: true,
    noUncheckedIndexedAccess: true,
    exactOptionalPropertyTypes: true,
  };
  const tsc = join(root, "node_modules/.bin/tsc");
  for (const [module, moduleResolution] of [
    ["preserve", "bundler"],
    ["nodenext", "nodenext"],
  ]) {
    const compilerOptions = { ...settings, module, moduleResolution };
    writeFileSync(join(app, "tsconfig.json"), JSON.stringify({ compilerOptions, include: ["examples"] }));
    await called([tsc, "-p", "."], app);
  }
});

test("its examples run there", async () => {
  const texts = ["capture", "database"].map(async (name) => {
    const out = await called([process.execPath, join(app, "examples", `${name}.ts`)], app);
    return [name, out.trim().split("\n").at(-1)];
  });
  expect(await Promise.all(texts)).toEqual([
    ["capture", "a square of 50 or more was found true"],
    ["database", "1 submitted, 2 remaining"],
  ]);
});
