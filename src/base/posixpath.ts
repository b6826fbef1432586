/*
 * Paths as text, by the rules of Python's `posixpath`. Touches no file.
 *
 *   folder     text before the last "/", with slashes at its end removed unless it is only slashes
 *   extension  from the last "." of the last part, unless all characters of the part before it are dots
 */

/** The text before the last slash; empty for a bare name (and not "."). Python's `os.path.dirname`. */
export function dirName(path: string): string {
  const head = path.slice(0, path.lastIndexOf("/") + 1);
  let end = head.length;
  while (end > 0 && head[end - 1] === "/") end--;
  return end === 0 ? head : head.slice(0, end);
}

/** The text behind the last slash; the whole path when it has none. Python's `os.path.basename`. */
export function baseName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The path without its last extension, and the extension with its dot; Python's `os.path.splitext`. */
export function splitExtension(path: string): readonly [string, string] {
  const start = path.lastIndexOf("/") + 1;
  const dot = path.lastIndexOf(".");
  for (let i = start; i < dot; i++) if (path[i] !== ".") return [path.slice(0, dot), path.slice(dot)];
  return [path, ""];
}

/** The parts with slashes between them; a part that is absolute drops those before it. Python's `os.path.join`. */
export function joinPaths(parts: readonly string[]): string {
  let joined = parts[0] ?? "";
  for (const part of parts.slice(1)) {
    if (part.startsWith("/")) joined = part;
    else joined += joined === "" || joined.endsWith("/") ? part : `/${part}`;
  }
  return joined;
}

/**
 * Without empty parts, `.` and `name/..`; two leading slashes stay two, as POSIX lets them mean something. Python's
 * `os.path.normpath`.
 */
export function normalPath(path: string): string {
  if (path === "") return ".";
  const root = path.startsWith("//") && !path.startsWith("///") ? "//" : path.startsWith("/") ? "/" : "";
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (part !== ".." || root === "") parts.push(part);
  }
  return root + parts.join("/") || ".";
}

/** Whether it begins at the top of the file system; Python's `os.path.isabs`. */
export function isAbsolute(path: string): boolean {
  return path.startsWith("/");
}
