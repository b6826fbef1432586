/*
 * The formula of a Homebrew tap: it installs the archives of the release, each by its own hash. Homebrew's own
 * collection builds from source, which is another formula.
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { type Facts, fill, template } from "./facts.ts";

/** The places of the formula for each platform. */
const platforms: Readonly<Record<string, string>> = {
  "darwin-arm64": "DARWIN_ARM",
  "darwin-x64": "DARWIN_INTEL",
  "linux-arm64": "LINUX_ARM",
  "linux-x64": "LINUX_INTEL",
};

/** An archive of the release for one platform. */
export function archiveOf(facts: Facts, folder: string, platform: string): string {
  return join(folder, `hs-${facts.version}-${platform}.tar.xz`);
}

/** Archives of the release that are not in a folder. */
export function missingArchives(facts: Facts, folder: string): readonly string[] {
  return Object.keys(platforms)
    .map((platform) => archiveOf(facts, folder, platform))
    .filter((file) => !existsSync(file));
}

/**
 * The text of the formula for the archives of a folder, which people fetch below an address; without one (null) from
 * that folder itself, which only this machine can. Throws when an archive is not there.
 */
export function formula(facts: Facts, folder: string, url: string | null): string {
  const base = url?.replace(/\/+$/, "") ?? `file://${folder}`;
  const values: Record<string, string> = {
    SUMMARY: facts.summary,
    HOMEPAGE: facts.homepage ?? base,
    VERSION: facts.version,
    LICENSE: facts.license,
  };
  for (const [platform, place] of Object.entries(platforms)) {
    const file = archiveOf(facts, folder, platform);
    values[`${place}_URL`] = `${base}/${basename(file)}`;
    values[`${place}_SHA`] = createHash("sha256").update(readFileSync(file)).digest("hex");
  }
  return fill(template("hypershell.rb.in"), values);
}
