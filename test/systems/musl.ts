/*
 * A root of a system with musl, for tests of programs that are linked with it: the loader of Debian 13 (Debian 12 has
 * an older one, with which Bun ends), the libraries of C++ that a wheel of Python for musl brings, and BusyBox for sh.
 * The machine itself is not changed. Knows nothing of hs.
 */
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { arch, platform } from "node:process";

export interface MuslRoot extends Disposable {
  /** Its folder. */
  readonly path: string;
  /** Runs a line of sh in it as root, in a tree of processes of its own. */
  readonly run: (line: string) => { readonly status: number; readonly stdout: string; readonly stderr: string };
}

const suite = "trixie";
const wheel = "kiwisolver==1.5.1";
const tools = ["apt-get", "dpkg-deb", "python3", "unshare", "chroot", "mount"];

function call(command: readonly string[], cwd: string = tmpdir()): void {
  const { exitCode, stderr } = Bun.spawnSync([...command], { cwd, stdin: "ignore" });
  if (exitCode !== 0) throw new Error(`${command.slice(0, 3).join(" ")}: ${stderr.toString().trim().slice(-300)}`);
}

/** Fetches packages of Debian 13 from where this machine has its own. */
function fetchDebian(work: string, names: readonly string[]): void {
  const places = Bun.spawnSync(["apt-get", "indextargets", "--format", "$(REPO_URI)"]).stdout.toString();
  const place = places.split("\n").find((each) => each.endsWith("/debian/"));
  if (place === undefined) throw new Error("no place of Debian's packages is known here");
  const keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
  writeFileSync(join(work, "sources.list"), `deb [signed-by=${keys}] ${place} ${suite} main\n`);
  writeFileSync(join(work, "status"), "");
  for (const folder of ["lists/partial", "cache/archives/partial"]) mkdirSync(join(work, folder), { recursive: true });
  const settings = [
    `Dir::Etc::sourcelist=${join(work, "sources.list")}`,
    "Dir::Etc::sourceparts=-",
    `Dir::State::lists=${join(work, "lists")}`,
    `Dir::Cache=${join(work, "cache")}`,
    // What is installed here, in another version, is of no matter.
    `Dir::State::status=${join(work, "status")}`,
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
  ];
  const options = settings.flatMap((each) => ["-o", each]);
  call(["apt-get", ...options, "update"], work);
  call(["apt-get", ...options, "download", ...names], work);
  for (const name of readdirSync(work).filter((each) => each.endsWith(".deb")))
    call(["dpkg-deb", "-x", name, join(work, "debian")], work);
}

/** Fetches the libraries of C++ that a wheel for musl has: `libstdc++` and `libgcc_s`, the folder that has them. */
function fetchLibraries(work: string): string {
  const platformTag = "musllinux_1_2_x86_64";
  const which = ["--no-deps", "--only-binary=:all:", "--platform", platformTag, "--python-version", "3.11"];
  call(["python3", "-m", "pip", "download", "--quiet", ...which, "-d", join(work, "wheel"), wheel]);
  const [file] = readdirSync(join(work, "wheel"));
  call(["python3", "-m", "zipfile", "-e", join(work, "wheel", file!), join(work, "wheel")]);
  return join(
    work,
    "wheel",
    readdirSync(join(work, "wheel")).find((name) => name.endsWith(".libs"))!,
  );
}

function fill(root: string, work: string): void {
  for (const folder of ["bin", "lib", "proc", "dev", "tmp", "root"]) mkdirSync(join(root, folder));
  fetchDebian(work, ["musl", "busybox-static"]);
  cpSync(join(work, "debian/usr/lib/x86_64-linux-musl/libc.so"), join(root, "lib/ld-musl-x86_64.so.1"));
  symlinkSync("ld-musl-x86_64.so.1", join(root, "lib/libc.musl-x86_64.so.1"));
  const libraries = fetchLibraries(work);
  for (const name of readdirSync(libraries)) {
    cpSync(join(libraries, name), join(root, "lib", name));
    // The wheel has a hash in each name.
    const plain = /^(libstdc\+\+|libgcc_s)-\w+(\.so\.\d+)/.exec(name);
    if (plain !== null) symlinkSync(name, join(root, "lib", `${plain[1]}${plain[2]}`));
  }
  const busybox = ["bin", "usr/bin"].map((each) => join(work, "debian", each, "busybox")).find(existsSync);
  cpSync(busybox!, join(root, "bin/busybox"));
  for (const name of ["sh", "seq", "sleep", "true", "false"]) symlinkSync("busybox", join(root, "bin", name));
}

/** Makes such a root. A text: why it cannot be made here. */
export function openMuslRoot(): MuslRoot | string {
  if (platform !== "linux" || arch !== "x64") return "no Linux on x64";
  if (process.getuid?.() !== 0) return "only root can change its root";
  const PATH = `${process.env["PATH"]}:/usr/sbin:/sbin`;
  const missing = tools.filter((tool) => Bun.which(tool, { PATH }) === null);
  if (missing.length > 0) return `without ${missing.join(", ")}`;
  if (!/^ID=debian$/m.test(readFileSync("/etc/os-release", "utf8"))) return "no Debian, whose packages are used";
  const path = mkdtempSync(join(tmpdir(), "hs-musl-"));
  const work = mkdtempSync(join(tmpdir(), "hs-musl-parts-"));
  try {
    fill(path, work);
  } catch (error) {
    rmSync(path, { recursive: true });
    return `the packages could not be fetched: ${String(error)}`;
  } finally {
    rmSync(work, { recursive: true });
  }
  return {
    path,
    run: (line) => {
      const inside = ['mount -t proc proc "$0/proc"', 'mount --bind /dev "$0/dev"', 'exec chroot "$0" /bin/sh -c "$1"'];
      const env = { PATH: `/bin:${PATH}`, HOME: "/root" };
      const command = ["unshare", "-m", "-p", "-f", "sh", "-c", inside.join(" && "), path, line];
      const { exitCode, stdout, stderr } = Bun.spawnSync(command, { env, stdin: "ignore" });
      return { status: exitCode, stdout: stdout.toString(), stderr: stderr.toString() };
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true }),
  };
}
