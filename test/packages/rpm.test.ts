/* The .rpm, built from its source files without network, on a system that never had hs. */
import { expect } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dist, needs } from "../e2e/harness.ts";
import { openRoot, whyNoRoots } from "../systems/roots.ts";
import { facts, makePackages, succeed, versionLine, patienceMs } from "./making.ts";
import { expectCompletion, expectManuals, expectTasks } from "./using.ts";

/** A package with what the libraries of this machine provide: its C library came by another way. */
function systemSpec(): string {
  const libraries = [...succeed("ldd", join(dist, "hs")).matchAll(/\/lib\S+/g)].map(([path]) => path);
  const provided = libraries.flatMap((path) => succeed("/usr/lib/rpm/elfdeps", "--provides", path).trim().split("\n"));
  const provides = [...provided, "rtld(GNU_HASH)", "/bin/sh"].map((each) => `Provides: ${each}`);
  const head = ["Name: system", "Version: 1", "Release: 1", "Summary: The C library", "License: none"];
  return [...head, "BuildArch: noarch", ...provides, "%description", "None.", "%files", ""].join("\n");
}

function makeSystem(folder: string): string {
  mkdirSync(join(folder, "system"));
  const spec = join(folder, "system/system.spec");
  writeFileSync(spec, systemSpec());
  const define = ["--define", `_topdir ${folder}/system`, "--define", `_dbpath ${folder}/system/db`];
  succeed("rpmbuild", "-bb", "--quiet", ...define, spec);
  return join(folder, "system/RPMS/noarch/system-1-1.noarch.rpm");
}

needs(["rpmbuild", "rpm", "unshare", "man", "fish", "zsh", "dh_bash-completion"], whyNoRoots)(
  "the spec builds without network, and what it builds is all of hs, and nothing once it is erased",
  async () => {
    using made = makePackages("rpm");
    const [built, source] = [...new Bun.Glob("*.rpm").scanSync({ cwd: made.path })].toSorted().toReversed();
    expect([built, source]).toEqual([
      expect.stringMatching(/\.x86_64\.rpm$/),
      `${facts.name}-${facts.orderedVersion}-1.src.rpm`,
    ]);
    expect(succeed("rpm", "-qpl", join(made.path, source!)).split("\n")).toEqual([
      `bun-linux-x64-${facts.bunVersion}.tgz`,
      `${facts.name}-${facts.version}.tar.xz`,
      "hypershell.spec",
      "",
    ]);
    await using root = await openRoot();
    await root.take(makeSystem(made.path), "/tmp/system.rpm");
    await root.take(join(made.path, built!), "/tmp/hs.rpm");
    // Debian's own rpm has no database, and wants to be told that this is no mistake.
    const rpm = "rpm --force-debian --dbpath /tmp/rpmdb";
    const refused = await root.run(`${rpm} -i /tmp/hs.rpm`);
    expect([refused.status === 0, refused.stderr]).toEqual([false, expect.stringContaining("libc.so.6(GLIBC_2.17)")]);
    await root.must(`${rpm} -i /tmp/system.rpm && ${rpm} -i /tmp/hs.rpm`);
    expect(await root.must("hs --version")).toStartWith(versionLine);
    expect(await root.must(`${rpm} -V hypershell`)).toBe("");
    await expectTasks(root);
    await expectManuals(root);
    await expectCompletion(root, "/usr/share/zsh/site-functions");
    await root.must("systemctl enable hypershell");
    await root.must(`${rpm} -e hypershell`);
    // A folder that every system of this kind has; Debian is none.
    expect([await root.added(), await root.gone()]).toEqual([["/usr/share/licenses"], []]);
  },
  patienceMs,
);
