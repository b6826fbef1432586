/*
 * What a release says of its contents: a bill of materials for programs (CycloneDX), and the licences of everything
 * inside for people. Both are made from what scripts/build said went in, so they name what is there and nothing else.
 *
 * Source: CycloneDX 1.6 (JSON).
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { bunParts, bunPolyfills } from "./bun-parts.ts";

/** A package of npm that went in. */
export interface Ingredient {
  readonly name: string;
  readonly version: string;
  /** `sha512-...` as package-lock.json has it; of Bun `sha256-...` of the program itself. */
  readonly hash: string;
  /** Below the root: where it is installed. */
  readonly place: string;
}

/**
 * Reads what scripts/build said, Bun first. Throws where a line is not of that form, or where Bun is not the first.
 */
export function readContents(text: string): readonly Ingredient[] {
  const all = text
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [, path, version, hash] = /^went in: (\S+) (\S+) (sha(?:256|512)-\S+)$/.exec(line) ?? [];
      if (path === undefined || version === undefined || hash === undefined)
        throw new Error(`scripts/build is expected to say what went in, and said: ${line}`);
      const name = path.replace(/^.*node_modules\//, "");
      return { name, version, hash, place: `node_modules/${path}` };
    });
  if (all[0]?.name !== "bun") throw new Error("scripts/build is expected to say first which Bun went in");
  return all;
}

export interface Release {
  readonly root: string;
  readonly version: string;
  readonly target: string;
  /** When it was made, in seconds since 1970. */
  readonly time: number;
  /** What Bun calls its parts, and their versions: `process.versions`. */
  readonly versions: Readonly<Record<string, string>>;
}

const isExpression = (licence: string): boolean => !licence.includes(",");

/** A licence as the bill has it: an SPDX expression, or a name. */
function licencesOf(licence: string): object {
  return { licenses: [isExpression(licence) ? { expression: licence } : { license: { name: licence } }] };
}

function hashOf(hash: string): object {
  const [, kind, value] = /^sha(256|512)-(.*)$/s.exec(hash)!;
  // Those of the lock are in base64, as npm has them.
  const content = kind === "512" ? Buffer.from(value!, "base64").toString("hex") : value;
  return { hashes: [{ alg: `SHA-${kind}`, content }] };
}

function licenceOf(root: string, place: string): string {
  const { license } = JSON.parse(readFileSync(join(root, place, "package.json"), "utf8")) as { license?: string };
  if (license === undefined) throw new Error(`${place}/package.json names no licence`);
  return license;
}

/** The name of the package that has Bun for a target. */
const bunPackage = (target: string): string => `@oven/bun-${target.replace(/^linux-arm64|^darwin-arm64/, aarch64)}`;
const aarch64 = (prefix: string): string => prefix.replace("arm64", "aarch64");
const purl = (name: string, version: string): string => `pkg:npm/${name.replace("@", "%40")}@${version}`;

function bunComponent({ target, versions }: Release, bun: Ingredient): object {
  const parts = bunParts.map(({ name, key, licence, source }) => ({
    type: "library",
    name,
    ...(key !== undefined && versions[key] !== undefined ? { version: versions[key] } : {}),
    ...licencesOf(licence),
    externalReferences: [{ type: "vcs", url: source }],
  }));
  const polyfills = bunPolyfills.map((name) => ({ type: "library", name, ...licencesOf("MIT") }));
  return {
    type: "platform",
    "bom-ref": `bun@${bun.version}`,
    name: "bun",
    version: bun.version,
    purl: purl(bunPackage(target), bun.version),
    ...hashOf(bun.hash),
    ...licencesOf("MIT"),
    components: [...parts, ...polyfills],
  };
}

/**
 * The bill of materials of one executable, as JSON. `executable`: its bytes. Throws where a package that went in names
 * no licence.
 */
export function billOfMaterials(release: Release, ingredients: readonly Ingredient[], executable: Uint8Array): string {
  const { root, version, target, time } = release;
  const [bun, ...packages] = ingredients;
  const own = `hs@${version}`;
  const libraries = packages.map((each) => ({
    type: "library",
    "bom-ref": each.place,
    name: each.name,
    version: each.version,
    purl: purl(each.name, each.version),
    ...hashOf(each.hash),
    ...licencesOf(licenceOf(root, each.place)),
  }));
  const bill = {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: {
      timestamp: new Date(time * 1000).toISOString(),
      component: {
        type: "application",
        "bom-ref": own,
        name: "hs",
        version,
        description: `hs for ${target}`,
        ...hashOf(`sha256-${createHash("sha256").update(executable).digest("hex")}`),
        ...licencesOf("Apache-2.0"),
      },
    },
    components: [bunComponent(release, bun!), ...libraries],
    dependencies: [{ ref: own, dependsOn: [`bun@${bun!.version}`, ...packages.map(({ place }) => place)] }],
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

/** The texts that a package brings about its licence, those of an order of names; empty where it brings none. */
function textsOf(root: string, place: string): readonly string[] {
  const folder = join(root, place);
  const names = readdirSync(folder).filter((name) => /^(?:licen[cs]e|copying|copyright|notice)/i.test(name));
  return names.toSorted().map((name) => readFileSync(join(folder, name), "utf8").trim());
}

/** Licences whose text must come along, and which the packages do not have. */
const texts = [
  ["GNU Library General Public License, version 2", "LGPL-2.0.txt"],
  ["GNU Lesser General Public License, version 2.1", "LGPL-2.1.txt"],
] as const;

const textOf = (root: string, name: string): string =>
  readFileSync(join(root, "scripts/executable/licences", name), "utf8").trim();

/** The licences of everything inside, as a page. Throws where a package names no licence. */
export function licencesInside({ root, version, versions }: Release, ingredients: readonly Ingredient[]): string {
  const [bun, ...packages] = ingredients;
  const rows = packages.map(({ name, version: of, place }) => `| ${name} | ${of} | ${licenceOf(root, place)} |`);
  const parts = bunParts.map(({ name, key, licence, source }) => {
    const known = key === undefined ? undefined : versions[key];
    return `| ${name} | ${known ?? "not told"} | ${licence} | ${source} |`;
  });
  const groups = new Map<string, string[]>();
  for (const { name, version: of, place } of packages) {
    const found = textsOf(root, place);
    const text = found.length > 0 ? found.join("\n\n") : `It brings no text; its licence: ${licenceOf(root, place)}.`;
    groups.set(text, [...(groups.get(text) ?? []), `${name} ${of}`]);
  }
  const sections = [...groups].map(([text, names]) => `## ${names.join(", ")}\n\n${text}`);
  const whole = texts.map(
    ([title, name]) => `## ${title}

${textOf(root, name)}`,
  );
  return [
    `# What is in hs ${version}, and its licences`,
    "hs itself is under the Apache License 2.0 (LICENSE).",
    [
      "| package | version | licence |\n|---|---|---|",
      `| bun | ${bun!.version} | MIT, and those below |`,
      ...rows,
    ].join("\n"),
    "## Bun",
    textOf(root, "bun.md").replace("WEBKIT", versions["webkit"] ?? "(not told)"),
    `| library | version | licence | source |\n|---|---|---|---|\n${parts.join("\n")}`,
    `Packages for Node that Bun holds, all under the MIT licence: ${bunPolyfills.join(", ")}.`,
    ...sections,
    ...whole,
  ]
    .join("\n\n")
    .concat("\n");
}
