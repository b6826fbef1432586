/* Whether the program is called as `hs` or as `hsx` (= `hs cluster`). */

/**
 * By the name the user typed (`argv0`, also that of a symbolic link), else by the name of the executable file. Anything
 * else (bun itself, a renamed copy) is `hs`.
 */
export function programName(argv0: string, execPath: string): "hs" | "hsx" {
  const names = [argv0, execPath].map((path) =>
    path
      .replace(/^.*[/\\]/, "")
      .replace(/\.exe$/i, "")
      .toLowerCase(),
  );
  const own = names.find((name) => name === "hs" || name === "hsx");
  return own === "hsx" ? "hsx" : "hs";
}
