/*
 * An archive for clusters with Environment Modules or Lmod: a folder for the version, and a modulefile in each of the
 * two languages. It is unpacked anywhere, and `module use TOP/modulefiles` makes it known.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Arch, type Facts, fill, root, template } from "./facts.ts";
import { run, write } from "./shell.ts";

/** What goes into the folder of a version. */
export interface Contents {
  readonly executable: string;
  /** The folder with man/ and completions/. */
  readonly papers: string;
  readonly licenses: string;
}

/** Lays `hypershell/VERSION` and `modulefiles` below a folder. Throws when a program that it needs fails. */
export async function layModules(facts: Facts, contents: Contents, top: string): Promise<void> {
  const { name, version } = facts;
  const home = join(top, name, version);
  await run(["sh", join(root, "scripts/packaging/install.sh"), contents.executable, contents.papers, home], {
    env: { ...process.env, PREFIX: "", ZSH: "share/zsh/site-functions", UNIT: "" },
  });
  write(join(home, "share/doc/LICENCES-INSIDE.md"), contents.licenses);
  write(join(home, "share/doc/LICENSE"), await Bun.file(join(root, "LICENSE")).text());
  const places = { VERSION: version, SUMMARY: facts.summary };
  write(join(top, "modulefiles", name, version), fill(template("modulefile.tcl"), places));
  write(join(top, "modulefiles", name, `${version}.lua`), fill(template("modulefile.lua"), places));
}

interface Input extends Contents {
  readonly arch: Arch;
  readonly to: string;
  readonly isFast: boolean;
}

/** Makes the archive of one processor, and answers its path. Throws when a program fails or is missing. */
export async function makeModules(facts: Facts, input: Input): Promise<string> {
  const top = mkdtempSync(join(tmpdir(), "hs-modules-"));
  const { name, version } = facts;
  try {
    await layModules(facts, input, top);
    const file = join(input.to, `${name}-${version}-modules-linux-${input.arch}.tar.xz`);
    const order = ["--sort=name", `--mtime=@${facts.epoch}`, "--owner=0", "--group=0", "--numeric-owner"];
    await run(["tar", ...order, "--mode=u+rw,go=rX", "--format=gnu", "-C", top, "-cJf", file, name, "modulefiles"], {
      env: { ...process.env, XZ_OPT: input.isFast ? "-0 -T1" : "-6 -T1" },
      need: "tar xz-utils",
    });
    return file;
  } finally {
    rmSync(top, { recursive: true });
  }
}
