/*
 * Wine for tests: one prefix for all tests of a process, in a temporary folder, with its own wineserver. Both are
 * removed when the process ends, however it ends. Knows nothing of hs.
 *
 *     const wine = await theWine();
 *     Bun.spawn([wine.program, "cmd", "/c", "ver"], { env: { ...process.env, ...wine.env } });
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const compiler = "x86_64-w64-mingw32-gcc";
/** Where Debian has the programs of Wine. */
const places = ["/usr/lib/wine", "/usr/bin", "/usr/local/bin"];

function find(...names: readonly string[]): string | null {
  const paths = places.flatMap((place) => names.map((name) => join(place, name)));
  return paths.find((path) => existsSync(path)) ?? null;
}

const program = find("wine64", "wine");
const server = find("wineserver64", "wineserver");

/** Why there is none; null: there is. */
export const noWine: string | null = whyNot();

function whyNot(): string | null {
  if (process.arch !== "x64") return "not an x64 machine";
  if (program === null || server === null) return "no Wine";
  return Bun.which(compiler) === null ? `no ${compiler}` : null;
}

export interface Wine {
  /** Runs the program of Windows that is named by its first argument. */
  readonly program: string;
  /** What it needs in its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** A folder for programs; it is removed at the end. */
  readonly folder: string;
  /** Compiles a C program or, with `-shared` among the options, a library. Answers the path of the file `name`. */
  readonly compile: (name: string, source: string, options?: readonly string[]) => Promise<string>;
}

/** How a path of this machine is written in Windows. */
export function windowsPath(path: string): string {
  return `Z:${path.replaceAll("/", "\\")}`;
}

let opened: Promise<Wine> | null = null;

/** Starts it when it is asked for first. */
export function theWine(): Promise<Wine> {
  return (opened ??= openWine());
}

/** The one function that Bun asks for and Wine 8 does not have. Source: ProcessPrng of the Win32 API. */
const randomSource = `
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(PVOID, ULONG);
__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  while (size > 0) {
    ULONG part = size > 0x10000000 ? 0x10000000 : (ULONG)size;
    if (!SystemFunction036(data, part)) return FALSE;
    data += part;
    size -= part;
  }
  return TRUE;
}
`;

/** While it runs, the services of Windows stay, and the next program starts in less time. */
const idleSource = `
#include <windows.h>
int main(void) {
  DWORD written;
  WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), "ready", 5, &written, NULL);
  Sleep(INFINITE);
  return 0;
}
`;

/**
 * Waits until the process of the tests is gone, and takes everything away. It goes on without its parent: Bun kills the
 * children of a test that has taken too long.
 */
const guardScript = '{ while kill -0 "$2"; do sleep 1; done; "$0" -k -w; rm -rf -- "$1"; } >/dev/null 2>&1 &';

async function openWine(): Promise<Wine> {
  if (program === null || server === null || noWine !== null) throw new Error(`no Wine: ${noWine}`);
  const root = realpathSync(mkdtempSync(join(tmpdir(), "hs-wine-")));
  const prefix = join(root, "prefix");
  const folder = join(root, "programs");
  mkdirSync(folder);
  const env = {
    WINEPREFIX: prefix,
    WINEARCH: "win64",
    WINESERVER: server,
    WINEDEBUG: "-all",
    // Neither of them is asked to be installed, and no menu is made.
    WINEDLLOVERRIDES: "mscoree,mshtml,winemenubuilder.exe=;bcryptprimitives=n,b",
    DISPLAY: "",
  };
  const quiet = { env: { ...process.env, ...env }, stdout: "ignore", stderr: "ignore" } as const;
  Bun.spawn(["/bin/sh", "-c", guardScript, server, root, `${process.pid}`], { ...quiet, detached: true }).unref();

  async function compile(name: string, source: string, options: readonly string[] = []): Promise<string> {
    const [path, text] = [join(folder, name), join(folder, `${name}.c`)];
    await Bun.write(text, source);
    const child = Bun.spawn([compiler, "-O1", "-s", "-o", path, text, ...options], { stdin: "ignore", stderr: "pipe" });
    if ((await child.exited) !== 0) throw new Error(`${compiler}: ${await new Response(child.stderr).text()}`);
    return path;
  }
  const idle = compile("idle.exe", idleSource);
  await Bun.spawn([program, "wineboot", "-i"], { ...quiet, stdin: "ignore" }).exited;
  // Some of the programs are put in place by others that it has started.
  await Bun.spawn([server, "-w"], { ...quiet, stdin: "ignore" }).exited;
  const random = join(prefix, "drive_c/windows/system32/bcryptprimitives.dll");
  if (!existsSync(random) || !readFileSync(random, "latin1").includes("ProcessPrng"))
    await Bun.write(random, Bun.file(await compile("bcryptprimitives.dll", randomSource, ["-shared", "-ladvapi32"])));
  const waiting = Bun.spawn([program, await idle], { ...quiet, stdin: "ignore", stdout: "pipe", detached: true });
  waiting.unref();
  const said = await waiting.stdout.getReader().read();
  if (said.done) throw new Error(`${program}: no program of Windows can be started`);
  return { program, env, folder, compile };
}
