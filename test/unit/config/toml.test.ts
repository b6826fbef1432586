import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { parseToml, writeToml, writeValue } from "../../../src/config/toml.ts";
import { hidden, hideSecrets } from "../../../src/config/secret.ts";
import type { Table, Value } from "../../../src/config/value.ts";

describe("TOML that is written", () => {
  test("has the head it was asked for, plain values first, no blank line at the end", () => {
    const table: Table = { sub: { x: 1 }, a: "b", list: ["x", 1, true], none: null };
    expect(writeToml(table, ["server", "tls"])).toBe(
      '[server.tls]\na = "b"\nlist = ["x", 1, true]\n\n[server.tls.sub]\nx = 1\n',
    );
  });
  test("has no head for a table of tables, but one for an empty table", () => {
    expect(writeToml({ a: { b: { c: {} } } }, [])).toBe("[a.b.c]\n");
  });
  test("knows the numbers that JSON does not", () => {
    expect([Infinity, -Infinity, NaN, 1e300, 0.5].map(writeValue)).toEqual(["inf", "-inf", "nan", "1e+300", "0.5"]);
  });
  test("says the same when it is read again", () => {
    const leaf = fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.double({ noNaN: true }), fc.boolean());
    const { tree } = fc.letrec<{ tree: Value; table: Table }>((tie) => ({
      tree: fc.oneof({ depthSize: "small" }, leaf, fc.array(tie("tree"), { maxLength: 3 }), tie("table")),
      table: fc.dictionary(fc.string({ unit: "grapheme" }), tie("tree"), { maxKeys: 4 }),
    }));
    fc.assert(
      fc.property(fc.dictionary(fc.string(), tree, { maxKeys: 4 }), (table) => {
        const read = parseToml(writeToml(table, []), "");
        expect(JSON.stringify(read)).toBe(JSON.stringify(reordered(table as Table)));
      }),
      { numRuns: 200 },
    );
  });
});

/** Plain values come before tables, everywhere but inside a list. */
function reordered(value: Value): Value {
  if (typeof value !== "object" || value === null || Array.isArray(value) || value instanceof Date) return value;
  const isTable = (each: Value): boolean => typeof each === "object" && !Array.isArray(each);
  const entries = Object.entries(value as Table);
  const sorted = [...entries.filter(([, each]) => !isTable(each)), ...entries.filter(([, each]) => isTable(each))];
  const result: Table = Object.create(null) as Table;
  for (const [key, each] of sorted) result[key] = reordered(each);
  return result;
}

describe("secrets", () => {
  test.each<[string, Value, Value]>([
    ["server.auth", "opensesame", hidden],
    ["server.auth", "<not-secure>", "<not-secure>"],
    ["server.auth", null, null],
    ["server.auth_env", "HS_KEY", "HS_KEY"],
    ["server.auth_eval", "pass hs", "pass hs"],
    ["server.tls.key", "/key.pem", "/key.pem"],
    ["database.password", "x", hidden],
    ["database.sslpassword", "x", hidden],
    ["database.connect_args.password", "x", hidden],
    ["database.url", "postgresql+psycopg://u:p@h/d", `postgresql+psycopg://u:${hidden}@h/d`],
    ["database.url", "postgresql://u:p@ss@h/d?password=x&a=b", `postgresql://u:${hidden}@h/d?password=${hidden}&a=b`],
    ["database.url", "sqlite:///x:y.db", "sqlite:///x:y.db"],
    ["database.user", "x", "x"],
    ["export.api_token", "x", "x"],
  ])("%s = %j is shown as %j", (key, value, shown) => {
    expect(hideSecrets(key, value)).toEqual(shown);
  });
  test("are hidden wherever they stand in a tree", () => {
    expect(hideSecrets("", { server: { auth: "x", port: 1 } })).toEqual({ server: { auth: hidden, port: 1 } });
  });
});
