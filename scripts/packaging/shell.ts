/* Runs programs and writes files for the packages: loudly when one fails, and with modes that no umask changes. */
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";

/**
 * Runs a program to its end and answers what it printed. Throws with all that it said when it fails or is not there;
 * `need` names the Debian package that has it.
 */
export async function run(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string | undefined>>; need?: string } = {},
): Promise<string> {
  const { need, ...rest } = options;
  if (Bun.which(words[0]!) === null)
    throw new Error(`${words[0]} is needed for this${need === undefined ? "" : ` (Debian: ${need})`}`);
  const child = Bun.spawn([...words], { ...rest, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) === 0) return stdout;
  throw new Error(`${words.join(" ")} failed:\n${stdout}${stderr}`.trimEnd());
}

/** Writes a file, with the folders above it. `mode`: 0o644 unless it is a program. */
export function write(path: string, content: string | Uint8Array, mode = 0o644): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
}

/** Compressed for /usr/share/doc: as small as gzip can, without a name and a time. */
export function gzipped(text: string): Uint8Array {
  return gzipSync(text, { level: 9 });
}
