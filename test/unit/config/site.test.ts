import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync } from "node:fs";
import { createFolders, databaseFile, findSites } from "../../../src/config/site.ts";
import type { Host } from "../../../src/config/site.ts";
import { refusalOf, temporaryFolder } from "./folder.ts";

const linux: Host = { platform: "linux", isRoot: false, home: "/home/u" };
const mac: Host = { platform: "darwin", isRoot: false, home: "/Users/u" };
const windows: Host = { platform: "win32", isRoot: false, home: "C:\\Users\\u" };
const windowsEnv = { PROGRAMDATA: "C:\\ProgramData", APPDATA: "C:\\Users\\u\\AppData\\Roaming" };

describe("the sites", () => {
  test("of Linux", () => {
    expect(findSites({}, "/w", linux)).toMatchObject({
      system: { lib: "/var/lib/hypershell", log: "/var/log/hypershell", config: "/etc/hypershell.toml" },
      user: {
        lib: "/home/u/.hypershell/lib",
        log: "/home/u/.hypershell/log",
        config: "/home/u/.hypershell/config.toml",
      },
      local: { lib: "/w/.hypershell/lib", log: "/w/.hypershell/log", config: "/w/.hypershell/config.toml" },
    });
  });
  test("of macOS", () => {
    expect(findSites({ HYPERSHELL_SITE: "/s" }, "/w", mac)).toMatchObject({
      system: {
        lib: "/Library/HyperShell",
        log: "/Library/Logs/HyperShell",
        config: "/Library/Preferences/HyperShell/config.toml",
      },
      user: {
        lib: "/Users/u/Library/HyperShell",
        log: "/Users/u/Library/Logs/HyperShell",
        config: "/Users/u/Library/Preferences/HyperShell/config.toml",
      },
      local: { lib: "/s/Library", log: "/s/Logs", config: "/s/config.toml" },
    });
  });
  test("of Windows", () => {
    expect(findSites({ ...windowsEnv, HYPERSHELL_SITE: "D:\\s" }, "C:\\w", windows)).toMatchObject({
      system: {
        lib: "C:\\ProgramData\\HyperShell\\Library",
        log: "C:\\ProgramData\\HyperShell\\Logs",
        config: "C:\\ProgramData\\HyperShell\\Config.toml",
      },
      user: { config: "C:\\Users\\u\\AppData\\Roaming\\HyperShell\\Config.toml" },
      local: { lib: "D:\\s\\Library", log: "D:\\s\\Logs", config: "D:\\s\\Config.toml" },
    });
  });
  test("of no known platform are an error", () => {
    expect(refusalOf(() => findSites({}, "/w", { ...linux, platform: "haiku" }))).toBe(
      "3 core.platform Platform unrecognized (haiku)",
    );
  });
});

describe("the site in use", () => {
  test("is the user's", () => expect(findSites({}, "/w", linux).chosen).toBe("user"));
  test("is the system's for root", () => expect(findSites({}, "/w", { ...linux, isRoot: true }).chosen).toBe("system"));
  test("is HYPERSHELL_SITE where that is set, also for root, relative to the working directory", () => {
    const sites = findSites({ HYPERSHELL_SITE: "x" }, "/w", { ...linux, isRoot: true });
    expect([sites.chosen, sites.local.lib]).toEqual(["local", "/w/x/lib"]);
  });
  test("holds the default database", () => {
    expect(databaseFile(findSites({}, "/w", linux), "linux")).toBe("/home/u/.hypershell/lib/main.db");
    expect(databaseFile(findSites({}, "/w", mac), "darwin")).toBe("/Users/u/Library/HyperShell/Main.db");
    expect(databaseFile(findSites(windowsEnv, "C:\\w", windows), "win32")).toEndWith("\\HyperShell\\Library\\Main.db");
  });
});

describe("folders", () => {
  test("for data, output and logs are created", () => {
    using folder = temporaryFolder();
    expect(createFolders(findSites({}, folder.path, folder.host), false)).toEqual({ problem: null, warnings: [] });
    for (const name of ["lib/task", "log"]) expect(existsSync(folder.at(`home/.hypershell/${name}`))).toBe(true);
  });
  test("that cannot be created are told about and no error", () => {
    using folder = temporaryFolder();
    folder.write("home", "a file where a folder should be");
    const problem = createFolders(findSites({}, folder.path, folder.host), false).problem;
    expect(problem).toStartWith(`cannot create ${folder.at("home/.hypershell/lib/task")}: `);
  });
  test("named by HYPERSHELL_SITE have to be there", () => {
    using folder = temporaryFolder();
    folder.write("file", "");
    const site = folder.at("file/site");
    expect(refusalOf(() => createFolders(findSites({ HYPERSHELL_SITE: site }, "/", folder.host), false))).toStartWith(
      `3 core.platform Could not create directory (HYPERSHELL_SITE=${site}): `,
    );
  });
  test("inside an existing HYPERSHELL_SITE that is read-only are no error", () => {
    using folder = temporaryFolder();
    const site = folder.path;
    folder.write("lib", "in the way, for root too");
    chmodSync(site, 0o555);
    try {
      expect(createFolders(findSites({ HYPERSHELL_SITE: site }, "/", folder.host), false).problem).toContain(
        "lib/task",
      );
    } finally {
      chmodSync(site, 0o755);
    }
  });
});
