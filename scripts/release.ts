/*
 * Makes what is published for a version, and checks each executable: by its structure, and by running it where this
 * machine can. For scripts/release, which says how it is called. Ends with status 1, and publishes nothing, where
 * something is not as it should be.
 */
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Entry, tar, zip } from "./executable/archive.ts";
import { inspect, starterOf, targets } from "./executable/inspect.ts";
import { billOfMaterials, licencesInside, readContents, type Release } from "./executable/papers.ts";
import { say } from "./say.ts";

const root = resolve(import.meta.dir, "..");
const dist = join(root, "dist");

/** Pages of this repository that come along. */
const pages = ["LICENSE", "README.md", "SECURITY.md", "CHANGELOG.md"];

interface Options {
  readonly targets: readonly string[];
  /** The key that signs SHA256SUMS; null: it is not signed. */
  readonly key: string | null;
  /** Of xz, 0 to 9. */
  readonly level: string;
  /** The folder that is made anew. */
  readonly into: string;
}

function refuse(status: number, text: string): never {
  say.error(`scripts/release: ${text}`);
  process.exit(status);
}

function readOptions(words: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        sign: { type: "string" },
        level: { type: "string", default: "9" },
        into: { type: "string", default: join(dist, "release") },
      },
    });
    const unknown = positionals.find((each) => !targets.includes(each));
    if (unknown !== undefined)
      refuse(2, `no such target: ${unknown} (there are: ${targets.join(", ")}; the version is that of package.json)`);
    if (!/^[0-9]$/.test(values.level)) refuse(2, `--level is a number from 0 to 9, not '${values.level}'`);
    const chosen = positionals.length > 0 ? targets.filter((each) => positionals.includes(each)) : targets;
    return { targets: chosen, key: values.sign ?? null, level: values.level, into: resolve(values.into) };
  } catch (error) {
    return refuse(2, error instanceof Error ? error.message : String(error));
  }
}

/** Runs a program to its end. What it says on stderr is shown where it fails, which ends everything. */
function run(command: readonly string[], stdin?: Uint8Array): Buffer {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { cwd: root, stdin: stdin ?? "ignore" });
  if (exitCode === 0) return stdout;
  process.stderr.write(stderr);
  return refuse(1, `${command[0]} failed (status ${exitCode})`);
}

/** The first moment that a zip archive can tell. */
const firstTime = Date.UTC(1980, 0, 1) / 1000;

/** When everything in the archives was changed, in seconds since 1970. */
function timeOf(version: string): number {
  const told = process.env["SOURCE_DATE_EPOCH"];
  if (told !== undefined && !/^\d+$/.test(told)) refuse(2, `SOURCE_DATE_EPOCH is in seconds, not '${told}'`);
  const pattern = new RegExp(`^## ${version.replaceAll(".", "\\.")} \\((\\d{4}-\\d{2}-\\d{2})\\)$`, "m");
  const [, date] = pattern.exec(readFileSync(join(root, "CHANGELOG.md"), "utf8")) ?? [];
  const time = told !== undefined ? Number(told) : date === undefined ? firstTime : Date.parse(date) / 1000;
  return Math.max(time, firstTime);
}

/** What an executable says of its version, where it runs here; null: it does not. Another version ends everything. */
async function versionSaid(target: string, executable: string, version: string): Promise<string | null> {
  const starter = target.startsWith("windows-") && process.platform !== "win32" ? await wine() : starterOf(target);
  if (starter === null) return null;
  const said = run([...starter, executable, "--version"])
    .toString()
    .trim();
  if (said.startsWith(`hs ${version} `)) return said;
  return refuse(1, `${executable} says that it is '${said}', and package.json has ${version}`);
}

/** The words that start a program of Windows here; null: there is no Wine. */
async function wine(): Promise<readonly string[] | null> {
  const { noWine, theWine } = await import("../test/systems/wine.ts");
  if (noWine !== null) return null;
  const { program, env } = await theWine();
  return ["env", ...Object.entries(env).map(([name, value]) => `${name}=${value}`), program];
}

/** The files of a folder and of those in it, as entries of an archive below `prefix`. */
function filesIn(folder: string, prefix: string): readonly Entry[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((file) => file.isFile())
    .map((file) => {
      const path = join(file.parentPath, file.name);
      return { path: `${prefix}${path.slice(folder.length)}`, content: readFileSync(path) };
    });
}

/** Man pages and completions, as entries below `prefix`. Pages are by section, as MANPATH has them: `man/man1/hs.1`. */
function manuals(work: string, prefix: string): readonly Entry[] {
  const folder = join(work, "manuals");
  if (!existsSync(folder)) run(["scripts/manuals", folder]);
  return filesIn(folder, prefix).map((entry) => ({
    ...entry,
    path: entry.path.replace(/\/man\/([^/]+\.(\d))$/, "/man/man$2/$1"),
  }));
}

interface Made {
  readonly target: string;
  /** In bytes. */
  readonly executable: number;
  readonly archive: number;
  readonly found: string;
  readonly said: string | null;
}

/** Builds, checks and packs for one target. Everything is left in the folder `work`, below `made`. */
async function make(release: Release, work: string, { level }: Options): Promise<Made> {
  const { target, version, time } = release;
  const isWindows = target.startsWith("windows-");
  const suffix = isWindows ? ".exe" : "";
  run(["scripts/build", target]);
  const path = join(dist, `hs-${target}${suffix}`);
  const found = inspect(path, target);
  const said = await versionSaid(target, path, version);
  const executable = readFileSync(path);
  const ingredients = readContents(readFileSync(join(dist, `contents/hs-${target}${suffix}.txt`), "utf8"));
  const bill = Buffer.from(billOfMaterials(release, ingredients, executable));
  const name = `hs-${version}-${target}`;
  const entries: readonly Entry[] = [
    { path: `${name}/hs${suffix}`, isProgram: true, content: executable },
    { path: `${name}/hsx${suffix}`, isProgram: true, content: isWindows ? executable : "hs" },
    { path: `${name}/sbom.cdx.json`, content: bill },
    { path: `${name}/LICENCES-INSIDE.md`, content: Buffer.from(licencesInside(release, ingredients)) },
    ...pages.map((page) => ({ path: `${name}/${page}`, content: readFileSync(join(root, page)) })),
    ...manuals(work, name),
  ];
  const archive = isWindows ? zip(entries, time) : run(["xz", `-${level}`, "-T1", "--stdout"], tar(entries, time));
  writeFileSync(join(work, "made", `${name}${isWindows ? ".zip" : ".tar.xz"}`), archive);
  writeFileSync(join(work, "made", `${name}.cdx.json`), bill);
  return { target, executable: executable.length, archive: archive.length, found, said };
}

/** `SHA256SUMS` as sha256sum(1) writes and checks it, and its signature. */
function writeSums(folder: string, key: string | null): void {
  const lines = readdirSync(folder)
    .toSorted()
    .map(
      (name) =>
        `${createHash("sha256")
          .update(readFileSync(join(folder, name)))
          .digest("hex")}  ${name}\n`,
    );
  const sums = join(folder, "SHA256SUMS");
  writeFileSync(sums, lines.join(""));
  if (key === null) return;
  run(["gpg", "--batch", "--yes", "--local-user", key, "--armor", "--detach-sign", "--output", `${sums}.asc`, sums]);
}

const inMegabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

function tell({ target, executable, archive, found, said }: Made): void {
  const sizes = `${inMegabytes(executable).padStart(8)} ${inMegabytes(archive).padStart(8)} packed`;
  say.success(`${target.padEnd(16)} ${sizes}  ${found}; ${said ?? "not run: this machine cannot"}`);
}

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  if (Bun.which("xz") === null) refuse(1, "xz is needed (Debian: xz-utils)");
  if (options.key !== null && Bun.which("gpg") === null) refuse(1, "gpg is needed to sign (Debian: gnupg)");
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { readonly version: string };
  const about = { root, version, time: timeOf(version), versions: process.versions as Record<string, string> };
  const isOurs = existsSync(join(options.into, "SHA256SUMS"));
  if (existsSync(options.into) && readdirSync(options.into).length > 0 && !isOurs)
    refuse(2, `${options.into} has files that are not those of a release - name another folder, or empty it`);
  mkdirSync(dist, { recursive: true });
  const work = mkdtempSync(join(dist, ".release."));
  process.on("exit", () => rmSync(work, { recursive: true, force: true }));
  mkdirSync(join(work, "made"));
  for (const target of options.targets) tell(await make({ ...about, target }, work, options));
  writeSums(join(work, "made"), options.key);
  rmSync(options.into, { recursive: true, force: true });
  cpSync(join(work, "made"), options.into, { recursive: true });
  say.success(`${options.into} has hs ${version}${options.key === null ? ", not signed" : ", signed"}`);
}

await main();
// Wine would be waited for.
process.exit(0);
