/*
 * The .deb: the files of install.sh and the papers that Debian wants, packed by dpkg-deb. It starts nothing, and makes
 * no user and no file of settings. Whoever wants the server enables its unit. What is removed leaves its data, what is
 * purged leaves nothing.
 */
import { createHash } from "node:crypto";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, utimesSync, lutimesSync, chmodSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { archNames, type Arch, type Facts, fill, root, template } from "./facts.ts";
import { gzipped, run, write } from "./shell.ts";

export interface Input {
  readonly arch: Arch;
  /** The executable for it. */
  readonly executable: string;
  /** The folder with man/ and completions/. */
  readonly papers: string;
  /** The text of the licences of all that is inside. */
  readonly licenses: string;
  /** The folder to write to. */
  readonly to: string;
  readonly isFast: boolean;
}

/** Makes the .deb of one processor, and answers its path. Throws when a program that it needs fails or is missing. */
export async function makeDeb(facts: Facts, input: Input): Promise<string> {
  const { arch, to } = input;
  const tree = mkdtempSync(join(tmpdir(), "hs-deb-"));
  try {
    chmodSync(tree, 0o755);
    await run(["sh", join(root, "scripts/packaging/install.sh"), input.executable, input.papers, tree], {
      env: {
        ...process.env,
        PREFIX: "/usr",
        ZSH: "share/zsh/vendor-completions",
        UNIT: "lib/systemd/system",
      },
    });
    writePapers(facts, tree, input.licenses);
    writeControl(facts, tree, arch);
    setTimes(tree, facts.epoch);
    const file = join(to, `${facts.name}_${facts.orderedVersion}-1_${archNames[arch].deb}.deb`);
    const compression = input.isFast ? ["-Zgzip", "-z1"] : ["-Zxz"];
    await run(["dpkg-deb", "--root-owner-group", ...compression, "--build", tree, file], {
      env: { ...process.env, SOURCE_DATE_EPOCH: String(facts.epoch) },
      need: "dpkg",
    });
    return file;
  } finally {
    rmSync(tree, { recursive: true });
  }
}

/** A time as Debian's changelogs and e-mail have it. `epoch`: seconds since 1970. */
export function mailDate(epoch: number): string {
  return new Date(epoch * 1000).toUTCString().replace("GMT", "+0000");
}

function writePapers(facts: Facts, tree: string, licenses: string): void {
  const doc = join(tree, "usr/share/doc", facts.name);
  const { name, orderedVersion, maintainer, epoch } = facts;
  const changes = [
    `${name} (${orderedVersion}-1) unstable; urgency=medium`,
    `  * Version ${facts.version}; what changed is in changelog.gz.`,
    ` -- ${maintainer}  ${mailDate(epoch)}`,
  ];
  write(join(doc, "changelog.Debian.gz"), gzipped(`${changes.join("\n\n")}\n`));
  write(join(doc, "changelog.gz"), gzipped(readFileSync(join(root, "CHANGELOG.md"), "utf8")));
  for (const paper of ["README.md", "SECURITY.md"])
    write(join(doc, `${paper}.gz`), gzipped(readFileSync(join(root, paper), "utf8")));
  write(join(doc, "LICENCES-INSIDE.md.gz"), gzipped(licenses));
  write(join(doc, "copyright"), fill(template("debian/copyright"), { MAINTAINER: maintainer }));
  write(join(tree, "usr/share/lintian/overrides", name), template("debian/lintian-overrides"));
}

function writeControl(facts: Facts, tree: string, arch: Arch): void {
  const files = filesBelow(tree);
  const bytes = files.reduce((total, file) => total + lstatSync(file).size, 0);
  const control = [
    `Package: ${facts.name}`,
    `Version: ${facts.orderedVersion}-1`,
    `Architecture: ${archNames[arch].deb}`,
    `Maintainer: ${facts.maintainer}`,
    `Installed-Size: ${Math.ceil(bytes / 1024)}`,
    "Depends: libc6 (>= 2.17)",
    "Suggests: bash-completion, openssh-client",
    "Section: utils",
    "Priority: optional",
    ...(facts.homepage === null ? [] : [`Homepage: ${facts.homepage}`]),
    `Description: ${facts.summary}`,
    facts.description.map((lines) => lines.map((line) => ` ${line}`).join("\n")).join("\n .\n"),
  ];
  write(join(tree, "DEBIAN/control"), `${control.join("\n")}\n`);
  const sums = files
    .filter((file) => lstatSync(file).isFile())
    .map((file) => `${createHash("md5").update(readFileSync(file)).digest("hex")}  ${relative(tree, file)}\n`);
  write(join(tree, "DEBIAN/md5sums"), sums.join(""));
  for (const script of ["postinst", "prerm", "postrm"])
    write(join(tree, "DEBIAN", script), template(`debian/${script}`), 0o755);
}

/** Everything below a folder that is no folder, in order, without what is for dpkg itself. */
function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** dpkg-deb makes no file younger than the time of the package, but leaves older ones as they are. */
function setTimes(folder: string, epoch: number): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) lutimesSync(path, epoch, epoch);
    else utimesSync(path, epoch, epoch);
  }
  utimesSync(folder, epoch, epoch);
}
