/*
 * What scripts/release makes: the same whenever and by whomever it is made, complete, and running. Archives are packed
 * quickly here; for all platforms, and packed well, it is called by hand.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { needs, openSite } from "../e2e/harness.ts";
import { openMuslRoot } from "../systems/musl.ts";

// Programs of 100 MB are made and packed, beside whatever else the machine does.
setDefaultTimeout(300_000);

const root = resolve(import.meta.dir, "../..");
const target = process.platform === "linux" ? `linux-${process.arch}` : `${process.platform}-${process.arch}`;
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
const name = `hs-${version}-${target}`;

const folder = mkdtempSync(join(tmpdir(), "hs-release-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function run(command: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const child = Bun.spawn([...command], {
    cwd: root,
    env: { ...process.env, ...env },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { status: await child.exited, stdout, stderr };
}

const first = join(folder, "first");

/** The program of another platform, made for this test. */
async function build(which: string): Promise<string> {
  expect(await run(["scripts/build", which])).toMatchObject({ status: 0 });
  return join(root, "dist", `hs-${which}`);
}

beforeAll(async () => {
  const { status, stdout, stderr } = await run(["scripts/release", target, "--level", "0", "--into", first]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toMatch(new RegExp(`${target} +[\\d.]+ MB +[\\d.]+ MB packed .*; hs ${version} \\(`));
});

needs(["xz", "gpg"])(
  "made again elsewhere, by another key and clock, a release is the same byte for byte",
  async () => {
    const again = join(folder, "again");
    const keys = join(folder, "keys");
    mkdirSync(keys, { mode: 0o700 });
    const env = { GNUPGHOME: keys, TZ: "Asia/Tokyo", LC_ALL: "C", TMPDIR: keys };
    const user = "release@example.org";
    const making = ["gpg", "--batch", "--passphrase", "", "--quick-generate-key", user, "ed25519", "sign", "never"];
    expect(await run(making, env)).toMatchObject({ status: 0 });
    const command = ["scripts/release", target, "--level", "0", "--into", again, "--sign", user];
    const line = `umask 077; exec ${command.join(" ")}`;
    expect(await run(["sh", "-c", line], env)).toMatchObject({ status: 0, stderr: "" });

    const made = readdirSync(first).toSorted();
    expect(made).toEqual(["SHA256SUMS", `${name}.cdx.json`, `${name}.tar.xz`]);
    expect(readdirSync(again).toSorted()).toEqual(["SHA256SUMS", "SHA256SUMS.asc", ...made.slice(1)]);
    for (const each of made) expect(readFileSync(join(again, each)).equals(readFileSync(join(first, each)))).toBe(true);

    const checked = await run(["sh", "-c", `cd '${first}' && sha256sum --ignore-missing -c SHA256SUMS`]);
    expect(checked).toMatchObject({ status: 0, stdout: `${name}.cdx.json: OK\n${name}.tar.xz: OK\n` });
    const [sums, signature] = [join(again, "SHA256SUMS"), join(again, "SHA256SUMS.asc")];
    expect(await run(["gpg", "--batch", "--verify", signature, sums], env)).toMatchObject({ status: 0 });
    expect((await run(["gpg", "--batch", "--verify", signature, join(again, `${name}.cdx.json`)], env)).status).toBe(1);
    await run(["gpgconf", "--kill", "all"], env);
  },
);

test("an archive has the program under both names, its pages, and what is inside and under which licence", async () => {
  await using site = openSite();
  expect(await run(["tar", "-xJf", join(first, `${name}.tar.xz`), "-C", site.work])).toMatchObject({ status: 0 });
  const read = (path: string): string => site.read(`${name}/${path}`);
  const line = `export PATH="$PWD/${name}:$PATH"; hs --version; seq 3 | hsx -N1 -t 'echo {}'`;
  const ran = await site.shell(line);
  expect(ran).toMatchObject({ status: 0, stderr: "" });
  expect(ran.stdout).toMatch(new RegExp(`^hs ${version} .*\n1\n2\n3\n$`));

  const program = readFileSync(join(site.work, name, "hs"));
  const bill = JSON.parse(read("sbom.cdx.json")) as {
    readonly metadata: { readonly component: { readonly hashes: readonly { readonly content: string }[] } };
    readonly components: readonly { readonly name: string; readonly version: string }[];
  };
  expect(bill.metadata.component.hashes[0]?.content).toBe(createHash("sha256").update(program).digest("hex"));
  const went = readFileSync(join(root, `dist/contents/hs-${target}.txt`), "utf8")
    .trim()
    .split("\n");
  expect(went.length).toBeGreaterThan(20);
  const listed = bill.components.map((each) => `${each.name} ${each.version}`);
  expect(listed).toEqual(went.map((each) => each.replace(/^went in: (?:\S*node_modules\/)?(\S+ \S+) .*$/, "$1")));
  const licences = read("LICENCES-INSIDE.md");
  for (const each of listed) expect(licences).toContain(`| ${each.replace(" ", " | ")} | `);
  for (const each of ["LGPL-2.0", "JavaScriptCore", "GNU LESSER GENERAL PUBLIC LICENSE"])
    expect(licences).toContain(each);
  for (const each of ["LICENSE", "README.md", "man/man1/hsx.1", "man/man5/hypershell-config.5"])
    expect(read(each).length).toBeGreaterThan(100);
});

test("what is no target, no level and no folder of a release is refused before anything is built", async () => {
  const refused: readonly (readonly [readonly string[], string])[] = [
    [["1.0.0"], "no such target: 1.0.0"],
    [["--level", "10"], "--level is a number from 0 to 9"],
    [["--sign"], "sign"],
    [["--into", join(root, "src")], "has files that are not those of a release"],
  ];
  for (const [words, reason] of refused) {
    const { status, stdout, stderr } = await run(["scripts/release", target, ...words]);
    expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
    expect(stderr).toContain(reason);
  }
});

const foreign = "/usr/aarch64-linux-gnu";

needs(["qemu-aarch64-static", `${foreign}/lib/ld-linux-aarch64.so.1`])(
  "the program for Linux on ARM runs tasks in an emulator, and records them",
  async () => {
    const program = await build("linux-arm64");
    await using site = openSite();
    const hs = `qemu-aarch64-static -L ${foreign} ${program}`;
    const line = `printf 'echo 1\nexit 3\n' | ${hs} cluster -N1; ${hs} list args exit_status; ${hs} --version`;
    const { stdout } = await site.shell(line, { timeoutMs: 60_000 });
    expect(stdout).toMatch(new RegExp(`^1\necho 1\t0\nexit 3\t3\nhs ${version} `));
  },
);

const musl = openMuslRoot();
if (typeof musl !== "string") afterAll(() => musl[Symbol.dispose]());

needs([], typeof musl === "string" ? musl : null)(
  "the program for musl runs tasks in a root that has nothing of glibc, also when it is stripped",
  async () => {
    if (typeof musl === "string") throw new Error(musl);
    copyFileSync(await build("linux-x64-musl"), join(musl.path, "bin/hs"));
    copyFileSync(join(musl.path, "bin/hs"), join(musl.path, "bin/hsx"));
    expect(await run(["strip", join(musl.path, "bin/hsx")])).toMatchObject({ status: 0 });
    chmodSync(join(musl.path, "bin/hsx"), 0o755);
    const line = "hs --version; seq 2 | hsx -N1 -t 'echo {}'; hs list args exit_status";
    const { stdout } = musl.run(`export HYPERSHELL_SITE=/tmp/site; ${line}`);
    expect(stdout).toMatch(new RegExp(`^hs ${version} .*\n1\n2\n1\t0\n2\t0\n$`));
  },
);
