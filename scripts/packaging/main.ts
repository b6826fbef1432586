/* scripts/packages: which packages are wanted, what goes into them, and what is said of those that were made. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { checkAll } from "./check.ts";
import { makeContainer, makeKubernetes } from "./container.ts";
import { makeDeb } from "./deb.ts";
import { type Arch, archNames, type Facts, readFacts, root } from "./facts.ts";
import { formula, missingArchives } from "./homebrew.ts";
import { licenses } from "./licenses.ts";
import { makeModules } from "./modules.ts";
import { buildRpms, makeSpec } from "./rpm.ts";
import { run, write } from "./shell.ts";

const kinds = ["deb", "rpm", "homebrew", "modules", "container", "kubernetes"] as const;
type Kind = (typeof kinds)[number];

interface Wanted {
  readonly kinds: readonly Kind[];
  readonly arches: readonly Arch[];
  readonly from: string;
  readonly to: string;
  /** The folder of the archives of the release, for the formula. */
  readonly archives: string;
  readonly url: string | null;
  readonly isFast: boolean;
}

function refuse(text: string): never {
  console.error(`scripts/packages: ${text}`);
  process.exit(2);
}

/** What the words of the command line ask for. */
function readWords(words: string[]): Wanted & { readonly isCheck: boolean } {
  const { values, positionals } = parseArgs({
    args: words,
    allowPositionals: true,
    options: {
      arch: { type: "string", default: Object.keys(archNames).join(",") },
      from: { type: "string", default: join(root, "dist") },
      to: { type: "string", default: join(root, "dist/packages") },
      archives: { type: "string", default: join(root, "dist/release") },
      url: { type: "string" },
      fast: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  const strange = positionals.filter((word) => !(kinds as readonly string[]).includes(word));
  if (strange.length > 0) refuse(`no such kind: ${strange.join(", ")} (there are: ${kinds.join(" ")})`);
  const arches = values.arch.split(",");
  const unknown = arches.filter((word) => !(word in archNames));
  if (unknown.length > 0) refuse(`no such processor: ${unknown.join(", ")} (there are: x64 arm64)`);
  return {
    kinds: positionals.length === 0 ? kinds : (positionals as Kind[]),
    arches: [...new Set(arches as Arch[])],
    from: resolve(values.from),
    to: resolve(values.to),
    archives: resolve(values.archives),
    url: values.url ?? null,
    isFast: values.fast,
    isCheck: values.check,
  };
}

/** The executable of each processor; those that are missing are built where scripts/build puts them. */
async function findExecutables({ from, arches }: Wanted): Promise<ReadonlyMap<Arch, string>> {
  const found = new Map<Arch, string>();
  for (const arch of arches) {
    const file = join(from, `hs-linux-${arch}`);
    if (!existsSync(file)) {
      if (from !== join(root, "dist")) refuse(`there is no ${file}`);
      await run([join(root, "scripts/build"), `linux-${arch}`]);
    }
    found.set(arch, file);
  }
  return found;
}

async function make(facts: Facts, wanted: Wanted): Promise<readonly string[]> {
  const { to, arches, isFast, from, archives, url } = wanted;
  mkdirSync(to, { recursive: true });
  const made: string[] = [];
  const wants = (...some: readonly Kind[]): boolean => some.some((kind) => wanted.kinds.includes(kind));
  const work = mkdtempSync(join(tmpdir(), "hs-packages-"));
  try {
    if (wants("deb", "modules", "container")) {
      const executables = await findExecutables(wanted);
      const papers = join(work, "papers");
      await run([join(root, "scripts/manuals"), papers]);
      for (const [arch, executable] of executables) {
        const input = {
          arch,
          executable,
          papers,
          licenses: licenses(facts, join(from, `contents/hs-linux-${arch}.txt`), `linux-${arch}`),
          to,
          isFast,
        };
        if (wants("deb")) made.push(await makeDeb(facts, input));
        if (wants("modules")) made.push(await makeModules(facts, input));
      }
      if (wants("container")) made.push(makeContainer(facts, executables, to));
    }
    if (wants("rpm")) {
      const sources = join(to, "source");
      await makeSpec(facts, { arches, to: sources, isFast });
      made.push(sources, ...(await buildRpms(facts, sources, { arches, to, isFast })));
    }
    if (wants("homebrew")) {
      const missing = missingArchives(facts, archives);
      if (missing.length > 0)
        refuse(`the formula names the archives of the release, and there is no ${missing[0]}: run scripts/release`);
      const file = join(to, "hypershell.rb");
      write(file, formula(facts, archives, url));
      made.push(file);
    }
    if (wants("kubernetes")) made.push(makeKubernetes(facts, to));
  } finally {
    rmSync(work, { recursive: true });
  }
  return made;
}

const { isCheck, ...wanted } = readWords(process.argv.slice(2));
const facts = readFacts(process.env);
try {
  for (const path of await make(facts, wanted)) {
    const size = statSync(path).isFile() ? `${(statSync(path).size / 1e6).toFixed(1).padStart(6)} MB` : "   folder";
    console.log(`${size}  ${relative(process.cwd(), path)}`);
  }
  if (isCheck) {
    const same = [
      "--arch",
      wanted.arches.join(","),
      "--from",
      wanted.from,
      "--archives",
      wanted.archives,
      ...(wanted.isFast ? ["--fast"] : []),
    ];
    if (wanted.url !== null) same.push("--url", wanted.url);
    await checkAll(facts, [...wanted.kinds, ...same], wanted.to);
  }
} catch (thrown) {
  console.error(`scripts/packages: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
  process.exit(1);
}
