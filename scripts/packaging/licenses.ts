/*
 * The licences of everything in an executable, for packages. What went in is in the list that scripts/build leaves.
 *   licenses.ts LIST TARGET      prints them, for the spec
 */
import { readFileSync } from "node:fs";
import { licencesInside, readContents } from "../executable/papers.ts";
import { type Facts, readFacts, root } from "./facts.ts";

/**
 * The text. `list`: the file of scripts/build, dist/contents/NAME.txt; `target`: as scripts/build calls it. Throws when
 * the file is not there, or a package names no licence.
 */
export function licenses(facts: Facts, list: string, target: string): string {
  const versions = process.versions as Readonly<Record<string, string>>;
  const release = { root, version: facts.version, target, time: facts.epoch, versions };
  return licencesInside(release, readContents(readFileSync(list, "utf8")));
}

if (import.meta.main) {
  const [list = "", target = ""] = process.argv.slice(2);
  process.stdout.write(licenses(readFacts(process.env), list, target));
}
