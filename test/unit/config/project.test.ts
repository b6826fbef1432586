import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { findProject, makeProject } from "../../../src/config/project.ts";
import { findSites } from "../../../src/config/site.ts";
import { localFile, refusalOf, temporaryFolder, userFile } from "./folder.ts";

const isRoot = process.getuid?.() === 0;
const modeOf = (path: string): number => statSync(path).mode & 0o777;

describe("a project", () => {
  test("is made with all that belongs to it, for its owner only, and found from anywhere below", () => {
    using folder = temporaryFolder();
    const [top, deep] = [folder.at("p"), folder.at("p/a/b/c")];
    const before = process.umask(0o002);
    try {
      expect([makeProject(top), makeProject(top)]).toEqual([true, false]);
    } finally {
      process.umask(before);
    }
    expect(
      ["config.toml", "lib/task", "log", "project"].filter((name) => !existsSync(`${top}/.hypershell/${name}`)),
    ).toEqual([]);
    expect([modeOf(`${top}/.hypershell`), modeOf(`${top}/.hypershell/config.toml`)]).toEqual([0o700, 0o600]);
    mkdirSync(deep, { recursive: true });
    expect(findProject(deep)).toEqual({ project: top, refused: null });
    expect(findProject(top).project).toBe(top);
    expect(findProject(folder.path).project).toBeNull();
  });

  test("may be within another: the nearest is the one", () => {
    using folder = temporaryFolder();
    makeProject(folder.at("p"));
    makeProject(folder.at("p/q"));
    expect(findProject(folder.at("p/q/r")).project).toBe(folder.at("p/q"));
  });

  test("is no folder .hypershell without the mark, as that of a user", () => {
    using folder = temporaryFolder();
    folder.write("p/.hypershell/config.toml", "");
    expect(findProject(folder.at("p")).project).toBeNull();
    expect(makeProject(folder.at("p"))).toBe(true);
    expect(findProject(folder.at("p")).project).toBe(folder.at("p"));
  });

  test("that others can write does not count, but one farther out may", () => {
    using folder = temporaryFolder();
    const [outer, inner] = [folder.at("p"), folder.at("p/q")];
    for (const path of [outer, inner]) makeProject(path);
    for (const [name, mode] of [
      [".hypershell", 0o720],
      [".hypershell", 0o702],
      [".hypershell/config.toml", 0o620],
      [".hypershell/project", 0o602],
    ] as const) {
      const path = `${inner}/${name}`;
      const usual = modeOf(path);
      chmodSync(path, mode);
      expect(findProject(inner)).toEqual({
        project: outer,
        refused:
          `The project in ${inner} does not count: others may write ${path} - look at what is in it, ` +
          `then say: chmod go-w ${path}`,
      });
      expect(refusalOf(() => makeProject(inner))).toStartWith("5 init others may write");
      chmodSync(path, usual);
    }
    expect(findProject(inner)).toEqual({ project: inner, refused: null });
  });

  test.skipIf(!isRoot)("of somebody else does not count, nor does one that is only linked to by somebody else", () => {
    using folder = temporaryFolder();
    const top = folder.at("p");
    makeProject(top);
    for (const name of [".hypershell", ".hypershell/config.toml", ".hypershell/project"]) {
      chownSync(`${top}/${name}`, 12_345, 12_345);
      expect(findProject(top)).toEqual({
        project: null,
        refused: expect.stringContaining(`${top}/${name} belongs to somebody else (user 12345, you are 0)`) as string,
      });
      chownSync(`${top}/${name}`, 0, 0);
    }
    makeProject(folder.at("mine"));
    mkdirSync(folder.at("q"));
    symlinkSync(folder.at("mine/.hypershell"), folder.at("q/.hypershell"));
    expect(findProject(folder.at("q")).project).toBe(folder.at("q"));
    lchownSync(folder.at("q/.hypershell"), 12_345, 12_345);
    expect(findProject(folder.at("q"))).toEqual({
      project: null,
      refused: expect.stringContaining("user 12345") as string,
    });
  });

  test("cannot be made where nothing can be", () => {
    using folder = temporaryFolder();
    folder.write("file", "");
    expect(refusalOf(() => makeProject(folder.at("file/p")))).toStartWith(
      `5 init ${folder.at("file/p")}/.hypershell cannot be made: `,
    );
  });
});

describe("in a project", () => {
  test("data, output, logs and the local file are its own, for root too; HYPERSHELL_SITE comes first", () => {
    using folder = temporaryFolder();
    makeProject(folder.at("work"));
    const below = folder.at("work/a/b");
    for (const host of [folder.host, { ...folder.host, isRoot: true }]) {
      const sites = findSites({}, below, host);
      expect([sites.chosen, sites.project]).toEqual(["local", folder.at("work")]);
      expect(sites.local.lib).toBe(folder.at("work/.hypershell/lib"));
    }
    const named = findSites({ HYPERSHELL_SITE: folder.at("s") }, below, folder.host);
    expect([named.project, named.local.lib]).toEqual([null, folder.at("s/lib")]);
  });

  test("its settings come before the user's, and the user's database is not its own", () => {
    using folder = temporaryFolder();
    folder.write(userFile, '[database]\nfile = "/u/other.db"\n[server]\nport = 50100\nattempts = 2\n');
    makeProject(folder.at("work"));
    folder.write("work/.hypershell/config.toml", "[server]\nattempts = 3\n");
    const config = folder.load();
    expect(config.text("database.file")).toBe(folder.at("work/.hypershell/lib/main.db"));
    expect([config.integer("server.port"), config.integer("server.attempts")]).toEqual([50100, 3]);
    expect([config.notices, config.warnings]).toEqual([[`Project ${folder.at("work")}`], []]);
    expect(folder.load({ HYPERSHELL_DATABASE_FILE: "/e.db" }).text("database.file")).toBe("/e.db");
    expect(folder.load({ HYPERSHELL_RUN_KEY: "k" }).notices).toEqual([]);
    folder.write("work/.hypershell/config.toml", '[database]\nfile = "/p.db"\n');
    expect(folder.load().text("database.file")).toBe("/p.db");
    for (const [file, path] of [
      ["runs/p.db", folder.at("work/runs/p.db")],
      ["../p.db", folder.at("p.db")],
      [":memory:", ":memory:"],
      ["", ""],
    ] as const) {
      folder.write("work/.hypershell/config.toml", `[database]\nfile = "${file}"\n`);
      expect(folder.load().text("database.file")).toBe(path);
    }
    folder.write("work/.hypershell/config.toml", 'database = "p.db"\n');
    expect(folder.load().text("database.file")).toBe(folder.at("work/p.db"));
  });

  test("a project that does not count is told of, and the user's site is used", () => {
    using folder = temporaryFolder();
    makeProject(folder.at("work"));
    chmodSync(folder.at("work/.hypershell"), 0o770);
    folder.write(localFile, "[server]\nattempts = 9\n");
    const config = folder.load();
    expect(config.site.lib).toBe(folder.at("home/.hypershell/lib"));
    expect(config.integer("server.attempts")).toBe(1);
    expect(config.warnings[0]).toStartWith(`The project in ${folder.at("work")} does not count: others may write `);
    expect(config.notices).toEqual([]);
  });
});

describe("the configuration file of the working directory", () => {
  test("counts without a project too, if it is ours", () => {
    using folder = temporaryFolder();
    folder.write(localFile, "[server]\nattempts = 9\n");
    expect([folder.load().integer("server.attempts"), folder.load().site.name]).toEqual([9, "user"]);
  });

  test("does not count when others can write it or its folder, or when it is somebody else's", () => {
    using folder = temporaryFolder();
    const path = folder.write(localFile, "[server]\nattempts = 9\n");
    const told = (): readonly unknown[] => {
      const config = folder.load();
      return [config.integer("server.attempts"), ...config.warnings.map((text) => text.replaceAll(folder.path, ""))];
    };
    const text = "The settings in /work/.hypershell/config.toml do not count:";
    chmodSync(path, 0o664);
    expect(told()[0]).toBe(1);
    expect(told()[1]).toStartWith(`${text} others may write /work/.hypershell/config.toml - look`);
    chmodSync(path, 0o644);
    chmodSync(folder.at("work/.hypershell"), 0o777);
    expect(told()[0]).toBe(1);
    expect(told().length).toBe(2);
    chmodSync(folder.at("work/.hypershell"), 0o755);
    if (isRoot) {
      chownSync(path, 12_345, 12_345);
      expect(told()[1]).toStartWith(`${text} /work/.hypershell/config.toml belongs to somebody else (user 12345`);
      // What is named by hand was chosen.
      expect(folder.load({ HYPERSHELL_CONFIG_FILE: path }).integer("server.attempts")).toBe(9);
    }
    rmSync(path);
    expect(told()).toEqual([1]);
  });
});
