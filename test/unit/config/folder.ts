/* A temporary folder that goes when its test ends, and what a test of the configuration needs around it. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/load.ts";
import type { Host } from "../../../src/config/site.ts";

export interface Folder extends Disposable {
  readonly path: string;
  /** Path of something in the folder. */
  at(name: string): string;
  /** Writes a file, with its folders; the path. */
  write(name: string, text: string): string;
  /** The configuration of a user whose home is `home` here, working in `work` here. */
  load(env?: Record<string, string>): Config;
  readonly host: Host;
}

export const userFile = "home/.hypershell/config.toml";
export const localFile = "work/.hypershell/config.toml";

export function temporaryFolder(): Folder {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "hs-config-")));
  const at = (name: string): string => join(path, name);
  const host = { platform: "linux", isRoot: false, home: at("home") };
  return {
    path,
    at,
    host,
    write: (name, text) => {
      mkdirSync(dirname(at(name)), { recursive: true });
      writeFileSync(at(name), text);
      return at(name);
    },
    load: (env = {}) => {
      mkdirSync(at("work"), { recursive: true });
      return loadConfig({ HOME: at("home"), PATH: process.env["PATH"] ?? "", ...env }, at("work"), host);
    },
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  };
}

/** The message of the error that is thrown, with its status and logger: `3 core.config ...`. */
export function refusalOf(act: () => unknown): string {
  try {
    act();
  } catch (thrown) {
    const { status, logger, message } = thrown as { status?: number; logger?: string; message: string };
    return `${status} ${logger} ${message}`;
  }
  return "nothing was thrown";
}
