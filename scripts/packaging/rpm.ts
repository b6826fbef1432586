/*
 * The .rpm and the .src.rpm, built by rpmbuild from the spec and the source files alone, without network: what a site
 * can rebuild is what we build. The spec for a foreign processor builds it on this one.
 */
import { copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { archNames, type Arch, type Facts, fill, template } from "./facts.ts";
import { run, write } from "./shell.ts";
import { bunSource, makeSource, takeBun } from "./source.ts";

/** The text of the spec that builds for these processors. */
export function spec(facts: Facts, arches: readonly Arch[]): string {
  const sources = arches.map((arch, index) => `Source${index + 1}:${" ".repeat(8)}${bunSource(facts, arch)}`);
  const date = new Date(facts.epoch * 1000);
  const part = (options: Intl.DateTimeFormatOptions): string =>
    date.toLocaleDateString("en-US", { ...options, timeZone: "UTC" });
  const day = part({ day: "2-digit" });
  return fill(template("hypershell.spec.in"), {
    VERSION: facts.version,
    RPM_VERSION: facts.orderedVersion,
    SUMMARY: facts.summary,
    LICENSE: facts.license,
    URL: facts.homepage === null ? "" : `URL:            ${facts.homepage}`,
    SOURCES: sources.join("\n"),
    SOURCE_NAMES: arches.map((_, index) => `%{SOURCE${index + 1}}`).join(" "),
    ARCHES: arches.map((arch) => archNames[arch].rpm).join(" "),
    DESCRIPTION: facts.description.map((lines) => lines.join("\n")).join("\n\n"),
    RPM_DATE: `${part({ weekday: "short" })} ${part({ month: "short" })} ${day} ${part({ year: "numeric" })}`,
    MAINTAINER: facts.maintainer,
  }).replace(/^\n(?=Source0)/m, "");
}

interface Options {
  readonly arches: readonly Arch[];
  /** The folder to write to. */
  readonly to: string;
  readonly isFast: boolean;
}

/** Writes the source files and the spec into a folder. Throws when they cannot be had. */
export async function makeSpec(facts: Facts, { arches, to }: Options): Promise<void> {
  mkdirSync(to, { recursive: true });
  await makeSource(facts, to);
  for (const arch of arches) await takeBun(facts, arch, to);
  write(join(to, `${facts.name}.spec`), spec(facts, arches));
}

/**
 * Builds the packages from a folder with the spec and its source files, and answers their paths: the .rpm of each
 * processor, and the .src.rpm. No network is there for it where this program may take it away (as root, on Linux).
 * Throws when rpmbuild fails or is missing.
 */
export async function buildRpms(
  facts: Facts,
  sources: string,
  { arches, to, isFast }: Options,
): Promise<readonly string[]> {
  const top = mkdtempSync(join(tmpdir(), "hs-rpm-"));
  try {
    // rpmbuild may not be able to read where we are: what it reads is in its own folder.
    for (const folder of ["SOURCES", "SPECS"]) mkdirSync(join(top, folder));
    for (const name of readdirSync(sources))
      copyFileSync(join(sources, name), join(top, name.endsWith(".spec") ? "SPECS" : "SOURCES", name));
    const alone = Bun.which("unshare") !== null && Bun.spawnSync(["unshare", "-n", "true"]).success;
    const define = (text: string): readonly string[] => ["--define", text];
    for (const [index, arch] of arches.entries()) {
      const words = [
        ...(alone ? ["unshare", "-n"] : []),
        "rpmbuild",
        // The .src.rpm is the same for all of them.
        index === 0 ? "-ba" : "-bb",
        `--target=${archNames[arch].rpm}-linux`,
        ...define(`_topdir ${top}`),
        ...define(`_dbpath ${join(top, "db")}`),
        ...(isFast ? define("hs_payload w1.gzdio") : []),
        join(top, "SPECS", `${facts.name}.spec`),
      ];
      const env = { ...process.env, SOURCE_DATE_EPOCH: String(facts.epoch), HOME: top };
      await run(words, { env, cwd: top, need: "rpm" });
    }
    const made = ["RPMS", "SRPMS"].flatMap((folder) =>
      [...new Bun.Glob("**/*.rpm").scanSync({ cwd: join(top, folder) })].map((name) => join(top, folder, name)),
    );
    return made.map((path) => {
      const file = join(to, basename(path));
      copyFileSync(path, file);
      return file;
    });
  } finally {
    rmSync(top, { recursive: true });
  }
}
