/* The .deb on a system that never had hs: installed, used, removed, and purged without a trace. */
import { expect } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { needs } from "../e2e/harness.ts";
import { openRoot, whyNoRoots } from "../systems/roots.ts";
import { facts, makePackages, makePackagesOf, patienceMs, versionLine } from "./making.ts";
import { expectCompletion, expectManuals, expectTasks } from "./using.ts";

const deb = (folder: string): string => join(folder, [...new Bun.Glob("*.deb").scanSync({ cwd: folder })][0]!);

needs(["dpkg", "man", "fish", "zsh", "dh_bash-completion"], whyNoRoots)(
  "a system has all of hs by the .deb, and nothing of it once that is purged",
  async () => {
    using made = makePackages("deb");
    await using root = await openRoot();
    expect((await root.run("command -v hs hsx || dpkg -s hypershell")).status).toBe(1);
    await root.take(deb(made.path), "/tmp/hs.deb");
    await root.must("dpkg -i /tmp/hs.deb");
    expect(await root.must("hs --version")).toStartWith(versionLine);
    expect(await root.must("dpkg-query -W -f '${Version}' hypershell")).toBe(`${facts.orderedVersion}-1`);
    // It says of each file whether it is as it was packed.
    expect(await root.must("dpkg --verify hypershell")).toBe("");
    await expectTasks(root);
    await expectManuals(root);
    await expectCompletion(root, "/usr/share/zsh/vendor-completions");
    // Nobody asked for a server yet, and no user was made for one.
    expect((await root.run("getent passwd hypershell || systemctl is-enabled hypershell")).stdout).toBe("disabled\n");

    // What an administrator and a server leave.
    await root.must("mkdir -p /etc/hypershell /var/lib/private/hypershell-server && touch /etc/hypershell/server.key");
    await root.must("ln -s private/hypershell-server /var/lib/hypershell-server && systemctl enable hypershell");
    await root.must("seq 2 | hsx -t 'echo {}'");
    await root.must("dpkg -r hypershell");
    expect(await root.added()).toEqual([
      "/etc/hypershell",
      // dpkg's own: how to purge it.
      "/var/lib/dpkg/info/hypershell.list",
      "/var/lib/dpkg/info/hypershell.postrm",
      "/var/lib/hypershell",
      "/var/lib/hypershell-server",
      "/var/lib/private/hypershell-server",
      "/var/log/hypershell",
    ]);
    await root.must("dpkg -P hypershell");
    expect([await root.added(), await root.gone()]).toEqual([[], []]);
  },
  patienceMs,
);

// With hs itself lintian takes a quarter of a minute, for what it says of Bun: scripts/packages --check does that.
needs(["dpkg-deb", "lintian"])("lintian has nothing to object to the .deb, which is the same each time", async () => {
  using one = makePackagesOf("/bin/true", "deb");
  using other = makePackagesOf("/bin/true", "deb");
  const check = Bun.spawn(["lintian", "--allow-root", deb(one.path)], { stdout: "pipe", stderr: "pipe" });
  expect([await check.stdout.text(), await check.stderr.text()]).toEqual(["", ""]);
  expect(readFileSync(deb(other.path)).equals(readFileSync(deb(one.path)))).toBe(true);
});
