import { describe, expect, test } from "bun:test";
import { edition, manualFiles } from "../../../scripts/manuals.ts";
import { shownSections } from "../../../src/args/help.ts";
import { commandOf, isShown, root, subCommandsOf } from "../../../src/cli/verbs.ts";
import type { CommandSpec } from "../../../src/args/spec.ts";
import { settings } from "../../../src/config/schema.ts";
import type { CommandDef } from "citty";

const files = await manualFiles();

async function specsBelow(above: CommandDef): Promise<readonly CommandSpec[]> {
  const inner = Object.values(subCommandsOf(above) ?? {}).filter(isShown);
  const found = await Promise.all(
    inner.map(async (each) => [(await commandOf(each))!.spec, ...(await specsBelow(each))]),
  );
  return found.flat();
}

const specs = await specsBelow(root);
const pageOf = (name: string): string => files.get(`man/${name.replaceAll(" ", "-")}.1`) ?? "";

/** A page without the marks of roff. */
const bare = (page: string): string => page.replace(/\\f[BIR]/g, "").replaceAll("\\-", "-");

test("every command has a page, and so have hs, hsx and the formats", () => {
  const wanted = [...specs.map(({ name }) => `man/${name.replaceAll(" ", "-")}.1`), "man/hs.1", "man/hsx.1"];
  const formats = ["man/hypershell-config.5", "man/hypershell-taskfile.5", "man/hypershell-templates.7"];
  const pages = [...files.keys()].filter((path) => path.startsWith("man/"));
  expect(pages.toSorted()).toEqual([...wanted, ...formats].toSorted());
  expect(specs.length).toBeGreaterThan(18);
});

describe.each(specs.map((spec) => [spec.name, spec] as const))("the page of %s", (name, spec) => {
  const page = pageOf(name);

  test("has the options of the help, and no others", () => {
    const options = shownSections(spec).flatMap((section) => section.options);
    const [, within = ""] = /^\.SH "OPTIONS"\n([^]*?)(?=^\.SH )/m.exec(page) ?? [];
    const terms = [...within.matchAll(/^\.(?:TP|PP)\n(.*)$/gm)].map(([, term = ""]) => bare(term));
    expect(terms.map((term) => term.match(/(?<=^|[ ,])--?[\w-]+/g) ?? []).map((each) => each.toSorted())).toEqual(
      options.map((option) => option.names.toSorted()),
    );
  });

  test("has the sections of a manual page in their order", () => {
    const titles = [...page.matchAll(/^\.SH "?(.*?)"?$/gm)].map(([, title]) => title ?? "");
    const usual = ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "ENVIRONMENT", "FILES", "SEE ALSO"];
    expect(titles.filter((title) => usual.includes(title))).toEqual(usual);
  });
});

test("hypershell-config(5) has every setting with its variable", () => {
  const page = bare(files.get("man/hypershell-config.5") ?? "");
  const missing = settings.filter(({ key }) => !page.includes(`\n${key} (`));
  expect(missing.map(({ key }) => key)).toEqual([]);
  expect(page).toContain("HYPERSHELL_SERVER_TLS_MIN_VERSION");
});

test("pages are plain ASCII, and every line that begins with a dot is a request", () => {
  for (const [path, text] of files) {
    if (!path.startsWith("man/")) continue;
    // oxlint-disable-next-line no-control-regex -- it is about these
    expect(text).not.toMatch(/[^\n\x20-\x7e]/);
    const requests = new Set([...text.matchAll(/^\.(\S*)/gm)].map(([, request]) => request));
    const known = ["TH", "SH", "SS", "PP", "TP", "RS", "RE", "EX", "EE", "SY", "YS", "nh", "ad"];
    expect([...requests].filter((each) => !known.includes(each ?? ""))).toEqual([]);
  }
});

test("the date of a page is that of the version in the changelog", () => {
  const { version, date } = edition("# Changelog\n");
  expect(edition(`## ${version} (2027-02-03)\n`)).toEqual({ version, date: "2027-02-03" });
  expect(date).toMatch(/^2\d{3}-\d\d-\d\d$/);
});
