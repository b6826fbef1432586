/*
 * Paths as text as this system has them, by the rules of Python's `os.path`: ntpath.ts on Windows, else posixpath.ts.
 */
import * as ntpath from "./ntpath.ts";
import * as posixpath from "./posixpath.ts";

/** The rules of one system for paths. */
export interface PathRules {
  /** What Python's `os.sep` is. */
  readonly separator: string;
  dirName(path: string): string;
  baseName(path: string): string;
  splitExtension(path: string): readonly [string, string];
  joinPaths(parts: readonly string[]): string;
  normalPath(path: string): string;
  isAbsolute(path: string): boolean;
}

/** Those of Windows. */
export const windowsPaths: PathRules = { separator: "\\", ...ntpath };

/** Those of every other system. */
export const posixPaths: PathRules = { separator: "/", ...posixpath };

/** The name of the program at a path, as people call it: on Windows without `.exe`. */
export function programAt(path: string, { baseName, separator }: PathRules = osPaths): string {
  const name = baseName(path);
  return separator === "\\" ? name.replace(/\.exe$/i, "") : name;
}

/** Those of this system. */
export const osPaths: PathRules = process.platform === "win32" ? windowsPaths : posixPaths;
