/*
 * What every package says of itself: one version, one time, one description, all from package.json and the history of
 * the sources. Also how a template with places like @VERSION@ is filled in. Knows no kind of package.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import * as manifest from "../../package.json";

/** The folder of the sources. */
export const root = resolve(import.meta.dir, "../..");

/** The folder of the templates of packages. */
const templates = import.meta.dir;

/** Processors that packages for Linux exist for, by the name that scripts/build has for them. */
export type Arch = "x64" | "arm64";

/** Each processor as Debian (and Docker), RPM, and Bun's packages call it. */
export const archNames: Readonly<Record<Arch, { readonly deb: string; readonly rpm: string; readonly bun: string }>> = {
  x64: { deb: "amd64", rpm: "x86_64", bun: "linux-x64" },
  arm64: { deb: "arm64", rpm: "aarch64", bun: "linux-aarch64" },
};

export interface Facts {
  readonly name: string;
  /** As package.json has it. */
  readonly version: string;
  /** The same as dpkg and rpm compare it: what comes before a release has a tilde. */
  readonly orderedVersion: string;
  /** Of the Bun that goes in. */
  readonly bunVersion: string;
  /** Less than 80 characters, without a stop at its end. */
  readonly summary: string;
  /** Paragraphs, each of them lines of less than 80 characters. */
  readonly description: readonly (readonly string[])[];
  /** SPDX, of our own code. */
  readonly license: string;
  /** NAME <ADDRESS>: by DEBFULLNAME and DEBEMAIL, as Debian's tools have it, or nobody in particular. */
  readonly maintainer: string;
  /** Where people read of it; null: package.json does not say. */
  readonly homepage: string | null;
  /** The time of everything in a package, in seconds since 1970. */
  readonly epoch: number;
}

/**
 * The facts of these sources. Their time is SOURCE_DATE_EPOCH if it is set, else that of the last commit, else that of
 * package.json. Throws when SOURCE_DATE_EPOCH is no number of seconds.
 */
export function readFacts(env: Readonly<Record<string, string | undefined>>): Facts {
  const { version, license } = manifest;
  return {
    name: manifest.name,
    version,
    orderedVersion: version.replace("-", "~"),
    bunVersion: manifest.devDependencies.bun,
    summary: "Run shell commands in bulk, on one machine or a thousand nodes",
    description: [
      [
        "hs runs the lines of a file or a stream as shell commands, many at a time, and",
        "remembers every command and how it went in a database. It finishes the work",
        "whichever of its processes is killed.",
      ],
      [
        "hsx does so on one machine, or on the nodes of a batch job. A server feeds",
        "clients on any number of hosts, over TLS with one shared key.",
      ],
      ["It has the interface of HyperShell 2.8 and needs nothing besides the C library."],
    ],
    license,
    maintainer: `${env["DEBFULLNAME"] ?? "Packages of hs"} <${env["DEBEMAIL"] ?? "hypershell@packages.invalid"}>`,
    homepage: (manifest as { readonly homepage?: string }).homepage ?? null,
    epoch: readEpoch(env["SOURCE_DATE_EPOCH"]),
  };
}

function readEpoch(given: string | undefined): number {
  if (given !== undefined && given !== "") {
    if (!/^\d+$/.test(given)) throw new Error(`SOURCE_DATE_EPOCH is no number of seconds: '${given}'`);
    return Number(given);
  }
  if (existsSync(join(root, ".git"))) {
    const git = Bun.spawnSync(["git", "-C", root, "log", "-1", "--format=%ct"]);
    if (git.success) return Number(git.stdout.toString().trim());
  }
  return Math.trunc(statSync(join(root, "package.json")).mtimeMs / 1000);
}

/** The text of a file of scripts/packaging. */
export function template(name: string): string {
  return readFileSync(join(templates, name), "utf8");
}

/**
 * A template with a value in each of its places, which are written @NAME@. Throws when a place has no value, or a value
 * no place: one of the two is misspelt then.
 */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  const used = new Set<string>();
  const filled = text.replace(/@([A-Z][A-Z_]*)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`a template has @${name}@, for which there is no value`);
    used.add(name);
    return value;
  });
  const idle = Object.keys(values).filter((name) => !used.has(name));
  if (idle.length > 0) throw new Error(`a template has no place for ${idle.join(", ")}`);
  return filled;
}
