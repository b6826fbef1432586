/*
 * What goes into an executable, checked against package-lock.json and told. For scripts/build.
 *
 *   contents.ts check FILE PACKAGE [LOCK]   the file is that package, byte for byte as the lock has it
 *   contents.ts tell FOLDER BUN [LOCK]      the Bun at that path, and the packages that the source maps in the folder
 *                                           name: names, versions, and hashes of the lock
 *
 * Ends with status 1, and what to do, where something is not as the lock says.
 */
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";

const root = resolve(import.meta.dir, "..");

interface Locked {
  readonly version?: string;
  readonly integrity?: string;
}

type Packages = Readonly<Record<string, Locked>>;

function refuse(text: string): never {
  console.error(`scripts/build: ${text}`);
  process.exit(1);
}

/** The version and the hash of what is in a place below the root. Refuses a lock that does not have both. */
function lockedOf(packages: Packages, place: string): Required<Locked> {
  const { version, integrity } = packages[place] ?? {};
  if (version !== undefined && integrity?.startsWith("sha512-") === true) return { version, integrity };
  refuse(`package-lock.json has no sha512 of ${place} - take one that has (npm install --package-lock-only)`);
}

function check(file: string, name: string, packages: Packages): void {
  const { version, integrity } = lockedOf(packages, `node_modules/${name}`);
  const found = `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;
  if (found === integrity) return;
  refuse(
    `${file} is not ${name} ${version}: its hash is ${found}, and package-lock.json has ${integrity} - ` +
      "remove it, and find out whose registry or cache npm asked (npm config get registry)",
  );
}

/** Where the packages are that source maps name, below the root: `node_modules/NAME`, or deeper, in order. */
function bundledIn(folder: string): readonly string[] {
  const places = new Set<string>();
  for (const map of readdirSync(folder).filter((each) => each.endsWith(".map"))) {
    const { sources } = JSON.parse(readFileSync(join(folder, map), "utf8")) as { readonly sources: readonly string[] };
    for (const source of sources) {
      const place = /(?:^|\/)(node_modules\/(?:.*\/node_modules\/)?(?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1];
      if (place !== undefined) places.add(place);
    }
  }
  return [...places].toSorted();
}

/** Whether what is installed is of the version in the lock. What it holds was checked by npm as it came. */
function expectInstalled(place: string, version: string): void {
  const { version: found } = JSON.parse(readFileSync(join(root, place, "package.json"), "utf8")) as Locked;
  if (found !== version)
    refuse(`${place} is ${found}, and package-lock.json has ${version} - install what it says (npm ci)`);
}

function tell(folder: string, bun: string, packages: Packages): void {
  const places = bundledIn(folder);
  if (places.length === 0) refuse(`no source map in ${folder} names a package, so nobody knows what went in`);
  const { version } = lockedOf(packages, "node_modules/bun");
  console.log(`went in: bun ${version} sha256-${createHash("sha256").update(readFileSync(bun)).digest("hex")}`);
  for (const place of places) {
    const locked = lockedOf(packages, place);
    expectInstalled(place, locked.version);
    console.log(`went in: ${place.replace(/^node_modules\//, "")} ${locked.version} ${locked.integrity}`);
  }
}

const [verb, first = "", second = "", path = join(root, "package-lock.json")] = process.argv.slice(2);
const { packages } = JSON.parse(readFileSync(path, "utf8")) as { readonly packages: Packages };
if (verb === "check") check(first, second, packages);
else if (verb === "tell") tell(first, second, packages);
else refuse(`contents.ts knows check and tell, not '${String(verb)}'`);
