/*
 * Images: that of the Dockerfile is built and run, on a base that has a C library, a shell and nothing else. Apptainer
 * is not to be had here, so the steps of its definition are done by hand in a root.
 */
import { expect } from "bun:test";
import { cpSync, existsSync, mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { dist, needs } from "../e2e/harness.ts";
import { openRoot, whyNoRoots } from "../systems/roots.ts";
import { arch, facts, makePackages, succeed, versionLine, patienceMs } from "./making.ts";

const debArch = { x64: "amd64", arm64: "arm64" }[arch];

/** A root with the libraries of hs, busybox, and nothing else. */
function layBase(folder: string): void {
  for (const name of ["bin", "usr/bin", "etc", "tmp", "proc", "dev"])
    mkdirSync(join(folder, name), { recursive: true });
  for (const [library] of succeed("ldd", join(dist, "hs")).matchAll(/\/lib\S+/g)) {
    mkdirSync(join(folder, dirname(library)), { recursive: true });
    cpSync(library, join(folder, library), { dereference: true });
  }
  cpSync(succeed("sh", "-c", "command -v busybox").trim(), join(folder, "bin/busybox"), { dereference: true });
  for (const name of ["sh", "ln", "mkdir", "chown", "grep", "id", "cat"])
    symlinkSync("busybox", join(folder, "bin", name));
}

needs(["podman", "runc", "busybox", "tar"], whyNoRoots)(
  "the Dockerfile makes an image that runs hs as an ordinary user without rights",
  () => {
    using made = makePackages("container");
    const base = join(made.path, "base");
    layBase(base);
    succeed("tar", "-C", base, "-cf", `${base}.tar`, ".");
    const places = ["--root", join(made.path, "store"), "--runroot", join(made.path, "run")];
    const podman = ["podman", ...places, "--storage-driver", "vfs", "--log-level", "error"];
    const context = join(made.path, "container");
    try {
      succeed(...podman, "import", `${base}.tar`, "base");
      const build = [...podman, "build", "--isolation", "chroot", "--build-arg", "BASE=localhost/base", "-t", "hs"];
      succeed(...build, context);
      const limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096", "--network", "none"];
      const rights = ["--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges"];
      const container = [...podman, "--runtime", "runc", "run", "--rm", ...limits, ...rights, "localhost/hs"];
      expect(succeed(...container, "--version")).toStartWith(versionLine);
      const tasks = ["cluster", "--no-db", "-N1", "-t", "echo {} $(id -u) $(cat /proc/1/comm)", ":::", "a", "b"];
      expect(succeed(...container, ...tasks)).toBe("a 10001 hs\nb 10001 hs\n");
    } finally {
      // What it mounted keeps its folders from going.
      Bun.spawnSync([...podman, "system", "reset", "--force"]);
      Bun.spawnSync(["umount", join(made.path, "store/vfs"), join(made.path, "store/overlay")]);
    }
    return Promise.resolve();
  },
  patienceMs,
);

/** The sections of a definition, by name. */
function sections(text: string): ReadonlyMap<string, string> {
  const found = [...text.matchAll(/^%(\w+(?: \w+)?)\n((?:(?!%)[^\n]*\n)*)/gm)];
  return new Map(found.map(([, name, body]) => [name!, body!] as const));
}

needs([], whyNoRoots)(
  "the steps of the definition for Apptainer leave hs and hsx, its test passes, and its scripts run",
  async () => {
    using made = makePackages("container");
    const context = join(made.path, "container");
    const text = readFileSync(join(context, `hypershell-${debArch}.def`), "utf8");
    expect(text).toMatch(/^Bootstrap: docker\nFrom: \S+$/m);
    const parts = sections(text);
    const known = ["files", "post", "environment", "runscript", "apprun hsx", "test", "labels", "help"];
    expect([...parts.keys()]).toEqual(known);
    await using root = await openRoot();
    for (const line of parts.get("files")!.trim().split("\n")) {
      const [from, place] = line.trim().split(" ");
      expect(existsSync(join(context, from!))).toBe(true);
      await root.take(join(context, from!), place!);
    }
    // Apptainer runs these by sh, and ends at the first command that fails.
    const run = (script: string, words = ""): Promise<string> =>
      root.must(`cat >/tmp/script <<'X'\n${parts.get("environment")}${script}\nX\nsh -e /tmp/script ${words}`);
    await run(parts.get("post")!);
    expect(await run(parts.get("test")!)).toContain(versionLine);
    expect(await run(parts.get("runscript")!, "--version")).toStartWith(versionLine);
    expect(await run(parts.get("apprun hsx")!, "--no-db -N1 -t 'echo {}' ::: 1 2")).toBe("1\n2\n");
    // The version is checked there: another one fails.
    await root.must(
      "mv /usr/bin/hs /usr/bin/other && printf '#!/bin/sh\\necho 1.4.5\\n' >/usr/bin/hs && chmod +x /usr/bin/hs",
    );
    expect(run(parts.get("test")!)).rejects.toThrow("ended with 1");
    expect(text).toContain(`Version ${facts.version}`);
  },
);
