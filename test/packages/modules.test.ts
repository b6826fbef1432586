/* The modulefiles, loaded and unloaded by Environment Modules and by Lmod. */
import { expect } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { layModules } from "../../scripts/packaging/modules.ts";
import { dist, needs } from "../e2e/harness.ts";
import { openRoot, whyNoRoots, type Root } from "../systems/roots.ts";
import { facts, makePackages, versionLine, patienceMs } from "./making.ts";

/** What people do with a module, and what it changes. */
async function expectModule(root: Root, init: string): Promise<void> {
  const state = 'echo "$PATH ${MANPATH-unset}"';
  const lines = [
    `. ${init}`,
    "module use /opt/modulefiles",
    "module avail hypershell 2>&1 | grep -o 'hypershell/[^ ]*'",
    "module help hypershell 2>&1 | grep -c 'hs --help'",
    state,
    "module load hypershell",
    state,
    "hs --version && man -w hsx && man -w ls",
    "module unload hypershell",
    state,
    "export MANPATH=/own/man && module load hypershell && echo $MANPATH",
    "module unload hypershell && echo $MANPATH",
  ];
  const home = `/opt/hypershell/${facts.version}`;
  const PATH = "/usr/sbin:/usr/bin:/sbin:/bin";
  expect((await root.must(lines.join("\n"))).split("\n")).toEqual([
    `hypershell/${facts.version}`,
    "1",
    `${PATH} unset`,
    // Lmod writes an empty part at the end with two colons, which man takes for the same.
    expect.stringMatching(new RegExp(`^${home}/bin:${PATH} ${home}/share/man::?$`)),
    expect.stringContaining(versionLine),
    `${home}/share/man/man1/hsx.1.gz`,
    expect.stringContaining("/usr/share/man/"),
    `${PATH} unset`,
    expect.stringMatching(new RegExp(`^${home}/share/man:/own/man::?$`)),
    "/own/man",
    "",
  ]);
}

needs(["modulecmd", "man", "apt-get"], whyNoRoots)(
  "a module gives hs and its manual pages, those of the system stay, and unloading takes all of it back",
  async () => {
    using made = makePackages();
    const top = join(made.path, "modules");
    mkdirSync(top);
    const contents = { executable: join(dist, "hs"), papers: made.papers, licenses: "" };
    await layModules(facts, contents, top);
    await using root = await openRoot();
    await root.take(top, "/opt");
    await expectModule(root, "/usr/share/modules/init/bash");
    // The two do not go together on one Debian, so this one is only laid over it.
    const lua = ["lua5.3", "lua-posix", "lua-filesystem", "lua-json", "lua-lpeg", "lua-bit32", "lua-term"];
    const fetch = `apt-get -q download lmod ${lua.join(" ")}`;
    await root.must(`cd /tmp && (${fetch} || (apt-get -q update && ${fetch}))`, { hasNetwork: true });
    await root.must("cd /tmp && for file in *.deb; do dpkg -x $file / || exit; done");
    await expectModule(root, "/usr/share/lmod/lmod/init/bash");
  },
  patienceMs,
);
