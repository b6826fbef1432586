/*
 * The key in a file, in a pipe or on standard input, where no list of processes shows it. Says whether others could
 * read or change a file. What makes a good key is in security.ts.
 */
import { fstatSync, readSync, type Stats } from "node:fs";
import { open } from "node:fs/promises";
import type { UserError } from "../base/errors.ts";
import { failureCode, failureReason } from "../base/paths.ts";
import { quoteAsTyped } from "../base/shell.ts";
import { counted } from "../base/units.ts";

/** The largest number of bytes that is read. */
const longest = 4096;

/**
 * The key in a file: its only line, without the line end. `blame` makes the error that is thrown when there is none, or
 * when other users can change the file; `warn` is told when others can read it.
 */
export async function readKeyFile(
  path: string,
  blame: (text: string) => UserError,
  warn: (text: string) => void,
): Promise<string> {
  const shown = `'${path}'`;
  if (path.trim() === "") throw blame("the name of a file is missing");
  let text: string;
  try {
    // Not readFileSync: a pipe that nobody writes to must not keep the program from hearing Ctrl-C.
    await using file = await open(path, "r");
    const stat = await file.stat();
    if (stat.isDirectory()) throw blame(`${shown} is a directory`);
    if (stat.isFile() && process.platform !== "win32") checkMode(path, stat, blame, warn);
    const bytes = Buffer.alloc(longest + 1);
    let size = 0;
    for (let more = 1; more > 0 && size < bytes.length; size += more)
      more = (await file.read(bytes, size, bytes.length - size, null)).bytesRead;
    text = bytes.toString("utf8", 0, size);
  } catch (thrown) {
    if (failureCode(thrown) === "") throw thrown;
    throw blame(`cannot read ${shown}: ${failureReason(thrown)}`);
  }
  const lines = text.replace(/^\uFEFF/, "").split(/\r?\n/);
  if (lines.at(-1) === "") lines.pop();
  const key = (lines[0] ?? "").trim();
  if (text.length > longest) throw blame(`${shown} holds more than a key: it is longer than ${longest} characters`);
  if (lines.length > 1) throw blame(`${shown} has ${counted(lines.length, "line")}: there must be one, the key`);
  if (key === "") throw blame(`${shown} is empty: there must be one line, the key`);
  return key;
}

function checkMode(
  path: string,
  { mode, uid }: Stats,
  blame: (text: string) => UserError,
  warn: (text: string) => void,
): void {
  const shown = `'${path}' (mode ${(mode & 0o7777).toString(8).padStart(4, "0")})`;
  const mend = `chmod 600 ${quoteAsTyped(path)}`;
  if ((mode & 0o022) !== 0)
    throw blame(`other users can change ${shown}, so they may know the key in it: make a new one, and ${mend}`);
  if (uid !== 0 && uid !== process.getuid?.()) warn(`The key in ${shown} belongs to another user, who knows it`);
  // A file of root that is readable for a group was given to us: credentials of systemd and secrets of Kubernetes are.
  else if ((mode & (uid === 0 && process.getuid?.() !== 0 ? 0o004 : 0o044)) !== 0)
    warn(`Other users can read the key in ${shown}: ${mend} mends it`);
}

/**
 * The key in the first line of standard input; the rest is left alone. `blame` makes the error that is thrown when
 * there is none.
 */
export async function readKeyFromStdin(blame: (text: string) => UserError): Promise<string> {
  const text = fstatSync(0).isFile() ? fromFile() : await fromStream();
  const key = text.split(/\r?\n/, 1)[0]!.trim();
  if (key === "" || key.length > longest) throw blame("standard input has no key in its first line");
  return key;
}

/** The line at which the file stands. Bun's stream would begin at its first one, which a shell may have read before. */
function fromFile(): string {
  const bytes = Buffer.alloc(longest + 1);
  const size = readSync(0, bytes, 0, bytes.length, null);
  return bytes.toString("utf8", 0, size);
}

async function fromStream(): Promise<string> {
  const reader = Bun.stdin.stream().getReader();
  const decoder = new TextDecoder();
  let text = "";
  while (!text.includes("\n") && text.length <= longest) {
    const { done, value } = await reader.read();
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader.cancel();
  return text;
}
