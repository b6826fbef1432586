import { describe, expect, test } from "bun:test";
import { windowsPaths } from "../../../src/base/ospath.ts";

/* What Python 3.13 answers on Windows. */

const { dirName, baseName, splitExtension, joinPaths, normalPath, isAbsolute } = windowsPaths;

describe("a path of Windows", () => {
  test.each([
    [String.raw`C:\data\run.1\a b.dat`, String.raw`C:\data\run.1`, "a b.dat"],
    ["C:/data/run.1/a.dat", "C:/data/run.1", "a.dat"],
    [String.raw`C:\a.dat`, "C:\\", "a.dat"],
    ["C:a.dat", "C:", "a.dat"],
    ["C:", "C:", ""],
    ["C:\\", "C:\\", ""],
    [String.raw`\a\b`, "\\a", "b"],
    [String.raw`a\\b`, "a", "b"],
    [String.raw`a\b/`, String.raw`a\b`, ""],
    [String.raw`\\server\share\x\y`, String.raw`\\server\share\x`, "y"],
    [String.raw`\\server\share\x`, String.raw`\\server\share` + "\\", "x"],
    [String.raw`\\server\share`, String.raw`\\server\share`, ""],
    [String.raw`\\?\C:\x`, String.raw`\\?\C:` + "\\", "x"],
    [String.raw`\\?\UNC\server\share\x`, String.raw`\\?\UNC\server\share` + "\\", "x"],
    ["name", "", "name"],
    ["", "", ""],
  ])("%s has a folder and a name", (path, folder, name) => {
    expect([dirName(path), baseName(path)]).toEqual([folder, name]);
  });

  test.each([
    [String.raw`C:\run.1\a`, String.raw`C:\run.1\a`, ""],
    [String.raw`C:\run.1\a.tar.gz`, String.raw`C:\run.1\a.tar`, ".gz"],
    [String.raw`run.1/x\.profile`, String.raw`run.1/x\.profile`, ""],
    ["C:.x", "C:", ".x"],
  ])("%s has an extension", (path, rest, extension) => {
    expect(splitExtension(path)).toEqual([rest, extension]);
  });

  test.each([
    [["C:\\", "a", "b"], String.raw`C:\a\b`],
    [["a", "b/", "c"], String.raw`a\b/c`],
    [["C:", "a"], "C:a"],
    [[String.raw`C:\x`, String.raw`\y`], String.raw`C:\y`],
    [[String.raw`C:\x`, "c:y"], String.raw`c:\x\y`],
    [[String.raw`C:\x`, "D:y"], "D:y"],
    [[String.raw`\\server\share`, "y"], String.raw`\\server\share\y`],
    [["", "a"], "a"],
  ])("%j are joined", (parts, joined) => {
    expect(joinPaths(parts)).toBe(joined);
  });

  test.each([
    [String.raw`C:/a//b\.\c\..\d`, String.raw`C:\a\b\d`],
    [String.raw`C:\..\a`, String.raw`C:\a`],
    [String.raw`..\a\..\..`, String.raw`..\..`],
    ["C:", "C:"],
    ["", "."],
  ])("%s is made plain", (path, plain) => {
    expect(normalPath(path)).toBe(plain);
  });

  test("is absolute with a drive and a root, or on a share", () => {
    const absolute = ["C:\\", "C:/x", String.raw`\\server\share`, "//server/share"];
    expect([...absolute, "C:", "C:x", String.raw`\x`, "/x", "x", ""].filter(isAbsolute)).toEqual(absolute);
  });
});
