/* A host made of texts, for tests of what a client finds on its own. */
import type { Host } from "../../../src/client/host.ts";

interface Tree {
  readonly platform?: NodeJS.Platform;
  readonly env?: Readonly<Record<string, string>>;
  /** Texts by path. A folder is there when something is in it. */
  readonly files?: Readonly<Record<string, string>>;
  readonly links?: Readonly<Record<string, string>>;
  /** What is there and may not be used. */
  readonly withheld?: readonly string[];
  /** What programs print, by their words. */
  readonly answers?: Readonly<Record<string, string>>;
}

/** A host with 64 processors and 256 GB, unless its files say something else. */
export function fakeHost({
  platform = "linux",
  env = {},
  files = {},
  links = {},
  withheld = [],
  answers = {},
}: Tree): Host {
  return {
    platform,
    env,
    cpus: () => 64,
    memory: () => 256 * 2 ** 30,
    read: (path) => files[path] ?? null,
    list: (path) => {
      const below = Object.keys(files).filter((each) => each.startsWith(`${path}/`));
      return [...new Set(below.map((each) => each.slice(path.length + 1).split("/", 1)[0]!))];
    },
    link: (path) => links[path] ?? null,
    mayUse: (path) => Object.hasOwn(files, path) && !withheld.includes(path),
    ask: (words) => answers[words.join(" ")] ?? null,
  };
}
