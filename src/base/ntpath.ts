/*
 * Paths of Windows as text, by the rules of Python's `ntpath` (3.13). Touches no file.
 *
 *   path      = drive root rest
 *   drive     = [ letter ":" ], a share ("\\server\share"), or a device ("\\?\name", "\\?\UNC\server\share")
 *   root      = [ separator ], one that makes the path begin at the top of its drive
 *   separator = "\" | "/"
 *
 * Folder and extension are as in posixpath.ts; neither takes anything of drive and root away.
 */

function isSeparator(char: string | undefined): boolean {
  return char === "\\" || char === "/";
}

/** A path in its three parts, which joined together are the path again. */
interface Parts {
  readonly drive: string;
  readonly root: string;
  readonly rest: string;
}

const longShare = "\\\\?\\UNC\\";

/** Python's `os.path.splitroot`. */
function partsOf(path: string): Parts {
  if (!isSeparator(path[0])) {
    if (path[1] !== ":") return { drive: "", root: "", rest: path };
    const end = isSeparator(path[2]) ? 3 : 2;
    return { drive: path.slice(0, 2), root: path.slice(2, end), rest: path.slice(end) };
  }
  if (!isSeparator(path[1])) return { drive: "", root: path[0]!, rest: path.slice(1) };
  const plain = path.replaceAll("/", "\\");
  const server = plain.indexOf("\\", plain.slice(0, 8).toUpperCase() === longShare ? 8 : 2);
  const share = server < 0 ? -1 : plain.indexOf("\\", server + 1);
  if (share < 0) return { drive: path, root: "", rest: "" };
  return { drive: path.slice(0, share), root: path[share]!, rest: path.slice(share + 1) };
}

/** Where the last part begins: behind the last separator. */
function lastPartAt(path: string): number {
  return Math.max(path.lastIndexOf("\\"), path.lastIndexOf("/")) + 1;
}

/** The text before the last part, without separators at its end but that of the root. Python's `os.path.dirname`. */
export function dirName(path: string): string {
  const { drive, root, rest } = partsOf(path);
  let end = lastPartAt(rest);
  while (end > 0 && isSeparator(rest[end - 1])) end--;
  return drive + root + rest.slice(0, end);
}

/** The text behind the last separator, or behind the drive; Python's `os.path.basename`. */
export function baseName(path: string): string {
  const { rest } = partsOf(path);
  return rest.slice(lastPartAt(rest));
}

/** The path without its last extension, and the extension with its dot; Python's `os.path.splitext`. */
export function splitExtension(path: string): readonly [string, string] {
  const dot = path.lastIndexOf(".");
  for (let i = lastPartAt(path); i < dot; i++) if (path[i] !== ".") return [path.slice(0, dot), path.slice(dot)];
  return [path, ""];
}

/**
 * The parts with backslashes between them. One with a root starts anew, on the drive so far unless it names another; so
 * does one on another drive. Python's `os.path.join`.
 */
export function joinPaths(parts: readonly string[]): string {
  let { drive, root, rest } = partsOf(parts[0] ?? "");
  for (const part of parts.slice(1)) {
    const next = partsOf(part);
    const isElsewhere = next.drive !== "" && next.drive.toLowerCase() !== drive.toLowerCase();
    if (next.drive !== "" || (next.root !== "" && drive === "")) drive = next.drive;
    if (next.root !== "" || isElsewhere) ({ root, rest } = next);
    else rest += (rest === "" || isSeparator(rest.at(-1)) ? "" : "\\") + next.rest;
  }
  // A share is no letter: what follows it needs a separator.
  const needsOne = rest !== "" && root === "" && drive !== "" && !/[:\\/]$/.test(drive);
  return drive + (needsOne ? "\\" : root) + rest;
}

/** With backslashes only, and without empty parts, `.` and `name\..`. Python's `os.path.normpath`. */
export function normalPath(path: string): string {
  const { drive, root, rest } = partsOf(path.replaceAll("/", "\\"));
  const parts: string[] = [];
  for (const part of rest.split("\\")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || parts.length > 0 || root === "") parts.push(part);
  }
  return drive + root + parts.join("\\") || ".";
}

/** Whether it means the same from everywhere: it has a drive and a root. Python's `os.path.isabs`, as of 3.13. */
export function isAbsolute(path: string): boolean {
  return /^(?:.:[\\/]|[\\/]{2})/su.test(path);
}
