/*
 * What is tried of finished packages by hand, because it takes minutes or programs that only packagers have: that they
 * come out the same again, what linters of distributions say, the packages for ARM under an emulator, and a system that
 * is made from nothing. What the test suite tries is in test/packages.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { archNames, type Facts } from "./facts.ts";
import { run } from "./shell.ts";

interface Trial {
  readonly name: string;
  /** Programs, and the Debian packages they are in. */
  readonly needs: Readonly<Record<string, string>>;
  /** Throws when something is wrong. `work`: an empty folder. */
  readonly attempt: (work: string) => Promise<void>;
}

/** Files of a folder whose names end so. */
function files(folder: string, end: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith(end))
    .map((name) => join(folder, name));
}

/** Throws when a program does not say the version first. */
function expectVersion(facts: Facts, said: string): void {
  if (!said.startsWith(`hs ${facts.version} (`)) throw new Error(`not the version ${facts.version}: '${said.trim()}'`);
}

/** A Debian system made by mmdebstrap, in which the .deb is installed, used, and purged. */
async function tryDebian(facts: Facts, to: string, work: string): Promise<void> {
  const root = join(work, "root");
  const deb = files(to, `_${archNames.x64.deb}.deb`)[0]!;
  await run(["mmdebstrap", "--quiet", "--variant=essential", "--include=man-db,zsh,fish", "stable", root]);
  await run(["cp", deb, join(root, "root/hs.deb")]);
  await run(["mount", "-t", "proc", "proc", join(root, "proc")]);
  try {
    const inside = (line: string): Promise<string> => run(["chroot", root, "/bin/bash", "-ec", line]);
    const list =
      "find / -xdev -path /var/cache -prune -o -path /var/log -prune -o -path /var/lib/dpkg -prune -o -print";
    const before = await inside(list);
    await inside("dpkg -i /root/hs.deb");
    expectVersion(facts, await inside("hs --version"));
    if ((await inside("seq 4 | hsx -N1 -t 'echo {}'")) !== "1\n2\n3\n4\n") throw new Error("tasks do not run there");
    await inside("man -w hsx && dpkg -P hypershell");
    if ((await inside(list)) !== before) throw new Error("something is left there, or gone");
  } finally {
    await run(["umount", join(root, "proc")]);
  }
}

/** The .deb and the .rpm for ARM, unpacked over a C library for ARM, under an emulator. */
async function tryArm(facts: Facts, to: string, work: string): Promise<void> {
  const { deb, rpm } = archNames.arm64;
  const library = join(work, "library");
  await run(["mmdebstrap", "--quiet", "--variant=extract", `--architectures=${deb}`, "stable", library]);
  const [first, second] = [join(work, "deb"), join(work, "rpm")];
  for (const folder of [first, second]) mkdirSync(folder);
  await run(["dpkg", "-x", files(to, `_${deb}.deb`)[0]!, first]);
  const archive = join(work, "archive");
  writeFileSync(archive, Bun.spawnSync(["rpm2cpio", files(to, `.${rpm}.rpm`)[0]!]).stdout);
  await run(["cpio", "--quiet", "-idmF", archive], { cwd: second });
  for (const folder of [first, second])
    expectVersion(facts, await run(["qemu-aarch64-static", "-L", library, join(folder, "usr/bin/hs"), "--version"]));
}

/** Makes everything once more, and compares. */
async function tryAgain(words: readonly string[], to: string, work: string): Promise<void> {
  await run([join(import.meta.dir, "../packages"), ...words, "--to", work]);
  const names = readdirSync(work, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(work.length + 1));
  const other = names.filter((name) => !readFileSync(join(work, name)).equals(readFileSync(join(to, name))));
  if (other.length > 0) throw new Error(`not the same again: ${other.join(", ")}`);
}

/** The manifests as kubectl puts them together, by the schemas of Kubernetes where kubernetes-validate is installed. */
async function tryKubernetes(to: string, work: string): Promise<void> {
  await run(["cp", "-r", join(to, "kubernetes"), work]);
  const folder = join(work, "kubernetes");
  writeFileSync(join(folder, "secret.env"), "key=one\npassword=two\n");
  const all = join(work, "all.yaml");
  writeFileSync(all, await run(["kubectl", "kustomize", folder]));
  if (Bun.which("kubernetes-validate") === null) console.log("  (schemas left out: pip install kubernetes-validate)");
  else await run(["kubernetes-validate", "--strict", all]);
}

/** Cops of Homebrew's own style that say other than those of RuboCop. */
const rubocop = `AllCops: {NewCops: enable, SuggestExtensions: false, TargetRubyVersion: 3.1}
Style/StringLiterals: {EnforcedStyle: double_quotes}
Style/FrozenStringLiteralComment: {Enabled: false}
Style/Documentation: {Enabled: false}
Metrics: {Enabled: false}
Layout/SpaceAroundOperators: {Enabled: false}
`;

async function tryFormula(to: string, work: string): Promise<void> {
  const config = join(work, "rubocop.yml");
  writeFileSync(config, rubocop);
  await run(["rubocop", "--config", config, "--cache", "false", join(to, "hypershell.rb")]);
}

function trials(facts: Facts, words: readonly string[], to: string): readonly Trial[] {
  return [
    {
      name: "lintian",
      needs: { lintian: "lintian" },
      attempt: async () =>
        void (await run(["lintian", "--allow-root", "--fail-on", "error,warning", ...files(to, ".deb")])),
    },
    {
      name: "rpmlint",
      needs: { rpmlint: "rpmlint" },
      attempt: async () =>
        void (await run(["rpmlint", "-c", join(import.meta.dir, "rpmlint.toml"), ...files(to, ".rpm")])),
    },
    {
      name: "style of the formula",
      needs: { rubocop: "rubocop" },
      attempt: async (work) => {
        if (existsSync(join(to, "hypershell.rb"))) await tryFormula(to, work);
      },
    },
    { name: "kubernetes", needs: { kubectl: "kubernetes-client" }, attempt: (work) => tryKubernetes(to, work) },
    {
      name: "ARM",
      needs: { mmdebstrap: "mmdebstrap", "qemu-aarch64-static": "qemu-user-static", rpm2cpio: "rpm", cpio: "cpio" },
      attempt: (work) => tryArm(facts, to, work),
    },
    {
      name: "a system made from nothing",
      needs: { mmdebstrap: "mmdebstrap" },
      attempt: (work) => tryDebian(facts, to, work),
    },
    { name: "the same again", needs: { rpmbuild: "rpm" }, attempt: (work) => tryAgain(words, to, work) },
  ];
}

/**
 * Tries what is in a folder, which has all packages, and says how each trial went. `words`: those that made them.
 * Throws at the end when one has failed, or could not be made.
 */
export async function checkAll(facts: Facts, words: readonly string[], to: string): Promise<void> {
  let failed = 0;
  for (const { name, needs, attempt } of trials(facts, words, to)) {
    const missing = Object.keys(needs).filter((program) => Bun.which(program) === null);
    const work = mkdtempSync(join(tmpdir(), "hs-check-"));
    try {
      if (missing.length > 0)
        throw new Error(`${missing.join(", ")} needed (Debian: ${missing.map((each) => needs[each]).join(" ")})`);
      await attempt(work);
      console.log(`ok      ${name}`);
    } catch (thrown) {
      failed += 1;
      console.log(`FAILED  ${name}: ${thrown instanceof Error ? thrown.message : String(thrown)}`);
    } finally {
      rmSync(work, { recursive: true });
    }
  }
  if (failed > 0) throw new Error(`${failed} of the trials failed`);
}
