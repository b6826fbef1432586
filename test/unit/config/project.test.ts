import { describe, expect, test } from "bun:test";
import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, rmSync, statSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { findProject, makeProject } from "../../../src/config/project.ts";
import { findSites } from "../../../src/config/site.ts";
import { type Folder, localFile, refusalOf, temporaryFolder, userFile } from "./folder.ts";

const isRoot = process.getuid?.() === 0;
/** Sets a mode, with a group that has others in it. Only root can choose one; a user's own may have nobody else. */
function forOthers(path: string, mode: number): void {
  if (isRoot) chownSync(path, 0, 12_345);
  chmodSync(path, isRoot || (mode & 0o020) === 0 ? mode : mode | 0o002);
}
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
      forOthers(path, mode);
      const { project, refused } = findProject(inner);
      expect([project, refused?.folder]).toEqual([outer, inner]);
      expect(refused?.text).toStartWith(`The project in ${inner} does not count: others may write ${path} (mode 0`);
      expect(refused?.text).toEndWith(`) - look at what is in it, then say: chmod go-w ${path}`);
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
      const { project, refused } = findProject(top);
      expect([project, refused?.folder]).toEqual([null, top]);
      expect(refused?.text).toContain(`${top}/${name} belongs to user 12345, and you are root - `);
      chownSync(`${top}/${name}`, 0, 0);
    }
    makeProject(folder.at("mine"));
    mkdirSync(folder.at("q"));
    symlinkSync(folder.at("mine/.hypershell"), folder.at("q/.hypershell"));
    expect(findProject(folder.at("q")).project).toBe(folder.at("q"));
    lchownSync(folder.at("q/.hypershell"), 12_345, 12_345);
    const { project, refused } = findProject(folder.at("q"));
    expect([project, refused?.folder]).toEqual([null, folder.at("q")]);
    expect(refused?.text).toContain("user 12345");
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
    forOthers(folder.at("work/.hypershell"), 0o770);
    folder.write(localFile, "[server]\nattempts = 9\n");
    const config = folder.load();
    expect(config.site.lib).toBe(folder.at("home/.hypershell/lib"));
    expect(config.integer("server.attempts")).toBe(1);
    expect(config.warnings[0]).toStartWith(`The project in ${folder.at("work")} does not count: others may write `);
    expect(config.notices).toEqual([]);
  });
});

/** Settings that can be told by their number of attempts. */
const nine = "[server]\nattempts = 9\n";

describe("a configuration file", () => {
  /** The number in force, and what the log says. */
  const told = (folder: Folder, env: Record<string, string> = {}): readonly unknown[] => {
    const config = folder.load(env);
    return [config.integer("server.attempts"), ...config.warnings.map((text) => text.replaceAll(folder.path, ""))];
  };

  test("counts without a project too, if it is ours", () => {
    using folder = temporaryFolder();
    folder.write(localFile, nine);
    expect([folder.load().integer("server.attempts"), folder.load().site.name]).toEqual([9, "user"]);
  });

  test("does not count when others can write it, its folder, or the folder around that, whichever it is", () => {
    using folder = temporaryFolder();
    mkdirSync(folder.at("work"));
    for (const [file, env] of [
      [localFile, {}],
      [userFile, {}],
      ["site/config.toml", { HYPERSHELL_SITE: folder.at("site") }],
      ["etc/x.toml", { HYPERSHELL_CONFIG_FILE: folder.at("etc/x.toml") }],
    ] as const) {
      const path = folder.write(file, nine);
      expect(told(folder, env)).toEqual([9]);
      for (const [open, mode, usual] of [
        [path, 0o664, 0o644],
        [dirname(path), 0o777, 0o755],
        [dirname(dirname(path)), 0o777, 0o755],
      ] as const) {
        forOthers(open, mode);
        const [attempts, warning, ...others] = told(folder, env);
        expect([attempts, others]).toEqual([1, []]);
        const what = open.replace(folder.path, "");
        expect(warning).toStartWith(`The settings in /${file} do not count: others may write ${what} (mode 0`);
        expect(warning).toInclude(`) - look at what is in it, then say: chmod go-w ${what}`);
        if (open !== path) {
          // As /tmp: nobody else can rename what is in it.
          chmodSync(open, 0o1777);
          expect(told(folder, env)).toEqual([9]);
        }
        chmodSync(open, usual);
      }
      rmSync(path);
      forOthers(dirname(path), 0o777);
      // Of a site that is used something else is said: whoever puts a database there has its tasks run.
      const [attempts, ...lines] = told(folder, env);
      expect(attempts).toBe(1);
      for (const line of lines) expect(line).toStartWith(`Others may write ${dirname(path).replace(folder.path, "")}`);
      chmodSync(dirname(path), 0o755);
    }
  });

  test.skipIf(!isRoot)("of somebody else does not count, nor one in a folder or behind a link of somebody else", () => {
    using folder = temporaryFolder();
    const path = folder.write(localFile, nine);
    const text = "The settings in /work/.hypershell/config.toml do not count: /work";
    for (const [what, remedy] of [
      ["/.hypershell/config.toml", "look at what is in it, then copy it, or say as root: chown root"],
      ["/.hypershell", "use a folder of your own"],
      ["", "use a folder of your own"],
    ] as const) {
      const theirs = folder.at(`work${what}`);
      chownSync(theirs, 12_345, 12_345);
      expect(told(folder)[1]).toStartWith(`${text}${what} belongs to user 12345, and you are root - ${remedy}`);
      expect(told(folder, { HYPERSHELL_CONFIG_FILE: path })[0]).toBe(1);
      chownSync(theirs, 0, 0);
    }
    expect(told(folder)).toEqual([9]);
    const real = folder.write("elsewhere/hs.toml", nine);
    rmSync(path);
    symlinkSync("../../link/hs.toml", path);
    symlinkSync("elsewhere", folder.at("link"));
    expect(told(folder)).toEqual([9]);
    lchownSync(folder.at("link"), 12_345, 12_345);
    expect(told(folder)[1]).toStartWith(`The settings in /work/.hypershell/config.toml do not count: /link belongs to`);
    lchownSync(folder.at("link"), 0, 0);
    chmodSync(dirname(real), 0o777);
    expect(told(folder)[1]).toInclude("do not count: others may write /elsewhere (mode 0777) - ");
  });

  test("with a secret in it is told of if others can read it", () => {
    using folder = temporaryFolder();
    for (const [text, mode, isTold] of [
      ["[server]\nattempts = 1\nauth = 'k'\n", 0o644, true],
      ["[server]\nattempts = 1\nauth = 'k'\n", 0o640, isRoot],
      ["[server]\nattempts = 1\nauth = 'k'\n", 0o600, false],
      ["[server]\nattempts = 1\nauth_eval = 'echo k'\n", 0o644, false],
      ["[server]\nattempts = 1\n[database]\nurl = 'postgresql://u:p@h/d'\n", 0o644, true],
    ] as const) {
      const path = folder.write(userFile, text);
      forOthers(path, mode);
      const warning = `Others can read the key or password in /${userFile} (mode 0${mode.toString(8)}): chmod 600`;
      expect(told(folder)).toEqual([1, ...(isTold ? [`${warning} /${userFile}`] : [])]);
    }
  });

  test("may be a device", () => {
    using folder = temporaryFolder();
    expect(told(folder, { HYPERSHELL_CONFIG_FILE: "/dev/null" })).toEqual([1]);
  });
});
