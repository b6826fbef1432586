/* The formula for Homebrew, read by Ruby with a stand-in for Homebrew: what it installs, and its own test. */
import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { cpSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { archiveOf, formula } from "../../scripts/packaging/homebrew.ts";
import { needs } from "../e2e/harness.ts";
import { facts, makePackages, succeed, takeProgram } from "./making.ts";

const platforms = [
  ["macos", "arm", "darwin-arm64"],
  ["macos", "intel", "darwin-x64"],
  ["linux", "arm", "linux-arm64"],
  ["linux", "intel", "linux-x64"],
] as const;

needs(["ruby"])(
  "the formula has the archive of each platform by its hash, and installs and tests what is in it",
  () => {
    using made = makePackages();
    for (const [, , platform] of platforms) writeFileSync(archiveOf(facts, made.path, platform), `archive ${platform}`);
    const file = join(made.path, "hypershell.rb");
    writeFileSync(file, formula(facts, made.path, "https://example.org/v1/"));
    const unpacked = join(made.path, "unpacked");
    mkdirSync(unpacked);
    takeProgram(join(unpacked, "hs"));
    cpSync(join(made.papers, "completions"), join(unpacked, "completions"), { recursive: true });
    // As scripts/release packs them.
    for (const section of ["1", "5", "7"])
      for (const page of new Bun.Glob(`*.${section}`).scanSync({ cwd: join(made.papers, "man") }))
        cpSync(join(made.papers, "man", page), join(unpacked, `man/man${section}`, page));
    const prefix = join(made.path, "prefix");
    const stub = join(import.meta.dir, "homebrew-stub.rb");
    for (const [system, processor, platform] of platforms) {
      const more = platform === "linux-x64" ? [unpacked, prefix] : [];
      const [url, hash] = succeed("ruby", stub, file, system, processor, ...more).split("\n");
      expect(url).toBe(`https://example.org/v1/hs-${facts.version}-${platform}.tar.xz`);
      expect(hash).toBe(createHash("sha256").update(`archive ${platform}`).digest("hex"));
    }
    const installed = readdirSync(prefix, { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(prefix.length + 1))
      .toSorted();
    expect(installed.filter((path) => !path.startsWith("share/man/"))).toEqual([
      "bin/hs",
      "bin/hsx",
      "etc/bash_completion.d/hs",
      "etc/bash_completion.d/hsx",
      "share/fish/vendor_completions.d/hs.fish",
      "share/fish/vendor_completions.d/hsx.fish",
      "share/zsh/site-functions/_hs",
    ]);
    expect(installed).toContain("share/man/man1/hsx.1");
    expect(installed).toContain("share/man/man5/hypershell-config.5");
    expect(installed).toContain("share/man/man7/hypershell-templates.7");
    return Promise.resolve();
  },
);

test("the formula has what the style of Homebrew asks for, in its order", () => {
  using made = makePackages();
  for (const [, , platform] of platforms) writeFileSync(archiveOf(facts, made.path, platform), "archive");
  const text = formula(facts, made.path, null);
  const [, desc = ""] = /^ {2}desc "(.*)"$/m.exec(text) ?? [];
  expect(desc.length).toBeLessThanOrEqual(80);
  expect(desc).toMatch(/^[A-Z](?!.*\.$)/);
  expect(desc).not.toMatch(/^(?:An?|The) |hypershell/i);
  const order = ["desc", "homepage", "version", "license", "on_macos do", "on_linux do", "def install", "service do"];
  const found = [...text.matchAll(/^ {2}(\w+(?: do| install)?)/gm)]
    .map(([, word]) => word)
    .filter((word) => word !== "end");
  expect(found).toEqual([...order, "test do"]);
  // Within a platform ARM stands first, and each address before its hash.
  const inner = [...text.matchAll(/^ {4,6}(on_arm|on_intel|url|sha256)\b/gm)].map(([, word]) => word);
  const pair = ["on_arm", "url", "sha256", "on_intel", "url", "sha256"];
  expect(inner).toEqual([...pair, ...pair]);
});
