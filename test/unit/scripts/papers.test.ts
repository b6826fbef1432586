/* What a release says of its contents is what scripts/build said went in. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { billOfMaterials, licencesInside, readContents } from "../../../scripts/executable/papers.ts";

const root = mkdtempSync(join(tmpdir(), "hs-papers-"));
afterAll(() => rmSync(root, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(join(root, path, ".."), { recursive: true });
  writeFileSync(join(root, path), text);
}

write("node_modules/@a/b/package.json", JSON.stringify({ license: "MIT" }));
write("node_modules/@a/b/LICENSE", "Copyright A\n");
write("node_modules/c/package.json", JSON.stringify({ license: "Unlicense" }));
write("node_modules/c/node_modules/d/package.json", JSON.stringify({ license: "MIT" }));
write("node_modules/c/node_modules/d/LICENCE.txt", "Copyright A\n");
write("node_modules/e/package.json", "{}");
for (const name of ["bun.md", "LGPL-2.0.txt", "LGPL-2.1.txt"])
  write(`scripts/executable/licences/${name}`, `text of ${name}, WEBKIT\n`);

const said = [
  "went in: bun 1.2.3 sha256-00ff",
  "went in: @a/b 1.0.0 sha512-AAE=",
  "went in: c 2.0.0 sha512-AgM=",
  "went in: c/node_modules/d 3.0.0 sha512-BAU=",
  "",
].join("\n");
const release = { root, version: "9.8.7", target: "linux-arm64-musl", time: 0, versions: { webkit: "c0ffee" } };

interface Component {
  readonly name: string;
  readonly version?: string;
  readonly purl?: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses: readonly unknown[];
  readonly components?: readonly Component[];
}

test("the bill of materials has Bun, its parts and each package, with versions, hashes and licences", () => {
  const bill = JSON.parse(billOfMaterials(release, readContents(said), Buffer.from("program"))) as {
    readonly bomFormat: string;
    readonly metadata: { readonly timestamp: string; readonly component: Component };
    readonly components: readonly Component[];
    readonly dependencies: readonly { readonly dependsOn: readonly string[] }[];
  };
  expect(bill.bomFormat).toBe("CycloneDX");
  expect(bill.metadata.timestamp).toBe("1970-01-01T00:00:00.000Z");
  const sum = new Bun.CryptoHasher("sha256").update("program").digest("hex");
  expect(bill.metadata.component).toMatchObject({ name: "hs", version: "9.8.7", hashes: [{ content: sum }] });
  const [bun, ...packages] = bill.components;
  expect(bun).toMatchObject({
    version: "1.2.3",
    purl: "pkg:npm/%40oven/bun-linux-aarch64-musl@1.2.3",
    hashes: [{ alg: "SHA-256", content: "00ff" }],
  });
  expect(bun?.components?.find(({ name }) => name.startsWith("JavaScriptCore"))?.version).toBe("c0ffee");
  expect(packages).toMatchObject([
    { name: "@a/b", purl: "pkg:npm/%40a/b@1.0.0", hashes: [{ alg: "SHA-512", content: "0001" }] },
    { name: "c", licenses: [{ expression: "Unlicense" }] },
    { name: "d", version: "3.0.0", licenses: [{ expression: "MIT" }] },
  ]);
  expect(bill.dependencies[0]?.dependsOn).toHaveLength(4);
});

test("the page of licences has each package, each text once, and says where there is none", () => {
  const page = licencesInside(release, readContents(said));
  expect(page).toContain("| @a/b | 1.0.0 | MIT |\n| c | 2.0.0 | Unlicense |\n| d | 3.0.0 | MIT |");
  expect(page).toContain("## @a/b 1.0.0, d 3.0.0\n\nCopyright A\n");
  expect(page).toContain("## c 2.0.0\n\nIt brings no text; its licence: Unlicense.\n");
  expect(page).toContain("text of bun.md, c0ffee");
  expect(page).toContain("## GNU Library General Public License, version 2\n\ntext of LGPL-2.0.txt");
});

test("what nobody knows is not published", () => {
  expect(() => readContents("built\n")).toThrow("is expected to say what went in, and said: built");
  expect(() => readContents("went in: c 2.0.0 sha512-AgM=\n")).toThrow("which Bun went in");
  const nameless = readContents("went in: bun 1.2.3 sha256-00ff\nwent in: e 1.0.0 sha512-AAE=\n");
  expect(() => licencesInside(release, nameless)).toThrow("node_modules/e/package.json names no licence");
});
