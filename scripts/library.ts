/*
 * Writes dist/library: the package that programs of Bun install. The code is bundled with the packages that it uses;
 * the types are those of the files that a program sees, and need no others.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import manifest from "../package.json";
import { say } from "./say.ts";

const root = resolve(import.meta.dir, "..");
const dist = join(root, "dist");
const entry = join(root, "src/library/hypershell.ts");

/** Writes the code, and answers the packages that are in it. Throws where something cannot be bundled. */
async function writeCode(folder: string): Promise<readonly string[]> {
  const built = await Bun.build({
    entrypoints: [entry],
    outdir: folder,
    target: "bun",
    splitting: true,
    sourcemap: "none",
    metafile: true,
    naming: { entry: "[name].js", chunk: "parts/[name]-[hash].js" },
  });
  const inputs = Object.keys(built.metafile?.inputs ?? {});
  const names = inputs.flatMap((path) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? []);
  return [...new Set(names)].sort();
}

/** Writes the types of everything that a program can see. */
async function writeTypes(folder: string, work: string): Promise<void> {
  const options = { noEmit: false, declaration: true, emitDeclarationOnly: true, noCheck: true };
  const config = {
    extends: join(root, "tsconfig.json"),
    compilerOptions: { ...options, outDir: join(work, "all"), rootDir: join(root, "src") },
    include: [],
    files: [entry],
  };
  writeFileSync(join(work, "tsconfig.json"), JSON.stringify(config));
  const tsc = Bun.spawn([join(root, "node_modules/.bin/tsc"), "-p", work], { stdout: "inherit", stderr: "inherit" });
  if ((await tsc.exited) !== 0) throw new Error("the types could not be written");
  const seen = new Set(["library/hypershell.d.ts"]);
  for (const path of seen) {
    const text = readFileSync(join(work, "all", path), "utf8");
    const target = join(folder, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(
      target,
      // A program's compiler finds the types of ./a.js in ./a.d.ts, with whatever settings.
      text.replace(/from "(\.[^"]+)\.ts"/g, (_, to: string) => {
        seen.add(join(dirname(path), `${to}.d.ts`));
        return `from "${to}.js"`;
      }),
    );
  }
}

/** The licences of packages, one below the other. Throws where a package has none. */
function licencesOf(packages: readonly string[]): string {
  const parts = packages.map((name) => {
    const folder = join(root, "node_modules", name);
    const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as Record<
      string,
      string
    >;
    const file = readdirSync(folder).find((each) => /^(?:licen[cs]e|copying|unlicense)(?:\.|$)/i.test(each));
    const text = file === undefined ? `Licence: ${license}` : readFileSync(join(folder, file), "utf8").trim();
    return `${name} ${version} (${license})\n\n${text}\n`;
  });
  return parts.join(`\n${"-".repeat(80)}\n\n`);
}

function manifestOf(): object {
  const { name, version, description, license } = manifest;
  return {
    name,
    version,
    description,
    license,
    type: "module",
    engines: { bun: `>=${manifest.devDependencies.bun}` },
    exports: { ".": { types: "./types/library/hypershell.d.ts", default: "./lib/hypershell.js" } },
    types: "./types/library/hypershell.d.ts",
    files: ["lib", "types", "examples", "LICENSES.txt"],
  };
}

mkdirSync(dist, { recursive: true });
const work = mkdtempSync(join(dist, ".library."));
try {
  const made = join(work, "library");
  const [packages] = await Promise.all([writeCode(join(made, "lib")), writeTypes(join(made, "types"), work)]);
  writeFileSync(join(made, "package.json"), `${JSON.stringify(manifestOf(), null, 2)}\n`);
  writeFileSync(join(made, "LICENSES.txt"), licencesOf(packages));
  cpSync(join(root, "LICENSE"), join(made, "LICENSE"));
  cpSync(join(root, "docs/library.md"), join(made, "README.md"));
  cpSync(join(root, "docs/examples"), join(made, "examples"), { recursive: true });
  const target = join(dist, "library");
  if (existsSync(target)) rmSync(target, { recursive: true });
  renameSync(made, target);
  say.success(`dist/library: ${manifest.name} ${manifest.version}, with ${packages.join(", ")}`);
} finally {
  rmSync(work, { recursive: true, force: true });
}
