/*
 * The source archive that builds without network: our sources, the packages of npm that the program is made of, and,
 * each in a file of its own, Bun as npm has it. `offline.sh` puts Bun in its place.
 */
import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  mkdtempSync,
  copyFileSync,
  readdirSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archNames, type Arch, type Facts, root } from "./facts.ts";
import { run } from "./shell.ts";

interface Locked {
  readonly dev?: boolean;
  readonly optional?: boolean;
}

/** The folders of node_modules that go into a build, below the root, in order, by the text of package-lock.json. */
export function neededModules(lock: string): readonly string[] {
  const { packages } = JSON.parse(lock) as { readonly packages: Readonly<Record<string, Locked>> };
  return Object.entries(packages)
    .filter(([place, { dev, optional }]) => place !== "" && dev !== true && optional !== true)
    .map(([place]) => place)
    .toSorted();
}

/** Our files: those that git knows, or, in an unpacked source archive, those that are there. */
async function ownFiles(): Promise<readonly string[]> {
  if (existsSync(join(root, ".git"))) {
    const listed = await run(["git", "-C", root, "ls-files", "-z", "-co", "--exclude-standard"]);
    return listed.split("\0").filter((path) => path !== "" && existsSync(join(root, path)));
  }
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .filter((path) => !/^(?:node_modules|dist|papers)\//.test(path));
}

/**
 * Writes `hypershell-VERSION.tar.xz` into a folder, and answers its path. Throws when a program that it needs fails or
 * is missing.
 */
export async function makeSource(facts: Facts, to: string): Promise<string> {
  const top = `${facts.name}-${facts.version}`;
  const file = join(to, `${top}.tar.xz`);
  const work = mkdtempSync(join(tmpdir(), "hs-source-"));
  try {
    const list = join(work, "list");
    const modules = neededModules(readFileSync(join(root, "package-lock.json"), "utf8"));
    // A package below another comes with that one.
    const tops = modules.filter((place) => place.lastIndexOf("node_modules/") === 0);
    await Bun.write(list, [...(await ownFiles()), ...tops].toSorted().join("\0"));
    const order = ["--sort=name", `--mtime=@${facts.epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
    const names = ["--mode=u+rw,go=rX", "--format=gnu", `--transform=flags=rS;s,^,${top}/,`];
    await run(["tar", ...order, ...names, "-C", root, "--null", `--files-from=${list}`, "-cJf", file], {
      // Several threads would give other bytes than one.
      env: { ...process.env, XZ_OPT: "-9 -T1" },
      need: "tar xz-utils",
    });
    return file;
  } finally {
    rmSync(work, { recursive: true });
  }
}

/** The name of Bun's package for a processor, among the source files. */
export function bunSource(facts: Facts, arch: Arch): string {
  return `bun-${archNames[arch].bun}-${facts.bunVersion}.tgz`;
}

/**
 * Puts Bun's package for a processor into a folder. It is the one that scripts/build keeps, or comes from npm; either
 * is compared with the lock. Throws when it cannot be had or is not what the lock says.
 */
export async function takeBun(facts: Facts, arch: Arch, to: string): Promise<string> {
  const { bun } = archNames[arch];
  const kept = join(root, "dist/.bun", `${bun}-${facts.bunVersion}.tgz`);
  if (!existsSync(kept)) {
    const part = `${kept}.${process.pid}`;
    mkdirSync(part, { recursive: true });
    try {
      await run(["npm", "pack", "--silent", `@oven/bun-${bun}@${facts.bunVersion}`], { cwd: part, need: "npm" });
      renameSync(join(part, readdirSync(part)[0]!), kept);
    } finally {
      rmSync(part, { recursive: true });
    }
  }
  const contents = join(root, "scripts/contents.ts");
  await run([process.execPath, contents, "check", kept, `@oven/bun-${bun}`]);
  const file = join(to, bunSource(facts, arch));
  copyFileSync(kept, file);
  return file;
}
